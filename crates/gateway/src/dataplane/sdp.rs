//! The SDP of a sender: its own addresses, the source's picture.

use std::net::IpAddr;
use std::time::SystemTime;

use control::{Numbers, SenderSpec, SenderTiming};
use media::{Ssrc, VideoFormat};
use st2110::sdp::{Forwarded, MediaClock, Origin, ReferenceClock};
use st2110::{RtpSdp, VideoSdp};

use crate::engine::SenderIdentity;

/// What a sender sends by one leg or by two, as of `since`.
pub(super) fn of_legs<'a>(
    legs: impl Iterator<Item = (&'a SenderSpec, SenderIdentity)>,
    ssrc: Ssrc,
    format: &VideoFormat,
    source: Option<&VideoSdp>,
    since: SystemTime,
) -> String {
    let of_leg = |(spec, identity)| of_sender(spec, ssrc, identity, format, source, since);
    let legs: Vec<VideoSdp> = legs.map(of_leg).collect();
    match legs.as_slice() {
        [first, second] => first.to_sdp_with_second(second),
        legs => legs.first().map(VideoSdp::to_sdp).unwrap_or_default(),
    }
}

/// What a sender sends, for those who are to receive it. The colorimetry is the source's, where a
/// receiver's SDP told it.
fn of_sender(
    spec: &SenderSpec,
    ssrc: Ssrc,
    identity: SenderIdentity,
    format: &VideoFormat,
    source: Option<&VideoSdp>,
    since: SystemTime,
) -> VideoSdp {
    let from = identity.address;
    let mut sdp = VideoSdp::new(spec.name.as_str(), from, spec.destination, spec.payload_type, *format);
    sdp.origin = origin(ssrc, from, since);
    sdp.packing = spec.packing;
    sdp.limit = spec.limit;
    sdp.ttl = sdp.ttl.map(|_| spec.ttl);
    sdp.sender_type = Some(spec.sender_type);
    sdp.ssrc = Some(ssrc);
    sdp.reference_clock = Some(ReferenceClock::LocalMac(identity.mac));
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

/// What a sender forwards, for those who are to receive it: what it does not rewrite is the source's.
pub(super) fn of_forwarded(
    spec: &SenderSpec,
    ssrc: Ssrc,
    identity: SenderIdentity,
    source: &RtpSdp,
    since: SystemTime,
) -> String {
    source.forwarded(&Forwarded {
        name: spec.name.as_str(),
        origin: origin(ssrc, identity.address, since),
        source: identity.address,
        destination: spec.destination,
        ttl: spec.ttl,
        payload_type: spec.rewriting.payload_type,
        ssrc: (spec.rewriting.ssrc == Numbers::Own).then_some(ssrc),
        clock: (spec.rewriting.timestamp == Numbers::Own).then_some(identity.mac),
    })
}

/// One session per sender, and a version that rises with every change (RFC 8866 §5.2).
fn origin(ssrc: Ssrc, from: IpAddr, since: SystemTime) -> Origin {
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Origin {
        session_id: ssrc.0.to_string(),
        session_version: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        address: from.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling};
    use st2110::SenderType;

    use super::*;

    fn format() -> VideoFormat {
        VideoFormat::new(1280, 720, Sampling::YCbCr422, Depth::Bits10, Rate::new(10, 1).unwrap()).unwrap()
    }

    #[test]
    fn a_senders_sdp_can_be_received() {
        let spec = SenderSpec::new("out".parse().unwrap(), "127.0.0.1:5004".parse().unwrap());
        let identity = SenderIdentity { address: "127.0.0.1".parse().unwrap(), mac: [2, 0, 0x5e, 0x10, 0, 1] };
        let now = SystemTime::now();
        let text = of_sender(&spec, Ssrc(7), identity, &format(), None, now).to_sdp();
        let read = VideoSdp::parse(&text, None).unwrap();
        assert_eq!((read.format, read.destination, read.ssrc), (format(), spec.destination, Some(Ssrc(7))));
        assert_eq!((read.origin.session_id.as_str(), read.origin.address.as_str()), ("7", "127.0.0.1"));
        assert!(read.origin.session_version > 0);
        assert_eq!(read.sender_type, Some(SenderType::W));
        let narrow = SenderSpec { sender_type: SenderType::NL, ..spec };
        let text_of_narrow = of_sender(&narrow, Ssrc(7), identity, &format(), None, now).to_sdp();
        let leg = SenderSpec { destination: "127.0.0.2:5006".parse().unwrap(), ..narrow.clone() };
        let legs = [(&narrow, identity), (&leg, identity)];
        let both = of_legs(legs.into_iter(), Ssrc(7), &format(), None, now);
        assert!(both.contains("a=group:DUP") && both.contains("c=IN IP4 127.0.0.2\r\n"), "{both}");
        assert_eq!(of_legs(legs.into_iter().take(1), Ssrc(7), &format(), None, now), text_of_narrow);
        assert!(text_of_narrow.contains("TP=2110TPNL;"), "{text_of_narrow}");
        assert!(
            text.contains("a=ts-refclk:localmac=02-00-5E-10-00-01") && text.contains("a=mediaclk:sender"),
            "{text}"
        );
    }
}
