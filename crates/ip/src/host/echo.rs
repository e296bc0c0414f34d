//! ICMP and ICMPv6: echo requests are answered (RFC 792, RFC 4443 §4.2), to the station that the frame came from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use media::Tai;

use super::{Host, Ignored, Refused};
use crate::checksum::{self, Sum};
use crate::frame::{PROTOCOL_ICMP, PROTOCOL_ICMPV6, ipv4, ipv6};
use crate::wire::{Carrier, RouterAlert};
use crate::{MacAddr, mld, nd};

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
/// Type, code, checksum, identifier, sequence number.
const ECHO_OCTETS: usize = 8;
const TTL: u8 = 64;

impl Host {
    pub(super) fn receive_icmp(&mut self, packet: &ipv4::Header<'_>, from: MacAddr, now: Tai) -> Result<(), Refused> {
        let octets = packet.payload.head;
        if octets.len() < ECHO_OCTETS || !Sum::new().octets(octets).holds() {
            return Err(Ignored::Icmp.into());
        }
        if octets[..2] != [ECHO_REQUEST_V4, 0] {
            return Err(Ignored::IcmpOther.into());
        }
        self.admit_echo(packet.source.into(), packet.destination.into(), octets.len() + 20, now)?;
        let mut reply = octets.to_vec();
        reply[0] = ECHO_REPLY_V4;
        reply[2..4].fill(0);
        let sum = checksum::of(&reply);
        reply[2..4].copy_from_slice(&sum.to_be_bytes());
        let carrier = back_v4(packet);
        self.outbox.push(self.link.ipv4(from, &carrier, &reply));
        Ok(())
    }

    pub(super) fn receive_icmpv6(
        &mut self,
        packet: &ipv6::Header<'_>,
        upper: &ipv6::Upper<'_>,
        from: MacAddr,
        now: Tai,
    ) -> Result<(), Refused> {
        let octets = upper.octets;
        // What is longer than 65,535 octets has been refused with its header.
        let sum = checksum::pseudo_v6(packet.source, packet.destination, PROTOCOL_ICMPV6, octets.len() as u16);
        if octets.len() < 4 || !sum.octets(octets).holds() {
            return Err(Ignored::Icmp.into());
        }
        match octets[0] {
            nd::SOLICITATION | nd::ADVERTISEMENT => self.receive_nd(packet, octets, from, now),
            mld::QUERY => self.receive_mld(packet, upper, now),
            ECHO_REQUEST_V6 if octets[1] == 0 => self.echo_v6(packet, octets, from, now),
            _ => Err(Ignored::IcmpOther.into()),
        }
    }

    fn echo_v6(&mut self, packet: &ipv6::Header<'_>, octets: &[u8], from: MacAddr, now: Tai) -> Result<(), Refused> {
        if octets.len() < ECHO_OCTETS {
            return Err(Ignored::Icmp.into());
        }
        self.admit_echo(packet.source.into(), packet.destination.into(), octets.len() + 40, now)?;
        let mut reply = octets.to_vec();
        reply[0] = ECHO_REPLY_V6;
        let carrier = back_v6(packet);
        nd::complete_checksum(&mut reply, carrier.source, carrier.destination);
        self.outbox.push(self.link.ipv6(from, &carrier, &reply));
        Ok(())
    }

    /// Whether an echo request is answered: from a station, to an address of ours, at a bounded rate.
    fn admit_echo(&mut self, source: IpAddr, destination: IpAddr, octets: usize, now: Tai) -> Result<(), Refused> {
        // RFC 1122 §3.2.2.6 lets hosts ignore those to groups, which would have all answer at once.
        let no_station = source.is_unspecified() || source.is_loopback();
        if destination.is_multicast() || no_station || self.network.is_ours(source) {
            return Err(Ignored::EchoToGroup.into());
        }
        if !self.claims.is_usable(destination) {
            return Err(Ignored::Destination.into());
        }
        if octets > self.mtu || !self.echoes.take(now) {
            return Err(Ignored::EchoRate.into());
        }
        self.counters.echo_replies += 1;
        Ok(())
    }
}

const fn back_v4(request: &ipv4::Header<'_>) -> Carrier<Ipv4Addr> {
    Carrier {
        source: request.destination,
        destination: request.source,
        protocol: PROTOCOL_ICMP,
        ttl: TTL,
        dscp: request.dscp,
        alert: RouterAlert::Absent,
    }
}

const fn back_v6(request: &ipv6::Header<'_>) -> Carrier<Ipv6Addr> {
    Carrier {
        source: request.destination,
        destination: request.source,
        protocol: PROTOCOL_ICMPV6,
        ttl: TTL,
        dscp: request.dscp,
        alert: RouterAlert::Absent,
    }
}
