//! The kernel's sockets, over the loopback interface.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use netio::{KernelRx, KernelRxConfig, KernelTx, KernelTxConfig};
use shm::{GrainLease, IdentityPlacement};

use super::ends::{Ends, Receiving};
use crate::tai::RunClock;
use crate::traffic::Traffic;

/// As the gateway's.
const BUFFERS: usize = 256;

/// A socket to send by, one to receive by for each stream.
pub(super) fn open(traffic: &Traffic) -> Result<Ends<KernelRx<RunClock>, KernelTx<GrainLease>>> {
    let clock = RunClock::real();
    let config = KernelRxConfig { buffers: BUFFERS, ..KernelRxConfig::of(SocketAddr::from(([127, 0, 0, 1], 0))) };
    let open = |_| KernelRx::open(&config, clock.clone());
    let queues = (0..traffic.streams).map(open).collect::<Result<Vec<_>, _>>()?;
    let memory = queues.first().map(|queue| queue.receive_buffer().to_string()).unwrap_or_default();
    Ok(Ends {
        tx: KernelTx::new(KernelTxConfig::default()),
        destinations: queues.iter().map(KernelRx::local_addr).collect(),
        rx: Receiving::Own(queues),
        enter: Arc::new(|| Ok(Box::new(()))),
        hooks: Box::new(IdentityPlacement),
        memory,
        keep: Box::new(()),
    })
}
