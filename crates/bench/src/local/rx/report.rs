//! What the rounds found, for people and for programs.

use anyhow::Result;
use serde::Serialize;
use shm::Store;

use crate::{Machine, Spread};

/// What one way took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// ns a packet.
    pub(super) packet_ns: f64,
    /// Gigaoctets of samples a second.
    pub(super) gigaoctets_per_second: f64,
}

/// One round: each way once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// The worker.
    pub(super) worker: Took,
    /// The bare loop, by each store: cached, streamed.
    pub(super) bare: [Took; 2],
    /// Whole frames by memcpy.
    pub(super) memcpy: Took,
}

impl Round {
    /// The worker's rate over the better bare loop's.
    fn of_bare(&self) -> f64 {
        let [cached, streamed] = self.bare.map(|took| took.packet_ns);
        cached.min(streamed) / self.worker.packet_ns
    }

    /// The worker's octets over memcpy's.
    fn of_memcpy(&self) -> f64 {
        self.worker.gigaoctets_per_second / self.memcpy.gigaoctets_per_second
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    dpdk: String,
    payloads: Vec<Payload>,
}

/// Medians over the rounds of one payload, with their quartiles.
#[derive(Debug, Serialize)]
struct Payload {
    octets: u16,
    rounds: usize,
    /// The worker's store.
    store: String,
    worker_ns: Spread,
    bare_cached_ns: Spread,
    bare_streamed_ns: Spread,
    worker_gigaoctets_per_second: Spread,
    memcpy_gigaoctets_per_second: Spread,
    of_bare: Spread,
    of_memcpy: Spread,
}

impl Report {
    pub(super) fn new(dpdk: String) -> Self {
        Self { machine: Machine::look(), dpdk, payloads: Vec::new() }
    }

    pub(super) fn add(&mut self, octets: u16, store: Store, rounds: &[Round]) {
        let of = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
        self.payloads.push(Payload {
            octets,
            rounds: rounds.len(),
            store: store.to_string(),
            worker_ns: of(|round| round.worker.packet_ns),
            bare_cached_ns: of(|round| round.bare[0].packet_ns),
            bare_streamed_ns: of(|round| round.bare[1].packet_ns),
            worker_gigaoctets_per_second: of(|round| round.worker.gigaoctets_per_second),
            memcpy_gigaoctets_per_second: of(|round| round.memcpy.gigaoctets_per_second),
            of_bare: of(Round::of_bare),
            of_memcpy: of(Round::of_memcpy),
        });
    }

    pub(super) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!("one core receives; medians [quartiles]; {}, load {:.1}", self.dpdk, self.machine.load);
        println!("payload  store     worker ns a packet     bare ns: cached  streamed  of bare              of memcpy");
        for Payload { octets, store, worker_ns, bare_cached_ns, bare_streamed_ns, of_bare, of_memcpy, .. } in
            &self.payloads
        {
            println!(
                "{octets:>7}  {store:<8}  {:>7.1} [{:.1}, {:.1}]  {:>15.1}  {:>8.1}  {:.3} [{:.3}, {:.3}]  {:.3}",
                worker_ns.median,
                worker_ns.low,
                worker_ns.high,
                bare_cached_ns.median,
                bare_streamed_ns.median,
                of_bare.median,
                of_bare.low,
                of_bare.high,
                of_memcpy.median,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_compared_with_the_better_store() {
        let took = |packet_ns| Took { packet_ns, gigaoctets_per_second: 1_000.0 / packet_ns };
        let round = Round { worker: took(100.0), bare: [took(90.0), took(80.0)], memcpy: took(50.0) };
        let mut report = Report::new(String::new());
        report.add(1_200, Store::Cached, &[round]);
        let payload = &report.payloads[0];
        assert_eq!((payload.of_bare.median, payload.of_memcpy.median, payload.rounds), (0.8, 0.5, 1));
    }
}
