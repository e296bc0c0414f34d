//! Fixed little-endian fields: the encoder and the decoder that every message is made of.

use media::{FlowId, Name};

use super::{EncodeError, MAX_MESSAGE_OCTETS, Version};

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
    version: Version,
    /// What the version has no octets for.
    unspeakable: Option<&'static str>,
}

impl Encoder {
    pub(super) fn new(kind: u16, request: u32, version: Version) -> Self {
        let mut encoder = Self { out: Vec::with_capacity(256), version, unspeakable: None };
        encoder.u16(kind);
        encoder.u16(0);
        encoder.u32(request);
        encoder
    }

    /// The finished message with its length in the header.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        if let Some(what) = self.unspeakable {
            return Err(EncodeError { what, speaks: self.version });
        }
        debug_assert!(self.out.len() <= MAX_MESSAGE_OCTETS, "a message outgrew its bound");
        let octets = self.out.len() as u16;
        self.out[2..4].copy_from_slice(&octets.to_le_bytes());
        Ok(self.out)
    }

    /// Whether this is for a peer of the first version.
    pub(super) fn is_first(&self) -> bool {
        self.version == Version::V1
    }

    /// Takes note of what the first version has no octets for.
    pub(super) fn needs_newer(&mut self, needed: bool, what: &'static str) {
        if needed && self.is_first() {
            self.unspeakable = Some(what);
        }
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
}

/// Takes one message apart.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    version: Version,
}

impl<'a> Decoder<'a> {
    /// The kind, the request and the body.
    pub(super) fn open(message: &'a [u8], version: Version) -> Result<(u16, u32, Self), DecodeError> {
        if message.len() < HEADER_OCTETS || message.len() > MAX_MESSAGE_OCTETS {
            return Err(DecodeError::Size { octets: message.len() });
        }
        let mut body = Self { rest: message, version };
        let kind = body.u16("kind")?;
        let said = body.u16("length")?;
        let request = body.u32("request")?;
        if usize::from(said) != message.len() {
            return Err(DecodeError::Length { said, was: message.len() });
        }
        Ok((kind, request, body))
    }

    /// Whether this is of a peer of the first version.
    pub(super) fn is_first(&self) -> bool {
        self.version == Version::V1
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

    pub(super) fn spare(&mut self) -> Result<(), DecodeError> {
        match self.u8("spare octet")? {
            0 => Ok(()),
            _ => Err(DecodeError::Field("spare octet")),
        }
    }
}
