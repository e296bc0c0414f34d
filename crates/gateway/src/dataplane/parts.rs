//! What the data plane is put together from.

use std::sync::Arc;

use shm::{Broker, StoreChoice};

use crate::clock::TaiClock;
use crate::engine::Engine;
use crate::recorder::RecorderSettings;

/// What the data plane is made of.
pub struct Parts {
    /// What moves packets. The first takes what belongs to none of the others' ports: the kernel's. They drop before the
    /// rings do.
    pub engines: Vec<Arc<dyn Engine>>,
    /// The rings.
    pub broker: Broker,
    /// TAI.
    pub clock: TaiClock,
    /// This node's name.
    pub node: String,
    /// Slots of a ring where the receiver states none.
    pub slots: u16,
    /// The broker's socket, for status.
    pub broker_socket: String,
    /// Which pages rings are made of, in words, while there is no ring.
    pub page_policy: String,
    /// Where recordings are, and how they are made.
    pub recorder: RecorderSettings,
    /// How receivers store what comes.
    pub stores: StoreChoice,
}
