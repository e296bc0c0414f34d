//! The rate at which the first packet is lost: `flypack bench client --search`.

use anyhow::{Context as _, Result, ensure};
use media::Rate;
use serde::Serialize;

use super::report::Report;
use crate::arguments::Client;
use crate::traffic::Traffic;
use crate::{Machine, Verdict};

/// Beyond it no frame has time for its packets.
const FRAMES_MOST: u32 = 2_000;
/// The found interval is at most this part of its lower end.
const PART: u32 = 10;

/// A run at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Try {
    /// Of frames.
    frames_per_second: u32,
    /// As planned.
    packets_per_second: f64,
    /// Packets that did not arrive.
    packets_lost: u64,
    /// Whether everything arrived as it was sent.
    is_whole: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    machine: Machine,
    format: String,
    device: String,
    seconds: u32,
    tries: Vec<Try>,
    /// The highest rate at which nothing was lost.
    whole: Option<Try>,
    /// The lowest above it at which something was.
    lossy: Option<Try>,
}

/// Tries rate after rate by `send`, and prints what it found: whole, where the rate that was asked for is.
///
/// # Errors
/// As `send`; when the rate of the format is no whole number.
pub(super) fn run(arguments: &Client, mut send: impl FnMut(&Traffic) -> Result<Report>) -> Result<Verdict> {
    let traffic = &arguments.traffic;
    let rate = traffic.format.rate();
    ensure!(rate.den() == 1, "a search begins at a whole number of frames a second, not at {rate}");
    let mut tries = Vec::new();
    let (whole, lossy) = between(rate.num(), |frames| {
        let traffic = Traffic { format: traffic.format.at(Rate::new(frames, 1)?), ..traffic.clone() };
        let report = send(&traffic)?;
        let one = Try {
            frames_per_second: frames,
            packets_per_second: report.plan.packets_per_second,
            packets_lost: report.receiver.packets_lost,
            is_whole: report.verdict() == Verdict::Whole,
        };
        eprintln!("{}", one.text());
        tries.push(one);
        Ok(one.is_whole)
    })?;
    let find = |frames: Option<u32>| tries.iter().copied().find(|one| Some(one.frames_per_second) == frames);
    let (format, device) = (String::from(traffic.format), arguments.device.to_string());
    let (whole, lossy) = (find(whole), find(lossy));
    let machine = Machine::look();
    let found = Found { machine, format, device, seconds: traffic.seconds, tries, whole, lossy };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{}", found.text());
    }
    Ok(if found.tries.first().is_some_and(|first| first.is_whole) { Verdict::Whole } else { Verdict::Lossy })
}

/// The highest rate that was whole and the lowest above it that was not: doubles, then halves the interval.
fn between(first: u32, mut is_whole: impl FnMut(u32) -> Result<bool>) -> Result<(Option<u32>, Option<u32>)> {
    let (mut low, mut frames) = (None, first);
    let mut high = loop {
        if !is_whole(frames)? {
            break frames;
        }
        low = Some(frames);
        if frames >= FRAMES_MOST {
            return Ok((low, None));
        }
        frames = frames.checked_mul(2).context("a rate")?.min(FRAMES_MOST);
    };
    while let Some(whole) = low
        && high - whole > (whole / PART).max(1)
    {
        let middle = whole + (high - whole) / 2;
        if is_whole(middle)? {
            low = Some(middle);
        } else {
            high = middle;
        }
    }
    Ok((low, Some(high)))
}

impl Try {
    fn text(&self) -> String {
        let Self { frames_per_second, packets_per_second, packets_lost, is_whole } = self;
        let word = if *is_whole { "whole" } else { "NOT WHOLE" };
        format!("{frames_per_second} frames/s, {packets_per_second:.0} packets/s: {word}, lost {packets_lost}")
    }
}

impl Found {
    fn text(&self) -> String {
        let text = |of: Option<Try>| of.map_or("no rate that was tried".to_owned(), |one| one.text());
        format!(
            "{} by {}, runs of {} s\nhighest that was whole: {}\nlowest above it that was not: {}",
            self.format,
            self.device,
            self.seconds,
            text(self.whole),
            text(self.lossy)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_the_first_loss_is_found_to_a_tenth() {
        for (first, limit) in [(25, 25), (25, 26), (25, 97), (25, 1_311), (1, 3), (50, 1_999)] {
            let mut tried = Vec::new();
            let (low, high) = between(first, |frames| {
                tried.push(frames);
                Ok(frames <= limit)
            })
            .unwrap();
            let (low, high) = (low.unwrap(), high.unwrap());
            assert!(low <= limit && limit < high && high - low <= (low / 10).max(1), "{limit}: {low}, {high}");
            assert!(tried.len() <= 12, "{limit}: {tried:?}");
        }
    }

    #[test]
    fn a_rate_that_loses_at_once_and_one_that_never_does_are_told() {
        assert_eq!(between(25, |_| Ok(false)).unwrap(), (None, Some(25)));
        assert_eq!(between(25, |_| Ok(true)).unwrap(), (Some(2_000), None));
    }
}
