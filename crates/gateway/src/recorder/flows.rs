//! The rings, as a recorder sees them: what it needs of the broker, and tests give it without one.

use control::ArchiveError;
use media::{FlowFormat, Name};
use shm::{ConsumerClass, FrameReader, FrameWriter, SubscribeError};

/// Rings by the names of their flows.
pub(crate) trait Flows: Send + 'static {
    /// A reader of the flow.
    fn subscribe(&self, flow: &Name, class: ConsumerClass) -> Result<FrameReader, SubscribeError>;

    /// The ring that the flow's name stands for now: its epoch and format.
    fn ring(&self, flow: &Name) -> Option<(u128, FlowFormat)>;

    /// The names of all flows.
    fn names(&self) -> Vec<String>;

    /// Makes a flow to write.
    fn create(&self, flow: &Name, format: FlowFormat, slots: Option<u16>) -> Result<FrameWriter, ArchiveError>;

    /// Ends a flow.
    fn remove(&self, flow: &Name);
}
