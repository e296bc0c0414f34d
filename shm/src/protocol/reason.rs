//! A line of the gateway's own words inside a refusal.

use std::fmt;

use super::wire::{DecodeError, Decoder, Encoder};

/// A text of bounded length without control characters: it is printed by whoever is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    octets: u8,
    text: [u8; Reason::MAX_OCTETS],
}

impl Reason {
    /// Longest text, in octets; what is longer loses its end.
    pub const MAX_OCTETS: usize = 111;

    /// As much of `text` as there is room for; each control character becomes a space.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut reason = Self { octets: 0, text: [0; Self::MAX_OCTETS] };
        for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
            let Some(room) = reason.text.get_mut(reason.octets.into()..).filter(|room| room.len() >= letter.len_utf8())
            else {
                break;
            };
            reason.octets += letter.encode_utf8(room).len() as u8;
        }
        reason
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get(..self.octets.into()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// `octets u8`, then 111 octets, filled with 0.
    pub(super) fn encode(&self, out: &mut Encoder) {
        out.u8(self.octets);
        self.text.iter().for_each(|octet| out.u8(*octet));
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let octets = body.u8("reason")?;
        let text = body.array("reason")?;
        let said = text.get(..octets.into()).and_then(|text| std::str::from_utf8(text).ok());
        let reason = Self::new(said.ok_or(DecodeError::Field("reason"))?);
        // What `new` would change is not what a gateway says.
        if reason == (Self { octets, text }) { Ok(reason) } else { Err(DecodeError::Field("reason")) }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;

    #[test]
    fn a_text_is_cut_between_letters_and_cannot_move_a_terminal() {
        assert_eq!(Reason::new("no room\u{1b}[2J\n").as_str(), "no room [2J ");
        let long = "é".repeat(Reason::MAX_OCTETS);
        assert_eq!(Reason::new(&long).as_str(), "é".repeat(Reason::MAX_OCTETS / 2));
        assert_eq!(Reason::new("").as_str(), "");
    }

    fn decode(octets: u8, text: &[u8]) -> Result<Reason, DecodeError> {
        let mut out = Encoder::new(0, 0, Version::NEWEST);
        out.u8(octets);
        text.iter().for_each(|octet| out.u8(*octet));
        (text.len()..Reason::MAX_OCTETS).for_each(|_| out.u8(0));
        let message = out.finish().unwrap();
        Reason::decode(&mut Decoder::open(&message, Version::NEWEST)?.2)
    }

    #[test]
    fn only_what_a_gateway_says_is_decoded() {
        assert_eq!(decode(2, b"no"), Ok(Reason::new("no")));
        let refused = Err(DecodeError::Field("reason"));
        let cases: [(u8, &[u8]); 5] = [(1, b"no"), (112, b"no"), (2, b"n\x07"), (1, b"\xff"), (3, b"no")];
        for (octets, text) in cases {
            assert_eq!(decode(octets, text), refused, "{octets} {text:?}");
        }
    }
}
