//! Relays on ports, and senders of ports that forward them.

use control::{DataplaneError, RelaySpec};
use worker::{ReceiverKey, SenderKey};

use super::super::ChangeError;
use super::super::forwarders::Followed;
use super::super::relaying::packets_kept;
use super::homes::{HeardWay, ReceiverHome};
use super::ways::{Choice, Placed};
use super::{DpdkEngine, RelayOrder, Relaying, backlog};
use crate::pool::{UNKNOWN_PACKETS_PER_SECOND, unexpected};

impl DpdkEngine {
    pub(super) fn serve_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        let Placed { worker, legs, mut ways, warning } = self.place(&order.ways(), Choice::BestConnected)?;
        let warning = warning.or(self.judge_backlog(order.spec, &ways)?);
        let relay = order.build(legs);
        let (counters, legs) = (relay.counters(), relay.leg_counters());
        self.pool.add_relay(worker, Box::new(relay))?;
        // Now there is somebody to take what comes.
        if let Err(refusal) = self.listen(&mut ways) {
            drop(self.pool.remove_relay(worker, order.key)?);
            return Err(refusal);
        }
        let packets_per_second = UNKNOWN_PACKETS_PER_SECOND;
        self.pool.burden(worker, 0, packets_per_second);
        let mut homes = self.homes();
        homes.relays.insert(order.key, ReceiverHome { ways, packets_per_second });
        homes.backlogs.insert(order.key, packets_kept(order.spec));
        Ok(Relaying { counters, legs, inputs: Vec::new(), warning })
    }

    /// Whether the ports' buffers have room for what a relay may keep beside the others, and a warning where it is taken on top.
    fn judge_backlog(&self, spec: &RelaySpec, ways: &[HeardWay]) -> Result<Option<String>, DataplaneError> {
        let mut warning = None;
        for way in ways {
            let facts = &self.ports[way.port].facts;
            let others = self.homes().backlog_of(way.port, way.lane);
            backlog::check(&facts.plan.name, &facts.sizing, spec, others)?;
            warning = warning.or_else(|| backlog::warning(&facts.plan.name, &facts.sizing, spec, others));
        }
        Ok(warning)
    }

    pub(super) fn end_relay(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let Some((worker, packets_per_second)) = self.leave(|homes| homes.relays.get_mut(&key)) else { return Ok(()) };
        drop(self.pool.remove_relay(worker, key)?);
        self.pool.burden(worker, packets_per_second, 0);
        let mut homes = self.homes();
        let home = homes.relays.remove(&key);
        homes.backlogs.remove(&key);
        drop(homes);
        // Its rules go: nobody waits for the lock meanwhile.
        drop(home);
        Ok(())
    }

    /// A packet stays on the worker that received it: only that one can send it on.
    pub(super) fn have_forwarded(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        let followed = match relay {
            None => None,
            Some(relay) => Some(self.followed(key, relay)?),
        };
        let mut forwarders = self.forwarders();
        let outcome = forwarders.follow(&self.pool, key, followed);
        let follows = forwarders.followed(key);
        drop(forwarders);
        if let Some(home) = self.homes().senders.get_mut(&key) {
            home.forwarded_by = follows.map(|followed| followed.worker);
        }
        outcome
    }

    /// Where a sender forwards a relay.
    fn followed(&self, key: SenderKey, relay: ReceiverKey) -> Result<Followed, DataplaneError> {
        let homes = self.homes();
        let found = homes.senders.get(&key).zip(homes.relays.get(&relay));
        let (to, from) = found.ok_or_else(|| unexpected("having a sender forward a relay"))?;
        let worker = self.worker_hearing(&from.ways);
        let (to, from) = (&self.ports[to.port], &self.ports[from.port()]);
        let (of, by) = (&from.facts.plan.name, &to.facts.plan.name);
        let lacks = || DataplaneError::Unsupported {
            what: format!("forwarding from port {of} by port {by}, by which the worker of {of} does not send"),
            remedy: format!("give port {by} the core that receives on port {of} too (port.core, port.cores)"),
        };
        let output = to.output_of(worker).ok_or_else(lacks)?;
        Ok(Followed { relay, worker, output })
    }
}
