//! The host's side of group membership: queries in, reports out (RFC 3376, RFC 3810).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use media::Tai;

use super::membership::{Record, Say, Subject, Version};
use super::{Host, Ignored, Refused};
use crate::frame::{PROTOCOL_ICMPV6, PROTOCOL_IGMP, ipv4, ipv6};
use crate::network::is_link_local;
use crate::wire::{Carrier, RouterAlert};
use crate::{MacAddr, igmp, mld};

/// RFC 3376 §4: type of service 0xc0, "internetwork control".
const IGMP_DSCP: u8 = 48;
/// IPv4 with the router alert option, and the head of a report.
const HEADERS_V4: usize = 24 + 8;
/// IPv6 with the hop-by-hop header, and the head of a report.
const HEADERS_V6: usize = 48 + 8;

impl Host {
    pub(super) fn receive_igmp(&mut self, packet: &ipv4::Header<'_>, now: Tai) -> Result<(), Refused> {
        let message = igmp::parse(packet.payload.head).ok_or(Ignored::Membership)?;
        let igmp::Message::Query { version, response_ns, group, sources } = message else {
            return Ok(());
        };
        // RFC 3376 §4: queries never cross a router. §4.1.12: they go to all systems, to the group, or to us.
        let destination = packet.destination;
        let to_us = destination == igmp::ALL_SYSTEMS
            || self.network.is_ours(destination.into())
            || self.groups_v4.is_member(destination.into());
        if packet.ttl != 1 || !to_us {
            return Err(Ignored::QueryOrigin.into());
        }
        let version = match version {
            1 => Version::One,
            2 => Version::Two,
            _ => Version::Three,
        };
        let general = group.is_unspecified();
        let sources: Vec<IpAddr> = sources.into_iter().map(IpAddr::from).collect();
        let subject = subject(general, group.into(), sources)?;
        self.counters.queries += 1;
        self.groups_v4.query(version, &subject, response_ns, now, &mut self.random);
        Ok(())
    }

    pub(super) fn receive_mld(
        &mut self,
        packet: &ipv6::Header<'_>,
        upper: &ipv6::Upper<'_>,
        now: Tai,
    ) -> Result<(), Refused> {
        let query = mld::parse(upper.octets).ok_or(Ignored::Membership)?;
        // RFC 3810 §6.2: from this link, and marked for routers.
        let from_link = is_link_local(packet.source) && packet.hop_limit == 1 && upper.router_alert;
        let destination = IpAddr::from(packet.destination);
        let to_us = packet.destination == mld::ALL_NODES
            || self.network.is_ours(destination)
            || self.groups_v6.is_member(destination);
        if !from_link || !to_us {
            return Err(Ignored::QueryOrigin.into());
        }
        let version = if query.version == 1 { Version::Two } else { Version::Three };
        let general = query.group.is_unspecified();
        let sources: Vec<IpAddr> = query.sources.into_iter().map(IpAddr::from).collect();
        let subject = subject(general, query.group.into(), sources)?;
        self.counters.queries += 1;
        self.groups_v6.query(version, &subject, query.response_ns, now, &mut self.random);
        Ok(())
    }

    pub(super) fn say_v4(&mut self, says: Vec<Say>) {
        let source = self.reporting_v4();
        for say in says {
            match say {
                Say::Report(records) => {
                    for part in parts(records, self.mtu.saturating_sub(HEADERS_V4), 8, 4) {
                        self.send_igmp(igmp::ALL_REPORTERS, &igmp::report(&part.map_v4()), source);
                    }
                }
                Say::OlderReport(version, IpAddr::V4(group)) => {
                    self.send_igmp(group, &igmp::older_report(version == Version::One, group), source);
                }
                Say::OlderLeave(IpAddr::V4(group)) => self.send_igmp(igmp::ALL_ROUTERS, &igmp::leave(group), source),
                Say::OlderReport(..) | Say::OlderLeave(_) => {}
            }
        }
    }

    pub(super) fn say_v6(&mut self, says: Vec<Say>) {
        let source = self.reporting_v6();
        for say in says {
            match say {
                Say::Report(records) => {
                    for part in parts(records, self.mtu.saturating_sub(HEADERS_V6), 20, 16) {
                        self.send_mld(mld::ALL_REPORTERS, &mld::report(source, &part.map_v6()), source);
                    }
                }
                Say::OlderReport(_, IpAddr::V6(group)) => {
                    self.send_mld(group, &mld::older(mld::REPORT_V1, source, group, group), source);
                }
                Say::OlderLeave(IpAddr::V6(group)) => {
                    let octets = mld::older(mld::DONE_V1, source, mld::ALL_ROUTERS, group);
                    self.send_mld(mld::ALL_ROUTERS, &octets, source);
                }
                Say::OlderReport(..) | Say::OlderLeave(_) => {}
            }
        }
    }

    /// RFC 3376 §4.2.13: from no address while none is in use.
    fn reporting_v4(&self) -> Ipv4Addr {
        let in_use = self.network.addresses().iter().find_map(|ours| match ours.address {
            IpAddr::V4(address) if self.claims.is_usable(address.into()) => Some(address),
            _ => None,
        });
        in_use.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// RFC 3810 §5.2.13: from the link-local address, or from no address while that is not in use.
    fn reporting_v6(&self) -> Ipv6Addr {
        let link_local = self.network.link_local().filter(|address| self.claims.is_usable((*address).into()));
        link_local.unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    fn send_igmp(&mut self, destination: Ipv4Addr, octets: &[u8], source: Ipv4Addr) {
        self.counters.reports += 1;
        let (protocol, alert) = (PROTOCOL_IGMP, RouterAlert::Present);
        let carrier = Carrier { source, destination, protocol, ttl: 1, dscp: IGMP_DSCP, alert };
        self.outbox.push(self.link.ipv4(MacAddr::multicast_v4(destination), &carrier, octets));
    }

    fn send_mld(&mut self, destination: Ipv6Addr, octets: &[u8], source: Ipv6Addr) {
        self.counters.reports += 1;
        let (protocol, alert) = (PROTOCOL_ICMPV6, RouterAlert::Present);
        let carrier = Carrier { source, destination, protocol, ttl: 1, dscp: 0, alert };
        self.outbox.push(self.link.ipv6(MacAddr::multicast_v6(destination), &carrier, octets));
    }
}

fn subject(general: bool, group: IpAddr, sources: Vec<IpAddr>) -> Result<Subject, Ignored> {
    match (general, group.is_multicast(), sources.is_empty()) {
        (true, _, _) => Ok(Subject::General),
        (false, false, _) => Err(Ignored::QueryGroup),
        (false, true, true) => Ok(Subject::Group(group)),
        (false, true, false) => Ok(Subject::Sources(group, sources)),
    }
}

/// The records of one report.
struct Part(Vec<Record>);

impl Part {
    fn map_v4(self) -> Vec<(u8, Ipv4Addr, Vec<Ipv4Addr>)> {
        self.mapped(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    fn map_v6(self) -> Vec<(u8, Ipv6Addr, Vec<Ipv6Addr>)> {
        self.mapped(|address| match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        })
    }

    fn mapped<A>(self, family: impl Fn(IpAddr) -> Option<A>) -> Vec<(u8, A, Vec<A>)> {
        let record = |record: Record| {
            let sources = record.sources.into_iter().filter_map(&family).collect();
            family(record.group).map(|group| (record.kind as u8, group, sources))
        };
        self.0.into_iter().filter_map(record).collect()
    }
}

/// Cuts records into reports of at most `room` octets, a record with one source or none weighing `head` and each
/// source `each`. A single record always fits a frame of the smallest MTU (`SOURCES_MAX`).
fn parts(records: Vec<Record>, room: usize, head: usize, each: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut left = 0;
    for record in records {
        let octets = head + each * record.sources.len();
        match parts.last_mut() {
            Some(part) if octets <= left => {
                part.0.push(record);
                left -= octets;
            }
            _ => {
                left = room.saturating_sub(octets);
                parts.push(Part(vec![record]));
            }
        }
    }
    parts
}
