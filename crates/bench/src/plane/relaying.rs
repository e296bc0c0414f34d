//! A relay between two ports: what a source sends by the first one leaves by the second, once for each destination.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use media::{SeqNum, Ssrc, VIDEO_CLOCK_HZ};
use netio::{Path, RxQueue, TxQueue};
use shm::GrainLease;
use worker::{
    ForwarderConfig, Leg, OutputCounters, OutputIndex, RelayConfig, RelayCounters, Rewrite, SenderCounters,
    WORKER_LIMIT,
};

use super::ends::Around;
use crate::desk::{Desk, Meter};
use crate::tai::RunClock;

/// As the gateway's.
const BACKLOG_PACKETS: u16 = 4_096;
const BACKLOG_NANOS: i64 = 20_000_000;

/// What forwards.
pub(crate) struct Relaying<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> {
    pub(crate) desk: Desk<R, T>,
    pub(crate) watch: RelayingWatch,
}

/// Its counters.
#[derive(Clone)]
pub(crate) struct RelayingWatch {
    pub(crate) meter: Arc<Meter>,
    pub(crate) output: Arc<OutputCounters>,
    pub(crate) relays: Vec<Arc<RelayCounters>>,
    pub(crate) forwarders: Vec<Arc<SenderCounters>>,
}

impl RelayingWatch {
    /// Destinations of each stream.
    pub(crate) fn destinations(&self) -> u64 {
        (self.forwarders.len() / self.relays.len().max(1)) as u64
    }
}

/// Sets a relay for each stream, with so many destinations. `back` is what comes back by the second port, where it loops: it
/// is taken and dropped.
pub(crate) fn relay<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    (rx, back): (R, R),
    tx: T,
    around: &Around,
    destinations: u16,
) -> Result<Relaying<R, T>> {
    let streams = around.destinations.len();
    ensure!(
        streams * usize::from(destinations) <= WORKER_LIMIT,
        "{streams} streams to {destinations} destinations each: a worker serves {WORKER_LIMIT}"
    );
    let mut desk = Desk::new(vec![tx], RunClock::start());
    let input = desk.add_port(rx, streams)?;
    desk.add_port(back, 1)?;
    let (mut relays, mut forwarders) = (Vec::new(), Vec::new());
    for (stream, legs) in around.destinations.iter().enumerate() {
        let destination = *legs.first().context("a stream that goes somewhere")?;
        let config = RelayConfig {
            sources: Vec::new(),
            clock_hz: VIDEO_CLOCK_HZ,
            backlog_packets: BACKLOG_PACKETS,
            backlog_nanos: BACKLOG_NANOS,
        };
        let (key, counters) = desk.relay(vec![Leg { input, destination }], &config)?;
        relays.push(counters);
        for number in 0..destinations {
            let config = ForwarderConfig {
                path: Path::to(forwarded(stream, number)),
                output: OutputIndex(0),
                rewrite: Rewrite {
                    ssrc: Some(Ssrc(u32::from(number) + 100)),
                    first_sequence: Some(SeqNum(number)),
                    ..Rewrite::default()
                },
            };
            forwarders.push(desk.forward(config, key)?);
        }
    }
    let output = desk.outputs().into_iter().next().context("a worker with an output")?;
    let watch = RelayingWatch { meter: desk.meter(), output, relays, forwarders };
    Ok(Relaying { desk, watch })
}

fn forwarded(stream: usize, number: u16) -> SocketAddr {
    SocketAddr::from(([239, 193, 1 + stream as u8, number as u8], 5_004))
}
