//! RTP's counters as types that cannot be mixed up (RFC 3550 §5.1).

/// An RTP timestamp: ticks of the media clock modulo 2³².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// Ticks from `earlier` to this one along the shorter way round: −2³¹ … 2³¹ − 1.
    #[must_use]
    pub const fn ticks_since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// The 16-bit sequence number of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNum(pub u16);

/// A sequence number extended over wraps; the first packet of a stream starts at its own 16-bit value
/// plus 65,536, so that earlier packets still have a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtSeqNum(pub u64);

/// A synchronisation source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// A payload type, 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PayloadType(pub u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_go_the_shorter_way_round() {
        assert_eq!(RtpTimestamp(2).ticks_since(RtpTimestamp(u32::MAX)), 3);
        assert_eq!(RtpTimestamp(u32::MAX).ticks_since(RtpTimestamp(2)), -3);
    }
}
