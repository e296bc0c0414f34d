/*
 * Flypack's SDK for C: read and produce flows of pictures, sound and ancillary data without copying them.
 * docs/sdk.md shows how, and lists every error. This file is made by cbindgen from crates/sdk-c.
 *
 * Every function that can fail gives back a flypack_status: FLYPACK_OK, or what went wrong, about which
 * flypack_last_error_text and flypack_last_error_value tell more on the same thread. Out parameters are written
 * on success only, where nothing else is said.
 *
 * Handles are opaque and end with their close or release function, which takes null too. A session and a lease may
 * be used by several threads at once. A producer and a consumer are used by one thread at a time: a second one gets
 * FLYPACK_E_BUSY. None of them survives fork() in the child; none may be used in a signal handler.
 *
 * Structs of options begin with their size and may grow: say sizeof, so that newer libraries know what is there. All
 * other structs stay as they are; what they lack comes in a struct of another name.
 *
 * Instants are TAI, in nanoseconds since 1970-01-01T00:00:00 TAI.
 */

#ifndef FLYPACK_H
#define FLYPACK_H



#include <stddef.h>
#include <stdint.h>

/**
 * `slices` of flypack_consumer_wait: until the grain has ended, committed or given up.
 */
#define FLYPACK_END 65535

/**
 * `kind`: pictures; `video` counts.
 */
#define FLYPACK_VIDEO 1

/**
 * `kind`: blocks of sound; `audio` counts.
 */
#define FLYPACK_AUDIO 2

/**
 * `kind`: the ancillary data of pictures; `ancillary` counts.
 */
#define FLYPACK_ANCILLARY 3

/**
 * `sampling`: Y'CbCr 4:2:2, samples in the order Cb Y0 Cr Y1.
 */
#define FLYPACK_YCBCR_422 1

/**
 * `depth`: 16-bit two's complement, big-endian.
 */
#define FLYPACK_L16 1

/**
 * `depth`: 24-bit two's complement, big-endian.
 */
#define FLYPACK_L24 2

/**
 * `depth`: 32-bit IEEE 754, little-endian.
 */
#define FLYPACK_F32 3

/**
 * `consumer_class`: as FLYPACK_LEASED.
 */
#define FLYPACK_CLASS_DEFAULT 0

/**
 * `consumer_class`: grains are held for the consumer while it keeps up.
 */
#define FLYPACK_LEASED 1

/**
 * `consumer_class`: nothing is held; a copy may turn out torn.
 */
#define FLYPACK_LOSSY 2

/**
 * `consumer_class`: grains are held, and the writer waits for the consumer. Where the producer allows it.
 */
#define FLYPACK_BLOCKING 3

/**
 * `start`: at the next grain that is opened.
 */
#define FLYPACK_LIVE 0

/**
 * `start`: at the oldest grain that can still be had.
 */
#define FLYPACK_OLDEST 1

/**
 * `wake`: the library chooses.
 */
#define FLYPACK_WAKE_DEFAULT 0

/**
 * `wake`: nobody; consumers look now and then.
 */
#define FLYPACK_WAKE_NONE 1

/**
 * `wake`: the thread that publishes. The shortest way; a system call for each consumer that sleeps.
 */
#define FLYPACK_WAKE_INLINE 2

/**
 * `wake`: a thread of the library, which polls while a consumer sleeps. Publishing makes no system call.
 */
#define FLYPACK_WAKE_HOUSEKEEPING 3

/**
 * Octets of a flow's name with the null octet that ends it.
 */
#define FLYPACK_NAME_OCTETS 65

/**
 * What a call came to. The numbers are stable: a new kind of error gets a new number.
 */
typedef enum {
  /**
   * It worked.
   */
  FLYPACK_OK = 0,
  /**
   * A null pointer, or a value that cannot be: the text says which argument. Values: index, of a lease that is
   * foreign.
   */
  FLYPACK_E_INVALID = 1,
  /**
   * Another thread is using this producer or consumer.
   */
  FLYPACK_E_BUSY = 2,
  /**
   * A bug in this library; the text has its words. Close the handle.
   */
  FLYPACK_E_PANIC = 3,
  /**
   * The kernel gave no thread, descriptor or mapping. Values: errno, where it is known.
   */
  FLYPACK_E_SYSTEM = 4,
  /**
   * Nobody listens at the path, or it may not be used. Values: errno.
   */
  FLYPACK_E_CONNECT = 10,
  /**
   * The gateway closed the connection, or it failed: ask again when the gateway is back, the session connects anew.
   * Values: errno, where it is known.
   */
  FLYPACK_E_CLOSED = 11,
  /**
   * The gateway does not answer. Values: waited_ms.
   */
  FLYPACK_E_SILENT = 12,
  /**
   * Library and gateway have no version of the protocol or of the rings in common. Values: min, max or theirs,
   * ours, where they are known.
   */
  FLYPACK_E_VERSION = 13,
  /**
   * This user may not use the gateway, or the flow. Values: uid; right and flow (texts), where it is one flow.
   */
  FLYPACK_E_NOT_ALLOWED = 14,
  /**
   * There is no such flow, or it ended meanwhile. Values: flow (a text).
   */
  FLYPACK_E_NO_SUCH_FLOW = 15,
  /**
   * A flow of this name exists already, or the gateway keeps the name for one that may come back. Values: flow (a
   * text).
   */
  FLYPACK_E_NAME_TAKEN = 16,
  /**
   * The flow has another format than the one that was expected. Values: expected, found (texts).
   */
  FLYPACK_E_FORMAT = 17,
  /**
   * A limit of the gateway or of the ring, which the text names. Values: limit (what would work), and what was asked
   * for: k, slots, octets or open_max; beside them min, needed and uid, where they matter.
   */
  FLYPACK_E_LIMIT = 18,
  /**
   * There is no memory for the ring. Values: octets; errno or left.
   */
  FLYPACK_E_NO_MEMORY = 19,
  /**
   * The gateway says no for another reason, which the text gives. Values: waited_ms or errno, where there is one.
   */
  FLYPACK_E_REFUSED = 20,
  /**
   * What the gateway sent is no message, or no ring that is safe to map.
   */
  FLYPACK_E_DISORDER = 21,
  /**
   * The flow is live: it takes no blocking consumers.
   */
  FLYPACK_E_LIVE = 22,
  /**
   * The index is not above the last one. Values: index, last.
   */
  FLYPACK_E_NOT_MONOTONE = 30,
  /**
   * The index belongs to a time that is far ahead. Values: index, now, limit.
   */
  FLYPACK_E_TOO_FAR_AHEAD = 31,
  /**
   * The index is beyond what a ring can number. Values: index.
   */
  FLYPACK_E_INDEX_LIMIT = 32,
  /**
   * Every slot is held: this grain is lost, the next one may be opened. Values: slots, held.
   */
  FLYPACK_E_NO_SLOT = 33,
  /**
   * As many grains are open as may be. Values: limit.
   */
  FLYPACK_E_TOO_MANY_OPEN = 34,
  /**
   * The grain is not open (any more). Values: index, where it is known; else grain, the number that was given.
   */
  FLYPACK_E_NOT_OPEN = 35,
  /**
   * The lines are published already: readers may be looking at them. Values: offset, published_octets.
   */
  FLYPACK_E_PUBLISHED = 36,
  /**
   * Lines or octets beyond the grain, or a buffer too small for them. Values: end and slices of lines, end and
   * grain_octets of octets, octets and room of a buffer.
   */
  FLYPACK_E_RANGE = 37,
  /**
   * A blocking consumer holds the slot that is needed. Nothing is lost: try again. Values: consumer.
   */
  FLYPACK_E_HELD = 38,
  /**
   * A grain is open: the flow goes over to another ring between two grains. Values: index.
   */
  FLYPACK_E_GRAIN_OPEN = 39,
  /**
   * The time is over. Values: index, slices, reached.
   */
  FLYPACK_E_TIMED_OUT = 50,
  /**
   * The grain is not opened yet, or its lines are not published yet. Values: index; newest, or wanted and slices.
   */
  FLYPACK_E_NOT_YET = 51,
  /**
   * The grain was overwritten, never opened, or passed already. Values: index; oldest, where it is known.
   */
  FLYPACK_E_GONE = 52,
  /**
   * The grain was overwritten while it was copied: what was copied is of no use. Values: index.
   */
  FLYPACK_E_TORN = 53,
  /**
   * The consumer was too slow and has lost its place: release its leases, then flypack_consumer_rejoin.
   * Values: end.
   */
  FLYPACK_E_EVICTED = 54,
  /**
   * As many grains are leased as the consumer's class allows. Values: k.
   */
  FLYPACK_E_TOO_MANY_LEASES = 55,
  /**
   * These bytes may change while they are looked at: use flypack_lease_copy.
   */
  FLYPACK_E_COPY_ONLY = 56,
  /**
   * The producer is gone; nothing more will come. Values: index.
   */
  FLYPACK_E_PRODUCER_GONE = 57,
  /**
   * The flow goes on in another ring, perhaps with another format: flypack_consumer_rejoin. Values: end, from where
   * on nothing is in this one; successor (a text), where it is known.
   */
  FLYPACK_E_EPOCH_ENDED = 58,
  /**
   * The producer gave the grain up: these lines never come. Values: index, slices.
   */
  FLYPACK_E_CANCELLED = 59,
} flypack_status;

/**
 * A reader of one flow. One thread at a time may use it.
 */
typedef struct flypack_consumer flypack_consumer;

/**
 * A grain that is in use: it is not overwritten until this is released, unless its consumer is a lossy one. Any
 * number of threads may use it at once; it may outlive its consumer.
 */
typedef struct flypack_lease flypack_lease;

/**
 * Keeps the octets of a ring where they are.
 */
typedef struct flypack_memory flypack_memory;

/**
 * A flow that this process produces. One thread at a time may use it.
 */
typedef struct flypack_producer flypack_producer;

/**
 * A connection to a gateway's broker. Any number of threads may use it at once.
 */
typedef struct flypack_session flypack_session;

/**
 * Progressive pictures, packed as ST 2110-20 has them on the wire: pgroups, lines unpadded.
 */
typedef struct {
  /**
   * Pixels of a line, 1 to 32767.
   */
  uint32_t width;
  /**
   * Lines, 1 to 32767.
   */
  uint32_t height;
  /**
   * FLYPACK_YCBCR_422.
   */
  uint32_t sampling;
  /**
   * Bits of a sample: 8 or 10.
   */
  uint32_t bits;
  /**
   * Frames a second, numerator.
   */
  uint32_t rate_num;
  /**
   * Frames a second, denominator.
   */
  uint32_t rate_den;
} flypack_video;

/**
 * Blocks of interleaved PCM sound.
 */
typedef struct {
  /**
   * Channels, 1 to 64.
   */
  uint32_t channels;
  /**
   * Samples a second of one channel, such as 48000.
   */
  uint32_t sample_rate_hz;
  /**
   * FLYPACK_L16, FLYPACK_L24 or FLYPACK_F32.
   */
  uint32_t depth;
  /**
   * Samples of each channel in one block, which is a grain; 1 to 4800.
   */
  uint32_t block_samples;
} flypack_audio;

/**
 * The ancillary data of pictures: RFC 8331 payload words.
 */
typedef struct {
  /**
   * Pictures a second, numerator.
   */
  uint32_t rate_num;
  /**
   * Pictures a second, denominator.
   */
  uint32_t rate_den;
  /**
   * Most octets of one grain; a multiple of 4.
   */
  uint32_t max_octets;
} flypack_ancillary;

/**
 * What the grains of a flow are. Only the part that `kind` names is read; the others are zero when it is written.
 */
typedef struct {
  /**
   * FLYPACK_VIDEO, FLYPACK_AUDIO or FLYPACK_ANCILLARY.
   */
  uint32_t kind;
  /**
   * Of FLYPACK_VIDEO.
   */
  flypack_video video;
  /**
   * Of FLYPACK_AUDIO.
   */
  flypack_audio audio;
  /**
   * Of FLYPACK_ANCILLARY.
   */
  flypack_ancillary ancillary;
} flypack_format;

/**
 * The format of a flow, and how its grains lie in memory.
 */
typedef struct {
  /**
   * The format.
   */
  flypack_format format;
  /**
   * Slots of the ring.
   */
  uint32_t slots;
  /**
   * Slices of a grain: lines of a picture, samples of a block, 1 for ancillary data.
   */
  uint32_t slices;
  /**
   * Octets of one slice.
   */
  uint32_t slice_octets;
  /**
   * Octets of one grain; the most of one for ancillary data.
   */
  uint32_t grain_octets;
  /**
   * Grains a second, numerator.
   */
  uint32_t rate_num;
  /**
   * Grains a second, denominator.
   */
  uint32_t rate_den;
} flypack_layout;

/**
 * How far a grain has come.
 */
typedef struct {
  /**
   * Slices from the top that are final: written, or declared lost.
   */
  uint32_t slices;
  /**
   * 1 when it is committed: all slices are final.
   */
  uint8_t complete;
  /**
   * 1 when it was given up: no further slices will come.
   */
  uint8_t cancelled;
  /**
   * Lines that were declared lost, once it has ended; 0 before.
   */
  uint16_t lost_lines;
  /**
   * How long the grain is, in octets, once it has ended; 0 before. Ancillary data may be shorter than a slice.
   */
  uint32_t octets;
} flypack_state;

/**
 * One value of an error.
 */
typedef struct {
  /**
   * What it is: "index", "limit", "errno" …
   */
  const char *name;
  /**
   * The value, if it is a number.
   */
  int64_t number;
  /**
   * The value, if it is a text; else null.
   */
  const char *text;
} flypack_error_value;

/**
 * The instants that name a grain.
 */
typedef struct {
  /**
   * When the grain was captured: TAI, ns since 1970-01-01T00:00:00 TAI.
   */
  int64_t tai_ns;
  /**
   * Its RTP timestamp.
   */
  uint32_t rtp;
} flypack_stamp;

/**
 * What is known of a grain when it is committed.
 */
typedef struct {
  /**
   * When its first octet came: TAI, ns; 0: when it was opened.
   */
  int64_t first_arrival_ns;
  /**
   * When its last octet came: TAI, ns; 0: now.
   */
  int64_t last_arrival_ns;
  /**
   * Of ancillary data: how long the grain is, in octets. Other grains are always whole.
   */
  uint32_t octets;
} flypack_grain_end;

/**
 * One flow of the gateway.
 */
typedef struct {
  /**
   * Its name.
   */
  char name[FLYPACK_NAME_OCTETS];
  /**
   * 1 if a pod produces it: its bytes are copied, never read in place. 0 for the gateway's own.
   */
  uint8_t is_pods;
  /**
   * Slots of its ring.
   */
  uint16_t slots;
  /**
   * Consumers that it has.
   */
  uint16_t consumers;
  /**
   * What is in its grains.
   */
  flypack_format format;
} flypack_flow;

/**
 * How a flow is produced. Null stands for a struct of zeros.
 */
typedef struct {
  /**
   * sizeof(flypack_produce_options): a newer library knows by it which members are there. 0: that of flypack 0.1.
   */
  uint32_t size;
  /**
   * Slots of the ring; 0: the gateway's default.
   */
  uint32_t slots;
  /**
   * Grains that may be open at a time, 1 to 8; 0: 1.
   */
  uint32_t open_max;
  /**
   * FLYPACK_WAKE_DEFAULT, FLYPACK_WAKE_NONE, FLYPACK_WAKE_INLINE, FLYPACK_WAKE_HOUSEKEEPING.
   */
  uint32_t wake;
  /**
   * 1: consumers may hold the writer up (FLYPACK_BLOCKING). 0: they may not.
   */
  uint32_t blocking;
} flypack_produce_options;

/**
 * How a flow is read. Null stands for a struct of zeros.
 */
typedef struct {
  /**
   * sizeof(flypack_subscribe_options): a newer library knows by it which members are there. 0: that of flypack 0.1.
   */
  uint32_t size;
  /**
   * FLYPACK_LEASED, FLYPACK_LOSSY, FLYPACK_BLOCKING.
   */
  uint32_t consumer_class;
  /**
   * Of FLYPACK_LEASED and FLYPACK_BLOCKING: grains that it may hold besides the one being written; 0: 2.
   */
  uint32_t grains_held;
  /**
   * FLYPACK_LIVE, FLYPACK_OLDEST.
   */
  uint32_t start;
  /**
   * Of FLYPACK_LEASED: how long it may sit on its oldest grain before it is evicted, ns; 0: without limit.
   */
  int64_t deadline_ns;
  /**
   * The format that the flow must have; null takes any.
   */
  const flypack_format *expect;
} flypack_subscribe_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Ends the consumer. Its leases stay good; its seat comes free with the last of them.
 *
 * # Safety
 * `consumer` is null or from flypack_subscribe, not closed before, and no other thread is using it.
 */
void flypack_consumer_close(flypack_consumer *consumer);

/**
 * The format of the flow, and how its grains lie in memory.
 *
 * # Safety
 * `consumer` is null or from flypack_subscribe and not closed; `layout` is null or points to one.
 */
flypack_status flypack_consumer_layout(const flypack_consumer *consumer, flypack_layout *layout);

/**
 * Leases the oldest grain that was opened and not passed yet; waits for one for `timeout_ns`, without end if that is
 * negative. A wait cannot be broken off: where the program must be able to stop, wait in pieces. The grain may still be open (flypack_consumer_wait), have lost lines or be cancelled
 * (flypack_lease_state, flypack_lease_lost_lines).
 *
 * # Safety
 * `consumer` is null or from flypack_subscribe and not closed; `lease` is null or points to where the new handle
 * goes; the caller releases it with flypack_lease_release.
 */
flypack_status flypack_consumer_next(const flypack_consumer *consumer,
                                     int64_t timeout_ns,
                                     flypack_lease **lease);

/**
 * Leases grain `index`, if it was opened and is still there, and passes those below it. Does not wait.
 *
 * # Safety
 * As flypack_consumer_next.
 */
flypack_status flypack_consumer_get(const flypack_consumer *consumer, uint64_t index, flypack_lease **lease);

/**
 * Leases the grain nearest to `tai_ns`, as flypack_consumer_get.
 *
 * # Safety
 * As flypack_consumer_next.
 */
flypack_status flypack_consumer_get_at(const flypack_consumer *consumer,
                                       int64_t tai_ns,
                                       flypack_lease **lease);

/**
 * Waits until the first `slices` lines of a leased grain are final, or the grain has ended; with FLYPACK_END for the
 * end alone, which comes a moment after the last line. Waits for `timeout_ns`, without end if that is negative (see
 * flypack_consumer_next). How far it has come goes to `state`, which may be null. A lease of another consumer, or of this
 * one before flypack_consumer_rejoin, is FLYPACK_E_INVALID: its index may be another picture here.
 *
 * # Safety
 * `consumer` is null or from flypack_subscribe and not closed; `lease` is null or not released; `state` is null or
 * points to one.
 */
flypack_status flypack_consumer_wait(const flypack_consumer *consumer,
                                     const flypack_lease *lease,
                                     uint32_t slices,
                                     int64_t timeout_ns,
                                     flypack_state *state);

/**
 * Takes a new seat in the same flow, as it was subscribed to: after FLYPACK_E_EVICTED, or when the flow is back after
 * FLYPACK_E_PRODUCER_GONE. On failure it may be asked to rejoin again; what an eviction had left in its reach is passed then,
 * if none of it is leased.
 *
 * # Safety
 * `consumer` is null or from flypack_subscribe and not closed; `session` is null or from flypack_connect and open.
 */
flypack_status flypack_consumer_rejoin(const flypack_consumer *consumer,
                                       const flypack_session *session);

/**
 * What the last call that failed on this thread came to; FLYPACK_OK if none has failed.
 */
flypack_status flypack_last_error(void);

/**
 * What went wrong in the last call that failed on this thread, and what would work: English, for a person. Never
 * null. Valid until the next call that fails on this thread.
 */
const char *flypack_last_error_text(void);

/**
 * How many values the last error of this thread has.
 */
size_t flypack_last_error_values(void);

/**
 * Value number `position` of the last error of this thread; the comment of its status says which there are. What it
 * points to is valid until the next call that fails on this thread: also this one, when there is no such value.
 *
 * # Safety
 * `value` is null or points to a flypack_error_value.
 */
flypack_status flypack_last_error_value(size_t position,
                                        flypack_error_value *value);

/**
 * Releases the grain.
 *
 * # Safety
 * `lease` is null or from flypack_consumer_next or one of its kin, not released before, and no other thread is using
 * it. No pointer from flypack_lease_lines is used any more.
 */
void flypack_lease_release(flypack_lease *lease);

/**
 * The grain's index.
 *
 * # Safety
 * `lease` is null or not released; `index` is null or points to a uint64_t.
 */
flypack_status flypack_lease_index(const flypack_lease *lease, uint64_t *index);

/**
 * The grain's instants.
 *
 * # Safety
 * `lease` is null or not released; `stamp` is null or points to one.
 */
flypack_status flypack_lease_stamp(const flypack_lease *lease, flypack_stamp *stamp);

/**
 * How far the grain has come.
 *
 * # Safety
 * `lease` is null or not released; `state` is null or points to one.
 */
flypack_status flypack_lease_state(const flypack_lease *lease, flypack_state *state);

/**
 * `count` lines from line `first` on in place: their address goes to `lines`, how many octets lie there to `octets`.
 * They must be published, the flow the gateway's own, and the consumer a leased one; else FLYPACK_E_NOT_YET or
 * FLYPACK_E_COPY_ONLY. A line that was declared lost holds what an earlier grain left.
 *
 * # Safety
 * `lease` is null or not released; `lines` and `octets` are null or point to where the results go. What `lines` then
 * points to may be read until the lease is released; it cannot be written.
 */
flypack_status flypack_lease_lines(const flypack_lease *lease,
                                   uint32_t first,
                                   uint32_t count,
                                   const uint8_t **lines,
                                   size_t *octets);

/**
 * Copies `count` lines from line `first` on to `to` and checks that they are whole. After FLYPACK_E_TORN and
 * FLYPACK_E_GONE nothing useful is there.
 *
 * # Safety
 * `lease` is null or not released; `to` is null or has room for `capacity` octets.
 */
flypack_status flypack_lease_copy(const flypack_lease *lease,
                                  uint32_t first,
                                  uint32_t count,
                                  uint8_t *to,
                                  size_t capacity);

/**
 * Writes the numbers of the lines that were declared lost, in rising order: as many as there are go to `count`, the
 * first `capacity` of them to `lines`. Meaningful for lines that are published.
 *
 * # Safety
 * `lease` is null or not released; `lines` has room for `capacity` of them, null if `capacity` is 0; `count` is null
 * or points to a size_t.
 */
flypack_status flypack_lease_lost_lines(const flypack_lease *lease,
                                        uint32_t *lines,
                                        size_t capacity,
                                        size_t *count);

/**
 * Ends the flow: an open grain is cancelled, and its consumers hear that the producer is gone. What they have leased
 * stays readable.
 *
 * # Safety
 * `producer` is null or from flypack_produce, not closed before, and no other thread is using it. No pointer from
 * flypack_producer_lines is used any more.
 */
void flypack_producer_close(flypack_producer *producer);

/**
 * The format of the flow, and how its grains lie in memory.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `layout` is null or points to one.
 */
flypack_status flypack_producer_layout(const flypack_producer *producer, flypack_layout *layout);

/**
 * The grain that is nearest to the present by the kernel's TAI clock: the one to open now.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `index` is null or points to a uint64_t.
 */
flypack_status flypack_producer_index_now(const flypack_producer *producer, uint64_t *index);

/**
 * Goes on in a new ring: with another format, or with the same after the clock was set back. The next grain, of any
 * index, is its first, and the consumers get FLYPACK_E_EPOCH_ENDED once they have read the old ring to its end. `slots`:
 * 0 takes the gateway's default. FLYPACK_E_GRAIN_OPEN while a grain is open; the old ring goes on after any failure.
 * Takes as long as the new ring's memory takes to be made.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `format` is null or points to one.
 */
flypack_status flypack_producer_succeed(const flypack_producer *producer,
                                        const flypack_format *format,
                                        uint32_t slots);

/**
 * What keeps the octets of the present ring where they are until flypack_memory_release, also when the producer has
 * gone over to another ring or was closed: for callers that cannot tell when the last of their pointers from
 * flypack_producer_lines is gone. What is published must not be written to all the same.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `memory` is null or points to where the new handle goes.
 */
flypack_status flypack_producer_memory(const flypack_producer *producer,
                                       flypack_memory **memory);

/**
 * Lets the ring's memory go.
 *
 * # Safety
 * `memory` is null or from flypack_producer_memory and was not released before. Nothing that it kept is used any more.
 */
void flypack_memory_release(flypack_memory *memory);

/**
 * Looks after the consumers: lets them in and out, evicts who is late. flypack_producer_open does so too; call this
 * often (every frame time at least) while no grain comes.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed.
 */
flypack_status flypack_producer_poll(const flypack_producer *producer);

/**
 * Opens grain `index`; consumers see it from now on. Indices rise, and may leave holes. `stamp` may be null: the
 * grain then starts where the grid of TAI has it. `grain` names it in the calls below; a number that is over gives
 * FLYPACK_E_NOT_OPEN.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `stamp` is null or points to one, `grain` null or to a
 * uint64_t.
 */
flypack_status flypack_producer_open(const flypack_producer *producer,
                                     uint64_t index,
                                     const flypack_stamp *stamp,
                                     uint64_t *grain);

/**
 * Where to write `count` lines from line `first` on in place: their address goes to `lines`, how many octets lie
 * there to `octets`. Not those that are published.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `lines` and `octets` are null or point to where the
 * results go. What `lines` then points to may be written until these lines are published, the grain ends or the
 * producer is closed, whichever comes first, by one thread at a time.
 */
flypack_status flypack_producer_lines(const flypack_producer *producer,
                                      uint64_t grain,
                                      uint32_t first,
                                      uint32_t count,
                                      uint8_t **lines,
                                      size_t *octets);

/**
 * Copies `octets` octets to line `first` of the grain and, as far as they reach, to those below.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `bytes` is null or points to `octets` octets, none of
 * them in a ring.
 */
flypack_status flypack_producer_write(const flypack_producer *producer,
                                      uint64_t grain,
                                      uint32_t first,
                                      const uint8_t *bytes,
                                      size_t octets);

/**
 * Declares a line lost, before it is published: readers are told, and see what an earlier grain left there.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed.
 */
flypack_status flypack_producer_mark_lost(const flypack_producer *producer, uint64_t grain, uint32_t line);

/**
 * Publishes the first `slices` lines: each is written, or declared lost. They are the readers' from now on.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed.
 */
flypack_status flypack_producer_publish(const flypack_producer *producer, uint64_t grain, uint32_t slices);

/**
 * Publishes all of the grain and ends it. `end` may be null: its arrival was from its opening to now.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed; `end` is null or points to one.
 */
flypack_status flypack_producer_commit(const flypack_producer *producer,
                                       uint64_t grain,
                                       const flypack_grain_end *end);

/**
 * Gives the grain up; what was published stays readable.
 *
 * # Safety
 * `producer` is null or from flypack_produce and not closed.
 */
flypack_status flypack_producer_cancel(const flypack_producer *producer, uint64_t grain);

/**
 * TAI now, by the kernel's clock, in ns since 1970-01-01T00:00:00 TAI.
 */
int64_t flypack_tai_now(void);

/**
 * The release of this library, such as "0.1.0". Never null; valid for ever.
 */
const char *flypack_version(void);

/**
 * Connects to the broker's socket at `path`, such as "/run/flypack/broker.sock".
 *
 * # Safety
 * `path` is null or a text. `session` is null or points to where the new handle goes; the caller closes it with
 * flypack_session_close.
 */
flypack_status flypack_connect(const char *path,
                               flypack_session **session);

/**
 * Closes the connection. Producers and consumers that came of it go on.
 *
 * # Safety
 * `session` is null or from flypack_connect, not closed before, and no other thread is using it.
 */
void flypack_session_close(flypack_session *session);

/**
 * Lists the flows by name: as many as there are go to `count`, the first `capacity` of them to `flows`.
 *
 * # Safety
 * `session` is from flypack_connect and open. `flows` has room for `capacity` of them; null if `capacity` is 0.
 * `count` is null or points to a size_t.
 */
flypack_status flypack_session_flows(const flypack_session *session,
                                     flypack_flow *flows,
                                     size_t capacity,
                                     size_t *count);

/**
 * Produces a flow: makes its ring, and lets consumers in from now on.
 *
 * # Safety
 * `session` is from flypack_connect and open. `name` is null or a text, `format` null or a format. `options` is null
 * or as long as its size says. `producer` is null or points to where the new handle goes; the caller closes it with
 * flypack_producer_close.
 */
flypack_status flypack_produce(const flypack_session *session,
                               const char *name,
                               const flypack_format *format,
                               const flypack_produce_options *options,
                               flypack_producer **producer);

/**
 * Reads a flow. Waits until its writer has taken the consumer in.
 *
 * # Safety
 * `session` is from flypack_connect and open. `name` is null or a text. `options` is null or as long as its size
 * says, and its `expect` null or a format. `consumer` is null or points to where the new handle goes; the caller closes it
 * with flypack_consumer_close.
 */
flypack_status flypack_subscribe(const flypack_session *session,
                                 const char *name,
                                 const flypack_subscribe_options *options,
                                 flypack_consumer **consumer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FLYPACK_H */
