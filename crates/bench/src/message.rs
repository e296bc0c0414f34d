//! What a message carries: when it was written and which it is, in its first octets; which it is again, in its last.

use anyhow::{Result, ensure};

/// A message's stamp and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When it was written, ns.
    pub stamp: u64,
    /// Which message it is.
    pub number: u64,
}

impl Mark {
    /// Octets at the end.
    pub const TAIL_OCTETS: usize = 8;

    /// Where the stamp stands.
    pub const STAMP: std::ops::Range<usize> = 0..8;
    /// Where the number stands first.
    pub const NUMBER: std::ops::Range<usize> = 8..16;

    /// Writes a number into a message that stands in memory.
    ///
    /// # Panics
    /// When the message is shorter than 24 octets.
    pub fn number(message: &mut [u8], number: u64) {
        let tail = message.len() - Self::TAIL_OCTETS;
        message[Self::NUMBER].copy_from_slice(&number.to_ne_bytes());
        message[tail..].copy_from_slice(&number.to_ne_bytes());
    }

    /// Writes a stamp into a message that stands in memory.
    ///
    /// # Panics
    /// When the message is shorter than 8 octets.
    pub fn stamp(message: &mut [u8], stamp: u64) {
        message[Self::STAMP].copy_from_slice(&stamp.to_ne_bytes());
    }

    /// From octets that begin, and octets that end a message.
    ///
    /// # Errors
    /// When there are too few, or the two are not of one message.
    pub fn read(beginning: &[u8], end: &[u8]) -> Result<Self> {
        let word = |octets: Option<&[u8]>| octets.and_then(|octets| octets.try_into().ok()).map(u64::from_ne_bytes);
        let words =
            (word(beginning.get(..8)), word(beginning.get(8..16)), word(end.last_chunk::<8>().map(|tail| &tail[..])));
        let (Some(stamp), Some(number), Some(tail)) = words else { anyhow::bail!("a message without a mark") };
        ensure!(number == tail, "a message that begins as {number} ends as {tail}");
        Ok(Self { stamp, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_never_from_two_messages() {
        let mut message = vec![0; 64];
        Mark::number(&mut message, 3);
        Mark::stamp(&mut message, 7);
        assert_eq!(Mark::read(&message, &message).unwrap(), Mark { stamp: 7, number: 3 });
        message[56] = 4;
        assert!(Mark::read(&message, &message).is_err());
        assert!(Mark::read(&message[..15], &message).is_err());
        assert!(Mark::read(&message, &message[..7]).is_err());
    }
}
