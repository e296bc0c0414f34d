//! A frame synchroniser without time or frames: it decides, at each tick of the output's grid, whether
//! to repeat the last frame, to take the next, or to drop some first. Whole frames only.
//!
//! The source fills a queue, the grid empties it. Hysteresis of one frame keeps a source whose frames
//! arrive about when the grid ticks from being repeated and dropped in turn: after either, its frames sit
//! in the middle of what is tolerated.

/// What to do at a tick of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send the last frame again (nothing, if there was none yet).
    Repeat,
    /// Leave out the `drop` oldest frames that wait, and send the next.
    Take {
        /// Frames to leave out.
        drop: u32,
    },
}

/// What a synchroniser did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameSyncCounters {
    /// Frames taken.
    pub taken: u64,
    /// Ticks at which the last frame was repeated; those before the first frame do not count.
    pub repeated: u64,
    /// Frames left out.
    pub dropped: u64,
}

/// The synchroniser of one output.
#[derive(Clone, Debug)]
pub struct FrameSync {
    depth: u32,
    filling: bool,
    counters: FrameSyncCounters,
}

impl FrameSync {
    /// A synchroniser that starts, and starts again after it ran dry, when `depth` frames wait (at least
    /// 1), and tolerates one more: latency in frames against jitter of the source.
    #[must_use]
    pub const fn new(depth: u32) -> Self {
        let depth = if depth == 0 { 1 } else { depth };
        Self { depth, filling: true, counters: FrameSyncCounters { taken: 0, repeated: 0, dropped: 0 } }
    }

    /// What it did so far.
    #[must_use]
    pub const fn counters(&self) -> &FrameSyncCounters {
        &self.counters
    }

    /// Decides at a tick of the grid, when `waiting` complete frames have not been sent.
    pub fn tick(&mut self, waiting: u32) -> Decision {
        self.filling = waiting == 0 || self.filling && waiting < self.depth;
        if self.filling {
            self.counters.repeated += u64::from(self.counters.taken > 0);
            return Decision::Repeat;
        }
        let drop = if waiting > self.depth.saturating_add(1) { waiting - self.depth } else { 0 };
        self.counters.taken += 1;
        self.counters.dropped += u64::from(drop);
        Decision::Take { drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `ticks` of a grid with period 1000 against a source with `period`, its first frame at `phase`,
    /// each frame late by `jitter(n)`.
    fn run(depth: u32, ticks: u64, period: u64, phase: u64, jitter: impl Fn(u64) -> u64) -> FrameSyncCounters {
        let mut sync = FrameSync::new(depth);
        let (mut arrived, mut used) = (0u64, 0u64);
        for now in (0..ticks).map(|tick| tick * 1000) {
            while phase + arrived * period + jitter(arrived) <= now {
                arrived += 1;
            }
            if let Decision::Take { drop } = sync.tick((arrived - used) as u32) {
                used += u64::from(drop) + 1;
                assert!(used <= arrived, "a frame was taken before it came");
            }
        }
        let c = *sync.counters();
        assert_eq!(c.taken + c.dropped, used);
        c
    }

    #[test]
    fn an_equal_rate_never_repeats_or_drops() {
        for phase in [0, 1, 500, 999, 1000] {
            let c = run(1, 10_000, 1000, phase, |_| 0);
            assert_eq!((c.repeated, c.dropped), (0, 0), "{phase}");
        }
    }

    #[test]
    fn jitter_about_the_tick_costs_one_repeat_and_then_none() {
        let c = run(1, 10_000, 1000, 0, |n| if n.is_multiple_of(2) { 0 } else { 300 });
        assert!(c.repeated <= 1, "{c:?}");
        assert_eq!(c.dropped, 0);
    }

    #[test]
    fn a_faster_source_loses_exactly_the_surplus() {
        let c = run(2, 100_000, 999, 0, |_| 0); // 100,100 frames come in 100,000 ticks
        assert_eq!(c.repeated, 0);
        assert!((98..=100).contains(&c.dropped), "{c:?}");
    }

    #[test]
    fn a_slower_source_is_repeated_exactly_for_the_lack() {
        let c = run(1, 100_000, 1001, 0, |_| 0);
        assert_eq!(c.dropped, 0);
        assert!((98..=100).contains(&c.repeated), "{c:?}");
    }

    #[test]
    fn nothing_counts_as_repeated_before_the_first_frame() {
        let mut sync = FrameSync::new(2);
        assert_eq!(sync.tick(0), Decision::Repeat);
        assert_eq!(sync.tick(1), Decision::Repeat);
        assert_eq!(sync.counters().repeated, 0);
        assert_eq!(sync.tick(2), Decision::Take { drop: 0 });
    }

    #[test]
    fn a_source_that_stalled_and_came_back_fills_again() {
        let mut sync = FrameSync::new(2);
        let decisions: Vec<Decision> = [2, 1, 0, 1, 2, 1].into_iter().map(|n| sync.tick(n)).collect();
        let take = Decision::Take { drop: 0 };
        assert_eq!(decisions, [take, take, Decision::Repeat, Decision::Repeat, take, take]);
    }

    #[test]
    fn a_flood_is_cut_to_the_depth() {
        let mut sync = FrameSync::new(2);
        assert_eq!(sync.tick(3), Decision::Take { drop: 0 });
        assert_eq!(sync.tick(50), Decision::Take { drop: 48 });
        assert_eq!(sync.tick(u32::MAX), Decision::Take { drop: u32::MAX - 2 });
    }
}
