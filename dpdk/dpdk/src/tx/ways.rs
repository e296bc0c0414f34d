//! Which way a packet goes, or why it cannot go now.

use std::sync::Arc;

use ip::MacAddr;
use netio::exchange::TxEnd;
use netio::{MAX_HEADER_OCTETS, Path, PathError, PathId, PathTable, TxFull};

use crate::counters::PortCounters;
use crate::path::{EphemeralPorts, Link};
use crate::sizing::LINK_OCTETS;
use crate::station::Station;

/// The open paths of a queue, and the exchange by which their neighbours are asked for.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) exchange: TxEnd,
    /// Of the host's frames: what the port's MTU allows, with a tag.
    pub(super) frame_octets_max: usize,
    station: Station,
    paths: PathTable<Link>,
    ports: EphemeralPorts,
    counters: Arc<PortCounters>,
    /// Packets that had no way yet.
    pub(super) unresolved: u64,
}

/// The way of one packet.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) link: &'a Link,
    pub(super) mac: MacAddr,
}

impl Ways {
    pub(super) fn new(exchange: TxEnd, station: Station, limit: u16, counters: Arc<PortCounters>) -> Self {
        let paths = PathTable::new(limit);
        let frame_octets_max = usize::from(station.mtu) + usize::from(LINK_OCTETS);
        Self { exchange, frame_octets_max, station, paths, ports: EphemeralPorts::default(), counters, unresolved: 0 }
    }

    pub(super) fn open(&mut self, path: &Path) -> Result<PathId, PathError> {
        let link = Link::open(path, &self.station, &mut self.ports, &mut self.exchange)?;
        let limit = self.paths.limit();
        self.paths.insert(link).ok_or(PathError::Full { limit })
    }

    pub(super) fn close(&mut self, path: PathId) {
        self.paths.remove(path);
    }

    #[inline]
    pub(super) fn is_open(&self, path: PathId) -> bool {
        self.paths.at(path).is_some()
    }

    /// The way of what goes to a path whose next hop is known.
    #[inline]
    pub(super) fn known(&self, path: PathId) -> Option<Way<'_>> {
        let link = self.paths.at(path)?;
        Some(Way { link, mac: link.mac()? })
    }

    /// The path and its next hop, where that is known: to write headers.
    #[inline]
    pub(super) fn known_mut(&mut self, path: PathId) -> Option<(&mut Link, MacAddr)> {
        let link = self.paths.at_mut(path)?;
        let mac = link.mac()?;
        Some((link, mac))
    }

    /// The way of a packet with these octets at and behind the RTP header; `frame_octets_max`: of one buffer.
    #[inline]
    pub(super) fn of(
        &mut self,
        path: PathId,
        header: &[u8],
        payload_octets: usize,
        frame_octets_max: usize,
    ) -> Result<Way<'_>, TxFull> {
        let link = self.paths.at(path).ok_or(TxFull::Path)?;
        if header.len() > MAX_HEADER_OCTETS {
            return Err(TxFull::Header);
        }
        let octets = header.len() + payload_octets;
        if octets > link.octets_max || link.template.octets() + octets > frame_octets_max {
            self.counters.tx.mtu_exceeded.add(1);
            return Err(TxFull::Mtu);
        }
        self.towards(path)
    }

    /// The way of packets whose size is not known yet.
    #[inline]
    pub(super) fn towards(&mut self, path: PathId) -> Result<Way<'_>, TxFull> {
        let link = self.paths.at_mut(path).ok_or(TxFull::Path)?;
        match link.mac() {
            Some(mac) => Ok(Way { link, mac }),
            None => {
                link.ask(&mut self.exchange);
                self.counters.tx.unresolved.add(1);
                self.unresolved += 1;
                Err(TxFull::Unresolved)
            }
        }
    }
}
