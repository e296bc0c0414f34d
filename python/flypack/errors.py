"""One exception for each kind of error; its values are its attributes.

    try:
        producer.open(index)
    except flypack.NotMonotone as error:
        print(error.index, error.last)
"""

__all__ = ["FlypackError"]

# By the number that flypack.h gives.
BY_STATUS = {}


class FlypackError(Exception):
    """Any error of this library. `values` holds what its text speaks of, by name; each is an attribute too."""

    status = None

    def __init__(self, text, values=None):
        super().__init__(text)
        self.values = dict(values or {})
        for name, value in self.values.items():
            setattr(self, name, value)


def _kind(status, name, doc, *bases):
    kind = type(name, bases or (FlypackError,), {"__doc__": doc, "__module__": "flypack", "status": status})
    BY_STATUS[status] = kind
    __all__.append(name)
    return kind


Invalid = _kind(
    1,
    "Invalid",
    "A value that cannot be: the text says which argument. Values: index, of a lease that is foreign.",
    FlypackError,
    ValueError,
)
Busy = _kind(2, "Busy", "Another thread is using this producer or consumer.")
Panic = _kind(3, "Panic", "A bug in the library. Close the handle.")
SystemRefused = _kind(
    4, "SystemRefused", "The kernel gave no thread, descriptor or mapping. Values: errno.", FlypackError, OSError
)

CannotConnect = _kind(
    10, "CannotConnect", "Nobody listens at the path. Values: errno.", FlypackError, ConnectionError
)
Closed = _kind(
    11,
    "Closed",
    "The gateway closed the connection, or it failed: ask again when it is back. Values: errno, if there is one.",
    FlypackError,
    ConnectionError,
)
Silent = _kind(12, "Silent", "The gateway does not answer. Values: waited_ms.")
VersionMismatch = _kind(13, "VersionMismatch", "No version in common. Values: min, max or theirs, ours.")
NotAllowed = _kind(
    14, "NotAllowed", "This user may not. Values: uid; right and flow, where it is one flow.", FlypackError, PermissionError
)
NoSuchFlow = _kind(15, "NoSuchFlow", "There is no such flow. Values: flow.")
NameTaken = _kind(16, "NameTaken", "A flow of this name exists already. Values: flow.")
WrongFormat = _kind(17, "WrongFormat", "The flow has another format. Values: expected, found (texts).")
LimitReached = _kind(
    18,
    "LimitReached",
    "A limit, which the text names. Values: limit (what would work), and what was asked for: k, slots, octets or "
    "open_max; beside them min, needed and uid, where they matter.",
)
NoMemory = _kind(19, "NoMemory", "No memory for the ring. Values: octets; errno or left.", FlypackError, MemoryError)
Refused = _kind(20, "Refused", "The gateway says no for the reason that the text gives. Values: waited_ms or errno.")
Disorder = _kind(21, "Disorder", "What the gateway sent is no message, or no ring that is safe to map.")
Live = _kind(22, "Live", "The flow is live: it takes no blocking consumers.")

NotMonotone = _kind(30, "NotMonotone", "The index is not above the last one. Values: index, last.")
TooFarAhead = _kind(31, "TooFarAhead", "The index is of a time far ahead. Values: index, now, limit.")
IndexLimit = _kind(32, "IndexLimit", "Beyond what a ring can number. Values: index.")
NoSlot = _kind(33, "NoSlot", "Every slot is held: this grain is lost. Values: slots, held.")
TooManyOpen = _kind(34, "TooManyOpen", "As many grains are open as may be. Values: limit.")
NotOpen = _kind(35, "NotOpen", "The grain has ended. Values: index, or grain (the number that the library had for it).")
Published = _kind(36, "Published", "The lines are published already. Values: offset, published_octets.")
OutOfRange = _kind(
    37,
    "OutOfRange",
    "Beyond the grain, or a buffer too small. Values: end and slices of lines, end and grain_octets of octets, octets and "
    "room of a buffer.",
    FlypackError,
    IndexError,
)
Held = _kind(38, "Held", "A blocking consumer holds the slot: try again. Values: consumer.")
GrainOpen = _kind(39, "GrainOpen", "The flow goes over to another ring between two grains. Values: index.")

TimedOut = _kind(
    50, "TimedOut", "The time is over. Values: index, slices, reached.", FlypackError, TimeoutError
)
NotYet = _kind(51, "NotYet", "Not there yet. Values: index; newest, or wanted and slices.")
Gone = _kind(52, "Gone", "Overwritten, never opened, or passed. Values: index, oldest.")
Torn = _kind(53, "Torn", "Overwritten while it was copied. Values: index.")
Evicted = _kind(54, "Evicted", "The consumer was too slow: Consumer.rejoin. Values: end.")
TooManyLeases = _kind(55, "TooManyLeases", "As many grains are in use as the class allows. Values: k.")
CopyOnly = _kind(56, "CopyOnly", "These bytes may change while they are looked at: they are only ever copied.")
ProducerGone = _kind(57, "ProducerGone", "Nothing more will come. Values: index.")
EpochEnded = _kind(58, "EpochEnded", "The flow goes on in another ring: Consumer.rejoin. Values: end, successor (a text).")
Cancelled = _kind(59, "Cancelled", "The producer gave the grain up. Values: index, slices.")
