//! What was found, as it goes into JSON. All times are in nanoseconds.

use serde::{Serialize, Serializer};

use crate::arguments::Mode;
use crate::{Machine, Percentiles, Spread};

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// How it was called.
    pub command: String,
    /// From a producer to its consumers.
    pub handover: Vec<Handover>,
    /// memcpy of the same frames.
    pub copies: Vec<Copies>,
    /// Slices.
    pub lines: Option<Lines>,
    /// Dead consumers.
    pub departures: Vec<Departure>,
    /// The writer's own share.
    pub publication: Vec<Publication>,
}

/// One way from a producer to its consumers.
#[derive(Clone, Debug, Serialize)]
pub struct Handover {
    /// What, and octets of its frames.
    pub name: String,
    /// How the consumers wait.
    #[serde(serialize_with = "lower_case")]
    pub mode: Mode,
    /// Octets of a frame.
    pub frame_octets: usize,
    /// Consumers.
    pub receivers: usize,
    /// Rounds that count.
    pub rounds: usize,
    /// Messages of a round.
    pub messages: u32,
    /// From the stamp in the open message to its being read and validated: medians over rounds, and the largest of all.
    pub from_stamp: Percentiles,
    /// The same, with what it took to open or loan the message.
    pub from_open: Percentiles,
    /// From the stamp to the last consumer.
    pub last: Percentiles,
    /// The medians of the rounds.
    pub p50_spread: Spread,
    /// Beside another candidate of the same rounds.
    pub compared: Option<Comparison>,
}

/// Ratios of medians, round by round: below 1 is faster.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// With what.
    pub with: String,
    /// See [`Handover::from_stamp`].
    pub from_stamp: Spread,
    /// See [`Handover::from_open`].
    pub from_open: Spread,
    /// See [`Handover::last`].
    pub last: Spread,
}

/// memcpy.
#[derive(Clone, Debug, Serialize)]
pub struct Copies {
    /// Octets of a frame.
    pub frame_octets: usize,
    /// Copies that were timed.
    pub copies: u32,
    /// Of one copy.
    pub ns: Percentiles,
}

/// A consumer that follows a frame.
#[derive(Clone, Debug, Serialize)]
pub struct Lines {
    /// Octets of a frame.
    pub frame_octets: usize,
    /// Lines of a frame.
    pub lines: u16,
    /// From line to line.
    pub line_ns: u64,
    /// Frames of a round.
    pub frames_a_round: u32,
    /// Rounds that count.
    pub rounds: usize,
    /// Each line published at once.
    pub by_line: Follow,
    /// The frame published as a whole.
    pub by_frame: Follow,
    /// The first over the second, round by round.
    pub ratio: Spread,
}

/// From the last line's being written to all of the frame's being summed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Follow {
    /// Medians over rounds.
    pub ns: Percentiles,
    /// The medians of the rounds.
    pub p50_spread: Spread,
}

/// The end of a consumer.
#[derive(Clone, Debug, Serialize)]
pub struct Departure {
    /// Pages of its ring.
    pub pages: String,
    /// Octets that it had mapped and touched.
    pub mapped_octets: u64,
    /// From the signal to the end of its pipes.
    pub gone_ns: Spread,
    /// From the signal to its slots being free.
    pub free_ns: Spread,
}

/// The writer's own share.
#[derive(Clone, Debug, Serialize)]
pub struct Publication {
    /// Seats that are taken.
    pub consumers: u8,
    /// Of opening a grain; with one reading of the clock.
    pub open_ns: Spread,
    /// Of publishing a line: the mean of 1,000.
    pub publish_ns: Spread,
    /// Of committing a grain; with one reading of the clock.
    pub commit_ns: Spread,
}

impl Report {
    /// Nothing found yet.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        Self {
            machine,
            command: format!("flypack bench {}", words.join(" ")),
            handover: Vec::new(),
            copies: Vec::new(),
            lines: None,
            departures: Vec::new(),
            publication: Vec::new(),
        }
    }
}

fn lower_case<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{mode:?}").to_lowercase())
}
