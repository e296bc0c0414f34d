//! The SDP of any RTP stream, as far as whoever forwards its packets has to read and to change it.
//!
//! What is said of the payload stays (`a=rtpmap`, `a=fmtp`, packet time and the like). Where the packets come from and go to,
//! their SSRC and payload type, and whose clock their time stamps are of become the forwarder's. All else (feedback, ICE,
//! keys, groups) speaks of the way by which the packets came, and is left out.

use std::net::{IpAddr, SocketAddr};

use media::{PayloadType, Ssrc};
use sdp_types::{Attribute, Connection, Media, Session};

use super::parse::{attribute, connection, described, of_payload_type, port, read, sources, values};
use super::{MediaClock, Origin, ReferenceClock, SdpError, SecondLeg, legs, write};

/// What describes a payload, whichever way it comes (RFC 8866 §6, RFC 6064).
const OF_PAYLOAD: [&str; 8] =
    ["rtpmap", "fmtp", "framerate", "framesize", "ptime", "maxptime", "x-dimensions", "cliprect"];

/// Those of them that name a payload type first.
const OF_TYPE: [&str; 3] = ["rtpmap", "fmtp", "framesize"];

/// One RTP stream of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpSdp {
    /// Address of `c=` and port of `m=`.
    pub destination: SocketAddr,
    /// Sources that `a=source-filter: incl` admits; empty for any.
    pub sources: Vec<IpAddr>,
    /// Where the same packets come once more, as another section of the same `a=group:DUP` says (ST 2022-7).
    pub second: Option<SecondLeg>,
    /// The first payload type of `m=`.
    pub payload_type: PayloadType,
    /// Rate of its time stamps, where `a=rtpmap` says it.
    pub clock_hz: Option<u32>,
    /// `a=ts-refclk`.
    pub reference_clock: Option<ReferenceClock>,
    /// `a=mediaclk`.
    pub media_clock: Option<MediaClock>,
    /// `a=ssrc` with what follows it.
    ssrc: Vec<String>,
    /// The section, with those of its attributes that stay.
    media: Media,
}

/// Whom a forwarded stream's packets come from and go to, and what of their headers is that one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// `s=`.
    pub name: &'a str,
    /// `o=`.
    pub origin: Origin,
    /// The address that packets carry as theirs.
    pub source: IpAddr,
    /// Where they go to.
    pub destination: SocketAddr,
    /// Hops.
    pub ttl: u8,
    /// The payload type of all packets; `None`: as they came.
    pub payload_type: Option<PayloadType>,
    /// The SSRC of all packets; `None`: as they came.
    pub ssrc: Option<Ssrc>,
    /// The MAC of whose clock time stamps are offset by; `None`: they are as they came.
    pub clock: Option<[u8; 6]>,
}

impl RtpSdp {
    /// Reads a description: its first section over RTP/AVP or RTP/AVPF.
    ///
    /// # Errors
    /// [`SdpError`]: what is wrong and what would work.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let session = read(text)?;
        let media = session.medias.iter().find(|media| is_rtp(media));
        let media = media.ok_or_else(|| SdpError::NoRtp { found: described(&session) })?;
        let want = "the formats of an RTP section are payload types, 0 to 127";
        let payload_type = payload_type(media).ok_or_else(|| SdpError::Value {
            name: "m",
            value: media.fmt.chars().take(40).collect(),
            want,
        })?;
        let first = leg(&session, media)?;
        Ok(Self {
            second: second(&session, media, &first),
            destination: first.destination,
            sources: first.sources,
            payload_type,
            clock_hz: clock_hz(media, payload_type),
            reference_clock: attribute(&session, media, "ts-refclk").map(ReferenceClock::from),
            media_clock: attribute(&session, media, "mediaclk").map(MediaClock::from),
            ssrc: values(&media.attributes, "ssrc").map(str::to_owned).collect(),
            media: of_payload(media),
        })
    }

    /// Writes what is to be said of the packets once they are forwarded, CRLF line ends.
    #[must_use]
    pub fn forwarded(&self, by: &Forwarded<'_>) -> String {
        let mut media = self.media.clone();
        if let Some(payload_type) = by.payload_type {
            renumber(&mut media, self.payload_type, payload_type);
        }
        let group = by.destination.ip().is_multicast();
        media.port = by.destination.port();
        let ttl = (group && by.destination.is_ipv4()).then_some(by.ttl);
        media.connections = vec![Connection::from_ip_addr_ttl(by.destination.ip(), ttl)];
        if group && !by.source.is_unspecified() {
            let filter = write::source_filter(&[by.source], by.destination.ip());
            media.attributes.insert(0, Attribute::with_value("source-filter", format!(" {filter}")));
        }
        media.attributes.extend(self.clocks(by));
        match by.ssrc {
            Some(ssrc) => media.attributes.push(Attribute::with_value("ssrc", format!("{} cname:flypack", ssrc.0))),
            None => media.attributes.extend(self.ssrc.iter().map(|text| Attribute::with_value("ssrc", text))),
        }
        write::written(&write::session(&by.origin, by.name, vec![media]))
    }

    /// Time stamps with an offset of the forwarder's own are of no clock that others know (RFC 7273 §5.1).
    fn clocks(&self, by: &Forwarded<'_>) -> Vec<Attribute> {
        let (reference, media) = match by.clock {
            Some(mac) => (Some(ReferenceClock::LocalMac(mac)), Some(MediaClock::Sender)),
            None => (self.reference_clock.clone(), self.media_clock.clone()),
        };
        let reference = reference.map(|clock| Attribute::with_value("ts-refclk", clock));
        reference.into_iter().chain(media.map(|clock| Attribute::with_value("mediaclk", clock))).collect()
    }
}

/// The first payload type of a section.
fn payload_type(media: &Media) -> Option<PayloadType> {
    let fmt = media.fmt.split_whitespace().next()?;
    fmt.parse::<u8>().ok().filter(|number| *number < 128).map(PayloadType)
}

/// The way of a section's packets.
fn leg(session: &Session, media: &Media) -> Result<SecondLeg, SdpError> {
    let mut warnings = Vec::new();
    let (address, ttl) = connection(session, media, &mut warnings)?;
    let sources = sources(session, media, address, &mut warnings);
    Ok(SecondLeg { destination: SocketAddr::new(address, port(media)?), ttl, sources })
}

/// The way of the same packets' other section. One that is switched off (port 0), of another payload type (RFC 7104 §3:
/// duplicates are the same packets) or of the same way is none.
fn second(session: &Session, media: &Media, first: &SecondLeg) -> Option<SecondLeg> {
    let mut grouped = session.medias.iter().filter(|other| legs::are_grouped(session, media, other));
    let other = grouped.find(|other| is_rtp(other) && payload_type(other) == payload_type(media))?;
    leg(session, other).ok().filter(|leg| (leg.destination, &leg.sources) != (first.destination, &first.sources))
}

fn is_rtp(media: &Media) -> bool {
    ["RTP/AVP", "RTP/AVPF"].iter().any(|proto| media.proto.eq_ignore_ascii_case(proto))
}

/// The rate behind the encoding: `96 H264/90000`, `97 L24/48000/2`.
fn clock_hz(media: &Media, payload_type: PayloadType) -> Option<u32> {
    of_payload_type(media, "rtpmap", payload_type)?.split('/').nth(1)?.trim().parse().ok().filter(|hz| *hz > 0)
}

/// The section with what describes its payload only. No RTCP is forwarded, so there is no feedback (RFC 4585) either.
fn of_payload(media: &Media) -> Media {
    let stays = |attribute: &&Attribute| OF_PAYLOAD.iter().any(|name| attribute.attribute.eq_ignore_ascii_case(name));
    let attributes = media.attributes.iter().filter(stays).cloned().map(paced_by_nobody).collect();
    Media {
        media: media.media.clone(),
        port: media.port,
        num_ports: None,
        proto: "RTP/AVP".to_owned(),
        fmt: media.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: media.bandwidths.clone(),
        key: None,
        attributes,
    }
}

/// A relay sends what has come as it comes: the source's narrow pace, its offset and its bunches are not promised any more
/// (ST 2110-21 §8).
fn paced_by_nobody(attribute: Attribute) -> Attribute {
    let value = attribute.value.as_deref().filter(|value| value.contains("TP="));
    let Some(value) = value.filter(|_| attribute.attribute.eq_ignore_ascii_case("fmtp")) else { return attribute };
    let of_pace = |name: &str| ["TROFF", "CMAX"].iter().any(|pace| name.eq_ignore_ascii_case(pace));
    let (number, parameters) = value.trim_start().split_once(char::is_whitespace).unwrap_or((value, ""));
    let kept = parameters.split(';').map(str::trim).filter_map(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        match name {
            "" => None,
            "TP" => Some("TP=2110TPW"),
            name if of_pace(name) => None,
            _ => Some(parameter),
        }
    });
    let parameters: String = kept.map(|parameter| format!("{parameter}; ")).collect();
    Attribute::with_value("fmtp", format!("{number} {parameters}"))
}

/// All packets have the payload type `to` now: what is said of `from` is said of it, and of the others nothing.
fn renumber(media: &mut Media, from: PayloadType, to: PayloadType) {
    media.fmt = to.0.to_string();
    media.attributes.retain_mut(|attribute| {
        if !OF_TYPE.iter().any(|name| attribute.attribute.eq_ignore_ascii_case(name)) {
            return true;
        }
        let of = attribute.value.as_deref().and_then(|value| value.trim_start().split_once(char::is_whitespace));
        let Some((_, rest)) = of.filter(|(number, _)| number.parse() == Ok(from.0)) else { return false };
        attribute.value = Some(format!("{} {rest}", to.0));
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "v=0\r\no=cam 7 1 IN IP4 10.0.0.5\r\ns=camera\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
        a=control:*\r\na=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127\r\n\
        m=application 7000 UDP/BFCP *\r\n\
        m=video 5004 RTP/AVPF 96 97\r\nb=AS:8000\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; \
        profile-level-id=42e01f\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 nack\r\na=framerate:25\r\n\
        a=mediaclk:direct=0\r\na=ssrc:99 cname:camera\r\na=sendonly\r\na=mid:video\r\n";

    fn by(destination: &str) -> Forwarded<'static> {
        Forwarded {
            name: "out",
            origin: Origin { session_id: "7".to_owned(), session_version: 3, address: "192.0.2.1".to_owned() },
            source: "192.0.2.1".parse().unwrap(),
            destination: destination.parse().unwrap(),
            ttl: 16,
            payload_type: None,
            ssrc: Some(Ssrc(5)),
            clock: Some([2, 0, 0, 0, 0, 7]),
        }
    }

    #[test]
    fn what_a_camera_says_is_read() {
        let sdp = RtpSdp::parse(CAMERA).unwrap();
        assert_eq!((sdp.destination, sdp.payload_type.0), ("10.0.0.9:5004".parse().unwrap(), 96));
        assert_eq!((sdp.clock_hz, sdp.media_clock), (Some(90_000), Some(MediaClock::Direct(0))));
        assert!(matches!(sdp.reference_clock, Some(ReferenceClock::Ptp { .. })));
        let audio = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nt=0 0\r\nm=audio 5004 RTP/AVP 98\r\nc=IN IP4 239.1.1.1/32\r\n\
                     a=source-filter: incl IN IP4 239.1.1.1 10.0.0.5\r\na=rtpmap:98 L24/48000/2\r\na=ptime:0.125\r\n";
        let sdp = RtpSdp::parse(audio).unwrap();
        assert_eq!((sdp.clock_hz, sdp.sources), (Some(48_000), vec!["10.0.0.5".parse::<IpAddr>().unwrap()]));
    }

    #[test]
    fn what_is_forwarded_has_the_forwarders_addresses_and_numbers() {
        let sdp = RtpSdp::parse(CAMERA).unwrap();
        let expected = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=out\r\nt=0 0\r\nm=video 5010 RTP/AVP 96 97\r\n\
            c=IN IP4 239.9.9.9/16\r\nb=AS:8000\r\na=source-filter: incl IN IP4 239.9.9.9 192.0.2.1\r\n\
            a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; profile-level-id=42e01f\r\n\
            a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=framerate:25\r\n\
            a=ts-refclk:localmac=02-00-00-00-00-07\r\na=mediaclk:sender\r\na=ssrc:5 cname:flypack\r\n";
        assert_eq!(sdp.forwarded(&by("239.9.9.9:5010")), expected);
        // What is kept is as the source says it.
        let kept = sdp.forwarded(&Forwarded { ssrc: None, clock: None, ..by("10.0.0.7:5010") });
        for line in
            ["ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127\r\na=mediaclk:direct=0\r\n", "a=ssrc:99 cname:camera"]
        {
            assert!(kept.contains(line), "{kept}");
        }
        assert!(kept.contains("c=IN IP4 10.0.0.7\r\n") && !kept.contains("source-filter"), "{kept}");
        assert_eq!(RtpSdp::parse(&kept).unwrap().destination, "10.0.0.7:5010".parse().unwrap());
    }

    #[test]
    fn another_payload_type_takes_its_description_along() {
        let sdp = RtpSdp::parse(CAMERA).unwrap();
        let text = sdp.forwarded(&Forwarded { payload_type: Some(PayloadType(33)), ..by("10.0.0.7:5010") });
        assert!(
            text.contains("RTP/AVP 33\r\n") && text.contains("a=rtpmap:33 H264/90000\r\na=fmtp:33 packet"),
            "{text}"
        );
        assert!(!text.contains("97") && !text.contains("rtx"), "{text}");
    }

    #[test]
    fn nobody_promises_the_pace_of_relayed_video() {
        let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\nc=IN IP4 10.0.0.9\r\n\
                    a=rtpmap:96 raw/90000\r\na=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=25; \
                    depth=10; TP=2110TPN; TROFF=37; CMAX=4; PM=2110GPM; SSN=ST2110-20:2017; \r\n";
        let forwarded = RtpSdp::parse(text).unwrap().forwarded(&by("10.0.0.7:5010"));
        let read = super::super::VideoSdp::parse(&forwarded, None).unwrap();
        assert_eq!(read.sender_type, Some(crate::SenderType::W));
        assert_eq!((read.troff_micros, read.c_max, read.ssrc), (None, None, Some(Ssrc(5))));
        assert!(read.other.is_empty(), "{forwarded}");
    }

    #[test]
    fn a_stream_that_comes_twice_is_forwarded_once() {
        let section = |port: u16, payload_type: u8, group: &str, mid: &str| {
            format!(
                "m=audio {port} RTP/AVP {payload_type}\r\nc=IN IP4 {group}/32\r\na=source-filter: incl IN IP4 {group} 10.0.0.5\r\n\
                 a=rtpmap:{payload_type} L24/48000/2\r\na=mid:{mid}\r\n"
            )
        };
        let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nt=0 0\r\na=group:DUP a b\r\n";
        let of = |second: String| {
            RtpSdp::parse(&(head.to_owned() + &section(5004, 98, "239.1.1.1", "a") + &second)).unwrap()
        };
        let twice = of(section(5006, 98, "239.1.2.1", "b"));
        let leg = twice.second.as_ref().unwrap();
        assert_eq!((leg.destination, leg.ttl), ("239.1.2.1:5006".parse().unwrap(), Some(32)));
        assert_eq!(leg.sources, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        let text = twice.forwarded(&by("239.9.9.9:5010"));
        assert_eq!((text.matches("m=").count(), text.contains("group") || text.contains("mid")), (1, false), "{text}");
        for none in [
            section(5006, 98, "239.1.2.1", "c"),
            section(5006, 97, "239.1.2.1", "b"),
            section(0, 98, "239.1.2.1", "b"),
            section(5004, 98, "239.1.1.1", "b"),
        ] {
            assert_eq!(of(none.clone()).second, None, "{none}");
        }
    }

    #[test]
    fn what_is_no_rtp_is_refused() {
        let of = |media: &str| {
            let text = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{media}\r\n");
            RtpSdp::parse(&text).unwrap_err().to_string()
        };
        assert!(of("m=video 5004 RTP/SAVP 96").contains("RTP/AVP"), "encrypted: whose keys?");
        assert!(of("m=video 5004 RTP/AVP *").contains("payload types"));
        assert!(of("m=video 0 RTP/AVP 96").contains("port"));
        assert!(RtpSdp::parse(&"v".repeat(70_000)).is_err());
        for end in 0..CAMERA.len() {
            let _ = RtpSdp::parse(&CAMERA[..end]).map(|sdp| sdp.forwarded(&by("10.0.0.7:5010")));
        }
    }
}
