//! What the presence thread has the kernel do for a network interface: addresses, routes, neighbours.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Heard, Notices, Requests};

/// Groups of the kernel's notices (linux/rtnetlink.h).
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;

/// A default route of a port comes after any other that the machine has.
const METRIC: u32 = 10_000;

/// An interface's number in its network namespace.
pub(super) type Index = NonZeroU32;

/// What became of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) state: Known,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its link address.
    At([u8; 6]),
    /// It is being asked.
    Asking,
    /// It did not answer.
    Silent,
    /// The kernel has dropped it from its table.
    Forgotten,
}

/// A change that the kernel tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Of a neighbour.
    Neighbour(Neighbour),
    /// An interface is there, and carries frames or not.
    Link { index: u32, name: String, is_up: bool },
    /// An interface is gone.
    Gone { index: u32, name: String },
    /// Notices were lost.
    Lost,
}

/// The kernel of this thread's network namespace.
pub(super) struct Kernel {
    requests: Requests,
    pub(super) notices: Notices,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { requests: Requests::open()?, notices: Notices::open(&[RTNLGRP_LINK, RTNLGRP_NEIGH])? })
    }

    /// Gives an interface an address.
    pub(super) fn add_address(&mut self, index: Index, address: IpAddr, prefix_bits: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix_bits;
        message.header.index = index.get();
        message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        self.requests.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Sends what has no better route by way of `gateway`.
    pub(super) fn add_default_route(&mut self, index: Index, gateway: IpAddr) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(gateway),
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        let gateway = match gateway {
            IpAddr::V4(address) => RouteAddress::Inet(address),
            IpAddr::V6(address) => RouteAddress::Inet6(address),
        };
        message.attributes =
            vec![RouteAttribute::Gateway(gateway), RouteAttribute::Oif(index.get()), RouteAttribute::Priority(METRIC)];
        self.requests.change(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Has the kernel ask for a neighbour as if a packet went there.
    pub(super) fn use_neighbour(&mut self, index: Index, address: IpAddr) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index.get();
        message.header.flags = NeighbourFlags::Use;
        message.header.state = NeighbourState::None;
        let address = match address {
            IpAddr::V4(address) => NeighbourAddress::Inet(address),
            IpAddr::V6(address) => NeighbourAddress::Inet6(address),
        };
        message.attributes.push(NeighbourAttribute::Destination(address));
        self.requests.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE)
    }

    /// All neighbours that the kernel knows of.
    pub(super) fn neighbours(&mut self) -> io::Result<Vec<Neighbour>> {
        let all = self.requests.list(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()))?;
        Ok(all
            .into_iter()
            .filter_map(|message| if let Notice::Neighbour(n) = notice(message)? { Some(n) } else { None })
            .collect())
    }

    /// All interfaces, as if each had just changed.
    pub(super) fn links(&mut self) -> io::Result<Vec<Notice>> {
        let all = self.requests.list(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        Ok(all.into_iter().filter_map(notice).collect())
    }

    /// What has changed: one datagram of notices, or none.
    pub(super) fn hear(&mut self) -> Option<Vec<Notice>> {
        match self.notices.hear() {
            Heard::Nothing => None,
            Heard::Lost => Some(vec![Notice::Lost]),
            Heard::Notices(messages) => Some(messages.into_iter().filter_map(notice).collect()),
        }
    }
}

/// The addresses that the kernel has on an interface; none where there is no such interface.
pub(crate) fn interface_addresses(interface: &str) -> io::Result<Vec<IpAddr>> {
    let Some(index) = netio::kernel::interface::index(interface) else { return Ok(Vec::new()) };
    let all = Requests::open()?.list(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    let address = |message: RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewAddress(message) = message else { return None };
        let is_own = message.header.index == index.get();
        let mut own = None;
        for attribute in message.attributes {
            match attribute {
                // IFA_LOCAL is ours on a point-to-point link, where IFA_ADDRESS is the peer's.
                AddressAttribute::Local(address) => own = Some(address),
                AddressAttribute::Address(address) => own = own.or(Some(address)),
                _ => {}
            }
        }
        own.filter(|_| is_own)
    };
    Ok(all.into_iter().filter_map(address).collect())
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn notice(message: RouteNetlinkMessage) -> Option<Notice> {
    match message {
        RouteNetlinkMessage::NewNeighbour(message) => neighbour(&message).map(Notice::Neighbour),
        RouteNetlinkMessage::DelNeighbour(message) => {
            neighbour(&message).map(|neighbour| Notice::Neighbour(Neighbour { state: Known::Forgotten, ..neighbour }))
        }
        // An interface that leaves a bridge is told of as if it were gone, but of the bridge's family.
        RouteNetlinkMessage::NewLink(message) | RouteNetlinkMessage::DelLink(message)
            if message.header.interface_family == AddressFamily::Bridge =>
        {
            None
        }
        RouteNetlinkMessage::NewLink(message) => {
            // IFF_LOWER_UP alone would be true of a device that is administratively down on some drivers.
            let is_up = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
            Some(Notice::Link { index: message.header.index, name: name(&message)?, is_up })
        }
        RouteNetlinkMessage::DelLink(message) => {
            Some(Notice::Gone { index: message.header.index, name: name(&message)? })
        }
        _ => None,
    }
}

fn name(message: &LinkMessage) -> Option<String> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(octets) => mac = octets.as_slice().try_into().ok(),
            _ => {}
        }
    }
    use NeighbourState::{Delay, Incomplete, None as Idle, Permanent, Probe, Reachable, Stale};
    let state = match (message.header.state, mac) {
        (Reachable | Stale | Delay | Probe | Permanent, Some(mac)) => Known::At(mac),
        (Incomplete | Idle, _) => Known::Asking,
        _ => Known::Silent,
    };
    Some(Neighbour { index: message.header.ifindex, address: address?, state })
}
