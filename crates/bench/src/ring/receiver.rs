//! Readers of measured rings.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use media::GrainIndex;
use shm::{Consumer, FrameReader, GrainLease, Trust};

use super::{LEASED, common_socket, connect, name_of, own_socket};
use crate::message::Mark;
use crate::role::{Kind, Receiver, Role, Taken};
use crate::{PATIENCE_NS, spin};

/// Waits for each grain, leases it, validates it and reads its first and last octets: in place in a ring of the gateway, copied
/// line by line from a ring of a pod.
#[derive(Debug)]
pub struct RingReceiver {
    role: Role,
    consumer: Option<Consumer>,
    held: Option<GrainLease>,
    beginning: Vec<u8>,
    end: Vec<u8>,
}

impl RingReceiver {
    /// To be connected.
    #[must_use]
    pub fn new(role: &Role) -> Self {
        let line = vec![0; role.size.line_octets()];
        Self { role: role.clone(), consumer: None, held: None, beginning: line.clone(), end: line }
    }
}

/// Subscribes to the flow of a role.
///
/// # Errors
/// When it is not there.
pub(crate) fn subscribe(role: &Role) -> Result<Consumer> {
    let socket = match role.kind {
        Kind::PodReader | Kind::PodSleeper => common_socket(&role.folder),
        _ => own_socket(&role.folder, &role.meeting),
    };
    Ok(connect(&socket)?.subscribe(&name_of(&role.meeting)?, LEASED)?)
}

/// Spins until there is a grain.
///
/// # Errors
/// When none comes.
#[inline]
pub(crate) fn spin_for_grain(reader: &FrameReader) -> Result<GrainIndex> {
    spin::until(|| reader.next_available()).context("no grain")
}

/// Spins until `lines` lines of a grain are final.
///
/// # Errors
/// When they do not come.
#[inline]
pub(crate) fn spin_for_lines(lease: &GrainLease, lines: u16) -> Result<()> {
    let reached = || match lease.state() {
        Ok(state) if state.slices < lines => None,
        state => Some(state),
    };
    spin::until(reached).with_context(|| format!("no {lines} lines"))??;
    Ok(())
}

/// Sleeps until the next frame is whole.
fn sleep_for_frame(reader: &mut FrameReader) -> Result<GrainIndex> {
    let (next, lines) = (reader.next_index(), reader.geometry().slices);
    let deadline = Instant::now() + Duration::from_nanos(PATIENCE_NS);
    reader.wait_until(next, lines, deadline)?;
    Ok(next)
}

impl Receiver for RingReceiver {
    fn connect(&mut self) -> Result<()> {
        let mut consumer = subscribe(&self.role)?;
        let trust =
            if matches!(self.role.kind, Kind::PodReader | Kind::PodSleeper) { Trust::Pod } else { Trust::Gateway };
        ensure!(consumer.reader().trust() == trust, "the flow is not one of {trust:?}");
        self.consumer = Some(consumer);
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> Result<Taken> {
        let reader = self.consumer.as_mut().context("not connected")?.reader();
        let lines = reader.geometry().slices;
        let index = match self.role.kind {
            Kind::GatewaySleeper | Kind::PodSleeper => sleep_for_frame(reader)?,
            _ => spin_for_grain(reader)?,
        };
        let lease = reader.lease(index)?;
        let mark = if reader.trust() == Trust::Gateway {
            // Validates and borrows in one.
            let frame = spin::until(|| lease.lines(0..lines)).context("no whole frame")?;
            Mark::read(frame, frame)?
        } else {
            let end = &mut self.end;
            spin::until(|| lease.copy_lines(lines - 1..lines, end).ok()).context("no whole frame")?;
            lease.copy_lines(0..1, &mut self.beginning)?;
            Mark::read(&self.beginning, &self.end)?
        };
        let taken = Taken::now(Some(mark));
        self.held = Some(lease);
        Ok(taken)
    }

    fn release(&mut self) {
        self.held = None;
    }
}
