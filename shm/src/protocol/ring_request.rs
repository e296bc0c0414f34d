//! What a pod asks for when it wants to produce.

use media::{FlowFormat, Name};

use super::SuccessionToken;
use super::wire::{DecodeError, Decoder, Encoder};
use crate::WakeMode;

/// Whether a ring takes consumers that its writer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Blocking {
    /// No: the flow is live.
    #[default]
    Refused,
    /// Yes: its writer may stand still until they have read.
    Allowed,
}

/// A ring to be made for a pod's flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRequest {
    /// The flow's name.
    pub name: Name,
    /// What is in its grains.
    pub format: FlowFormat,
    /// Slots of the ring; none takes the broker's default.
    pub slots: Option<u16>,
    /// Grains that may be open at a time.
    pub open_max: u16,
    /// Whether consumers may block its writer.
    pub blocking: Blocking,
    /// Who wakes its consumers.
    pub wake: WakeMode,
    /// Of the epoch that this ring succeeds: its name moves on to the new one.
    pub succeeds: Option<SuccessionToken>,
}

impl RingRequest {
    /// A new flow with nothing out of the ordinary.
    #[must_use]
    pub fn new(name: Name, format: impl Into<FlowFormat>) -> Self {
        Self {
            name,
            format: format.into(),
            slots: None,
            open_max: 1,
            blocking: Blocking::default(),
            wake: WakeMode::default(),
            succeeds: None,
        }
    }

    /// `name, blocking u8, slots u16, format`; from version 2 on also `open u16, wake u8, succeeds u128 (0: none)`.
    pub(super) fn encode(&self, out: &mut Encoder) {
        out.name(Some(&self.name));
        out.u8(u8::from(self.blocking == Blocking::Allowed));
        out.u16(self.slots.unwrap_or(0));
        out.format(&self.format);
        if out.is_first() {
            out.needs_newer(self.blocking == Blocking::Allowed, "a flow with blocking consumers");
            out.needs_newer(self.open_max != 1, "more than one open grain");
            out.needs_newer(self.succeeds.is_some(), "a successor");
            // Waking is the producer's promise; nobody is told of one that an old gateway does not know.
            return;
        }
        out.u16(self.open_max);
        out.wake(self.wake);
        SuccessionToken::encode(self.succeeds, out);
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = body.named()?;
        let blocking = if body.flag("blocking")? { Blocking::Allowed } else { Blocking::Refused };
        let slots = Some(body.u16("slots")?).filter(|slots| *slots != 0);
        let format = body.format()?;
        if body.is_first() {
            return match blocking {
                Blocking::Refused => Ok(Self { slots, ..Self::new(name, format) }),
                Blocking::Allowed => Err(DecodeError::Field("spare octet")),
            };
        }
        let (open_max, wake) = (body.u16("open grains")?, body.wake()?);
        let succeeds = SuccessionToken::decode(body)?;
        Ok(Self { name, format, slots, open_max, blocking, wake, succeeds })
    }
}
