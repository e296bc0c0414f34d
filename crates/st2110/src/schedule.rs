//! The read schedule and limits of ST 2110-21 in exact integers (§6, §7; progressive pictures).
//!
//! With T_FRAME = den/num seconds and N = N_PKTS, packet j of a frame is read at
//! T_PRj = T_VD + j × T_RS, T_RS = T_FRAME × R_ACTIVE / N; R_ACTIVE is 1080/1125 gapped and 1 linear.
//! Nothing is pre-divided: j is found from an instant by one multiplication and one division, and the
//! instant of j is the first whole nanosecond at which j is due.

use std::fmt;

use media::{Rate, Tai, VideoFormat};

use crate::bucket::Bucket;
use crate::gcd::gcd;

const NANOS: u128 = 1_000_000_000;

/// When the packets of a frame are read (ST 2110-21 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadSchedule {
    /// Within the active part of the frame period, as SDI's active lines were.
    #[default]
    Gapped,
    /// Evenly over the whole frame period.
    Linear,
}

impl ReadSchedule {
    /// R_ACTIVE as a ratio. Progressive pictures of every height: 1080/1125 gapped.
    const fn active(self) -> (u128, u128) {
        match self {
            Self::Gapped => (24, 25),
            Self::Linear => (1, 1),
        }
    }
}

/// The sender types of ST 2110-21 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenderType {
    /// Narrow, gapped.
    N,
    /// Narrow linear.
    NL,
    /// Wide.
    W,
}

impl SenderType {
    /// The read schedule of this type; a wide sender has the one that it was asked for (ST 2110-21 §7.1).
    #[must_use]
    pub const fn read_schedule(self, of_wide: ReadSchedule) -> ReadSchedule {
        match self {
            Self::N => ReadSchedule::Gapped,
            Self::NL => ReadSchedule::Linear,
            Self::W => of_wide,
        }
    }
}

impl fmt::Display for SenderType {
    /// The word of SDP's `TP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::N => "2110TPN",
            Self::NL => "2110TPNL",
            Self::W => "2110TPW",
        })
    }
}

/// The schedule of one format's packets.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: Rate,
    height: u16,
    packets: u32,
    /// Packets per nanosecond as a ratio in lowest terms: 1 / T_RS.
    pace: (u128, u128),
}

impl Schedule {
    /// For frames of `packets` packets (N_PKTS), at least 1.
    #[must_use]
    pub fn new(format: &VideoFormat, packets: u32, schedule: ReadSchedule) -> Self {
        let packets = packets.max(1);
        let rate = format.rate();
        let (active, total) = schedule.active();
        // ST 2110-21 §6.3: 1 / T_RS = N_PKTS / (T_FRAME × R_ACTIVE)
        let per = u128::from(packets) * u128::from(rate.num()) * total;
        let nanos = u128::from(rate.den()) * NANOS * active;
        let divisor = gcd(per, nanos);
        Self { rate, height: format.height(), packets, pace: (per / divisor, nanos / divisor) }
    }

    /// N_PKTS.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// TRO_DEFAULT in nanoseconds, rounded down (ST 2110-21 §6.2): 43/1125 of a frame period from 1080
    /// rows on, 28/750 below.
    #[must_use]
    pub fn tro_default_nanos(&self) -> i64 {
        let (lines, total) = if self.height >= 1080 { (43, 1125) } else { (28, 750) };
        let nanos = lines * u128::from(self.rate.den()) * NANOS / (total * u128::from(self.rate.num()));
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// T_VD of a frame that starts at `frame_start`, with TR_OFFSET at its default.
    #[must_use]
    pub fn t_vd(&self, frame_start: Tai) -> Tai {
        frame_start.plus_nanos(self.tro_default_nanos())
    }

    /// How many packets of the frame with `t_vd` are due at `now`: those with T_PRj ≤ now.
    #[must_use]
    pub fn due(&self, now: Tai, t_vd: Tai) -> u32 {
        let Ok(elapsed) = u64::try_from(now.nanos_since(t_vd)) else {
            return 0;
        };
        let (per, nanos) = self.pace;
        // One 64-bit division where the numbers fit, as they do at all usual rates.
        let whole = match (u64::try_from(per).ok().and_then(|per| per.checked_mul(elapsed)), u64::try_from(nanos)) {
            (Some(product), Ok(nanos)) => u128::from(product / nanos),
            _ => per.saturating_mul(u128::from(elapsed)) / nanos,
        };
        u32::try_from(whole).unwrap_or(u32::MAX).saturating_add(1).min(self.packets)
    }

    /// When packet `packet` of the frame with `t_vd` is due: T_PRj rounded up to a nanosecond, so that
    /// [`Self::due`] counts it from then on.
    #[must_use]
    pub fn at(&self, packet: u32, t_vd: Tai) -> Tai {
        let (per, nanos) = self.pace;
        // As in `due`.
        let product = u128::from(packet) * nanos;
        let offset = match (u64::try_from(product), u64::try_from(per)) {
            (Ok(product), Ok(per)) => u128::from(product.div_ceil(per)),
            _ => product.div_ceil(per),
        };
        t_vd.plus_nanos(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// T_RS in picoseconds, rounded down.
    #[must_use]
    pub fn t_rs_picos(&self) -> u64 {
        u64::try_from(self.pace.1 * 1000 / self.pace.0).unwrap_or(u64::MAX)
    }

    /// C_MAX: the most packets that the network compatibility model may hold (ST 2110-21 §7.1). Our
    /// bursts keep below it.
    #[must_use]
    pub fn c_max(&self, sender: SenderType) -> u32 {
        // N_PKTS / (43200 × R_ACTIVE × T_FRAME), R_ACTIVE = 24/25 for N and 1 for NL; W half of NL's divisor.
        match sender {
            SenderType::N => self.per_second(25, 43_200 * 24).max(4),
            SenderType::NL => self.per_second(1, 43_200).max(4),
            SenderType::W => self.per_second(1, 21_600).max(16),
        }
    }

    /// The network compatibility model of a sender of this type (ST 2110-21 §7.1).
    #[must_use]
    pub fn bucket(&self, sender: SenderType) -> Bucket {
        Bucket::new(self.rate, self.packets, self.c_max(sender))
    }

    /// VRX_FULL: what the virtual receiver buffer holds, in packets (ST 2110-21 §7.1, for 1500-octet IP
    /// packets).
    #[must_use]
    pub fn vrx_full(&self, sender: SenderType) -> u32 {
        match sender {
            SenderType::N | SenderType::NL => self.per_second(1, 27_000).max(8),
            SenderType::W => self.per_second(1, 300).max(720),
        }
    }

    /// Packets per second times `num` / `den`, rounded down.
    fn per_second(&self, num: u128, den: u128) -> u32 {
        let packets = u128::from(self.packets) * u128::from(self.rate.num()) * num;
        u32::try_from(packets / (u128::from(self.rate.den()) * den)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
