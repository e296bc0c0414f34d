//! The kernel's sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use netio::{KernelRx, KernelRxConfig, KernelTx, KernelTxConfig};
use shm::{GrainLease, IdentityPlacement};

use super::ends::{Around, Ends, Receiving};
use crate::tai::RunClock;

/// As the gateway's.
const BUFFERS: usize = 256;

pub(crate) type Rx = KernelRx<RunClock>;
pub(crate) type Tx = KernelTx<GrainLease>;

/// Queues to send by, and on each leg a socket for each stream that receives at `address`, by ports that the kernel chooses.
pub(crate) fn open(address: IpAddr, streams: u16, legs: u16) -> Result<Ends<Rx, Tx>> {
    let clock = RunClock::start();
    let config = KernelRxConfig { buffers: BUFFERS, ..KernelRxConfig::of(SocketAddr::new(address, 0)) };
    let leg = |_| (0..streams).map(|_| KernelRx::open(&config, clock)).collect::<Result<Vec<_>, _>>();
    let queues = (0..legs).map(leg).collect::<Result<Vec<_>, _>>()?;
    let memory = queues.iter().flatten().next().map(|queue| queue.receive_buffer().to_string()).unwrap_or_default();
    let of_stream = |stream: u16| queues.iter().map(|leg| leg[usize::from(stream)].local_addr()).collect();
    let around = around((0..streams).map(of_stream).collect(), format!("receive buffers of {memory}"));
    Ok(Ends { tx: senders(legs), rx: Receiving::Own(queues), around })
}

/// What sends, where another host receives.
pub(crate) fn open_to(destinations: Vec<Vec<SocketAddr>>, interface: Option<String>) -> Ends<Rx, Tx> {
    let legs = destinations.first().map_or(1, Vec::len) as u16;
    let around = Around { interface, ..around(destinations, "sockets".to_owned()) };
    Ends { tx: senders(legs), rx: Receiving::Own(Vec::new()), around }
}

fn senders(legs: u16) -> Vec<Tx> {
    (0..legs).map(|_| KernelTx::new(KernelTxConfig::default())).collect()
}

fn around(destinations: Vec<Vec<SocketAddr>>, memory: String) -> Around {
    Around {
        destinations,
        interface: None,
        enter: Arc::new(|| Ok(Box::new(()))),
        hooks: Box::new(IdentityPlacement),
        memory,
        keep: Box::new(()),
    }
}
