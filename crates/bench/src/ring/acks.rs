//! How a receiver says that it has read a message and let it go: a grain of a tiny ring of its own, whatever the
//! messages themselves go through. Neither side enters the kernel for it.

use std::path::Path;

use anyhow::{Result, ensure};
use media::GrainIndex;
use shm::{Consumer, ConsumerClass, GrainEnd, GrainStamp, Producer};

use super::{common_socket, connect, name_of, tai_now};
use crate::role::Role;
use crate::{FrameSize, PATIENCE_NS, clock};

/// The receiver's side.
#[derive(Debug)]
pub struct AckWriter {
    producer: Producer,
}

impl AckWriter {
    /// Makes the ring of a role.
    ///
    /// # Errors
    /// When the run's broker refuses.
    pub fn create(role: &Role) -> Result<Self> {
        let session = connect(&common_socket(&role.folder))?;
        let producer = session.produce(&name_of(&role.acknowledgements)?, FrameSize::SMALLEST.format(), None)?;
        Ok(Self { producer })
    }

    /// Lets the sender join.
    pub fn host(&mut self) {
        self.producer.writer().poll(tai_now());
    }

    /// Message `number` was read and let go.
    ///
    /// # Errors
    /// When the ring has no room: the sender only looks, so never.
    pub fn acknowledge(&mut self, number: u64) -> Result<()> {
        let writer = self.producer.writer();
        let grain = writer.open(GrainIndex(number), GrainStamp::default(), tai_now())?;
        writer.commit(grain, GrainEnd::default());
        Ok(())
    }
}

/// The sender's side.
#[derive(Debug)]
pub struct AckReader {
    consumer: Consumer,
}

impl AckReader {
    /// Joins these flows.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn all(folder: &Path, flows: &[String]) -> Result<Vec<Self>> {
        let session = connect(&common_socket(folder))?;
        let join = |flow: &String| Ok(Self { consumer: session.subscribe(&name_of(flow)?, ConsumerClass::Lossy)? });
        flows.iter().map(join).collect()
    }

    /// Spins until message `number` is acknowledged.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for(&mut self, number: u64) -> Result<()> {
        let reader = self.consumer.reader();
        let deadline = clock::now() + PATIENCE_NS;
        while reader.newest() < Some(GrainIndex(number)) {
            ensure!(clock::now() < deadline, "message {number} was not acknowledged");
            std::hint::spin_loop();
        }
        Ok(())
    }
}
