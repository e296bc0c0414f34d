//! The stream that a frame was of, to recognise the next one of it.
//!
//! From packet to packet of a stream three things change in front of its payload: lengths, IP's identification, and checksums.
//! What is like a frame that was found sound in all the rest needs its lengths and its sum looked at, and no more.
//!
//! ```text
//! | MACs 0-11 | 0x0800 12 | version, DSCP 14 | length 16 | id 18 | fragment, TTL, UDP 20 | sum 24 | addresses 26 | ports 34 | length, sum 38 |
//!   same        same        same                                 same                              same           same
//! ```

use super::datagram::{Datagram, UDP_OCTETS, UdpChecksum};
use super::{Check, ETHERNET_OCTETS, Rules, ipv4};
use crate::checksum::Sum;

/// Headers of a frame of this kind: no tag, no options.
const HEADERS_OCTETS: usize = ETHERNET_OCTETS + ipv4::HEADER_OCTETS + UDP_OCTETS;

/// A sound frame with a UDP datagram over IPv4, without tag and options.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    same: [u64; 5],
    /// Of what is the same of the IP header, folded.
    sum: u16,
    datagram: Datagram,
}

impl Known {
    /// The stream of a `frame` that was read as `datagram`; `None` where frames of it are to be read each.
    #[must_use]
    pub fn of(frame: &[u8], datagram: &Datagram) -> Option<Self> {
        let headers = frame.first_chunk::<HEADERS_OCTETS>()?;
        if datagram.payload().start != HEADERS_OCTETS || !datagram.source.is_ipv4() {
            return None;
        }
        let words = [14, 20, 22, 26, 28, 30, 32];
        let sum = words.into_iter().fold(Sum::new(), |sum, at| sum.word(word(headers, at)));
        Some(Self { same: same(headers), sum: sum.folded(), datagram: *datagram })
    }

    /// The datagram that was read last.
    #[inline]
    #[must_use]
    pub const fn datagram(&self) -> &Datagram {
        &self.datagram
    }

    /// Reads a frame of `frame_octets`, of which `frame` is the first segment, if it is one of this stream and sound, and nothing
    /// of its payload has to be read: as [`super::parse`] would, by the rules of the port that read the first. What it says
    /// nothing of is to be parsed.
    #[inline]
    #[must_use]
    pub fn recognise(&mut self, frame: &[u8], frame_octets: usize, rules: &Rules) -> Option<&Datagram> {
        let headers = frame.first_chunk::<HEADERS_OCTETS>()?;
        // Looked at all together: they are nearly always the same.
        let differing = same(headers).into_iter().zip(self.same).fold(0, |sum, (one, other)| sum | (one ^ other));
        if differing != 0 || rules.vlan.is_some() {
            return None;
        }
        let (total, length) = (word(headers, 16), word(headers, 38));
        let fits = usize::from(total) + ETHERNET_OCTETS <= frame_octets
            && usize::from(length) + ipv4::HEADER_OCTETS <= usize::from(total)
            && usize::from(length) >= UDP_OCTETS;
        let changing = [total, word(headers, 18), word(headers, 24)];
        if !fits || (rules.checks.ipv4_header == Check::Verify && !holds(self.sum, changing)) {
            return None;
        }
        let checksum = match word(headers, 40) {
            0 => UdpChecksum::Absent,
            _ if rules.checks.udp == Check::Trusted => UdpChecksum::Trusted,
            _ => return None,
        };
        self.datagram.go_on(length - UDP_OCTETS as u16, checksum, word(headers, 40));
        Some(&self.datagram)
    }
}

/// Whether a folded sum and some words more make "no error" (RFC 1071).
#[inline]
const fn holds(sum: u16, words: [u16; 3]) -> bool {
    let sum = sum as u32 + words[0] as u32 + words[1] as u32 + words[2] as u32;
    let sum = (sum >> 16) + (sum & 0xffff);
    (sum >> 16) + (sum & 0xffff) == 0xffff
}

/// What is the same from frame to frame.
#[inline]
fn same(headers: &[u8; HEADERS_OCTETS]) -> [u64; 5] {
    let eight = |at: usize| headers[at..].first_chunk().map_or(0, |octets| u64::from_ne_bytes(*octets));
    let four = |at: usize| headers[at..].first_chunk().map_or(0, |octets| u32::from_ne_bytes(*octets).into());
    [eight(0), eight(8), four(20), eight(26), four(34)]
}

#[inline]
fn word(headers: &[u8; HEADERS_OCTETS], at: usize) -> u16 {
    u16::from_be_bytes([headers[at], headers[at + 1]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Checks, Verdict, parse};
    use crate::{MacAddr, Template, TemplateConfig};

    const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);

    fn rules(ipv4_header: Check, udp: Check) -> Rules {
        Rules { mac: MAC, vlan: None, checks: Checks { ipv4_header, udp } }
    }

    fn frame(payload_octets: u16) -> Vec<u8> {
        let (source, destination) = ("192.0.2.7:5004".parse().unwrap(), "239.1.2.3:5006".parse().unwrap());
        let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
        let config = TemplateConfig { source_mac, vlan: None, source, destination, dscp: 34, ttl: 16 };
        let template = Template::new(&config).unwrap();
        let mut frame = vec![0x5a; template.octets() + usize::from(payload_octets)];
        template.write(&mut frame[..template.octets()], template.group_mac().unwrap(), payload_octets);
        frame
    }

    fn known(frame: &[u8]) -> Known {
        let Verdict::Udp(datagram) = parse(frame, frame.len(), &rules(Check::Verify, Check::Advisory)) else {
            panic!("the frame is sound")
        };
        Known::of(frame, &datagram).unwrap()
    }

    #[test]
    fn another_frame_of_the_stream_is_recognised() {
        let (first, next) = (frame(1_220), frame(812));
        let rules = rules(Check::Verify, Check::Advisory);
        let mut known = known(&first);
        let datagram = known.recognise(&next, next.len(), &rules).unwrap();
        assert_eq!(Verdict::Udp(*datagram), parse(&next, next.len(), &rules));
        assert_eq!(datagram.payload_octets(), 812);
    }

    #[test]
    fn another_identification_needs_another_sum() {
        let (first, mut next) = (frame(100), frame(100));
        next[19] ^= 1;
        let verify = rules(Check::Verify, Check::Advisory);
        assert_eq!(known(&first).recognise(&next, next.len(), &verify), None);
        assert!(known(&first).recognise(&next, next.len(), &rules(Check::Trusted, Check::Advisory)).is_some());
        next[24..26].fill(0);
        let sum = crate::checksum::of(&next[14..34]);
        next[24..26].copy_from_slice(&sum.to_be_bytes());
        assert!(known(&first).recognise(&next, next.len(), &verify).is_some());
    }

    #[test]
    fn a_tagged_network_has_no_frames_without_a_tag() {
        let first = frame(100);
        let tagged = Rules { vlan: Some(7), ..rules(Check::Verify, Check::Advisory) };
        assert_eq!(known(&first).recognise(&first, first.len(), &tagged), None);
    }

    #[test]
    fn what_has_options_or_a_tag_is_read_each_time() {
        let first = frame(100);
        let Verdict::Udp(datagram) = parse(&first, first.len(), &rules(Check::Verify, Check::Advisory)) else {
            panic!()
        };
        let tagged = [&first[..12], &[0x81, 0, 0, 7], &first[12..]].concat();
        let rules = Rules { vlan: Some(7), ..rules(Check::Verify, Check::Advisory) };
        let Verdict::Udp(of_tagged) = parse(&tagged, tagged.len(), &rules) else { panic!() };
        assert!(Known::of(&tagged, &of_tagged).is_none());
        assert!(Known::of(&first[..41], &datagram).is_none(), "the headers go on elsewhere");
    }

    proptest! {
        /// Whatever is changed in the headers, cut off, or asked of checksums: what is recognised is what is read.
        #[test]
        fn what_is_recognised_is_what_would_be_read(
            changes in prop::collection::vec((0usize..HEADERS_OCTETS + 4, any::<u8>()), 0..4),
            mended in any::<bool>(),
            cut in prop_oneof![Just(0usize), 0usize..120],
            more in 0usize..3,
            checks in (0..3, 0..3),
        ) {
            let check = |number| [Check::Verify, Check::Advisory, Check::Trusted][number as usize];
            let first = frame(60);
            let mut next = frame(61);
            for (at, octet) in changes {
                next[at] = octet;
            }
            if mended {
                next[24..26].fill(0);
                let sum = crate::checksum::of(&next[14..34]);
                next[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            let octets = next.len() - cut.min(next.len()) + more;
            next.truncate(octets);
            let rules = rules(check(checks.0), check(checks.1));
            if let Some(datagram) = known(&first).recognise(&next, octets, &rules) {
                prop_assert_eq!(Verdict::Udp(*datagram), parse(&next, octets, &rules));
            }
        }
    }
}
