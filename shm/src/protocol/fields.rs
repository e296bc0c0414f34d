//! Fields that are more than a number: formats, geometries, classes.

use media::{
    AncillaryFormat, AudioDepth, AudioFormat, Depth, FlowFormat, GrainIndex, Rate, Sampling, Tai, VideoFormat,
};

use super::wire::{DecodeError, Decoder, Encoder};
use crate::{CONSUMERS_MAX, ConsumerClass, Geometry, Pages, Start, WakeMode};

const VIDEO: u8 = 0;
const AUDIO: u8 = 1;
const ANCILLARY: u8 = 2;

/// The octets of a format, in their order; what they mean depends on the kind.
///
/// ```text
///            a         b      c          d        kind  spare  e            f
/// picture    sampling  depth  width      height   0     0      rate: num    den
/// audio      0         bits   channels   samples  1     0      sample rate  0
/// ancillary  0         0      octets: low, high   2     0      rate: num    den
/// ```
struct FormatWords {
    a: u8,
    b: u8,
    c: u16,
    d: u16,
    kind: u8,
    e: u32,
    f: u32,
}

impl FormatWords {
    fn of(format: &FlowFormat) -> Self {
        let rate = format.rate();
        let timed = Self { a: 0, b: 0, c: 0, d: 0, kind: VIDEO, e: rate.num(), f: rate.den() };
        match format {
            FlowFormat::Video(video) => Self {
                a: match video.sampling() {
                    Sampling::YCbCr422 => 1,
                },
                b: video.depth().bits(),
                c: video.width(),
                d: video.height(),
                ..timed
            },
            FlowFormat::Audio(audio) => Self {
                b: match audio.depth() {
                    AudioDepth::L16 => 16,
                    AudioDepth::L24 => 24,
                    AudioDepth::F32 => 32,
                },
                c: audio.channels(),
                d: audio.block_samples(),
                kind: AUDIO,
                e: audio.sample_rate_hz(),
                f: 0,
                a: 0,
            },
            FlowFormat::Ancillary(ancillary) => {
                let octets = ancillary.max_octets();
                Self { c: octets as u16, d: (octets >> 16) as u16, kind: ANCILLARY, ..timed }
            }
        }
    }

    fn format(&self) -> Result<FlowFormat, DecodeError> {
        match self.kind {
            VIDEO => self.video().map(FlowFormat::Video),
            AUDIO => self.audio().map(FlowFormat::Audio),
            ANCILLARY => self.ancillary().map(FlowFormat::Ancillary),
            _ => Err(DecodeError::Field("kind of format")),
        }
    }

    fn video(&self) -> Result<VideoFormat, DecodeError> {
        let sampling = match self.a {
            1 => Sampling::YCbCr422,
            _ => return Err(DecodeError::Field("sampling")),
        };
        let depth = match self.b {
            8 => Depth::Bits8,
            10 => Depth::Bits10,
            _ => return Err(DecodeError::Field("depth")),
        };
        VideoFormat::new(self.c.into(), self.d.into(), sampling, depth, self.rate()?)
            .map_err(|_| DecodeError::Field("size"))
    }

    fn audio(&self) -> Result<AudioFormat, DecodeError> {
        let depth = match self.b {
            16 => AudioDepth::L16,
            24 => AudioDepth::L24,
            32 => AudioDepth::F32,
            _ => return Err(DecodeError::Field("depth")),
        };
        if self.a != 0 || self.f != 0 {
            return Err(DecodeError::Field("spare octet"));
        }
        AudioFormat::new(self.c.into(), self.e, depth, self.d.into()).map_err(|_| DecodeError::Field("audio format"))
    }

    fn ancillary(&self) -> Result<AncillaryFormat, DecodeError> {
        if (self.a, self.b) != (0, 0) {
            return Err(DecodeError::Field("spare octet"));
        }
        let octets = u32::from(self.c) | u32::from(self.d) << 16;
        AncillaryFormat::new(self.rate()?, octets).map_err(|_| DecodeError::Field("ancillary format"))
    }

    fn rate(&self) -> Result<Rate, DecodeError> {
        let rate = Rate::new(self.e, self.f).map_err(|_| DecodeError::Field("rate"))?;
        // A rate that is not in its lowest terms would come back changed.
        if (rate.num(), rate.den()) == (self.e, self.f) { Ok(rate) } else { Err(DecodeError::Field("rate")) }
    }
}

impl Encoder {
    /// `a u8, b u8, c u16, d u16, kind u8, spare u8, e u32, f u32`: 16 octets, see [`FormatWords`]. Version 1 has a spare
    /// octet for the kind.
    pub(super) fn format(&mut self, format: &FlowFormat) {
        let words = FormatWords::of(format);
        self.needs_newer(words.kind != VIDEO, "a flow of audio or ancillary data");
        self.u8(words.a);
        self.u8(words.b);
        self.u16(words.c);
        self.u16(words.d);
        self.u8(words.kind);
        self.u8(0);
        self.u32(words.e);
        self.u32(words.f);
    }

    /// `epoch u128, flow, format, slots u16, descs u16, slices u16, k_max u16, stride u64, slice u32, grain u32,
    /// pages u8, spare u8, open u16, TAI base i64`: 84 octets. Version 1 has spare octets for `open`, and readers that
    /// need not know it.
    pub(super) fn geometry(&mut self, geometry: &Geometry) {
        self.u128(geometry.epoch);
        self.flow(geometry.flow);
        self.format(&geometry.format);
        for count in [geometry.slots, geometry.descs, geometry.slices, geometry.k_max] {
            self.u16(count);
        }
        self.u64(geometry.slot_stride);
        self.u32(geometry.slice_octets);
        self.u32(geometry.grain_octets);
        self.u8(match geometry.pages {
            Pages::Plain => 0,
            Pages::Huge2M => 1,
        });
        self.u8(0);
        self.u16(if self.is_first() { 0 } else { geometry.open_max });
        self.u64(geometry.tai_base.as_nanos() as u64);
    }

    /// `class u8 (0 lossy, 1 leased, 2 blocking), spare u8, k u16, deadline i64`: 12 octets.
    pub(super) fn class(&mut self, class: ConsumerClass) {
        let (kind, k, deadline) = match class {
            ConsumerClass::Lossy => (0, 0, 0),
            ConsumerClass::Leased { k, deadline_nanos } => (1, k, deadline_nanos),
            ConsumerClass::Blocking { k } => (2, k, 0),
        };
        self.needs_newer(kind == 2, "a blocking consumer");
        self.u8(kind);
        self.u8(0);
        self.u16(k);
        self.u64(deadline as u64);
    }

    /// From version 2 on: `start u8`.
    pub(super) fn start(&mut self, start: Start) {
        if self.is_first() {
            return self.needs_newer(start != Start::Live, "a start at the oldest grain");
        }
        self.u8(match start {
            Start::Live => 0,
            Start::Oldest => 1,
        });
    }

    pub(super) fn wake(&mut self, wake: WakeMode) {
        self.u8(match wake {
            WakeMode::None => 0,
            WakeMode::Inline => 1,
            WakeMode::Housekeeping => 2,
        });
    }
}

impl Decoder<'_> {
    pub(super) fn format(&mut self) -> Result<FlowFormat, DecodeError> {
        let (a, b) = (self.u8("format")?, self.u8("format")?);
        let (c, d) = (self.u16("format")?, self.u16("format")?);
        let kind = self.u8("kind of format")?;
        if self.is_first() && kind != VIDEO {
            return Err(DecodeError::Field("spare octet"));
        }
        self.spare()?;
        let (e, f) = (self.u32("rate")?, self.u32("rate")?);
        FormatWords { a, b, c, d, kind, e, f }.format()
    }

    pub(super) fn class(&mut self) -> Result<ConsumerClass, DecodeError> {
        let field = "consumer class";
        let kind = self.u8(field)?;
        self.spare()?;
        let (k, deadline_nanos) = (self.u16(field)?, self.u64(field)? as i64);
        match kind {
            0 if k == 0 && deadline_nanos == 0 => Ok(ConsumerClass::Lossy),
            1 if k > 0 && deadline_nanos > 0 => Ok(ConsumerClass::Leased { k, deadline_nanos }),
            2 if k > 0 && deadline_nanos == 0 && !self.is_first() => Ok(ConsumerClass::Blocking { k }),
            _ => Err(DecodeError::Field(field)),
        }
    }

    pub(super) fn start(&mut self) -> Result<Start, DecodeError> {
        if self.is_first() {
            return Ok(Start::Live);
        }
        match self.u8("start")? {
            0 => Ok(Start::Live),
            1 => Ok(Start::Oldest),
            _ => Err(DecodeError::Field("start")),
        }
    }

    pub(super) fn wake(&mut self) -> Result<WakeMode, DecodeError> {
        match self.u8("wake mode")? {
            0 => Ok(WakeMode::None),
            1 => Ok(WakeMode::Inline),
            2 => Ok(WakeMode::Housekeeping),
            _ => Err(DecodeError::Field("wake mode")),
        }
    }

    /// A consumer's number in its ring.
    pub(super) fn consumer(&mut self) -> Result<u8, DecodeError> {
        match self.u8("consumer")? {
            number if number < CONSUMERS_MAX => Ok(number),
            _ => Err(DecodeError::Field("consumer")),
        }
    }

    pub(super) fn index(&mut self, field: &'static str) -> Result<GrainIndex, DecodeError> {
        match self.u64(field)? {
            index if index <= GrainIndex::LIMIT => Ok(GrainIndex(index)),
            _ => Err(DecodeError::Field(field)),
        }
    }

    /// A geometry whose every offset is in range.
    pub(super) fn geometry(&mut self) -> Result<Geometry, DecodeError> {
        let field = "geometry";
        let (epoch, flow, format) = (self.u128("epoch")?, self.flow()?, self.format()?);
        let (slots, descs) = (self.u16(field)?, self.u16(field)?);
        let (slices, k_max) = (self.u16(field)?, self.u16(field)?);
        let slot_stride = self.u64(field)?;
        let (slice_octets, grain_octets) = (self.u32(field)?, self.u32(field)?);
        let pages = if self.flag("pages")? { Pages::Huge2M } else { Pages::Plain };
        self.spare()?;
        let open_max = match (self.is_first(), self.u16("open grains")?) {
            (true, 0) => 1,
            (false, open_max) => open_max,
            _ => return Err(DecodeError::Field("spare octet")),
        };
        let tai_base = Tai::from_nanos(self.u64(field)? as i64);
        let geometry = Geometry {
            epoch,
            flow,
            format,
            slots,
            slot_stride,
            slices,
            slice_octets,
            grain_octets,
            descs,
            k_max,
            open_max,
            pages,
            tai_base,
        };
        geometry.check().map_err(|_| DecodeError::Field(field))?;
        Ok(geometry)
    }
}
