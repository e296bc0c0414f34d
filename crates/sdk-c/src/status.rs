//! The numbers of success and failure.

/// What a call came to. The numbers are stable: a new kind of error gets a new number.
#[allow(non_camel_case_types, reason = "they are the names that C has")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Status {
    /// It worked.
    FLYPACK_OK = 0,
    /// A null pointer, or a value that cannot be: the text says which argument. Values: index, of a lease that is
    /// foreign.
    FLYPACK_E_INVALID = 1,
    /// Another thread is using this producer or consumer.
    FLYPACK_E_BUSY = 2,
    /// A bug in this library; the text has its words. Close the handle.
    FLYPACK_E_PANIC = 3,
    /// The kernel gave no thread, descriptor or mapping. Values: errno, where it is known.
    FLYPACK_E_SYSTEM = 4,

    /// Nobody listens at the path, or it may not be used. Values: errno.
    FLYPACK_E_CONNECT = 10,
    /// The gateway closed the connection, or it failed: ask again when the gateway is back, the session connects anew.
    /// Values: errno, where it is known.
    FLYPACK_E_CLOSED = 11,
    /// The gateway does not answer. Values: waited_ms.
    FLYPACK_E_SILENT = 12,
    /// Library and gateway have no version of the protocol or of the rings in common. Values: min, max or theirs,
    /// ours, where they are known.
    FLYPACK_E_VERSION = 13,
    /// This user may not use the gateway, or the flow. Values: uid; right and flow (texts), where it is one flow.
    FLYPACK_E_NOT_ALLOWED = 14,
    /// There is no such flow, or it ended meanwhile. Values: flow (a text).
    FLYPACK_E_NO_SUCH_FLOW = 15,
    /// A flow of this name exists already, or the gateway keeps the name for one that may come back. Values: flow (a
    /// text).
    FLYPACK_E_NAME_TAKEN = 16,
    /// The flow has another format than the one that was expected. Values: expected, found (texts).
    FLYPACK_E_FORMAT = 17,
    /// A limit of the gateway or of the ring, which the text names. Values: limit (what would work), and what was asked
    /// for: k, slots, octets or open_max; beside them min, needed and uid, where they matter.
    FLYPACK_E_LIMIT = 18,
    /// There is no memory for the ring. Values: octets; errno or left.
    FLYPACK_E_NO_MEMORY = 19,
    /// The gateway says no for another reason, which the text gives. Values: waited_ms or errno, where there is one.
    FLYPACK_E_REFUSED = 20,
    /// What the gateway sent is no message, or no ring that is safe to map.
    FLYPACK_E_DISORDER = 21,
    /// The flow is live: it takes no blocking consumers.
    FLYPACK_E_LIVE = 22,

    /// The index is not above the last one. Values: index, last.
    FLYPACK_E_NOT_MONOTONE = 30,
    /// The index belongs to a time that is far ahead. Values: index, now, limit.
    FLYPACK_E_TOO_FAR_AHEAD = 31,
    /// The index is beyond what a ring can number. Values: index.
    FLYPACK_E_INDEX_LIMIT = 32,
    /// Every slot is held: this grain is lost, the next one may be opened. Values: slots, held.
    FLYPACK_E_NO_SLOT = 33,
    /// As many grains are open as may be. Values: limit.
    FLYPACK_E_TOO_MANY_OPEN = 34,
    /// The grain is not open (any more). Values: index, where it is known; else grain, the number that was given.
    FLYPACK_E_NOT_OPEN = 35,
    /// The lines are published already: readers may be looking at them. Values: offset, published_octets.
    FLYPACK_E_PUBLISHED = 36,
    /// Lines or octets beyond the grain, or a buffer too small for them. Values: end and slices of lines, end and
    /// grain_octets of octets, octets and room of a buffer.
    FLYPACK_E_RANGE = 37,
    /// A blocking consumer holds the slot that is needed. Nothing is lost: try again. Values: consumer.
    FLYPACK_E_HELD = 38,
    /// A grain is open: the flow goes over to another ring between two grains. Values: index.
    FLYPACK_E_GRAIN_OPEN = 39,

    /// The time is over. Values: index, slices, reached.
    FLYPACK_E_TIMED_OUT = 50,
    /// The grain is not opened yet, or its lines are not published yet. Values: index; newest, or wanted and slices.
    FLYPACK_E_NOT_YET = 51,
    /// The grain was overwritten, never opened, or passed already. Values: index; oldest, where it is known.
    FLYPACK_E_GONE = 52,
    /// The grain was overwritten while it was copied: what was copied is of no use. Values: index.
    FLYPACK_E_TORN = 53,
    /// The consumer was too slow and has lost its place: release its leases, then flypack_consumer_rejoin.
    /// Values: end.
    FLYPACK_E_EVICTED = 54,
    /// As many grains are leased as the consumer's class allows. Values: k.
    FLYPACK_E_TOO_MANY_LEASES = 55,
    /// These bytes may change while they are looked at: use flypack_lease_copy.
    FLYPACK_E_COPY_ONLY = 56,
    /// The producer is gone; nothing more will come. Values: index.
    FLYPACK_E_PRODUCER_GONE = 57,
    /// The flow goes on in another ring, perhaps with another format: flypack_consumer_rejoin. Values: end, from where
    /// on nothing is in this one; successor (a text), where it is known.
    FLYPACK_E_EPOCH_ENDED = 58,
    /// The producer gave the grain up: these lines never come. Values: index, slices.
    FLYPACK_E_CANCELLED = 59,
}
