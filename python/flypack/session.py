"""The connection to the gateway."""

import os
from ctypes import byref, c_size_t, c_void_p, pointer
from dataclasses import dataclass

from . import _library
from ._library import Handle, calls, check
from .consumer import Consumer
from .errors import Invalid
from .formats import of_c
from .producer import Producer


@dataclass(frozen=True)
class Flow:
    """One flow of the gateway."""

    name: str
    format: object
    is_pods: bool
    """Whether a pod produces it: its bytes are then copied, never read in place."""
    slots: int
    consumers: int


class Session:
    """A connection to a gateway's broker. Any number of threads may use it at once.

    Its producers and consumers go on when it is closed. A consumer keeps the connection for itself, to take a new seat.
    """

    def __init__(self, path="/run/flypack/broker.sock"):
        out = c_void_p()
        check(calls.connect(os.fsencode(path), byref(out)))
        self._handle = Handle(out.value, calls.session_close)

    def flows(self):
        """The flows of the gateway, by name."""
        room = 0
        while True:
            flows, count = (_library.Flow * room)(), c_size_t()
            check(self._handle.call(calls.session_flows, flows, room, byref(count)))
            if count.value <= room:
                return [
                    Flow(flow.name.decode(), of_c(flow.format), bool(flow.is_pods), flow.slots, flow.consumers)
                    for flow in flows[: count.value]
                ]
            room = count.value

    def produce(self, name, format, slots=0, open_max=1, wake=None, blocking=False):
        """Produces a flow.

        `slots` of the ring, where 0 takes the gateway's default; `open_max` grains may be open at a time; `wake` says
        who wakes consumers that sleep: "inline" (the thread that publishes), "housekeeping" (one beside it) or "none";
        with `blocking`, consumers may hold the writer up (:class:`flypack.Held`).
        """
        options = _library.ProduceOptions(
            slots=slots, open_max=open_max, wake=_library.WAKES[wake], blocking=int(blocking)
        )
        options.size = _size(options)
        out = c_void_p()
        made = self._handle.call(calls.produce, name.encode(), byref(format._to_c()), byref(options), byref(out)
        )
        check(made)
        return Producer(Handle(out.value, calls.producer_close))

    def subscribe(
        self, name, lossy=False, blocking=False, grains_held=2, deadline=None, oldest=False, expect=None
    ):
        """Reads a flow. Waits until its writer has taken the consumer in.

        A leased consumer (the default) may hold `grains_held` grains besides the one being written, and sit on the
        oldest for `deadline` seconds before it is evicted; for a `lossy` one nothing is held; for a
        `blocking` one the producer waits. It begins with
        the next grain, or with the `oldest` that can still be had. `expect` is the format that the flow must have.
        """
        if grains_held < 1 and not lossy:
            raise Invalid(f"grains_held is {grains_held}: 1 is the least, or lossy")
        options = _library.SubscribeOptions(
            consumer_class=_library.LOSSY if lossy else _library.BLOCKING if blocking else _library.LEASED,
            grains_held=grains_held,
            start=_library.OLDEST if oldest else _library.LIVE,
            deadline_ns=_deadline_ns(deadline),
        )
        options.size = _size(options)
        if expect is not None:
            options.expect = pointer(expect._to_c())
        out = c_void_p()
        check(self._handle.call(calls.subscribe, name.encode(), byref(options), byref(out)))
        return Consumer(Handle(out.value, calls.consumer_close), self._handle)

    def close(self):
        """Closes the connection, once the last consumer that may rejoin by it is gone."""
        self._handle = Handle(None, None)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def _deadline_ns(seconds):
    if seconds is None:
        return 0
    nanoseconds = int(seconds * 1e9)
    if nanoseconds <= 0:
        raise Invalid(f"deadline is {seconds}: give it more than 0 seconds, or None for as long as it likes")
    return nanoseconds


def _size(struct):
    return _library.ctypes.sizeof(struct)
