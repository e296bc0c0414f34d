//! What an operator asks for: receivers and senders, checked before anything is built from them.

use std::net::{IpAddr, SocketAddr};

use media::{Name, PayloadType};
use st2110::packing::{PackingMode, UdpLimit};
use st2110::schedule::{ReadSchedule, SenderType};
use st2110::sdp::VideoSdp;

use crate::{HeardLegSpec, Lateness, Rewriting};

/// A stream to take from the network. Its flow has the receiver's name.
#[derive(Clone, Debug)]
pub struct ReceiverSpec {
    /// Name of the receiver and of its flow.
    pub name: Name,
    /// What comes, and where to.
    pub sdp: VideoSdp,
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<String>,
    /// Where the same packets come once more (ST 2022-7).
    pub second: Option<HeardLegSpec>,
    /// Slots of the ring; `None`: the gateway's default.
    pub slots: Option<u16>,
    /// Packets of the next grain that may arrive while a grain is incomplete; `None`: the default.
    pub reorder_packets: Option<u16>,
    /// Milliseconds from a grain's first packet until its missing lines are lost; `None`: two frame periods.
    pub grain_timeout_ms: Option<u32>,
    /// How much later than the other a leg may bring its packets, milliseconds; `None`: the default.
    pub skew_ms: Option<u32>,
    /// Octets of the socket's receive buffer; `None`: the default.
    pub receive_buffer_octets: Option<u32>,
}

/// When a sender sends a grain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderTiming {
    /// As the source's lines arrive, with the source's time stamps.
    #[default]
    Source,
    /// On the TAI grid of the rate, through a frame synchroniser.
    Grid,
}

/// A stream to put on the network. Its format is that of the flow it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderSpec {
    /// Name of the sender.
    pub name: Name,
    /// Where packets go to.
    pub destination: SocketAddr,
    /// Where they come from (port 0: any); `None`: the kernel chooses.
    pub source: Option<SocketAddr>,
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<String>,
    /// The second way of the same packets (ST 2022-7).
    pub second: Option<LegSpec>,
    /// 96 to 127.
    pub payload_type: PayloadType,
    /// How rows are cut into packets.
    pub packing: PackingMode,
    /// The largest datagram.
    pub limit: UdpLimit,
    /// When a grain is sent.
    pub timing: SenderTiming,
    /// What is bunched at most (ST 2110-21).
    pub sender_type: SenderType,
    /// The shape of a wide sender's frame on the wire (ST 2110-21); N is gapped, NL linear.
    pub schedule: ReadSchedule,
    /// How late a grain may be before its rest is skipped.
    pub lateness: Lateness,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// Hops, at least 1.
    pub ttl: u8,
    /// What it changes of packets that it forwards, when it is taken to a relay.
    pub rewriting: Rewriting,
}

/// A second way of a sender's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegSpec {
    /// Where packets go to.
    pub destination: SocketAddr,
    /// Where they come from (port 0: any); `None`: the kernel chooses.
    pub source: Option<SocketAddr>,
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<String>,
}

/// Why a receiver or sender cannot be as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No name of a network interface.
    #[error("interface \"{0}\" is no interface name: use 1 to 15 characters without '/' or blanks, such as eth0")]
    Interface(String),
    /// A ring that is too small or too large.
    #[error("slots is {slots}, it must be {} to {}", ReceiverSpec::MIN_SLOTS, ReceiverSpec::MAX_SLOTS)]
    Slots {
        /// The number that was asked for.
        slots: u32,
    },
    /// More packets than are worth waiting for.
    #[error("reorder_packets is {packets}, it must be 0 to {}", ReceiverSpec::MAX_REORDER_PACKETS)]
    ReorderWindow {
        /// The packets that were asked for.
        packets: u32,
    },
    /// A time-out that never comes, or comes before the packets.
    #[error("grain_timeout_ms is {0}, it must be 1 to {max}", max = ReceiverSpec::MAX_GRAIN_TIMEOUT_MS)]
    GrainTimeout(u32),
    /// Legs that are further apart than rings can bridge.
    #[error("skew_ms is {0}, it must be 0 to {max}", max = ReceiverSpec::MAX_SKEW_MS)]
    Skew(u32),
    /// An interface or sources of a second leg that nobody describes.
    #[error("a second leg has an interface or sources, and no destination: give one, or an SDP with a=group:DUP")]
    NoSecondLeg,
    /// A receive buffer too small for a burst, or larger than any kernel gives.
    #[error("receive_buffer_octets is {0}, it must be 65536 to 1073741824")]
    ReceiveBuffer(u32),
    /// A lateness bound outside of its range.
    #[error("lateness_frames is {0}, it must be 1 to 10")]
    LatenessFrames(u32),
    /// The same in milliseconds.
    #[error("lateness_ms is {0}, it must be 1 to 1000, or 0 where lateness_frames counts")]
    LatenessMs(u32),
    /// Port 0 or the unspecified address.
    #[error("destination {0} cannot be sent to: give an address and a port of 1 to 65535, such as 239.1.1.1:5004")]
    Destination(SocketAddr),
    /// Both legs are one.
    #[error("both legs go to {0} the same way: give the second another destination, source or interface")]
    SameLeg(SocketAddr),
    /// IPv4 to IPv6 or the reverse.
    #[error("source_address {source_address} and destination {destination} must both be IPv4 or both IPv6")]
    Family {
        /// Where packets would come from.
        source_address: SocketAddr,
        /// Where they would go to.
        destination: SocketAddr,
    },
    /// A source that is nobody's own address.
    #[error("source_address {0} must be an address of this machine, not a multicast group")]
    SourceAddress(SocketAddr),
    /// A static or impossible payload type.
    #[error("payload_type is {0}, it must be dynamic: 96 to 127")]
    PayloadType(u32),
    /// More than six bits.
    #[error("dscp is {0}, it must be 0 to 63")]
    Dscp(u32),
    /// No hops, or more than the field holds.
    #[error("ttl is {0}, it must be 1 to 255")]
    Ttl(u32),
    /// A relay that listens nowhere.
    #[error("listen is {0}: give an address and a port of 1 to 65535, such as 239.1.1.1:5004")]
    Listen(SocketAddr),
    /// IPv4 to IPv6 or the reverse.
    #[error("source {source_address} sends nothing to {listen}: both must be IPv4 or both IPv6")]
    RelaySource {
        /// A source that would be admitted.
        source_address: IpAddr,
        /// Where the relay listens.
        listen: SocketAddr,
    },
    /// No rate of RTP time stamps.
    #[error("clock_hz is {0}, it must be 1 to 1000000000: what a=rtpmap says, 90000 for video")]
    ClockRate(u32),
    /// More packets than are worth keeping.
    #[error("backlog_packets is {0}, it must be 1 to {max}", max = crate::RelaySpec::MAX_BACKLOG_PACKETS)]
    BacklogPackets(u32),
    /// Packets that would be sent long after their time.
    #[error("backlog_ms is {0}, it must be 1 to {max}", max = crate::RelaySpec::MAX_BACKLOG_MS)]
    BacklogTime(u32),
    /// Nothing that a forwarded header could keep.
    #[error("relay_keep has \"{0}\", it may have: {known}", known = Rewriting::KEPT.join(", "))]
    Kept(String),
    /// No payload type, or one that would be taken for RTCP.
    #[error("relay_payload_type is {0}, it must be 1 to 63 or 96 to 127, or 0 to keep the source's")]
    RelayPayloadType(u32),
}

impl ReceiverSpec {
    /// The smallest ring: a grain being written, one complete and two leased.
    pub const MIN_SLOTS: u16 = 4;
    /// The largest ring.
    pub const MAX_SLOTS: u16 = 1024;
    /// The longest reorder window, packets.
    pub const MAX_REORDER_PACKETS: u16 = 1024;
    /// The longest grain time-out, milliseconds.
    pub const MAX_GRAIN_TIMEOUT_MS: u32 = 60_000;
    /// How far legs may be apart where nothing is stated, milliseconds: class B of ST 2022-7.
    pub const DEFAULT_SKEW_MS: u32 = 50;
    /// The furthest that they may be apart, milliseconds.
    pub const MAX_SKEW_MS: u32 = 450;

    /// How much later than the other a leg may bring its packets, milliseconds; 0 on one leg.
    #[must_use]
    pub fn skew_ms(&self) -> u32 {
        self.second.as_ref().map_or(0, |_| self.skew_ms.unwrap_or(Self::DEFAULT_SKEW_MS))
    }

    /// Checks everything that can be checked without the machine.
    ///
    /// # Errors
    /// The first [`SpecError`] found.
    pub fn check(&self) -> Result<(), SpecError> {
        check_interface(self.interface.as_deref())?;
        if let Some(slots) = self.slots.filter(|slots| !(Self::MIN_SLOTS..=Self::MAX_SLOTS).contains(slots)) {
            return Err(SpecError::Slots { slots: slots.into() });
        }
        if let Some(packets) = self.reorder_packets.filter(|packets| *packets > Self::MAX_REORDER_PACKETS) {
            return Err(SpecError::ReorderWindow { packets: packets.into() });
        }
        if let Some(ms) = self.grain_timeout_ms.filter(|ms| !(1..=Self::MAX_GRAIN_TIMEOUT_MS).contains(ms)) {
            return Err(SpecError::GrainTimeout(ms));
        }
        if let Some(ms) = self.skew_ms.filter(|ms| *ms > Self::MAX_SKEW_MS) {
            return Err(SpecError::Skew(ms));
        }
        if let Some(leg) = &self.second {
            leg.check(self.sdp.destination, self.interface.as_deref())?;
        }
        match self.receive_buffer_octets {
            Some(octets) if !(65_536..=1 << 30).contains(&octets) => Err(SpecError::ReceiveBuffer(octets)),
            _ => Ok(()),
        }
    }
}

impl SenderSpec {
    /// The payload type of a sender that names none.
    pub const DEFAULT_PAYLOAD_TYPE: PayloadType = PayloadType(96);
    /// AF41, what ST 2110 networks commonly mark video with.
    pub const DEFAULT_DSCP: u8 = 34;
    /// Hops of a sender that names none.
    pub const DEFAULT_TTL: u8 = 64;

    /// A sender of `name` to `destination` with every other field at its default.
    #[must_use]
    pub fn new(name: Name, destination: SocketAddr) -> Self {
        Self {
            name,
            destination,
            source: None,
            interface: None,
            second: None,
            payload_type: Self::DEFAULT_PAYLOAD_TYPE,
            packing: PackingMode::Gpm,
            limit: UdpLimit::Standard,
            timing: SenderTiming::Source,
            sender_type: SenderType::W,
            schedule: ReadSchedule::Gapped,
            lateness: Lateness::default(),
            dscp: Self::DEFAULT_DSCP,
            ttl: Self::DEFAULT_TTL,
            rewriting: Rewriting::default(),
        }
    }

    /// The second leg as a sender of its own.
    #[must_use]
    pub fn second_leg(&self) -> Option<Self> {
        let LegSpec { destination, source, interface } = self.second.clone()?;
        Some(Self { destination, source, interface, second: None, ..self.clone() })
    }

    /// The shape of a frame on the wire.
    #[must_use]
    pub const fn read_schedule(&self) -> ReadSchedule {
        self.sender_type.read_schedule(self.schedule)
    }

    /// Checks everything that can be checked without the machine.
    ///
    /// # Errors
    /// The first [`SpecError`] found.
    pub fn check(&self) -> Result<(), SpecError> {
        check_interface(self.interface.as_deref())?;
        if self.destination.port() == 0 || self.destination.ip().is_unspecified() {
            return Err(SpecError::Destination(self.destination));
        }
        if let Some(source_address) = self.source {
            if source_address.is_ipv4() != self.destination.is_ipv4() {
                return Err(SpecError::Family { source_address, destination: self.destination });
            }
            if source_address.ip().is_multicast() {
                return Err(SpecError::SourceAddress(source_address));
            }
        }
        if !(96..=127).contains(&self.payload_type.0) {
            return Err(SpecError::PayloadType(self.payload_type.0.into()));
        }
        self.lateness.check()?;
        if self.dscp > 63 {
            return Err(SpecError::Dscp(self.dscp.into()));
        }
        if self.ttl == 0 {
            return Err(SpecError::Ttl(0));
        }
        match self.second_leg() {
            Some(leg) if leg == (Self { second: None, ..self.clone() }) => Err(SpecError::SameLeg(leg.destination)),
            Some(leg) => leg.check(),
            None => Ok(()),
        }
    }
}

/// An interface name as Linux allows it (`dev_valid_name`): bounded, so that it is safe in messages.
pub(crate) fn check_interface(interface: Option<&str>) -> Result<(), SpecError> {
    let Some(name) = interface else { return Ok(()) };
    let legal = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    if (1..=15).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".." {
        return Ok(());
    }
    Err(SpecError::Interface(name.chars().take(16).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(destination: &str) -> SenderSpec {
        SenderSpec::new("out".parse().unwrap(), destination.parse().unwrap())
    }

    #[test]
    fn defaults_are_a_sender_that_works() {
        assert_eq!(sender("239.1.1.1:5004").check(), Ok(()));
        assert_eq!(sender("[ff3e::1]:5004").check(), Ok(()));
    }

    #[test]
    fn a_destination_needs_an_address_and_a_port() {
        for bad in ["0.0.0.0:5004", "[::]:5004", "10.0.0.1:0"] {
            assert!(matches!(sender(bad).check(), Err(SpecError::Destination(_))), "{bad}");
        }
    }

    #[test]
    fn a_source_is_of_the_same_family_and_unicast() {
        let with = |source: &str| SenderSpec { source: Some(source.parse().unwrap()), ..sender("239.1.1.1:5004") };
        assert_eq!(with("10.0.0.1:0").check(), Ok(()));
        assert!(matches!(with("[::1]:0").check(), Err(SpecError::Family { .. })));
        assert!(matches!(with("239.1.1.1:0").check(), Err(SpecError::SourceAddress(_))));
    }

    #[test]
    fn small_numbers_have_their_ranges() {
        let plain = sender("10.0.0.1:5004");
        assert_eq!(
            SenderSpec { payload_type: PayloadType(95), ..plain.clone() }.check(),
            Err(SpecError::PayloadType(95))
        );
        assert_eq!(SenderSpec { dscp: 64, ..plain.clone() }.check(), Err(SpecError::Dscp(64)));
        assert_eq!(SenderSpec { ttl: 0, ..plain }.check(), Err(SpecError::Ttl(0)));
    }

    #[test]
    fn interface_names_are_the_kernels() {
        for bad in ["", "a/b", "eth 0", "0123456789abcdef", "..", "eth0:1", "é"] {
            assert!(check_interface(Some(bad)).is_err(), "{bad}");
        }
        for good in ["eth0", "enp3s0f0.100", "veth-rack", "0123456789abcde"] {
            assert_eq!(check_interface(Some(good)), Ok(()), "{good}");
        }
        assert_eq!(check_interface(None), Ok(()));
    }
}
