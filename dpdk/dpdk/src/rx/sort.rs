//! Which received packet is what.

use std::sync::Arc;

use arrayvec::ArrayVec;
use ip::frame::{self, Check, Checks, Datagram, Known, Reason, Rules, UdpChecksum, Verdict};
use netio::exchange::{Offer, RxEnd};

use super::DpdkRx;
use super::piece::Pieces;
use crate::capabilities::Capabilities;
use crate::counters::PortCounters;
use crate::mbuf::Mbuf;
use crate::station::Station;

/// Octets in which all headers lie: Ethernet with a tag, IPv4 with all options, UDP.
const HEADERS_OCTETS_MAX: usize = 18 + 60 + 8;
/// Streams that are recognised, each in a place of its own but for chance.
const KNOWN: usize = 256;
/// The low octets of the destination's address and of its port, by which streams differ.
const TELLING: [usize; 2] = [33, 37];
/// Octets of a frame in front of its tag, or of its EtherType.
const ADDRESSES_OCTETS: usize = 12;

/// Sorts a port's packets into media, frames for the host, and what is dropped.
pub(super) struct Sorter {
    pub(super) exchange: RxEnd,
    rules: Rules,
    /// Whether the device says of each packet if its checksums are right.
    vouches: bool,
    /// Whether the host has a use for datagrams that are not media.
    offers_datagrams: bool,
    /// Frames that were read last, by what tells their streams.
    known: Box<[Option<Known>; KNOWN]>,
    /// The one that was read last.
    read: Option<Datagram>,
    counters: Arc<PortCounters>,
}

/// What a packet is, other than media.
enum Rest {
    Host,
    Unwanted,
    Bad(Reason),
    DeviceSaysBad,
}

impl<C> DpdkRx<C> {
    /// Drops and counts datagrams that are not media. A host that speaks ARP, neighbour discovery, ICMP and group membership
    /// only has no use for them, and a switch that floods other people's groups would fill its exchange.
    #[must_use]
    pub fn without_strange_datagrams(mut self) -> Self {
        self.sorter.offers_datagrams = false;
        self
    }
}

impl Sorter {
    pub(super) fn new(
        station: &Station,
        capabilities: &Capabilities,
        exchange: RxEnd,
        counters: Arc<PortCounters>,
    ) -> Self {
        // A kernel leaves UDP checksums to devices, which a virtual one does not have: wrong ones prove nothing there.
        let checks = Checks { ipv4_header: Check::Verify, udp: Check::Advisory };
        let rules = Rules { mac: station.mac, vlan: station.vlan, checks };
        let vouches = capabilities.rx_checksums_vouched;
        Self { exchange, rules, vouches, offers_datagrams: true, known: Box::new([None; KNOWN]), read: None, counters }
    }

    /// The datagram, when the packet is media. What it is otherwise is done with, and counted.
    #[inline]
    pub(super) fn media(&mut self, mbuf: &Mbuf) -> Option<&Datagram> {
        let at = place_of(mbuf.head());
        let sorted = match self.rules_for(mbuf) {
            // It stays where it is: a datagram is long, and copies of what was just written are slow.
            Ok(rules) if self.is_known(at, mbuf, &rules) => return self.known[at].as_ref().map(Known::datagram),
            Ok(rules) => self.read(mbuf, &rules),
            Err(rest) => Err(rest),
        };
        match sorted {
            Ok(datagram) => {
                self.known[at] = Known::of(mbuf.head(), &datagram);
                Some(&*self.read.insert(datagram))
            }
            Err(rest) => {
                self.dispose(mbuf, &rest);
                None
            }
        }
    }

    /// Takes the newest table of media, once per burst. What is known was media by the one before.
    #[inline]
    pub(super) fn renew(&mut self) {
        if self.exchange.renew() {
            self.known.fill(None);
        }
    }

    /// Whether the packet is of a stream that is known, and nothing is wrong with it.
    #[inline]
    fn is_known(&mut self, at: usize, mbuf: &Mbuf, rules: &Rules) -> bool {
        self.known[at].as_mut().is_some_and(|known| known.recognise(mbuf.head(), mbuf.octets(), rules).is_some())
    }

    /// Reads a frame as if it were the first of its stream.
    #[inline(never)]
    fn read(&self, mbuf: &Mbuf, rules: &Rules) -> Result<Datagram, Rest> {
        match frame::parse(mbuf.head(), mbuf.octets(), rules) {
            Verdict::Bad(Reason::Split) => self.split(mbuf, rules),
            verdict => self.judge(mbuf, verdict),
        }
    }

    /// The headers go on in the next buffer.
    #[cold]
    fn split(&self, mbuf: &Mbuf, rules: &Rules) -> Result<Datagram, Rest> {
        self.counters.rx.headers_pulled_up.add(1);
        let mut head = ArrayVec::<u8, HEADERS_OCTETS_MAX>::new();
        for segment in mbuf.segments() {
            head.extend(segment.iter().copied().take(head.remaining_capacity()));
        }
        self.judge(mbuf, frame::parse(&head, mbuf.octets(), rules))
    }

    #[inline]
    fn judge(&self, mbuf: &Mbuf, verdict: Verdict) -> Result<Datagram, Rest> {
        let datagram = match verdict {
            Verdict::Udp(datagram) => datagram,
            Verdict::Other(_) => return Err(Rest::Host),
            Verdict::Bad(reason) => return Err(Rest::Bad(reason)),
        };
        if !self.exchange.table().contains(datagram.destination) {
            return Err(if self.offers_datagrams { Rest::Host } else { Rest::Unwanted });
        }
        let holds = match datagram.checksum {
            UdpChecksum::Pending => {
                let payload = datagram.payload();
                let pieces = Pieces::of(mbuf, payload.start, payload.len());
                frame::udp_checksum_holds(&datagram, pieces.map(|piece| piece.octets()))
            }
            checksum => checksum != UdpChecksum::Fails,
        };
        if !holds {
            self.counters.rx.udp_checksum_doubtful.add(1);
        }
        Ok(datagram)
    }

    /// The rules for one packet: what the device says of its checksums, and of the tag that it took off.
    #[inline]
    fn rules_for(&self, mbuf: &Mbuf) -> Result<Rules, Rest> {
        let mut rules = self.rules;
        if self.vouches {
            vouched(mbuf.flags(), &mut rules.checks)?;
        }
        match mbuf.stripped_vlan() {
            None => Ok(rules),
            // IEEE 802.1Q §9.6: the low 12 bits are the VLAN; 0 marks a priority only.
            Some(tag) if tag & 0x0fff == rules.vlan.unwrap_or(0) => Ok(Rules { vlan: None, ..rules }),
            Some(_) => Err(Rest::Bad(Reason::ForeignVlan)),
        }
    }

    #[cold]
    fn dispose(&mut self, mbuf: &Mbuf, rest: &Rest) {
        match rest {
            Rest::Host => self.offer(mbuf),
            Rest::Unwanted => self.counters.rx.unwanted_packets.add(1),
            Rest::Bad(reason) => self.counters.bad.add_one(*reason),
            Rest::DeviceSaysBad => self.counters.rx.device_says_bad.add(1),
        }
    }

    /// Copies a frame for the host, with the tag that the device may have taken off.
    fn offer(&mut self, mbuf: &Mbuf) {
        let tag = mbuf.stripped_vlan().map(|tag| {
            let [high, low] = tag.to_be_bytes();
            [0x81, 0x00, high, low]
        });
        let offer = match (&tag, mbuf.head().split_at_checked(ADDRESSES_OCTETS)) {
            (Some(tag), Some((addresses, rest))) => {
                let front = [addresses, tag.as_slice(), rest];
                self.exchange.offer(front.into_iter().chain(mbuf.segments().skip(1)))
            }
            _ => self.exchange.offer(mbuf.segments()),
        };
        let counters = &self.counters.rx;
        let counter = match offer {
            Offer::Taken => &counters.host_frames,
            Offer::Full => &counters.host_frames_full,
            Offer::TooLong => &counters.host_frames_too_long,
        };
        counter.add(1);
    }
}

/// Where the stream of a frame is known.
#[inline]
fn place_of(head: &[u8]) -> usize {
    let [address, port] = TELLING.map(|at| usize::from(head.get(at).copied().unwrap_or(0)));
    // Ports of streams are mostly even.
    (address ^ port >> 1) % KNOWN
}

/// Takes the device's word for the checksums that it has computed.
#[inline]
fn vouched(flags: u64, checks: &mut Checks) -> Result<(), Rest> {
    let ip = flags & dpdk_sys::FLYPACK_MBUF_F_RX_IP_CKSUM_MASK;
    let udp = flags & dpdk_sys::FLYPACK_MBUF_F_RX_L4_CKSUM_MASK;
    if ip == dpdk_sys::FLYPACK_MBUF_F_RX_IP_CKSUM_BAD || udp == dpdk_sys::FLYPACK_MBUF_F_RX_L4_CKSUM_BAD {
        return Err(Rest::DeviceSaysBad);
    }
    if ip == dpdk_sys::FLYPACK_MBUF_F_RX_IP_CKSUM_GOOD {
        checks.ipv4_header = Check::Trusted;
    }
    if udp == dpdk_sys::FLYPACK_MBUF_F_RX_L4_CKSUM_GOOD {
        checks.udp = Check::Trusted;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(flags: u64) -> Option<Checks> {
        let mut checks = Checks { ipv4_header: Check::Verify, udp: Check::Advisory };
        vouched(flags, &mut checks).ok().map(|()| checks)
    }

    #[test]
    fn a_device_is_believed_where_it_says_something() {
        let unsure = Checks { ipv4_header: Check::Verify, udp: Check::Advisory };
        assert_eq!(checks(0), Some(unsure));
        let good_ip = dpdk_sys::FLYPACK_MBUF_F_RX_IP_CKSUM_GOOD;
        let good_udp = dpdk_sys::FLYPACK_MBUF_F_RX_L4_CKSUM_GOOD;
        assert_eq!(checks(good_ip), Some(Checks { ipv4_header: Check::Trusted, ..unsure }));
        assert_eq!(checks(good_udp), Some(Checks { udp: Check::Trusted, ..unsure }));
        assert_eq!(checks(good_ip | dpdk_sys::FLYPACK_MBUF_F_RX_L4_CKSUM_BAD), None);
        assert_eq!(checks(good_udp | dpdk_sys::FLYPACK_MBUF_F_RX_IP_CKSUM_BAD), None);
    }
}
