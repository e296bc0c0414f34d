"""A loop over a flow whose ring has room for one consumer: evicted, it takes a new seat once its last lease is gone."""

import os
import time

import flypack
from stage import looked_after

session = flypack.Session(os.environ["FLYPACK_SOCKET"])
video = flypack.Video(64, 8, rate=50)
producer = session.produce("gfx", video, slots=6)
consumer = looked_after(producer, lambda: session.subscribe("gfx", grains_held=2))
try:
    looked_after(producer, lambda: session.subscribe("gfx", grains_held=2))
except flypack.LimitReached as error:
    assert error.k == 2 and error.slots == 6, error.values
else:
    raise AssertionError("there is room for two, which this test is not about")


def following():
    """The next grain, while the producer goes on."""
    return looked_after(producer, lambda: next(consumer), write=True)


def write_beyond(index):
    """All up to the fifth after this one, which is more than the consumer may fall behind."""
    for index in range(producer._next, index + 6):
        while producer.index_now() < index:
            producer.poll()
            time.sleep(0.001)
        producer.open(index).commit()


lease = following()
held = lease.index
octets = lease.copy()
write_beyond(held)

# The variable of the loop holds the last grain while the next one is asked for: there is no seat beside the old one.
reached = []
try:
    while len(reached) < 5:
        reached.append(following().index)
except flypack.LimitReached:
    pass
assert reached == [held + 1, held + 2][: len(reached)], "what was held for it, and no second seat"
assert consumer.evictions == 0
assert (lease.copy() == octets).all(), "an evicted lease stays good"

del lease
later = following()
assert consumer.evictions == 1 and later.index > held + 5, (consumer.evictions, held, later.index)
assert later.wait(timeout=30).complete

# One that is evicted by a producer that then goes has nowhere to take a seat: the loop ends.
write_beyond(later.index)
last = later.index + 5
del later
producer.close()
left = [lease.index for lease in consumer]
assert consumer.evictions == 1 and all(index < last for index in left), (left, last)
