"""What the gateway refuses, and what comes late or never: each an exception with the values that docs/sdk.md promises."""

import os
import sys

import flypack
from flypack import _library
from stage import looked_after

future = sys.argv[1]
me = os.geteuid()


def refused(kind, ask, **values):
    """Asks, and checks the exception, its values and that its text has the numbers among them."""
    try:
        ask()
    except kind as error:
        assert values.items() <= error.values.items(), (kind, error.values)
        assert all(getattr(error, name) == value for name, value in values.items())
        return error
    raise AssertionError(f"no {kind}")


refused(flypack.VersionMismatch, lambda: flypack.Session(future), min=7, max=9)

session = flypack.Session(os.environ["FLYPACK_SOCKET"])
small = flypack.Video(64, 8, rate=50)
secret = refused(
    flypack.NotAllowed, lambda: session.produce("secret-1", small), uid=me, right="produce", flow="secret-1"
)
assert "secret-1" in str(secret) and isinstance(secret, PermissionError), secret
large = refused(flypack.NoMemory, lambda: session.produce("big", flypack.Video(1920, 1080)), left=32 << 20)
assert large.octets > 32 << 20 and isinstance(large, MemoryError), large.values
unknown = refused(flypack.NoSuchFlow, lambda: session.subscribe("cam-9"), flow="cam-9")
assert "cam-9" in str(unknown), unknown
few = refused(flypack.LimitReached, lambda: session.produce("gfx", small, slots=1), slots=1)
assert few.limit > few.min > 1, few.values
refused(flypack.LimitReached, lambda: session.produce("gfx", small, open_max=9), open_max=9, limit=8)

producer = session.produce("gfx", small, slots=8)
taken = refused(flypack.NameTaken, lambda: session.produce("gfx", small), flow="gfx")
assert "gfx" in str(taken), taken


def subscribe(**options):
    return looked_after(producer, lambda: session.subscribe("gfx", **options))


refused(flypack.WrongFormat, lambda: subscribe(expect=flypack.Video(128, 8)), found="64x8p50 4:2:2 10 bit")
consumer = subscribe()

# A hole that the producer left, and a grain that stops in its middle.
first = producer.index_now()
with producer.open(first) as grain:
    pass
refused(flypack.NotOpen, lambda: grain.publish(1))
grain = producer.open(first + 2)
refused(flypack.TooManyOpen, lambda: producer.open(first + 3), limit=1)
refused(flypack.OutOfRange, lambda: grain.publish(9), end=9, slices=8)
refused(flypack.OutOfRange, lambda: grain.lines(0, 70_000), end=70_000, slices=8)
refused(flypack.OutOfRange, lambda: grain.mark_lost(8), end=9, slices=8)
grain.publish(2)
refused(flypack.NotYet, lambda: consumer.get(first + 3), index=first + 3, newest=first + 2)
lease = consumer.get(first)
refused(flypack.Gone, lambda: consumer.get(first + 1), index=first + 1, oldest=first + 2)
lease = consumer.next(timeout=30)
assert lease.index == first + 2
refused(flypack.TimedOut, lambda: lease.wait(slices=4, timeout=0), index=first + 2, slices=4, reached=2)
refused(flypack.NotYet, lambda: lease.copy(0, 4), index=first + 2, wanted=4, slices=2)
refused(flypack.OutOfRange, lambda: lease.lines(0, 9), end=9, slices=8)
refused(flypack.Gone, lambda: consumer.get(first), index=first)

# A buffer that is too small, and octets beyond the grain: questions that only C can ask.
calls, check = _library.calls, _library.check
buffer = (_library.ctypes.c_uint8 * 400)()
copy = lambda: check(lease._handle.call(calls.lease_copy, 0, 2, buffer, 319))
refused(flypack.OutOfRange, copy, octets=320, room=319)

grain.cancel()
refused(flypack.Cancelled, lambda: lease.copy(0, 4), index=first + 2, slices=2)
del lease, grain
producer.close()
refused(flypack.ProducerGone, lambda: consumer.next(timeout=30))
