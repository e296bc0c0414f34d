//! One complete grain into the sink: its good lines in place or copied, its lost ones black.

use std::ops::Range;

use shm::GrainLease;

use super::sink::{Sink, SinkError};
use super::summary::Summary;

/// Why a frame was not written.
#[derive(Debug)]
pub(super) enum FrameError {
    /// It was overwritten while it was read.
    Torn,
    /// The sink did not take it.
    Sink(SinkError),
}

impl From<SinkError> for FrameError {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

/// Writes the frame of `lease`, whose lines `lost` (in rising order) were lost. `copy` holds a whole frame when
/// it cannot be read in place.
pub(super) fn write(
    lease: &GrainLease,
    rows: u16,
    lost: &[u16],
    copy: &mut Vec<u8>,
    sink: &mut Sink,
    summary: &mut Summary,
) -> Result<(), FrameError> {
    let octets = shm::StableBytes::octets(lease);
    let row_octets = octets / usize::from(rows);
    let in_place = lease.lines(0..rows).is_some();
    if !in_place {
        // All of it before any of it is written: it may turn out torn.
        copy.resize(octets, 0);
        lease.copy_lines(0..rows, copy).map_err(|_| FrameError::Torn)?;
    }
    sink.begin()?;
    for run in runs(rows, lost) {
        match run {
            Run::Good(lines) => {
                let copied = usize::from(lines.start) * row_octets..usize::from(lines.end) * row_octets;
                match lease.lines(lines) {
                    Some(bytes) if in_place => sink.rows(bytes)?,
                    _ => sink.rows(copy.get(copied).unwrap_or_default())?,
                }
            }
            Run::Lost(lines) => sink.black(lines.len())?,
        }
    }
    sink.end()?;
    let counter = if in_place { &mut summary.octets_in_place } else { &mut summary.octets_copied };
    *counter += octets as u64;
    Ok(())
}

/// Lines that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Good(Range<u16>),
    Lost(Range<u16>),
}

/// A frame of `rows` lines as runs, `lost` being in rising order.
pub(super) fn runs(rows: u16, lost: &[u16]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    for &line in lost.iter().filter(|line| **line < rows) {
        if line > at {
            runs.push(Run::Good(at..line));
        }
        match runs.last_mut() {
            Some(Run::Lost(run)) => run.end = line + 1,
            _ => runs.push(Run::Lost(line..line + 1)),
        }
        at = line + 1;
    }
    if at < rows {
        runs.push(Run::Good(at..rows));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_each_line_once() {
        use Run::{Good, Lost};
        assert_eq!(runs(4, &[]), [Good(0..4)]);
        assert_eq!(runs(4, &[0, 1, 3]), [Lost(0..2), Good(2..3), Lost(3..4)]);
        assert_eq!(runs(4, &[2]), [Good(0..2), Lost(2..3), Good(3..4)]);
        assert_eq!(runs(2, &[0, 1]), [Lost(0..2)]);
        assert_eq!(runs(2, &[1, 60_000]), [Good(0..1), Lost(1..2)], "what a pod may claim");
    }
}
