//! Whom the engine serves, and where.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use worker::{ReceiverKey, SenderKey};

/// By key, as the data plane names them.
#[derive(Default)]
pub(super) struct Homes {
    pub(super) receivers: BTreeMap<ReceiverKey, ReceiverHome>,
    pub(super) relays: BTreeMap<ReceiverKey, ReceiverHome>,
    /// Of a sender, the port.
    pub(super) senders: BTreeMap<SenderKey, usize>,
}

/// Where a receiver is, and what its port listens to for it.
#[derive(Clone, Debug)]
pub(super) struct ReceiverHome {
    /// Among the engine's ports.
    pub(super) port: usize,
    pub(super) destination: SocketAddr,
    pub(super) sources: Vec<IpAddr>,
    /// False once that has been taken back.
    pub(super) is_listening: bool,
}
