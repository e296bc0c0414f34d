//! The host's side of neighbour discovery: answers, questions, probes and announcements (RFC 4861 §7, RFC 4862 §5.4).

use std::net::Ipv6Addr;

use media::Tai;

use super::{Host, Ignored, Refused};
use crate::MacAddr;
use crate::frame::{PROTOCOL_ICMPV6, ipv6};
use crate::mld::ALL_NODES;
use crate::nd::{HOP_LIMIT, Kind, Message, solicited_node};
use crate::wire::{Carrier, RouterAlert};

impl Host {
    pub(super) fn receive_nd(
        &mut self,
        packet: &ipv6::Header<'_>,
        octets: &[u8],
        from: MacAddr,
        now: Tai,
    ) -> Result<(), Refused> {
        // RFC 4861 §11.2: what a router has forwarded has a smaller one.
        if packet.hop_limit != HOP_LIMIT {
            return Err(Ignored::Icmp.into());
        }
        let message = Message::parse(packet.source, packet.destination, octets).ok_or(Ignored::Icmp)?;
        // A proxy that speaks for us, or one that would have us send to ourselves.
        if message.link == Some(self.link.mac) {
            return Err(Ignored::OwnFrame.into());
        }
        match message.kind {
            Kind::Solicitation => self.receive_solicitation(packet.source, &message, from, now),
            Kind::Advertisement { .. } => {
                self.receive_advertisement(&message, from, now);
                Ok(())
            }
        }
    }

    fn receive_solicitation(
        &mut self,
        source: Ipv6Addr,
        message: &Message,
        from: MacAddr,
        now: Tai,
    ) -> Result<(), Refused> {
        let link = message.link.unwrap_or(from);
        if self.network.is_ours(source.into()) {
            // Only a station that uses our address sends from it.
            self.contest(source.into(), link, now);
            return Ok(());
        }
        if let Some(link) = message.link {
            self.heard(source.into(), link, now);
        }
        let target = message.target.into();
        if self.claims.is_usable(target) {
            return self.answer_nd(source, message.target, link, now);
        }
        // RFC 4862 §5.4.3: somebody else probes for what we probe for.
        if source.is_unspecified() && self.claims.is_tentative(target) {
            self.contest(target, link, now);
        }
        Ok(())
    }

    fn receive_advertisement(&mut self, message: &Message, from: MacAddr, now: Tai) {
        let link = message.link.unwrap_or(from);
        let target = message.target.into();
        if self.network.is_ours(target) {
            self.contest(target, link, now);
        } else {
            self.heard(target, link, now);
        }
    }

    fn answer_nd(&mut self, to: Ipv6Addr, target: Ipv6Addr, link: MacAddr, now: Tai) -> Result<(), Refused> {
        if !self.answers.take(now) {
            return Err(Ignored::QuestionRate.into());
        }
        self.counters.answers += 1;
        // RFC 4861 §7.2.4: a question from no address is answered to everybody.
        let solicited = !to.is_unspecified();
        let (to, mac) = if solicited { (to, link) } else { (ALL_NODES, MacAddr::multicast_v6(ALL_NODES)) };
        self.send_nd(Kind::Advertisement { solicited }, target, (target, to), mac);
        Ok(())
    }

    pub(super) fn ask_v6(&mut self, address: Ipv6Addr, from: Ipv6Addr, alone: Option<MacAddr>) {
        self.counters.questions += 1;
        let group = solicited_node(address);
        let (to, mac) = match alone {
            Some(mac) => (address, mac),
            None => (group, MacAddr::multicast_v6(group)),
        };
        self.send_nd(Kind::Solicitation, address, (from, to), mac);
    }

    pub(super) fn send_nd_probe(&mut self, address: Ipv6Addr) {
        let group = solicited_node(address);
        self.send_nd(Kind::Solicitation, address, (Ipv6Addr::UNSPECIFIED, group), MacAddr::multicast_v6(group));
    }

    pub(super) fn send_nd_announcement(&mut self, address: Ipv6Addr) {
        let kind = Kind::Advertisement { solicited: false };
        self.send_nd(kind, address, (address, ALL_NODES), MacAddr::multicast_v6(ALL_NODES));
    }

    fn send_nd(&mut self, kind: Kind, target: Ipv6Addr, (source, destination): (Ipv6Addr, Ipv6Addr), mac: MacAddr) {
        // RFC 4861 §4.3: no option from no address.
        let link = (!source.is_unspecified()).then_some(self.link.mac);
        let octets = Message { kind, target, link }.octets(source, destination);
        let protocol = PROTOCOL_ICMPV6;
        let carrier = Carrier { source, destination, protocol, ttl: HOP_LIMIT, dscp: 0, alert: RouterAlert::Absent };
        self.outbox.push(self.link.ipv6(mac, &carrier, &octets));
    }
}
