//! The SDP of a sender: its own addresses, the source's picture.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use control::{SenderSpec, SenderTiming};
use media::{Ssrc, VideoFormat};
use st2110::sdp::{MediaClock, Origin, ReferenceClock};
use st2110::{SenderType, VideoSdp};

use super::build;

/// What a sender sends, for those who are to receive it. The colorimetry is the source's, where a
/// receiver's SDP told it.
pub(super) fn of_sender(spec: &SenderSpec, ssrc: Ssrc, format: &VideoFormat, source: Option<&VideoSdp>) -> VideoSdp {
    let from = source_address(spec);
    let mut sdp = VideoSdp::new(spec.name.as_str(), from, spec.destination, spec.payload_type, *format);
    sdp.origin = origin(ssrc, from);
    sdp.packing = spec.packing;
    sdp.limit = spec.limit;
    sdp.ttl = sdp.ttl.map(|_| spec.ttl);
    // A software schedule over sockets keeps no narrow model: it is declared wide (ST 2110-21 §7).
    sdp.sender_type = Some(SenderType::W);
    sdp.ssrc = Some(ssrc);
    sdp.reference_clock = Some(ReferenceClock::LocalMac(local_mac(spec.interface.as_deref())));
    sdp.media_clock = Some(MediaClock::Sender);
    if let Some(source) = source {
        sdp.colorimetry.clone_from(&source.colorimetry);
        sdp.tcs.clone_from(&source.tcs);
        sdp.range.clone_from(&source.range);
        if spec.timing == SenderTiming::Source && source.reference_clock.is_some() && source.media_clock.is_some() {
            sdp.reference_clock.clone_from(&source.reference_clock);
            sdp.media_clock.clone_from(&source.media_clock);
        }
    }
    sdp
}

/// The address that packets carry: receivers filter by it, so it is asked of the way that the packets go.
fn source_address(spec: &SenderSpec) -> IpAddr {
    let none: IpAddr = match spec.destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    netio::kernel::source_address(&build::path(spec)).unwrap_or(none)
}

/// One session per sender, and a version that rises with every change (RFC 8866 §5.2).
fn origin(ssrc: Ssrc, from: IpAddr) -> Origin {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Origin {
        session_id: ssrc.0.to_string(),
        session_version: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        address: from.to_string(),
    }
}

/// The MAC that names this host's own clock (RFC 7273 §4.9): the interface's, or the first that has one.
fn local_mac(interface: Option<&str>) -> [u8; 6] {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{name}/address")).ok()?;
        parse_mac(text.trim()).filter(|mac| *mac != [0; 6])
    };
    let first = || {
        let mut names: Vec<_> = std::fs::read_dir("/sys/class/net").ok()?.flatten().map(|e| e.file_name()).collect();
        names.sort();
        names.iter().find_map(|name| read(name.to_str()?))
    };
    interface.and_then(read).or_else(first).unwrap_or([0x02, 0, 0, 0, 0, 0])
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut mac {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling};

    use super::*;

    fn format() -> VideoFormat {
        VideoFormat::new(1280, 720, Sampling::YCbCr422, Depth::Bits10, Rate::new(10, 1).unwrap()).unwrap()
    }

    #[test]
    fn a_senders_sdp_can_be_received() {
        let spec = SenderSpec::new("out".parse().unwrap(), "127.0.0.1:5004".parse().unwrap());
        let text = of_sender(&spec, Ssrc(7), &format(), None).to_sdp();
        let read = VideoSdp::parse(&text, None).unwrap();
        assert_eq!((read.format, read.destination, read.ssrc), (format(), spec.destination, Some(Ssrc(7))));
        assert_eq!((read.origin.session_id.as_str(), read.origin.address.as_str()), ("7", "127.0.0.1"));
        assert!(read.origin.session_version > 0);
        assert!(text.contains("a=ts-refclk:") && text.contains("a=mediaclk:sender"), "{text}");
    }

    #[test]
    fn macs_have_six_octets() {
        assert_eq!(parse_mac("02:00:5e:10:00:ff"), Some([2, 0, 0x5e, 0x10, 0, 0xff]));
        assert_eq!(parse_mac("02:00:5e:10:00"), None);
        assert_eq!(parse_mac("02:00:5e:10:00:ff:01"), None);
    }
}
