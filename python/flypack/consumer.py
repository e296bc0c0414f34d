"""Reading grains."""

import time
from ctypes import byref, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass

import numpy

from . import _library
from ._library import Handle, Memory, calls, check
from .errors import CopyOnly, EpochEnded, Evicted, Gone, NoSuchFlow, ProducerGone, TimedOut, Torn
from .formats import Audio, Ancillary, Layout

# A wait goes to the library in pieces, so that Ctrl-C comes through in between.
_PIECE_NS = 100_000_000
_DTYPES = {"L16": ">i2", "F32": "<f4"}


@dataclass(frozen=True)
class State:
    """How far a grain has come."""

    slices: int
    """Slices from the top that are final: written, or declared lost."""
    complete: bool
    """Committed: all slices are final."""
    cancelled: bool
    """Given up: no further slices will come."""
    lost_lines: int
    """Lines that were declared lost, once it has ended."""
    octets: int
    """How long the grain is, in octets, once it has ended."""

    @classmethod
    def _of_c(cls, state):
        return cls(state.slices, bool(state.complete), bool(state.cancelled), state.lost_lines, state.octets)


def _in_pieces(timeout, call):
    """Calls with time-outs in ns until one ends otherwise than by time, or `timeout` seconds are over."""
    end = None if timeout is None else time.monotonic_ns() + int(timeout * 1e9)
    while True:
        left = _PIECE_NS if end is None else min(max(end - time.monotonic_ns(), 0), _PIECE_NS)
        try:
            return check(call(left))
        except TimedOut:
            if end is not None and time.monotonic_ns() >= end:
                raise


class Consumer:
    """A reader of one flow. One thread at a time may use it.

    As an iterator it gives one grain after the other, takes a new seat when it was evicted (`evictions` counts) or the
    flow goes on in another ring (`layout` then is the new one's), and ends when the producer is gone (also when the
    gateway restarts, if the flow is the gateway's own: it is another one then).

    A loop's variable holds the last grain while the next one is asked for. Where the ring has no room for a second seat
    beside the evicted one, whose grains are held until that is gone, the loop ends with :class:`flypack.LimitReached`:
    `del lease` at the end of the body avoids it.
    """

    def __init__(self, handle, session):
        self._handle, self._session = handle, session
        self.evictions = 0
        self._read_layout()

    def _read_layout(self):
        layout = _library.Layout()
        check(self._handle.call(calls.consumer_layout, byref(layout)))
        self.layout = Layout._of_c(layout)

    def next(self, timeout=None):
        """Leases the oldest grain that was opened and not passed; waits `timeout` seconds for one, or without end."""
        out = c_void_p()
        _in_pieces(timeout, lambda ns: self._handle.call(calls.consumer_next, ns, byref(out)))
        return self._lease(out)

    def get(self, index):
        """Leases grain `index`, and passes those below it. Does not wait."""
        out = c_void_p()
        check(self._handle.call(calls.consumer_get, index, byref(out)))
        return self._lease(out)

    def get_at(self, tai_ns):
        """Leases the grain nearest to an instant of TAI. Does not wait."""
        out = c_void_p()
        check(self._handle.call(calls.consumer_get_at, tai_ns, byref(out)))
        return self._lease(out)

    def rejoin(self):
        """Takes a new seat in the same flow: after Evicted, or when the flow is back."""
        session = self._session
        check(self._handle.call(calls.consumer_rejoin, session.pointer))
        self._read_layout()

    def close(self):
        """Ends the consumer; its seat comes free with the last lease and array."""
        self._handle = Handle(None, None)

    def _lease(self, out):
        return Lease(Handle(out.value, calls.lease_release), self._handle, self.layout)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            try:
                return self.next()
            except Evicted:
                self._rejoin_or_stop()
                self.evictions += 1
            except EpochEnded:
                self._rejoin_or_stop()
            except (Gone, Torn):
                continue
            except ProducerGone:
                raise StopIteration from None

    def _rejoin_or_stop(self):
        try:
            self.rejoin()
        except NoSuchFlow:
            # The producer went meanwhile.
            raise StopIteration from None


class Lease:
    """A grain in use: it is not overwritten until this and every array over it are gone (or, of a lossy consumer, until
    the producer comes round)."""

    def __init__(self, handle, consumer, layout):
        self._handle, self._consumer, self._layout = handle, consumer, layout
        index = c_uint64()
        check(handle.call(calls.lease_index, byref(index)))
        self.index = index.value
        """The grain's index."""
        stamp = _library.Stamp()
        check(handle.call(calls.lease_stamp, byref(stamp)))
        self.tai_ns, self.rtp = stamp.tai_ns, stamp.rtp

    @property
    def state(self):
        """How far the grain has come."""
        state = _library.State()
        check(self._handle.call(calls.lease_state, byref(state)))
        return State._of_c(state)

    def wait(self, slices=None, timeout=None):
        """Waits until the first `slices` lines are final, or (by default) the grain has ended: its state."""
        slices = _library.END if slices is None else slices
        state = _library.State()
        lease = self._handle
        _in_pieces(
            timeout,
            lambda ns: self._consumer.call(calls.consumer_wait, lease.pointer, slices, ns, byref(state)),
        )
        return State._of_c(state)

    def lines(self, first=0, end=None):
        """Lines `first` to `end` (excluded): a read-only array of uint8, one row a line. They must be published.

        The array is the shared memory itself where the flow is the gateway's own and this consumer a leased one, and
        keeps the grain in use. What a pod produces is copied: the pod may write to its memory at any time, and an
        array that changes while it is looked at is no value that a program can check first and use afterwards.
        """
        end = self._layout.slices if end is None else end
        try:
            return self._in_place(first, end)
        except CopyOnly:
            copy = self.copy(first, end)
            copy.flags.writeable = False
            return copy

    def _in_place(self, first, end):
        address, octets = c_void_p(), c_size_t()
        count = max(end - first, 0)
        check(self._handle.call(calls.lease_lines, first, count, byref(address), byref(octets)))
        shape = (count, self._layout.slice_octets)
        return numpy.asarray(Memory(self._handle, address.value, shape, True))

    def copy(self, first=0, end=None):
        """A copy of lines `first` to `end` (excluded), checked to be whole: an array that is the caller's own."""
        end = self._layout.slices if end is None else end
        copy = numpy.empty((max(end - first, 0), self._layout.slice_octets), dtype=numpy.uint8)
        copied = self._handle.call(calls.lease_copy, first, len(copy), copy.ctypes.data_as(c_void_p), copy.nbytes
        )
        check(copied)
        return copy

    def samples(self):
        """A block of sound that is complete, one row an instant, one column a channel; of L24 three octets each."""
        format = self._layout.format
        if not isinstance(format, Audio):
            raise TypeError(f"{format} has no samples")
        lines = self.lines()
        if format.depth == "L24":
            return lines.reshape(len(lines), format.channels, 3)
        return lines.view(_DTYPES[format.depth])

    def octets(self):
        """A grain that has ended, as one row of uint8; as long as it is, also of ancillary data."""
        octets = self.lines().reshape(-1)
        return octets[: self.state.octets] if isinstance(self._layout.format, Ancillary) else octets

    def lost_lines(self):
        """The lines that were declared lost, from the top."""
        lines, count = (c_uint32 * self._layout.slices)(), c_size_t()
        check(self._handle.call(calls.lease_lost_lines, lines, len(lines), byref(count)))
        return list(lines[: count.value])

    def release(self):
        """Lets the grain go, once no array over it is left."""
        self._handle = Handle(None, None)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.release()
