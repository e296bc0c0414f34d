"""Writing grains."""

from ctypes import byref, c_size_t, c_uint64, c_void_p

import numpy

from . import _library
from ._library import Memory, calls, check
from .errors import NotOpen, OutOfRange
from .formats import Layout


class Producer:
    """A flow of this process. One thread at a time may use it.

    It ends with :meth:`close`, but its memory stays until the last array over it is gone.
    """

    def __init__(self, handle):
        self._handle = handle
        self._next = 0

    @property
    def layout(self):
        """The format, and how its grains lie in memory: of the present ring, which is another one after `succeed`, and
        perhaps after the gateway was restarted."""
        layout = _library.Layout()
        check(self._handle.call(calls.producer_layout, byref(layout)))
        return Layout._of_c(layout)

    def succeed(self, format, slots=0):
        """Goes on in a new ring: with another format, or with the same after the clock was set back.

        The next grain, of any index, is its first. Consumers read the old ring to its end and go over to the new one.
        No grain may be open (:class:`flypack.GrainOpen`).
        """
        check(self._handle.call(calls.producer_succeed, byref(format._to_c()), slots))
        self._next = 0

    def open(self, index=None, tai_ns=None, rtp=0):
        """Opens grain `index`, by default that of the present or, if that is taken, the one after the last.

        As a context the grain is committed at its end, and cancelled by an exception.
        """
        if index is None:
            index = max(self.index_now(), self._next)
        stamp = None if tai_ns is None else byref(_library.Stamp(tai_ns, rtp))
        number = c_uint64()
        check(self._handle.call(calls.producer_open, index, stamp, byref(number)))
        self._next = index + 1
        return Grain(self._handle, self.layout, index, number.value)

    def index_now(self):
        """The grain that is nearest to the present."""
        index = c_uint64()
        check(self._handle.call(calls.producer_index_now, byref(index)))
        return index.value

    def poll(self):
        """Looks after the consumers: to be called every frame time at least while no grain is opened."""
        check(self._handle.call(calls.producer_poll))

    def close(self):
        """Ends the flow, once no grain of it is left. Arrays over its grains stay good."""
        self._handle = _library.Handle(None, None)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


class Grain:
    """One open grain."""

    def __init__(self, handle, layout, index, number):
        self._handle, self._layout, self._number = handle, layout, number
        self.index = index
        self._is_open = True
        self._octets = None
        self._ring = None

    def lines(self, first=0, end=None):
        """Lines `first` to `end` (excluded) to be written in place: an array of uint8, one row a line.

        Write to it before the lines are published or the grain ends, not after: readers are looking at them then.
        """
        end = self._layout.slices if end is None else end
        address, octets = c_void_p(), c_size_t()
        status = self._handle.call(
            calls.producer_lines, self._number, first, max(end - first, 0), byref(address), byref(octets)
        )
        check(status)
        shape = (end - first, self._layout.slice_octets)
        return numpy.asarray(Memory(self._kept_ring(), address.value, shape, False))

    def _kept_ring(self):
        # Arrays outlive the grain, and perhaps the ring: the flow may go over to another one after it.
        if self._ring is None:
            out = c_void_p()
            check(self._handle.call(calls.producer_memory, byref(out)))
            self._ring = _library.Handle(out.value, calls.memory_release)
        return self._ring

    def write(self, octets):
        """Writes a grain of ancillary data: as long as it is, at most the format's `max_octets`."""
        octets = numpy.frombuffer(octets, dtype=numpy.uint8)
        room = self._layout.grain_octets
        if len(octets) > room:
            text = f"{len(octets)} octets do not fit into a grain of {room}"
            raise OutOfRange(text, {"end": len(octets), "grain_octets": room})
        self.lines()[0, : len(octets)] = octets
        self._octets = len(octets)

    def mark_lost(self, line):
        """Declares a line lost, before it is published."""
        check(self._handle.call(calls.producer_mark_lost, self._number, line))

    def publish(self, slices):
        """Publishes the first `slices` lines: they are the readers' from now on."""
        check(self._handle.call(calls.producer_publish, self._number, slices))

    def commit(self):
        """Publishes all of it and ends the grain."""
        octets = self._layout.grain_octets if self._octets is None else self._octets
        end = _library.GrainEnd(octets=octets)
        check(self._handle.call(calls.producer_commit, self._number, byref(end)))
        self._end()

    def cancel(self):
        """Gives the grain up; what was published stays readable."""
        check(self._handle.call(calls.producer_cancel, self._number))
        self._end()

    def _end(self):
        self._is_open = False

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _traceback):
        if not self._is_open:
            return
        if kind is None:
            self.commit()
            return
        try:
            self.cancel()
        except NotOpen:
            pass

    def __del__(self):
        if getattr(self, "_is_open", False) and self._handle.is_ours():
            self._handle.call(calls.producer_cancel, self._number)
