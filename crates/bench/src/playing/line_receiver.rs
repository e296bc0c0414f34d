//! A reader that follows the lines of each frame and sums every octet; and one that holds what it has.

use anyhow::{Context as _, Result, bail};
use shm::GrainLease;

use crate::clock;
use crate::ring::{AckWriter, spin_for_grain, spin_for_lines, subscribe};
use crate::role::{Answer, Command, Inbox, Role, answer};
use crate::sum::add;

pub(super) fn run(inbox: &Inbox, role: &Role) -> Result<()> {
    let mut acks = AckWriter::create(role)?;
    role.pin()?;
    answer(&Answer::Done)?;
    let (mut consumer, mut next) = (None, 0);
    let mut command = inbox.next()?;
    while let Some(told) = command.take() {
        match told {
            Command::Host => {
                command = inbox.host(|| acks.host())?;
                continue;
            }
            Command::Connect { .. } => {
                consumer = Some(subscribe(role)?);
                answer(&Answer::Done)?;
            }
            Command::Frames { frames, .. } => {
                answer(&Answer::Armed)?;
                let reader = consumer.as_mut().context("not connected")?.reader();
                let (mut seen, mut sums) = (Vec::new(), Vec::new());
                for _ in 0..frames {
                    let index = spin_for_grain(reader)?;
                    let lease = reader.lease(index)?;
                    sums.push(sum_of(&lease, role)?);
                    seen.push(clock::now());
                    drop(lease);
                    acks.acknowledge(next)?;
                    next += 1;
                }
                answer(&Answer::Received { seen, stamps: Vec::new(), sums })?;
            }
            other => bail!("a reader of lines cannot {other:?}"),
        }
        command = inbox.next()?;
    }
    Ok(())
}

/// Sums a frame line by line, as far as it has come, to its end.
fn sum_of(lease: &GrainLease, role: &Role) -> Result<u64> {
    let lines = role.size.lines();
    let (mut sum, mut done) = (0, 0);
    while done < lines {
        spin_for_lines(lease, done + 1)?;
        let reached = lease.state()?.slices;
        let octets = lease.lines(done..reached).context("a ring whose lines cannot be borrowed")?;
        sum = octets.chunks_exact(role.size.line_octets()).fold(sum, add);
        done = reached;
    }
    Ok(sum)
}

/// Reads every grain, so that its pages are mapped here, and holds the last ones until it is killed.
pub(super) fn hold(inbox: &Inbox, role: &Role) -> Result<()> {
    role.pin()?;
    answer(&Answer::Done)?;
    let (mut consumer, mut held) = (None, Vec::new());
    while let Some(told) = inbox.next()? {
        match told {
            Command::Connect { .. } => consumer = Some(subscribe(role)?),
            Command::Hold { grains } => {
                let reader = consumer.as_mut().context("not connected")?.reader();
                held.clear();
                for _ in 0..grains {
                    let index = spin_for_grain(reader)?;
                    let lease = reader.lease(index)?;
                    sum_of(&lease, role)?;
                    held.push(lease);
                }
            }
            other => bail!("a holder cannot {other:?}"),
        }
        answer(&Answer::Done)?;
    }
    Ok(())
}
