"""Produces pictures, sound and ancillary data, and reads them back as another pod would: by copies."""

import os

import numpy

import flypack
from stage import looked_after

session = flypack.Session(os.environ["FLYPACK_SOCKET"])


def subscribe(producer, name, **options):
    return looked_after(producer, lambda: session.subscribe(name, **options))


video = flypack.Video(64, 8, rate="60000/1001")
producer = session.produce("gfx", video, slots=8)
consumer = subscribe(producer, "gfx", expect=video)

with producer.open() as grain:
    grain.lines(0, 4)[:] = numpy.arange(4, dtype=numpy.uint8)[:, None]
    grain.publish(4)
    lease = consumer.next(timeout=30)
    assert lease.index == grain.index
    assert lease.wait(slices=4, timeout=30).slices == 4
    top = lease.lines(0, 4)
    assert top.flags.owndata or top.base is None, "a copy"
    assert not top.flags.writeable
    assert (top[:, 0] == [0, 1, 2, 3]).all()
    for early in (lambda: lease.lines(0, 5), lambda: lease.copy(4, 8)):
        try:
            early()
        except flypack.NotYet:
            pass
        else:
            raise AssertionError("lines were read before they were published")
    try:
        grain.lines(2, 3)
    except flypack.Published as error:
        assert error.published_octets == 4 * 160, error.values
    grain.lines(4, 8)[:] = 9
    grain.mark_lost(6)
state = lease.wait(timeout=30)
assert state.complete and state.lost_lines == 1, state
assert lease.lost_lines() == [6]

# An exception cancels; readers see it.
try:
    with producer.open() as grain:
        grain.publish(2)
        raise KeyError("a fault of the program's own")
except KeyError:
    pass
state = consumer.next(timeout=30).wait(timeout=30)
assert state.cancelled and not state.complete and state.slices == 2, state

# Indices rise; a day ahead is a mistake.
last = grain.index
for index, kind, values in (
    (last, flypack.NotMonotone, {"index": last, "last": last}),
    (last + 86_400 * 60, flypack.TooFarAhead, {"index": last + 86_400 * 60}),
):
    try:
        producer.open(index)
    except kind as error:
        assert values.items() <= error.values.items(), error.values
        assert all(str(value) in str(error) for value in values.values()), error
    else:
        raise AssertionError(f"grain {index} was opened")

# The flow goes on with another format; arrays over the old ring stay what they are.
follower = subscribe(producer, "gfx")
with producer.open() as grain:
    old = grain.lines()
    old[:] = 5
    try:
        producer.succeed(video)
    except flypack.GrainOpen as error:
        assert error.index == grain.index
    else:
        raise AssertionError("the format changed inside a grain")
wider = flypack.Video(128, 8, rate="60000/1001")
producer.succeed(wider, slots=8)
assert producer.layout.format == wider, (producer.layout.format, wider)
assert (old == 5).all()
assert consumer.next(timeout=30).index == grain.index
end = grain.index + 1
try:
    consumer.next(timeout=30)
except flypack.EpochEnded as error:
    assert error.end == end, error.values
else:
    raise AssertionError("the old ring went on")
assert consumer.layout.format == video, "not gone over yet"

# One that expects the old format does not go over to another one.
try:
    looked_after(producer, consumer.rejoin)
except flypack.WrongFormat as error:
    assert "128x8" in error.found and "64x8" in error.expected, error.values
else:
    raise AssertionError("another format was taken")
assert consumer.layout.format == video
consumer.close()
consumer = follower
before = consumer.next(timeout=30)
assert before.index == grain.index and before.wait(timeout=30).complete
try:
    consumer.next(timeout=30)
except flypack.EpochEnded:
    looked_after(producer, consumer.rejoin)
assert consumer.layout.format == wider and consumer.layout.slice_octets == 320, consumer.layout
with producer.open() as grain:
    grain.lines()[:] = 6
lease = consumer.next(timeout=30)
assert lease.index == grain.index and lease.wait(timeout=30).complete
assert lease.lines().shape == (8, 320) and (lease.lines() == 6).all()
del lease

# What was leased of the old ring is still read; its index means nothing in the new one.
assert before.copy().shape == (8, 160) and (before.copy() == 5).all()
try:
    before.wait(timeout=30)
except flypack.Invalid as error:
    assert error.index == before.index, error.values
else:
    raise AssertionError("another ring's grain was waited for")
del before

# A loop goes over by itself.
taller = flypack.Video(128, 16, rate="60000/1001")
producer.succeed(taller, slots=16)
assert producer.layout.slots == 16 and producer.layout.slices == 16, producer.layout
lease = looked_after(producer, lambda: next(consumer), write=True)
assert consumer.layout.format == taller and lease.wait(timeout=30).slices == 16
assert consumer.evictions == 0
del lease
consumer.close()
consumer = subscribe(producer, "gfx", expect=taller)

# Its consumers hear when the producer is gone, after what was written.
with producer.open() as grain:
    grain.lines()[:] = 1
written = grain.index
del grain
producer.close()
assert [lease.index for lease in consumer] == [written]
try:
    consumer.next(timeout=30)
except flypack.ProducerGone:
    pass
else:
    raise AssertionError("the producer is still there")

# Sound: 16 channels of L16, interleaved, big-endian.
audio = flypack.Audio(16, depth="L16", block_samples=48)
with session.produce("sound", audio, slots=16) as producer:
    consumer = subscribe(producer, "sound")
    ramp = numpy.arange(48 * 16).reshape(48, 16)
    with producer.open() as grain:
        grain.lines().view(">i2")[:] = ramp
    lease = consumer.next(timeout=30)
    assert lease.wait(timeout=30).octets == 48 * 16 * 2
    assert (lease.samples() == ramp).all()
    assert consumer.layout.rate == 1000 and consumer.layout.format == audio
    del lease, consumer, grain

# Ancillary data: as long as it is.
ancillary = flypack.Ancillary(rate=50, max_octets=256)
with session.produce("captions", ancillary) as producer:
    consumer = subscribe(producer, "captions")
    for words in (b"\1\2\3\4" * 3, b"", b"\5" * 256):
        with producer.open() as grain:
            grain.write(words)
        lease = consumer.next(timeout=30)
        assert lease.wait(timeout=30).octets == len(words)
        assert lease.octets().tobytes() == words
    try:
        with producer.open() as grain:
            grain.write(bytes(257))
    except flypack.OutOfRange as error:
        assert error.grain_octets == 256
    else:
        raise AssertionError("too much was written")
