//! The host of one port: it answers and asks what a network expects of an address. Sans-IO: frames in, frames out,
//! time as an argument.
//!
//! * ARP (RFC 826) with duplicate detection (RFC 5227); neighbour discovery (RFC 4861) with RFC 4862's.
//! * ICMP and ICMPv6 echo.
//! * Groups with sources: IGMPv3 (RFC 3376), MLDv2 (RFC 3810), and what older queriers understand.
//! * The Ethernet addresses of neighbours that somebody asked for, confirmed from time to time.
//!
//! It is for a port that no kernel serves: nothing here reassembles, routes, configures addresses or speaks TCP. Whatever
//! comes in is bounded in memory and in the rate at which it is answered; everything ignored is counted by reason.
//!
//! Call [`Host::receive`] for every frame that is not media, [`Host::poll`] at [`Host::next_deadline`], and after each
//! of these take frames ([`Host::transmit`]) and events ([`Host::event`]) until there are none. `now` may come from
//! any clock that never goes back.

mod arp;
mod bucket;
mod claims;
mod config;
mod counters;
mod echo;
mod event;
mod join;
mod membership;
mod nd;
mod neighbours;
mod outbox;
mod queries;
mod random;
mod refused;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

use media::Tai;

use self::bucket::Bucket;
use self::claims::Claims;
pub use self::config::{HostConfig, PROBE_INTERVAL_NS};
pub use self::counters::{HostCounters, Ignored};
pub use self::event::Event;
pub use self::join::JoinError;
use self::membership::Membership;
pub use self::membership::{GROUPS_MAX, SOURCES_MAX};
use self::neighbours::Neighbours;
use self::outbox::Outbox;
use self::random::Random;
use self::refused::Refused;
use crate::frame::{
    self, Check, Checks, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_IGMP,
    PROTOCOL_UDP, Rules, ipv4, ipv6,
};
use crate::wire::Link;
use crate::{MacAddr, Network, nd as neighbour_discovery};

/// Echo requests answered per second, and in a burst.
const ECHOES_PER_SECOND: i64 = 100;
/// Questions for our addresses answered per second, and in a burst.
const ANSWERS_PER_SECOND: i64 = 1_000;
/// Most events that wait to be taken.
const EVENTS_MAX: usize = 256;

/// The host of one port.
#[derive(Debug)]
pub struct Host {
    link: Link,
    network: Network,
    mtu: usize,
    claims: Claims,
    neighbours: Neighbours,
    groups_v4: Membership,
    groups_v6: Membership,
    echoes: Bucket,
    answers: Bucket,
    random: Random,
    outbox: Outbox,
    events: VecDeque<Event>,
    counters: HostCounters,
}

impl Host {
    /// A host that begins to probe for its addresses.
    #[must_use]
    pub fn new(config: HostConfig, now: Tai) -> Self {
        let HostConfig { mac, network, vlan, mtu, probe_interval_ns } = config;
        let network = network.with_link_local(mac);
        let [a, b, c, d, e, f] = mac.octets();
        let seed = u64::from_be_bytes([0, 0, a, b, c, d, e, f]) ^ now.as_nanos().cast_unsigned();
        let mut random = Random::new(seed);
        let addresses = network.addresses().iter().map(|ours| ours.address);
        let claims = Claims::new(addresses, probe_interval_ns, now, &mut random);
        let mut groups_v6 = Membership::default();
        for ours in network.addresses() {
            if let IpAddr::V6(address) = ours.address {
                // RFC 4861 §7.2.1, RFC 4862 §5.4.2: before the address is probed for.
                groups_v6.join(neighbour_discovery::solicited_node(address).into(), &[], now);
            }
        }
        Self {
            link: Link { mac, vlan },
            network,
            mtu: usize::from(mtu),
            claims,
            neighbours: Neighbours::default(),
            groups_v4: Membership::default(),
            groups_v6,
            echoes: Bucket::per_second(ECHOES_PER_SECOND, ECHOES_PER_SECOND, now),
            answers: Bucket::per_second(ANSWERS_PER_SECOND, ANSWERS_PER_SECOND, now),
            random,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            counters: HostCounters::default(),
        }
    }

    /// The port's network, with the link-local address that was added.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Takes a frame that is not media.
    pub fn receive(&mut self, frame: &[u8], now: Tai) {
        self.counters.frames_received += 1;
        if let Err(reason) = self.dispatch(frame, now) {
            self.count(reason);
        }
    }

    /// A neighbour is wanted: asked for until it answers, and known until it is forgotten. Refused (and counted) when
    /// too many are.
    pub fn resolve(&mut self, next_hop: IpAddr, now: Tai) {
        let act = self.neighbours.resolve(next_hop, now);
        self.act_on_neighbours(act);
        self.poll(now);
    }

    /// A neighbour is no longer wanted.
    pub fn forget(&mut self, next_hop: IpAddr) {
        self.neighbours.forget(next_hop);
    }

    /// The Ethernet address of a neighbour that is known.
    #[must_use]
    pub fn neighbour(&self, next_hop: IpAddr) -> Option<MacAddr> {
        self.neighbours.mac(next_hop)
    }

    /// A group is wanted from these sources, or from any when there are none. Replaces what was wanted of the group
    /// before: give the union of all that receive it.
    ///
    /// # Errors
    /// [`JoinError`]; what was joined before stays.
    pub fn join(&mut self, group: IpAddr, sources: &[IpAddr], now: Tai) -> Result<(), JoinError> {
        self.check_join(group, sources)?;
        self.groups(group).join(group, sources, now);
        self.poll(now);
        Ok(())
    }

    /// A group is no longer wanted.
    pub fn leave(&mut self, group: IpAddr, now: Tai) {
        self.groups(group).leave(group, now);
        self.poll(now);
    }

    /// The link came up, or the port was started again: says everything again that others may have missed.
    pub fn link_up(&mut self, now: Tai) {
        self.claims.announce_again(now);
        self.neighbours.ask_again(now);
        self.groups_v4.restate(now);
        self.groups_v6.restate(now);
        self.poll(now);
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Tai) {
        let acts = self.claims.poll(now, &mut self.random);
        self.act_on_claims(acts, now);
        let (network, claims) = (&self.network, &self.claims);
        let acts = self.neighbours.poll(now, |address| speaking(network, claims, address).is_some());
        self.act_on_neighbours(acts);
        let says = self.groups_v4.poll(now, &mut self.random);
        self.say_v4(says);
        let says = self.groups_v6.poll(now, &mut self.random);
        self.say_v6(says);
    }

    /// When [`Self::poll`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tai> {
        let can_ask = |address| speaking(&self.network, &self.claims, address).is_some();
        let groups = [self.groups_v4.next_deadline(), self.groups_v6.next_deadline()];
        let others = [self.claims.next_deadline(), self.neighbours.next_deadline(can_ask)];
        groups.into_iter().chain(others).flatten().min()
    }

    /// Puts the next frame to send into `frame`, in place of what is there; false when there is none.
    pub fn transmit(&mut self, frame: &mut Vec<u8>) -> bool {
        let Some(next) = self.outbox.pop() else { return false };
        *frame = next;
        self.counters.frames_sent += 1;
        true
    }

    /// The next event.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What was seen and done so far.
    #[must_use]
    pub const fn counters(&self) -> HostCounters {
        HostCounters { frames_dropped: self.outbox.dropped(), ..self.counters }
    }

    /// Finds who is to read the frame.
    fn dispatch(&mut self, frame: &[u8], now: Tai) -> Result<(), Refused> {
        let checks = Checks { ipv4_header: Check::Verify, udp: Check::Trusted };
        let rules = Rules { mac: self.link.mac, vlan: self.link.vlan, checks };
        let (ether_type, packet) = frame::ethernet(frame, frame.len(), &rules)?;
        let from = source_mac(frame);
        if from == self.link.mac {
            return Err(Ignored::OwnFrame.into());
        }
        if !from.is_station() {
            return Err(Ignored::Sender.into());
        }
        match ether_type {
            ETHERTYPE_ARP => self.receive_arp(packet.head, now),
            ETHERTYPE_IPV4 => self.receive_ipv4(&ipv4::header(packet, Check::Verify)?, from, now),
            ETHERTYPE_IPV6 => self.receive_ipv6(&ipv6::header(packet)?, from, now),
            _ => Err(Ignored::Protocol.into()),
        }
    }

    fn receive_ipv4(&mut self, packet: &ipv4::Header<'_>, from: MacAddr, now: Tai) -> Result<(), Refused> {
        match packet.protocol {
            PROTOCOL_ICMP => self.receive_icmp(packet, from, now),
            PROTOCOL_IGMP => self.receive_igmp(packet, now),
            PROTOCOL_UDP => Err(Ignored::Datagram.into()),
            _ => Err(Ignored::Protocol.into()),
        }
    }

    fn receive_ipv6(&mut self, packet: &ipv6::Header<'_>, from: MacAddr, now: Tai) -> Result<(), Refused> {
        let upper = ipv6::upper_layer(packet)?;
        match upper.protocol {
            PROTOCOL_ICMPV6 => self.receive_icmpv6(packet, &upper, from, now),
            PROTOCOL_UDP => Err(Ignored::Datagram.into()),
            ipv6::NEXT_HEADER_FRAGMENT => Err(Ignored::Fragment.into()),
            _ => Err(Ignored::Protocol.into()),
        }
    }

    const fn groups(&mut self, group: IpAddr) -> &mut Membership {
        if group.is_ipv4() { &mut self.groups_v4 } else { &mut self.groups_v6 }
    }

    fn act_on_claims(&mut self, acts: Vec<claims::Act>, now: Tai) {
        for act in acts {
            match act {
                claims::Act::Probe(address) => self.send_probe(address),
                claims::Act::Announce(address) => self.send_announcement(address),
                claims::Act::Own(address) => self.own(address, now),
                claims::Act::Defend(address) => {
                    self.counters.defences += 1;
                    self.send_announcement(address);
                }
                claims::Act::Conflict(address, mac) => self.tell(Event::Conflict { address, mac }),
                claims::Act::Over(address) => self.tell(Event::ConflictOver { address }),
            }
        }
    }

    /// An address is in use from now on: neighbours learn it, and reports that came from no address are repeated.
    fn own(&mut self, address: IpAddr, now: Tai) {
        self.send_announcement(address);
        self.tell(Event::Ready { address });
        match address {
            IpAddr::V4(_) => self.groups_v4.restate(now),
            IpAddr::V6(address) if Some(address) == self.network.link_local() => self.groups_v6.restate(now),
            IpAddr::V6(_) => {}
        }
    }

    /// Another station says that an address is its own.
    fn contest(&mut self, address: IpAddr, by: MacAddr, now: Tai) {
        self.counters.conflicts += 1;
        let acts = self.claims.contest(address, by, now, &mut self.random);
        self.act_on_claims(acts, now);
    }

    /// A station says that it has an address, which is not one of ours.
    fn heard(&mut self, address: IpAddr, mac: MacAddr, now: Tai) {
        let act = self.neighbours.heard(address, mac, now, &mut self.random);
        self.act_on_neighbours(act);
    }

    fn act_on_neighbours(&mut self, acts: impl IntoIterator<Item = neighbours::Act>) {
        for act in acts {
            match act {
                neighbours::Act::Ask(address) => self.ask(address, None),
                neighbours::Act::Confirm(address, mac) => self.ask(address, Some(mac)),
                neighbours::Act::Resolved(address, mac) => self.tell(Event::Resolved { address, mac }),
                neighbours::Act::Unanswered(address) => self.tell(Event::Unanswered { address }),
                neighbours::Act::Poisoning => self.count(Ignored::Poisoning.into()),
                neighbours::Act::Full => self.count(Ignored::NeighboursFull.into()),
            }
        }
    }

    /// Asks for a neighbour: everybody, or the one alone that had the address.
    fn ask(&mut self, address: IpAddr, alone: Option<MacAddr>) {
        match (address, speaking(&self.network, &self.claims, address)) {
            (IpAddr::V4(address), Some(IpAddr::V4(from))) => self.ask_v4(address, from, alone),
            (IpAddr::V6(address), Some(IpAddr::V6(from))) => self.ask_v6(address, from, alone),
            _ => {}
        }
    }

    fn send_probe(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.send_arp_probe(address),
            IpAddr::V6(address) => self.send_nd_probe(address),
        }
    }

    fn send_announcement(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.send_arp_announcement(address),
            IpAddr::V6(address) => self.send_nd_announcement(address),
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.events_dropped += 1;
        }
    }

    const fn count(&mut self, refused: Refused) {
        match refused {
            Refused::Bad(reason) => self.counters.bad[reason as usize] += 1,
            Refused::Ignored(reason) => self.counters.ignored[reason as usize] += 1,
        }
    }
}

/// The address of ours to speak from towards `destination`; `None`: it is not in use yet (RFC 5227 §1.1 forbids it).
fn speaking(network: &Network, claims: &Claims, destination: IpAddr) -> Option<IpAddr> {
    network.source_for(destination).filter(|address| claims.is_usable(*address))
}

/// Who sent a frame whose Ethernet header is whole.
fn source_mac(frame: &[u8]) -> MacAddr {
    let mut octets = [0; 6];
    octets.copy_from_slice(&frame[6..12]);
    MacAddr::new(octets)
}
