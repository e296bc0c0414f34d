//! What the writer itself spends: times here, instructions where callgrind counts [`repeat`].

use anyhow::Result;

use super::report::Publication;
use crate::arguments::{Instructions, Shm};
use crate::writing::Writing;
use crate::{FrameSize, Spread, clock};

/// Lines of the frame whose publication is timed.
const SIZE: FrameSize = FrameSize::MIB_8;
/// Publications that are averaged.
const PUBLICATIONS: u16 = 1000;
/// Grains of a round.
const GRAINS: u32 = 20;
/// Seats that are taken.
const CONSUMERS: [u8; 3] = [1, 16, 64];

pub(super) fn measure(arguments: &Shm) -> Result<Vec<Publication>> {
    CONSUMERS.into_iter().map(|consumers| timed(consumers, arguments.rounds)).collect()
}

fn timed(consumers: u8, rounds: u32) -> Result<Publication> {
    let mut writing = Writing::new(SIZE, consumers)?;
    let (mut open, mut publish, mut commit) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds * GRAINS {
        let began = clock::now();
        let grain = writing.open();
        let opened = clock::now();
        writing.publish(grain, PUBLICATIONS);
        let published = clock::now();
        writing.commit(grain);
        let committed = clock::now();
        writing.keep_up();
        open.push((opened - began) as f64);
        publish.push((published - opened) as f64 / f64::from(PUBLICATIONS));
        commit.push((committed - published) as f64);
    }
    Ok(Publication {
        consumers,
        open_ns: Spread::of(open),
        publish_ns: Spread::of(publish),
        commit_ns: Spread::of(commit),
    })
}

/// Grains again and again, of which callgrind counts one operation: each is a function of its own in [`Writing`].
///
/// # Errors
/// When there is no memory for a ring.
pub fn repeat(arguments: &Instructions) -> Result<()> {
    let mut writing = Writing::new(FrameSize::SMALLEST, arguments.consumers)?;
    for _ in 0..arguments.grains {
        let grain = writing.open();
        writing.publish(grain, arguments.lines);
        writing.commit(grain);
        writing.keep_up();
    }
    Ok(())
}
