"""Formats of flows, and how their grains lie in memory."""

from dataclasses import dataclass
from fractions import Fraction

from . import _library

_DEPTHS = {1: "L16", 2: "L24", 3: "F32"}


def _rate(rate):
    return Fraction(rate).limit_denominator(1001)


@dataclass(frozen=True)
class Video:
    """Progressive pictures of Y'CbCr 4:2:2, packed as ST 2110-20 has them on the wire: lines unpadded.

    `rate` is anything that Fraction takes: 50, "60000/1001", Fraction(60000, 1001).
    """

    width: int
    height: int
    bits: int = 10
    rate: Fraction = Fraction(50)

    def __post_init__(self):
        object.__setattr__(self, "rate", _rate(self.rate))

    def _to_c(self):
        rate = self.rate
        video = _library.Video(self.width, self.height, 1, self.bits, rate.numerator, rate.denominator)
        return _library.Format(kind=_library.VIDEO, video=video)


@dataclass(frozen=True)
class Audio:
    """Blocks of interleaved PCM sound. `depth`: "L16" or "L24" (big-endian), "F32" (little-endian)."""

    channels: int
    sample_rate_hz: int = 48_000
    depth: str = "L24"
    block_samples: int = 48

    def _to_c(self):
        depth = {name: number for number, name in _DEPTHS.items()}.get(self.depth, 0)
        audio = _library.Audio(self.channels, self.sample_rate_hz, depth, self.block_samples)
        return _library.Format(kind=_library.AUDIO, audio=audio)


@dataclass(frozen=True)
class Ancillary:
    """The ancillary data of pictures: RFC 8331 payload words, at most `max_octets` of them a picture."""

    rate: Fraction = Fraction(50)
    max_octets: int = 4096

    def __post_init__(self):
        object.__setattr__(self, "rate", _rate(self.rate))

    def _to_c(self):
        ancillary = _library.Ancillary(self.rate.numerator, self.rate.denominator, self.max_octets)
        return _library.Format(kind=_library.ANCILLARY, ancillary=ancillary)


def of_c(format):
    """A format from the library's struct."""
    if format.kind == _library.VIDEO:
        video = format.video
        return Video(video.width, video.height, video.bits, Fraction(video.rate_num, video.rate_den))
    if format.kind == _library.AUDIO:
        audio = format.audio
        return Audio(audio.channels, audio.sample_rate_hz, _DEPTHS[audio.depth], audio.block_samples)
    ancillary = format.ancillary
    return Ancillary(Fraction(ancillary.rate_num, ancillary.rate_den), ancillary.max_octets)


@dataclass(frozen=True)
class Layout:
    """How the grains of a flow lie in memory."""

    format: object
    """The format."""
    slots: int
    """Slots of the ring."""
    slices: int
    """Slices of a grain: lines of a picture, samples of a block, 1 for ancillary data."""
    slice_octets: int
    """Octets of one slice."""
    grain_octets: int
    """Octets of one grain; the most of one for ancillary data."""
    rate: Fraction
    """Grains a second."""

    @classmethod
    def _of_c(cls, layout):
        return cls(
            of_c(layout.format),
            layout.slots,
            layout.slices,
            layout.slice_octets,
            layout.grain_octets,
            Fraction(layout.rate_num, layout.rate_den),
        )
