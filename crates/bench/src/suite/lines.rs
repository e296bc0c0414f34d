//! From a frame's last line, written at line rate, to all of the frame read and summed by a consumer that follows:
//! line by line, against the same frame published as a whole.

use anyhow::Result;

use super::report::{Follow, Lines};
use crate::arguments::Shm;
use crate::pair::{Pair, Place, Plan, alternate};
use crate::role::{Command, Kind, Publish};
use crate::{FrameSize, Percentiles, Spread};

/// Frames of a round.
const FRAMES: u32 = 10;
/// The frame.
const SIZE: FrameSize = FrameSize::MIB_8;
/// 50 frames a second.
const FRAME_NS: u64 = 20_000_000;

pub(super) fn measure(arguments: &Shm, place: &Place<'_>) -> Result<Lines> {
    let line_ns = FRAME_NS / u64::from(SIZE.lines());
    let mut pairs = Vec::new();
    for (name, publish) in [("lines", Publish::Lines), ("frame", Publish::Frame)] {
        let plan = Plan {
            name: name.to_owned(),
            sender: Kind::LineSender,
            receiver: Kind::LineReceiver,
            receivers: 1,
            size: SIZE,
        };
        pairs.push((Pair::start(place, &plan)?, Command::Frames { frames: FRAMES, line_ns, publish }));
    }
    let played = alternate(&mut pairs, arguments.rounds)?;
    let of = |at: usize| played[at].iter().map(|round| round.from_stamp).collect::<Vec<Percentiles>>();
    let (lines, frame) = (of(0), of(1));
    let medians = |rounds: &[Percentiles]| rounds.iter().map(|round| round.p50).collect::<Vec<_>>();
    let follow =
        |rounds: &[Percentiles]| Follow { ns: Percentiles::over(rounds), p50_spread: Spread::of(medians(rounds)) };
    Ok(Lines {
        frame_octets: SIZE.octets(),
        lines: SIZE.lines(),
        line_ns,
        frames_a_round: FRAMES,
        rounds: played[0].len(),
        by_line: follow(&lines),
        by_frame: follow(&frame),
        ratio: Spread::of_ratios(&medians(&lines), &medians(&frame)),
    })
}
