"""Flypack's SDK for Python: read and produce flows of pictures, sound and ancillary data.

It stands on libflypack.so alone (ctypes) and hands out numpy arrays over the shared memory itself::

    import flypack

    session = flypack.Session("/run/flypack/broker.sock")

    for lease in session.subscribe("cam-1"):          # one grain after the other
        lease.wait()                                  # until it is whole
        print(lease.index, lease.lines().mean())      # read-only, in place where that is safe

and, in another program::

    producer = session.produce("gfx", flypack.Video(1920, 1080, bits=10, rate=50))
    index = producer.index_now()
    while True:
        index += 1
        while producer.index_now() < index:           # not due yet: look after the consumers
            producer.poll()
            time.sleep(0.001)
        with producer.open(index) as grain:           # committed at the end, cancelled by an exception
            grain.lines(0, 540)[:] = 0x80
            grain.publish(540)                        # readers have the top while the bottom is made
            grain.lines(540, 1080)[:] = 0x80

A view keeps its grain in use until the last array over it is gone, so do not collect them. docs/sdk.md tells the rest,
and lists every error.
"""

from ._library import tai_now, version
from .consumer import Consumer, Lease, State
from .errors import *  # noqa: F401,F403 - one class for each kind of error
from .errors import __all__ as _errors
from .formats import Ancillary, Audio, Layout, Video
from .producer import Grain, Producer
from .session import Flow, Session

__all__ = [
    "Ancillary",
    "Audio",
    "Consumer",
    "Flow",
    "Grain",
    "Layout",
    "Lease",
    "Producer",
    "Session",
    "State",
    "Video",
    "tai_now",
    "version",
    *_errors,
]
