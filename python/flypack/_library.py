"""libflypack.so: found, loaded, and its calls declared as flypack.h has them."""

import ctypes
import operator
import os
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint16, c_uint32
from ctypes import c_uint64, c_void_p
from types import SimpleNamespace

from .errors import BY_STATUS, FlypackError, Invalid

NAME_OCTETS = 65
VIDEO, AUDIO, ANCILLARY = 1, 2, 3
LEASED, LOSSY, BLOCKING = 1, 2, 3
LIVE, OLDEST = 0, 1
END = 65_535
WAKES = {None: 0, "none": 1, "inline": 2, "housekeeping": 3}


class Numbers(Structure):
    """A struct that is given numbers by name or in order, and refuses those that do not fit: ctypes would cut them."""

    def __init__(self, *values, **named):
        named.update(zip((field[0] for field in self._fields_), values))
        super().__init__(**{name: operator.index(value) for name, value in named.items()})
        for name, value in named.items():
            if getattr(self, name) != value:
                raise Invalid(f"{name} is {value}, which is below 0 or beyond what the library can be told")


class Video(Numbers):
    _fields_ = [(name, c_uint32) for name in ("width", "height", "sampling", "bits", "rate_num", "rate_den")]


class Audio(Numbers):
    _fields_ = [(name, c_uint32) for name in ("channels", "sample_rate_hz", "depth", "block_samples")]


class Ancillary(Numbers):
    _fields_ = [(name, c_uint32) for name in ("rate_num", "rate_den", "max_octets")]


class Format(Structure):
    _fields_ = [("kind", c_uint32), ("video", Video), ("audio", Audio), ("ancillary", Ancillary)]


class Layout(Structure):
    _fields_ = [("format", Format)] + [
        (name, c_uint32) for name in ("slots", "slices", "slice_octets", "grain_octets", "rate_num", "rate_den")
    ]


class Flow(Structure):
    _fields_ = [
        ("name", c_char * NAME_OCTETS),
        ("is_pods", c_uint8),
        ("slots", c_uint16),
        ("consumers", c_uint16),
        ("format", Format),
    ]


class Stamp(Numbers):
    _fields_ = [("tai_ns", c_int64), ("rtp", c_uint32)]


class GrainEnd(Numbers):
    _fields_ = [("first_arrival_ns", c_int64), ("last_arrival_ns", c_int64), ("octets", c_uint32)]


class State(Structure):
    _fields_ = [
        ("slices", c_uint32),
        ("complete", c_uint8),
        ("cancelled", c_uint8),
        ("lost_lines", c_uint16),
        ("octets", c_uint32),
    ]


class ErrorValue(Structure):
    _fields_ = [("name", c_char_p), ("number", c_int64), ("text", c_char_p)]


class ProduceOptions(Numbers):
    _fields_ = [(name, c_uint32) for name in ("size", "slots", "open_max", "wake", "blocking")]


class SubscribeOptions(Numbers):
    _fields_ = [
        ("size", c_uint32),
        ("consumer_class", c_uint32),
        ("grains_held", c_uint32),
        ("start", c_uint32),
        ("deadline_ns", c_int64),
        ("expect", POINTER(Format)),
    ]


def _load():
    path = os.environ.get("FLYPACK_LIBRARY", "libflypack.so.0")
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{error}: install libflypack.so.0, or name it in FLYPACK_LIBRARY") from error


_lib = _load()


# What each kind of number can hold: ctypes would cut others to fit.
_BOUNDS = {c_uint32: (0, 2**32 - 1), c_uint64: (0, 2**64 - 1), c_int64: (-(2**63), 2**63 - 1)}

calls = SimpleNamespace()
"""The library's calls, by their names without the prefix."""


def _declare(name, *arguments, result=c_int):
    function = getattr(_lib, "flypack_" + name)
    function.argtypes = arguments
    function.restype = result
    numbers = [(position, *_BOUNDS[kind]) for position, kind in enumerate(arguments) if kind in _BOUNDS]

    def call(*values):
        values = list(values)
        for position, least, most in numbers:
            value = values[position] = operator.index(values[position])
            if not least <= value <= most:
                raise Invalid(f"{value} is no number from {least} to {most}")
        return function(*values)

    setattr(calls, name, call if numbers else function)


# Handles are void pointers here: what they are is the library's affair.
_declare("version", result=c_char_p)
_declare("tai_now", result=c_int64)
_declare("last_error_text", result=c_char_p)
_declare("last_error_values", result=c_size_t)
_declare("last_error_value", c_size_t, POINTER(ErrorValue))
_declare("connect", c_char_p, POINTER(c_void_p))
_declare("session_close", c_void_p, result=None)
_declare("session_flows", c_void_p, POINTER(Flow), c_size_t, POINTER(c_size_t))
_declare("produce", c_void_p, c_char_p, POINTER(Format), POINTER(ProduceOptions), POINTER(c_void_p))
_declare("subscribe", c_void_p, c_char_p, POINTER(SubscribeOptions), POINTER(c_void_p))
_declare("producer_close", c_void_p, result=None)
_declare("producer_layout", c_void_p, POINTER(Layout))
_declare("producer_index_now", c_void_p, POINTER(c_uint64))
_declare("producer_succeed", c_void_p, POINTER(Format), c_uint32)
_declare("producer_memory", c_void_p, POINTER(c_void_p))
_declare("memory_release", c_void_p, result=None)
_declare("producer_poll", c_void_p)
_declare("producer_open", c_void_p, c_uint64, POINTER(Stamp), POINTER(c_uint64))
_declare("producer_lines", c_void_p, c_uint64, c_uint32, c_uint32, POINTER(c_void_p), POINTER(c_size_t))
_declare("producer_mark_lost", c_void_p, c_uint64, c_uint32)
_declare("producer_publish", c_void_p, c_uint64, c_uint32)
_declare("producer_commit", c_void_p, c_uint64, POINTER(GrainEnd))
_declare("producer_cancel", c_void_p, c_uint64)
_declare("consumer_close", c_void_p, result=None)
_declare("consumer_layout", c_void_p, POINTER(Layout))
_declare("consumer_next", c_void_p, c_int64, POINTER(c_void_p))
_declare("consumer_get", c_void_p, c_uint64, POINTER(c_void_p))
_declare("consumer_get_at", c_void_p, c_int64, POINTER(c_void_p))
_declare("consumer_wait", c_void_p, c_void_p, c_uint32, c_int64, POINTER(State))
_declare("consumer_rejoin", c_void_p, c_void_p)
_declare("lease_release", c_void_p, result=None)
_declare("lease_index", c_void_p, POINTER(c_uint64))
_declare("lease_stamp", c_void_p, POINTER(Stamp))
_declare("lease_state", c_void_p, POINTER(State))
_declare("lease_lines", c_void_p, c_uint32, c_uint32, POINTER(c_void_p), POINTER(c_size_t))
_declare("lease_copy", c_void_p, c_uint32, c_uint32, c_void_p, c_size_t)
_declare("lease_lost_lines", c_void_p, POINTER(c_uint32), c_size_t, POINTER(c_size_t))


def version():
    """The release of libflypack.so."""
    return calls.version().decode()


def tai_now():
    """TAI now by the kernel's clock, in ns since 1970-01-01T00:00:00 TAI."""
    return calls.tai_now()


def check(status):
    """Raises the exception of a status that is no success."""
    if status != 0:
        kind = BY_STATUS.get(status, FlypackError)
        raise kind(calls.last_error_text().decode(), _values())


def _values():
    values = {}
    value = ErrorValue()
    for position in range(calls.last_error_values()):
        if calls.last_error_value(position, byref(value)) == 0:
            text = value.text
            values[value.name.decode()] = value.number if text is None else text.decode()
    return values


class Handle:
    """A handle of the library, closed when nobody holds this any more: neither its object nor an array over its memory.

    A child after fork has none of the memory behind it: it never closes one of its parent's, and any use of it there is
    a RuntimeError.
    """

    __slots__ = ("_pointer", "_close", "_pid")

    def __init__(self, pointer, close):
        self._pointer = pointer
        self._close = close
        self._pid = os.getpid()

    @property
    def pointer(self):
        """What the library knows it by. It is good as long as this object is referenced: keep a reference in the call."""
        if self._pointer and os.getpid() != self._pid:
            raise RuntimeError("this is a child after fork, which has nothing of its parent's flows: connect anew")
        return self._pointer

    def call(self, function, *arguments):
        """Calls `function` with the handle. It stays open meanwhile, even if another thread lets it go."""
        return function(self.pointer, *arguments)

    def is_ours(self):
        """Whether it is open, and this process opened it."""
        return bool(self._pointer) and os.getpid() == self._pid

    def __del__(self):
        if self.is_ours():
            self._close(self._pointer)
        self._pointer = None


class Memory:
    """Octets of a ring for numpy, which holds this (and so the handle) as long as an array is left over them."""

    __slots__ = ("_handle", "__array_interface__")

    def __init__(self, handle, address, shape, is_read_only):
        self._handle = handle
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": shape,
            "data": (address, is_read_only),
        }
