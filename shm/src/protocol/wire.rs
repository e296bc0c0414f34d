//! Fixed little-endian fields: the encoder and the decoder that every message is made of.

use media::{Depth, FlowId, GrainIndex, Name, Rate, Sampling, Tai, VideoFormat};

use super::MAX_MESSAGE_OCTETS;
use crate::{CONSUMERS_MAX, ConsumerClass, Geometry, Pages};

/// Octets of the header before the body.
pub(super) const HEADER_OCTETS: usize = 8;
const NAME_OCTETS: usize = Name::MAX_OCTETS;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a header, or longer than any message.
    #[error("{octets} octets are no message: 8 to {MAX_MESSAGE_OCTETS} are")]
    Size {
        /// Octets of the datagram.
        octets: usize,
    },
    /// The header's length is not the datagram's.
    #[error("the header says {said} octets, the datagram has {was}")]
    Length {
        /// What the header says.
        said: u16,
        /// Octets of the datagram.
        was: usize,
    },
    /// No message has this kind, or not in this direction.
    #[error("no message is of kind {0:#06x}")]
    Kind(u16),
    /// The body ends inside a field.
    #[error("the message ends inside its {0}")]
    Truncated(&'static str),
    /// The body goes on after its last field.
    #[error("{octets} octets follow the last field")]
    Trailing {
        /// How many.
        octets: usize,
    },
    /// A field holds what it cannot mean.
    #[error("the {0} is out of range")]
    Field(&'static str),
}

/// Builds one message.
pub(super) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(kind: u16, request: u32) -> Self {
        let mut encoder = Self { out: Vec::with_capacity(256) };
        encoder.u16(kind);
        encoder.u16(0);
        encoder.u32(request);
        encoder
    }

    /// The finished message with its length in the header.
    pub(super) fn finish(mut self) -> Vec<u8> {
        debug_assert!(self.out.len() <= MAX_MESSAGE_OCTETS, "a message outgrew its bound");
        let octets = self.out.len() as u16;
        self.out[2..4].copy_from_slice(&octets.to_le_bytes());
        self.out
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u128(&mut self, value: u128) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// `octets u8`, then 64 octets, filled with 0; no name is 65 zeros.
    pub(super) fn name(&mut self, name: Option<&Name>) {
        let text = name.map_or(&b""[..], |n| n.as_str().as_bytes());
        self.u8(text.len() as u8);
        self.out.extend_from_slice(text);
        self.out.resize(self.out.len() + NAME_OCTETS - text.len(), 0);
    }

    pub(super) fn flow(&mut self, flow: FlowId) {
        self.out.extend_from_slice(&flow.octets());
    }

    /// `sampling u8, depth u8, width u16, height u16, spare u16, rate u32/u32`: 16 octets.
    pub(super) fn format(&mut self, format: &VideoFormat) {
        let sampling = match format.sampling() {
            Sampling::YCbCr422 => 1,
        };
        self.u8(sampling);
        self.u8(format.depth().bits());
        self.u16(format.width());
        self.u16(format.height());
        self.u16(0);
        self.u32(format.rate().num());
        self.u32(format.rate().den());
    }

    /// `epoch u128, flow, format, slots u16, descs u16, slices u16, k_max u16, stride u64, slice u32, grain u32,
    /// pages u8, spare u8, spare u16, TAI base i64`: 84 octets.
    pub(super) fn geometry(&mut self, geometry: &Geometry) {
        self.u128(geometry.epoch);
        self.flow(geometry.flow);
        match geometry.format.as_video() {
            Some(video) => self.format(video),
            // No ring of anything else is made while there is no way to say it; nobody takes this for a format.
            None => (0..4).for_each(|_| self.u32(0)),
        }
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
        self.u16(0);
        self.u64(geometry.tai_base.as_nanos() as u64);
    }

    /// `leased u8, spare u8, k u16, deadline i64`: 12 octets.
    pub(super) fn class(&mut self, class: ConsumerClass) {
        let (leased, k, deadline) = match class {
            ConsumerClass::Lossy => (0, 0, 0),
            ConsumerClass::Leased { k, deadline_nanos } => (1, k, deadline_nanos),
        };
        self.u8(leased);
        self.u8(0);
        self.u16(k);
        self.u64(deadline as u64);
    }
}

/// Takes one message apart.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// The kind, the request and the body.
    pub(super) fn open(message: &'a [u8]) -> Result<(u16, u32, Self), DecodeError> {
        if message.len() < HEADER_OCTETS || message.len() > MAX_MESSAGE_OCTETS {
            return Err(DecodeError::Size { octets: message.len() });
        }
        let mut body = Self { rest: message };
        let kind = body.u16("kind")?;
        let said = body.u16("length")?;
        let request = body.u32("request")?;
        if usize::from(said) != message.len() {
            return Err(DecodeError::Length { said, was: message.len() });
        }
        Ok((kind, request, body))
    }

    /// `message`, if nothing is left over.
    pub(super) fn close<T>(self, message: T) -> Result<T, DecodeError> {
        match self.rest.len() {
            0 => Ok(message),
            octets => Err(DecodeError::Trailing { octets }),
        }
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated(field))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self, field: &'static str) -> Result<u128, DecodeError> {
        self.array(field).map(u128::from_le_bytes)
    }

    /// A flag that is 0 or 1.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Field(field)),
        }
    }

    pub(super) fn name(&mut self) -> Result<Option<Name>, DecodeError> {
        let octets = usize::from(self.u8("name")?);
        let field: [u8; NAME_OCTETS] = self.array("name")?;
        let (text, fill) = field.split_at_checked(octets).ok_or(DecodeError::Field("name"))?;
        if fill.iter().any(|octet| *octet != 0) {
            return Err(DecodeError::Field("name"));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(text).map_err(|_| DecodeError::Field("name"))?;
        text.parse().map(Some).map_err(|_| DecodeError::Field("name"))
    }

    pub(super) fn named(&mut self) -> Result<Name, DecodeError> {
        self.name()?.ok_or(DecodeError::Field("name"))
    }

    pub(super) fn flow(&mut self) -> Result<FlowId, DecodeError> {
        self.array("flow id").map(FlowId::from_octets)
    }

    pub(super) fn index(&mut self, field: &'static str) -> Result<GrainIndex, DecodeError> {
        match self.u64(field)? {
            index if index <= GrainIndex::LIMIT => Ok(GrainIndex(index)),
            _ => Err(DecodeError::Field(field)),
        }
    }

    pub(super) fn spare(&mut self) -> Result<(), DecodeError> {
        match self.u8("spare octet")? {
            0 => Ok(()),
            _ => Err(DecodeError::Field("spare octet")),
        }
    }

    fn spare_u16(&mut self) -> Result<(), DecodeError> {
        self.spare()?;
        self.spare()
    }

    pub(super) fn format(&mut self) -> Result<VideoFormat, DecodeError> {
        let field = "format";
        let sampling = match self.u8(field)? {
            1 => Sampling::YCbCr422,
            _ => return Err(DecodeError::Field("sampling")),
        };
        let depth = match self.u8(field)? {
            8 => Depth::Bits8,
            10 => Depth::Bits10,
            _ => return Err(DecodeError::Field("depth")),
        };
        let (width, height) = (self.u16(field)?, self.u16(field)?);
        self.spare_u16()?;
        let (num, den) = (self.u32("rate")?, self.u32("rate")?);
        let rate = Rate::new(num, den).map_err(|_| DecodeError::Field("rate"))?;
        if (rate.num(), rate.den()) != (num, den) {
            return Err(DecodeError::Field("rate"));
        }
        VideoFormat::new(width.into(), height.into(), sampling, depth, rate).map_err(|_| DecodeError::Field("size"))
    }

    pub(super) fn class(&mut self) -> Result<ConsumerClass, DecodeError> {
        let field = "consumer class";
        let leased = self.flag(field)?;
        self.spare()?;
        let (k, deadline_nanos) = (self.u16(field)?, self.u64(field)? as i64);
        match leased {
            true if k > 0 && deadline_nanos > 0 => Ok(ConsumerClass::Leased { k, deadline_nanos }),
            false if k == 0 && deadline_nanos == 0 => Ok(ConsumerClass::Lossy),
            _ => Err(DecodeError::Field(field)),
        }
    }

    /// A consumer's number in its ring.
    pub(super) fn consumer(&mut self) -> Result<u8, DecodeError> {
        match self.u8("consumer")? {
            number if number < CONSUMERS_MAX => Ok(number),
            _ => Err(DecodeError::Field("consumer")),
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
        self.spare_u16()?;
        let tai_base = Tai::from_nanos(self.u64(field)? as i64);
        let geometry = Geometry {
            epoch,
            flow,
            format: format.into(),
            slots,
            slot_stride,
            slices,
            slice_octets,
            grain_octets,
            descs,
            k_max,
            // Version 1 says nothing of it.
            open_max: 1,
            pages,
            tai_base,
        };
        geometry.check().map_err(|_| DecodeError::Field(field))?;
        Ok(geometry)
    }
}
