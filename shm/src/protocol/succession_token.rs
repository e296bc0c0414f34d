//! The right to have a flow go on in another epoch.

use std::fmt;
use std::num::NonZeroU128;

use rustix::io::{Errno, retry_on_intr};
use rustix::rand::{GetRandomFlags, getrandom};

use super::wire::{DecodeError, Decoder, Encoder};

/// Told to the producer of an epoch alone, and by nobody to be guessed: whoever has it produces that epoch. A process is
/// known by it on every connection and in every PID namespace, which its number is not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SuccessionToken(NonZeroU128);

impl SuccessionToken {
    /// A new one.
    pub(crate) fn random() -> Result<Self, Errno> {
        let mut octets = [0; 16];
        retry_on_intr(|| getrandom(&mut octets, GetRandomFlags::empty()))?;
        // Never 0, which stands for none.
        Ok(Self(NonZeroU128::MIN | u128::from_le_bytes(octets)))
    }

    /// `u128`; 0 is none.
    pub(super) fn encode(token: Option<Self>, out: &mut Encoder) {
        out.u128(token.map_or(0, |token| token.0.get()));
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(NonZeroU128::new(body.u128("succession token")?).map(Self))
    }

    #[cfg(test)]
    pub(super) const fn of(number: NonZeroU128) -> Self {
        Self(number)
    }
}

impl fmt::Debug for SuccessionToken {
    /// Never the token: what is printed is read by others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuccessionToken(..)")
    }
}
