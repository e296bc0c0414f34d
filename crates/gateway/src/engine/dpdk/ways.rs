//! The ways by which packets of a receiver or a relay come in: the ports that listen for them.

use control::DataplaneError;
use worker::Leg;

use super::DpdkEngine;
use super::homes::{HeardWay, Homes, ReceiverHome};
use crate::engine::Way;
use crate::pool::WorkerIndex;

impl DpdkEngine {
    /// The legs of these ways and the worker that serves them: one, as both legs go to one receiver.
    pub(super) fn legs(&self, ways: &[Way<'_>]) -> Result<(WorkerIndex, Vec<Leg>, Vec<HeardWay>), DataplaneError> {
        let mut found = Vec::with_capacity(ways.len());
        for way in ways {
            let (at, port) = self.port(way.port)?;
            port.check_destination(way.destination)?;
            found.push((at, port, way));
        }
        let (first, others) = found.split_first().ok_or(DataplaneError::Stopping)?;
        others.iter().try_for_each(|(_, other, _)| first.1.check_receives_with(other))?;
        let leg = |(_, port, way): &(usize, &super::ServedPort, &Way<'_>)| Leg {
            input: port.key,
            destination: way.destination,
        };
        let heard = |(at, _, way): &(usize, &super::ServedPort, &Way<'_>)| HeardWay {
            port: *at,
            destination: way.destination,
            sources: way.sources.to_vec(),
            is_listening: false,
        };
        Ok((first.1.worker(), found.iter().map(leg).collect(), found.iter().map(heard).collect()))
    }

    /// Has the ports listen, now that there is somebody to take what comes.
    ///
    /// # Errors
    /// A port cannot; then none of them does.
    pub(super) fn listen(&self, ways: &mut [HeardWay]) -> Result<(), DataplaneError> {
        for at in 0..ways.len() {
            let way = &mut ways[at];
            let name = &self.ports[way.port].facts.plan.name;
            if let Err(refusal) = self.present.listen(name, way.destination, &way.sources) {
                self.unlisten(ways);
                return Err(DataplaneError::PacketIo(Box::new(refusal)));
            }
            ways[at].is_listening = true;
        }
        Ok(())
    }

    /// Has them listen no longer: groups are left before nobody takes their packets any more.
    pub(super) fn unlisten(&self, ways: &mut [HeardWay]) {
        for way in ways.iter_mut().filter(|way| way.is_listening) {
            let name = &self.ports[way.port].facts.plan.name;
            if let Err(refusal) = self.present.unlisten(name, way.destination, &way.sources) {
                tracing::warn!("{refusal}");
            }
            way.is_listening = false;
        }
    }

    /// Has the ports of a receiver or a relay listen no longer; the worker that serves it and for how many packets a second it
    /// was placed there, `None` where there is none such.
    pub(super) fn leave(&self, find: impl Fn(&mut Homes) -> Option<&mut ReceiverHome>) -> Option<(WorkerIndex, u64)> {
        // Asked without the lock: it may take a while.
        let mut ways = find(&mut self.homes())?.ways.clone();
        self.unlisten(&mut ways);
        let worker = self.ports[ways.first()?.port].worker();
        let mut homes = self.homes();
        let home = find(&mut homes)?;
        home.ways = ways;
        Some((worker, home.packets_per_second))
    }
}
