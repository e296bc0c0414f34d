//! The shape of one ring: slots, strides, slices. It travels in the broker's reply; the header of the
//! control region only repeats it as a check.

use std::io;

use media::{
    AudioFormat, FlowFormat, FlowId, GrainIndex, RtpTimestamp, Tai, VIDEO_CLOCK_HZ, grain_index_nearest, grain_start,
    rtp_timestamp,
};

use crate::grain::GrainStamp;
use crate::layout::Layout;
use crate::pages::{HUGE_PAGE_OCTETS, Pages};

/// The least stride of slots.
const CACHE_LINE_OCTETS: u64 = 64;

/// Everything that writer, readers and broker must agree upon about one epoch of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Drawn at random per set of memfds; epochs never mix.
    pub epoch: u128,
    /// The flow.
    pub flow: FlowId,
    /// What its grains are.
    pub format: FlowFormat,
    /// Slots of the data region (N).
    pub slots: u16,
    /// Octets from one slot to the next: a multiple of 2 MiB for video, of 64 for what is small (audio, ancillary).
    pub slot_stride: u64,
    /// Slices of a grain: lines of a picture, samples of a block, or 1. At most [`Geometry::SLICES_MAX`].
    pub slices: u16,
    /// Octets of one slice.
    pub slice_octets: u32,
    /// Octets of one grain: slices × slice octets; the most of one where the format is variable.
    pub grain_octets: u32,
    /// Grain descriptors (M): a power of two, at least 2 × slots.
    pub descs: u16,
    /// Most grains that one leased consumer may hold.
    pub k_max: u16,
    /// Most grains that may be open at a time (F). ST 2022-7 needs as many as frames fit into the path differential,
    /// and one more.
    pub open_max: u16,
    /// What backs the data region.
    pub pages: Pages,
    /// The instant of grain index 0.
    pub tai_base: Tai,
}

/// Why a geometry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeometryError {
    /// Too few or too many slots.
    #[error("{slots} slots are not possible: use {min} to {max}", min = Geometry::SLOTS_MIN, max = Geometry::SLOTS_MAX)]
    Slots {
        /// What was asked for.
        slots: u16,
    },
    /// Slices and octets do not belong to the format, or do not fit the stride.
    #[error(
        "{slices} slices of {slice_octets} octets in a grain of {grain_octets} with stride {slot_stride} do not fit {format}"
    )]
    Grain {
        /// Slices of a grain.
        slices: u16,
        /// Octets of a slice.
        slice_octets: u32,
        /// Octets of a grain.
        grain_octets: u32,
        /// Octets from slot to slot.
        slot_stride: u64,
        /// The format that it should fit.
        format: FlowFormat,
    },
    /// The descriptor count is no power of two or too small.
    #[error("{descs} descriptors cannot serve {slots} slots: a power of two of at least twice the slots is needed")]
    Descs {
        /// Descriptors.
        descs: u16,
        /// Slots.
        slots: u16,
    },
    /// A lease limit above what a reader can track.
    #[error("{k_max} grains per consumer are too many: at most {max}", max = Geometry::LEASES_MAX)]
    Leases {
        /// The limit that was asked for.
        k_max: u16,
    },
    /// No grain could be opened, or more than a writer keeps.
    #[error("{open_max} grains cannot be open in {slots} slots: use 1 to {max}, and fewer than slots", max = Geometry::OPEN_MAX)]
    OpenGrains {
        /// The number that was asked for.
        open_max: u16,
        /// Slots.
        slots: u16,
    },
    /// The kernel gave no random number for the epoch.
    #[error("no random number for the epoch: {0}")]
    Epoch(io::Error),
}

impl Geometry {
    /// Fewest slots: the grain being written and the newest complete one.
    pub const SLOTS_MIN: u16 = 2;
    /// Most slots.
    pub const SLOTS_MAX: u16 = 1024;
    /// Most grains that one consumer may hold at a time.
    pub const LEASES_MAX: u16 = 64;
    /// Most slices: progress, and what waits for it, has 16 bits.
    pub const SLICES_MAX: u16 = 65_534;
    /// Most grains that may be open at a time.
    pub const OPEN_MAX: u16 = 8;

    /// The geometry of a new ring for `format`, of whose grains up to `open_max` are open at a time, with a
    /// fresh epoch.
    ///
    /// # Errors
    /// [`GeometryError::Slots`], [`GeometryError::OpenGrains`], [`GeometryError::Epoch`].
    pub fn new(
        flow: FlowId,
        format: impl Into<FlowFormat>,
        slots: u16,
        open_max: u16,
        pages: Pages,
    ) -> Result<Self, GeometryError> {
        if !(Self::SLOTS_MIN..=Self::SLOTS_MAX).contains(&slots) {
            return Err(GeometryError::Slots { slots });
        }
        let format = format.into();
        let grain_octets = format.grain_octets();
        let geometry = Self {
            epoch: random_epoch()?,
            flow,
            format,
            slots,
            slot_stride: u64::from(grain_octets).next_multiple_of(stride_unit(&format)),
            slices: format.slices(),
            slice_octets: format.slice_octets(),
            grain_octets,
            descs: (2 * slots).next_power_of_two(),
            k_max: largest_lease(slots, open_max),
            open_max,
            pages,
            tai_base: Tai::EPOCH,
        };
        geometry.check()?;
        Ok(geometry)
    }

    /// Whether every size and offset that follows from this geometry is in range. Writer, reader and region
    /// refuse one that is not, so a geometry from a wire needs no other check.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), GeometryError> {
        let Self { format, slots, slot_stride, slices, slice_octets, grain_octets, descs, k_max, open_max, .. } = *self;
        if !(Self::SLOTS_MIN..=Self::SLOTS_MAX).contains(&slots) {
            return Err(GeometryError::Slots { slots });
        }
        let whole = slices == format.slices() && slices <= Self::SLICES_MAX;
        let octets = slice_octets == format.slice_octets() && grain_octets == format.grain_octets();
        let stride = slot_stride >= u64::from(grain_octets)
            && slot_stride.is_multiple_of(CACHE_LINE_OCTETS)
            && slot_stride <= 1 << 33;
        if !(whole && octets && stride) {
            return Err(GeometryError::Grain { slices, slice_octets, grain_octets, slot_stride, format });
        }
        if !descs.is_power_of_two() || descs < 2 * slots {
            return Err(GeometryError::Descs { descs, slots });
        }
        if k_max > Self::LEASES_MAX {
            return Err(GeometryError::Leases { k_max });
        }
        // Beside the open ones stands the newest complete one.
        if !(1..=Self::OPEN_MAX).contains(&open_max) || open_max >= slots {
            return Err(GeometryError::OpenGrains { open_max, slots });
        }
        Ok(())
    }

    /// The grain whose instant is nearest to `tai` (exact rational arithmetic).
    #[must_use]
    pub fn index_at(&self, tai: Tai) -> GrainIndex {
        let since_base = tai.nanos_since(self.tai_base);
        grain_index_nearest(Tai::from_nanos(since_base), self.format.rate())
    }

    /// When grain `index` starts, and the RTP timestamp of that instant: exact where [`Self::tai_base`] is on a tick of the
    /// media clock.
    #[must_use]
    pub fn stamp_of(&self, index: GrainIndex) -> GrainStamp {
        let rate = self.format.rate();
        let clock_hz = self.format.as_audio().map_or(VIDEO_CLOCK_HZ, AudioFormat::sample_rate_hz);
        let base = self.tai_base.as_nanos();
        let base_ticks = (i128::from(base) * i128::from(clock_hz)).div_euclid(1_000_000_000);
        let ticks = rtp_timestamp(index, rate, clock_hz).0.wrapping_add(base_ticks as u32);
        GrainStamp { tai: grain_start(index, rate).plus_nanos(base), rtp: RtpTimestamp(ticks) }
    }

    /// Octets of the control region (A), a multiple of 4 KiB.
    #[must_use]
    pub fn control_octets(&self) -> u64 {
        Layout::of(self).control_octets() as u64
    }

    /// Octets of both regions.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.control_octets() + self.data_octets()
    }

    /// Octets of the data region (B).
    #[must_use]
    pub fn data_octets(&self) -> u64 {
        (u64::from(self.slots) * self.slot_stride).next_multiple_of(match self.pages {
            Pages::Huge2M => HUGE_PAGE_OCTETS,
            Pages::Plain => crate::pages::PLAIN_PAGE_OCTETS,
        })
    }

    /// Slots that a ring needs so that `open` always finds one, with up to `open_max` grains (F) open at a time,
    /// whatever the leased consumers do: 1 + F + Σ (K + 1).
    ///
    /// `open` evicts a consumer whose window exceeds K grains; by then the window has K + 1, and all of them
    /// stay quarantined until it acknowledges. Beside those stand the newest grain, which is never given
    /// up, the F − 1 that are open, and the one to open. Consumers that are not quarantined share the newest grains and
    /// need less. A consumer that was evicted and has rejoined counts twice until its first seat is released.
    #[must_use]
    pub fn slots_for(open_max: u16, leases: impl IntoIterator<Item = u16>) -> u32 {
        1 + u32::from(open_max) + leases.into_iter().map(|k| u32::from(k) + 1).sum::<u32>()
    }
}

/// What a slot's stride is a multiple of: pictures begin on hugepages, what is small on cache lines.
fn stride_unit(format: &FlowFormat) -> u64 {
    if format.as_video().is_some() { HUGE_PAGE_OCTETS } else { CACHE_LINE_OCTETS }
}

/// The largest K that one consumer alone may have with `slots` slots: [`Geometry::slots_for`] turned round.
fn largest_lease(slots: u16, open_max: u16) -> u16 {
    slots.saturating_sub(open_max.saturating_add(2)).min(Geometry::LEASES_MAX)
}

fn random_epoch() -> Result<u128, GeometryError> {
    let mut octets = [0_u8; 16];
    let flags = rustix::rand::GetRandomFlags::empty();
    // 16 octets come whole or not at all (getrandom(2): requests of up to 256 octets).
    rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut octets, flags))
        .map_err(|errno| GeometryError::Epoch(errno.into()))?;
    Ok(u128::from_le_bytes(octets))
}

#[cfg(test)]
mod tests {
    use media::{AncillaryFormat, AudioDepth, AudioFormat, Depth, Name, Rate, Sampling, VideoFormat};

    use super::*;

    fn hd(slots: u16) -> Result<Geometry, GeometryError> {
        let flow = FlowId::from_name(&"cam".parse::<Name>().unwrap());
        let rate = Rate::new(50, 1).unwrap();
        let format = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        Geometry::new(flow, format, slots, 1, Pages::Plain)
    }

    #[test]
    fn hd_takes_six_mebibytes_a_slot() {
        let geometry = hd(8).unwrap();
        assert_eq!((geometry.slot_stride, geometry.data_octets()), (6 << 20, 48 << 20));
        assert_eq!((geometry.slices, geometry.slice_octets, geometry.descs), (1080, 4800, 16));
        assert_eq!(geometry.control_octets() % 4096, 0);
    }

    fn of(format: impl Into<FlowFormat>) -> Geometry {
        let flow = FlowId::from_name(&"mic".parse::<Name>().unwrap());
        Geometry::new(flow, format, 8, 2, Pages::Plain).unwrap()
    }

    #[test]
    fn small_grains_lie_close_together() {
        let audio = of(AudioFormat::new(2, 48_000, AudioDepth::L24, 48).unwrap());
        assert_eq!((audio.slices, audio.slice_octets, audio.grain_octets), (48, 6, 288));
        assert_eq!((audio.slot_stride, audio.data_octets()), (320, 4096));
        let ancillary = of(AncillaryFormat::new(Rate::new(50, 1).unwrap(), 100).unwrap());
        assert_eq!((ancillary.slices, ancillary.slice_octets, ancillary.slot_stride), (1, 100, 128));
    }

    #[test]
    fn an_instant_has_the_nearest_index() {
        let rate = Rate::new(60_000, 1001).unwrap();
        let ntsc = Geometry { tai_base: Tai::from_nanos(1_000), ..of(AncillaryFormat::new(rate, 64).unwrap()) };
        // 16,683,333.3 ns a grain.
        for (nanos, index) in [(1_000, 0), (8_342_666, 0), (8_342_668, 1), (16_684_333, 1), (500_501_000, 30), (0, 0)] {
            assert_eq!(ntsc.index_at(Tai::from_nanos(nanos)), GrainIndex(index), "at {nanos}");
        }
    }

    #[test]
    fn the_stamp_of_an_index_is_the_instant_that_has_it() {
        let rate = Rate::new(60_000, 1001).unwrap();
        let of_base =
            |nanos| Geometry { tai_base: Tai::from_nanos(nanos), ..of(AncillaryFormat::new(rate, 64).unwrap()) };
        let stamp = of_base(0).stamp_of(GrainIndex(60_000));
        assert_eq!((stamp.tai.as_nanos(), stamp.rtp.0), (1_001_000_000_000, 90_090_000));
        // Two seconds before the epoch.
        let early = of_base(-2_000_000_000);
        let stamp = early.stamp_of(GrainIndex(60_000));
        assert_eq!((stamp.tai.as_nanos(), stamp.rtp.0), (999_000_000_000, 90_090_000 - 180_000));
        assert_eq!(early.stamp_of(GrainIndex(0)).rtp.0, 0_u32.wrapping_sub(180_000));
        for index in [0, 1, 2, 59_999].map(GrainIndex) {
            assert_eq!(early.index_at(early.stamp_of(index).tai), index);
        }
        let audio = of(AudioFormat::new(2, 48_000, AudioDepth::L24, 48).unwrap());
        assert_eq!(audio.stamp_of(GrainIndex(1000)).rtp.0, 48_000);
    }

    #[test]
    fn epochs_differ() {
        assert_ne!(hd(8).unwrap().epoch, hd(8).unwrap().epoch);
    }

    #[test]
    fn the_largest_lease_fits_alone() {
        for slots in 4..=200 {
            let k = hd(slots).unwrap().k_max;
            assert!(k > 0 && Geometry::slots_for(1, [k]) <= u32::from(slots), "{slots} slots, K {k}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let good = hd(8).unwrap();
        assert!(hd(1).is_err() && hd(1025).is_err());
        let bad = [
            Geometry { slots: 0, ..good },
            Geometry { slots: u16::MAX, ..good },
            Geometry { slices: 1081, ..good },
            Geometry { slice_octets: 4801, ..good },
            Geometry { grain_octets: u32::MAX, ..good },
            Geometry { slot_stride: 4800, ..good },
            Geometry { slot_stride: (6 << 20) + 1, ..good },
            Geometry { slot_stride: u64::MAX - 63, ..good },
            Geometry { descs: 15, ..good },
            Geometry { descs: 8, ..good },
            Geometry { k_max: 65, ..good },
            Geometry { open_max: 0, ..good },
            Geometry { open_max: 9, ..hd(64).unwrap() },
            Geometry { open_max: 8, ..good },
        ];
        for geometry in bad {
            assert!(geometry.check().is_err(), "{geometry:?}");
        }
        assert!(good.check().is_ok());
    }
}
