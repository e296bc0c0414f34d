"""Reads the gateway's pictures in place: views that cannot be written and keep their grain in use."""

import gc
import os
import threading

import numpy

import flypack

session = flypack.Session(os.environ["FLYPACK_SOCKET"])
(flow,) = [flow for flow in session.flows() if flow.name == "cam"]
assert flow.format == flypack.Video(320, 180, bits=10, rate=50) and not flow.is_pods, flow

consumer = session.subscribe("cam", grains_held=2)
assert consumer.layout.slice_octets == 800 and consumer.layout.slices == 180, consumer.layout


def whole(lease):
    state = lease.wait(timeout=30)
    assert state.complete and state.octets == 800 * 180 and not state.lost_lines, state
    rows = (lease.index + numpy.arange(180)) % 256
    lines = lease.lines()
    assert (lines == rows[:, None]).all(), lease.index
    return lines


seen = [lease.index for lease, _ in zip(consumer, range(10)) if whole(lease) is not None]
assert seen == sorted(set(seen)), seen

# A view is the shared memory itself: it cannot be written, also not after asking for it.
lease = consumer.next(timeout=30)
lines = whole(lease)
assert not lines.flags.writeable and not lines.flags.owndata
for spoil in (lambda: lines.fill(0), lambda: setattr(lines.flags, "writeable", True)):
    try:
        spoil()
    except ValueError:
        pass
    else:
        raise AssertionError("a view was written")

# It keeps its grain in use when the lease, and the view that it was cut from, are gone.
index = lease.index
part = lines[90:]
lease.release()
del lines, lease
other = consumer.next(timeout=30)
gc.collect()
try:
    consumer.next(timeout=30)
except (flypack.TooManyLeases, flypack.Evicted):
    pass
else:
    raise AssertionError("the grain of a view was let go")
assert (part == ((index + numpy.arange(90, 180)) % 256)[:, None]).all()

# With the last array the grain is let go; an evicted consumer takes a new seat.
del part, other
gc.collect()
consumer.rejoin()
for _ in range(5):
    whole(consumer.next(timeout=30))

# By index and by instant; a lossy consumer gets copies.
again = session.subscribe("cam", lossy=True)
later = again.next(timeout=30)
whole(later)
assert later.lines().flags.owndata
for passed in (lambda: again.get(later.index), lambda: again.get_at(later.tai_ns)):
    try:
        passed()
    except flypack.Gone:
        pass
    else:
        raise AssertionError("a grain that was passed came back")
lease = consumer.next(timeout=30)
lines = whole(lease)

# A child after fork can use nothing of its parent's, and closes nothing.
child = os.fork()
if child == 0:
    uses = (lambda: consumer.next(timeout=1), lease.wait, lease.copy, lambda: lease.state, session.flows, consumer.rejoin)
    for use in uses:
        try:
            use()
        except RuntimeError as error:
            assert "connect anew" in str(error)
        else:
            os._exit(1)
    del uses, use
    del consumer, lease, lines, again, later, session
    gc.collect()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
whole(consumer.next(timeout=30))

# What one thread lets go while another is using it stays until that one is done.
closed = threading.Event()


def close_meanwhile():
    consumer.close()
    closed.set()


threading.Timer(0.2, close_meanwhile).start()
while not closed.is_set():
    try:
        consumer.next(timeout=1)
    except (flypack.FlypackError, flypack.TimedOut):
        pass
try:
    consumer.next(timeout=0)
except flypack.Invalid:
    pass
else:
    raise AssertionError("a consumer that is closed goes on")
