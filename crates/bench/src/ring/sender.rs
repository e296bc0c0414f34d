//! Writers of measured rings.

use anyhow::{Context as _, Result};
use media::GrainIndex;
use shm::{Broker, FrameWriter, GrainEnd, GrainKey, GrainStamp, Producer};

use super::{common_socket, connect, name_of, own_socket, start_broker, tai_now};
use crate::message::Mark;
use crate::role::{Role, Sender};

/// Whatever has a writer.
pub trait RingWriter {
    /// The writer, and what it is at.
    fn parts(&mut self) -> (&mut FrameWriter, &mut Progress);
}

/// What a writer is at.
#[derive(Debug, Default)]
pub struct Progress {
    /// Index of the grain to open next.
    pub next: u64,
    /// The grain that is open.
    open: Option<GrainKey>,
}

/// A ring of the gateway: written by the process that has the broker.
#[derive(Debug)]
pub struct GatewayRing {
    writer: FrameWriter,
    progress: Progress,
    _broker: Broker,
}

impl GatewayRing {
    /// Makes the ring of a role.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create(role: &Role) -> Result<Self> {
        let broker = start_broker(&own_socket(&role.folder, &role.meeting), role.pages.into())?;
        let writer = broker.create_flow(&name_of(&role.meeting)?, role.size.format(), Some(role.slots))?;
        Ok(Self { writer, progress: Progress::default(), _broker: broker })
    }
}

impl RingWriter for GatewayRing {
    fn parts(&mut self) -> (&mut FrameWriter, &mut Progress) {
        (&mut self.writer, &mut self.progress)
    }
}

/// A ring of a pod.
#[derive(Debug)]
pub struct PodRing {
    producer: Producer,
    progress: Progress,
}

impl PodRing {
    /// Asks the run's broker for the ring of a role.
    ///
    /// # Errors
    /// When it refuses.
    pub fn create(role: &Role) -> Result<Self> {
        let session = connect(&common_socket(&role.folder))?;
        let producer = session.produce(&name_of(&role.meeting)?, role.size.format(), Some(role.slots))?;
        Ok(Self { producer, progress: Progress::default() })
    }
}

impl RingWriter for PodRing {
    fn parts(&mut self) -> (&mut FrameWriter, &mut Progress) {
        (self.producer.writer(), &mut self.progress)
    }
}

impl<Ring: RingWriter> Sender for Ring {
    fn host(&mut self) {
        self.parts().0.poll(tai_now());
    }

    #[inline]
    fn prepare(&mut self, number: u64) -> Result<()> {
        let (writer, progress) = self.parts();
        let grain = writer.open(GrainIndex(progress.next), GrainStamp::default(), tai_now())?;
        let end = writer.geometry().grain_octets - Mark::TAIL_OCTETS as u32;
        writer.write(grain, Mark::NUMBER.start as u32, &number.to_ne_bytes())?;
        writer.write(grain, end, &number.to_ne_bytes())?;
        progress.open = Some(grain);
        progress.next += 1;
        Ok(())
    }

    #[inline]
    fn send(&mut self, stamp: u64) -> Result<()> {
        let (writer, progress) = self.parts();
        let grain = progress.open.take().context("no grain is open")?;
        writer.write(grain, Mark::STAMP.start as u32, &stamp.to_ne_bytes())?;
        writer.commit(grain, GrainEnd::default());
        Ok(())
    }
}
