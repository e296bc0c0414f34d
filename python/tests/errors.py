"""Every status of flypack.h has its exception, structs lie in memory as the library's do, and errors carry their values."""

import ctypes
import os
import re
import sys

import numpy

import flypack
from flypack import _library
from flypack.errors import BY_STATUS

header, structs = sys.argv[1], sys.argv[2:]

with open(header) as text:
    statuses = {int(number) for number in re.findall(r"FLYPACK_E_\w+ = (\d+)", text.read())}
assert statuses == set(BY_STATUS), statuses ^ set(BY_STATUS)
for kind in BY_STATUS.values():
    assert getattr(flypack, kind.__name__) is kind and kind.__doc__

# Names, sizes and places of all members are those of the library.
for struct in structs:
    name, octets, members = re.fullmatch(r"(\w+)=(\d+):(.*)", struct).groups()
    ours = getattr(_library, name)
    assert ctypes.sizeof(ours) == int(octets), struct
    assert ",".join(f"{field[0]}@{getattr(ours, field[0]).offset}" for field in ours._fields_) == members, struct
declared = [kind for kind in vars(_library).values() if isinstance(kind, type) and issubclass(kind, ctypes.Structure)]
declared = [kind for kind in declared if hasattr(kind, "_fields_")]
assert len(declared) == len(structs) == 12, declared

try:
    flypack.Session("/nowhere/at/all.sock")
except flypack.CannotConnect as error:
    assert isinstance(error, ConnectionError) and error.errno == 2, error.values
    assert "/nowhere/at/all.sock" in str(error)
    assert not hasattr(error, "limit")

session = flypack.Session(os.environ["FLYPACK_SOCKET"])
for name, kind in (("none", flypack.NoSuchFlow), ("not a name", flypack.Invalid)):
    try:
        session.subscribe(name)
    except kind:
        pass
    else:
        raise AssertionError(name)
try:
    session.subscribe("cam", expect=flypack.Video(1920, 1080))
except flypack.WrongFormat as error:
    assert error.found.startswith("320x180p50") and error.expected.startswith("1920x1080p50"), error.values
else:
    raise AssertionError("another format was taken")
try:
    session.produce("gfx", flypack.Video(64, 8, bits=12))
except ValueError as error:
    assert "12 bits" in str(error)
else:
    raise AssertionError("12 bits were taken")
try:
    session.produce("cam", flypack.Video(64, 8))
except flypack.NameTaken:
    pass
else:
    raise AssertionError("two flows have one name")
try:
    session.subscribe("cam", grains_held=63)
except flypack.LimitReached as error:
    assert error.limit < 63 and error.k == 63, error.values
else:
    raise AssertionError("63 grains were promised")

# Whatever is a whole number does.
lease = session.subscribe("cam").next(timeout=30)
assert lease.lines(numpy.int64(0), numpy.uint8(0)).shape == (0, 800)
for ask in (lambda: lease.lines(0.5), lambda: flypack.Video(64.0, 8)._to_c()):
    try:
        ask()
    except TypeError:
        pass
    else:
        raise AssertionError("half a line was taken")

# What the library could not be told is refused, not cut to fit.
for ask in (
    lambda: session.subscribe("cam", deadline=0),
    lambda: session.subscribe("cam", deadline=-1),
    lambda: session.subscribe("cam", deadline=1e-10),
    lambda: session.subscribe("cam", deadline=1e12),
    lambda: session.subscribe("cam", grains_held=0),
    lambda: session.subscribe("cam", grains_held=2**32 + 2),
    lambda: session.produce("gfx", flypack.Video(64, 8), slots=2**32 + 8),
    lambda: session.produce("gfx", flypack.Video(2**32 + 64, 8)),
    lambda: session.produce("gfx", flypack.Audio(-2)),
    lambda: session.subscribe("cam").get(lease.index + 2**64),
    lambda: lease.lines(2**32, 2**32 + 1),
    lambda: lease.wait(slices=-1),
):
    try:
        ask()
    except flypack.Invalid as error:
        assert isinstance(error, ValueError), error
    else:
        raise AssertionError("a number that does not fit was taken")

# A session that is closed answers nothing more; what came of it goes on.
with session as same:
    assert same is session and session.flows()
for ask in (session.flows, lambda: session.subscribe("cam")):
    try:
        ask()
    except flypack.Invalid:
        pass
    else:
        raise AssertionError("a session that is closed goes on")
assert lease.wait(timeout=30).complete
