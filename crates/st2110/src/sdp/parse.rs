//! Reading: one raw video stream out of a session description.

use std::net::{IpAddr, SocketAddr};

use media::{Depth, PayloadType, Rate, RateError, Sampling, Ssrc, VIDEO_CLOCK_HZ, VideoFormat};
use sdp_types::{Attribute, Media, Session, SourceFilter, SourceFilterAddress, SourceFilterDestination};

use super::fmtp::Fmtp;
use super::{MediaClock, Origin, ReferenceClock, SdpError, VideoSdp};
use crate::packing::{PackingMode, UdpLimit};
use crate::schedule::SenderType;

/// Frames per second beyond which a rate is a mistake.
const MAX_RATE: u32 = 1000;
/// Parameters that are kept without a warning: they do not change how the stream is received.
const KNOWN: [&str; 3] = ["PAR", "TSMODE", "TSDELAY"];

/// Any description.
pub(super) fn read(text: &str) -> Result<Session, SdpError> {
    if text.len() > VideoSdp::MAX_OCTETS {
        return Err(SdpError::TooLong { octets: text.len() });
    }
    // FFmpeg prints a line `SDP:` before it.
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let text = text.strip_prefix("SDP:").unwrap_or(text).trim_start();
    Session::parse(text.as_bytes()).map_err(|error| SdpError::Syntax { reason: error.to_string() })
}

/// The stream of one media section.
pub(super) fn stream(
    session: &Session,
    media: &Media,
    payload_type: PayloadType,
    default_rate: Option<Rate>,
    warnings: &mut Vec<String>,
) -> Result<VideoSdp, SdpError> {
    let mut fmtp = Fmtp::parse(parameters(media, payload_type)?)?;
    if of_payload_type_all(media, "fmtp", payload_type).count() > 1 {
        warnings.push(format!("more than one a=fmtp:{}: the first is used, the others are not", payload_type.0));
    }
    let format = format(&mut fmtp, media, default_rate, warnings)?;
    let (address, ttl) = connection(session, media, warnings)?;
    let destination = SocketAddr::new(address, port(media)?);
    let mut sdp = VideoSdp::new("", address, destination, payload_type, format);
    sdp.ttl = ttl;
    sdp.session_name = session.session_name.trim().to_owned();
    sdp.origin = origin(session);
    sdp.sources = sources(session, media, address, warnings);
    sdp.ssrc = ssrc(media, warnings);
    sdp.reference_clock = attribute(session, media, "ts-refclk").map(ReferenceClock::from);
    sdp.media_clock = attribute(session, media, "mediaclk").map(MediaClock::from);
    transport(&mut sdp, &mut fmtp, warnings)?;
    sdp.colorimetry = fmtp.take("colorimetry");
    sdp.tcs = fmtp.take("TCS");
    sdp.range = fmtp.take("RANGE");
    sdp.ssn = fmtp.take("SSN");
    sdp.other = fmtp.rest();
    let unknown = sdp.other.iter().filter(|(name, _)| !KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known)));
    warnings.extend(unknown.map(|(name, _)| format!("unknown parameter {name} in a=fmtp: kept, without effect")));
    clock_warnings(&sdp, warnings);
    Ok(sdp)
}

/// The first payload type of a video section that `a=rtpmap` calls raw.
pub(super) fn raw_payload_type(media: &Media) -> Option<PayloadType> {
    if !media.media.eq_ignore_ascii_case("video") {
        return None;
    }
    let number = |text: &str| text.parse::<u8>().ok().filter(|number| *number < 128);
    media.fmt.split_whitespace().filter_map(number).map(PayloadType).find(|payload_type| {
        let encoding = of_payload_type(media, "rtpmap", *payload_type).unwrap_or("");
        encoding.split('/').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("raw"))
    })
}

/// The media there are, for a message.
pub(super) fn described(session: &Session) -> String {
    let kinds = session.medias.iter().take(8).map(|media| {
        let encoding = media.attributes.iter().find(|a| a.attribute == "rtpmap").and_then(|a| a.value.as_deref());
        let encoding = encoding.and_then(|value| value.split_whitespace().nth(1)).unwrap_or("no rtpmap");
        format!("{} {}", clip(&media.media), clip(encoding))
    });
    let kinds: Vec<String> = kinds.collect();
    if kinds.is_empty() { "no m= section".to_owned() } else { kinds.join(", ") }
}

/// At most 40 characters of a foreign text, for a message.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The value of the first `a=<name>:<payload type> <value>`.
pub(super) fn of_payload_type<'a>(media: &'a Media, name: &str, payload_type: PayloadType) -> Option<&'a str> {
    of_payload_type_all(media, name, payload_type).next()
}

fn of_payload_type_all<'a>(media: &'a Media, name: &str, payload_type: PayloadType) -> impl Iterator<Item = &'a str> {
    values(&media.attributes, name).filter_map(move |value| {
        let (number, rest) = value.trim_start().split_once(char::is_whitespace)?;
        (number.parse() == Ok(payload_type.0)).then_some(rest)
    })
}

/// The values of an attribute, its name in any case.
pub(super) fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter(move |a| a.attribute.eq_ignore_ascii_case(name)).filter_map(|a| a.value.as_deref())
}

/// The first such attribute of the media section, else of the session.
pub(super) fn attribute<'a>(session: &'a Session, media: &'a Media, name: &str) -> Option<&'a str> {
    values(&media.attributes, name).chain(values(&session.attributes, name)).next()
}

fn parameters(media: &Media, payload_type: PayloadType) -> Result<&str, SdpError> {
    let encoding = of_payload_type(media, "rtpmap", payload_type).unwrap_or("");
    let clock = encoding.split('/').nth(1).map_or("", str::trim);
    if clock.parse() != Ok(VIDEO_CLOCK_HZ) {
        let want = "raw video has a clock of 90000 Hz: a=rtpmap:<pt> raw/90000";
        return Err(SdpError::Value { name: "rtpmap", value: clip(encoding), want });
    }
    let remedy = "add a=fmtp:<pt> sampling=YCbCr-4:2:2; width=...; height=...; depth=10";
    of_payload_type(media, "fmtp", payload_type).ok_or(SdpError::Missing { name: "a=fmtp", remedy })
}

fn format(
    fmtp: &mut Fmtp,
    media: &Media,
    default_rate: Option<Rate>,
    warnings: &mut Vec<String>,
) -> Result<VideoFormat, SdpError> {
    progressive(fmtp)?;
    let value = fmtp.need("sampling", "add sampling=YCbCr-4:2:2 to a=fmtp")?;
    if !value.eq_ignore_ascii_case("YCbCr-4:2:2") {
        return Err(SdpError::Unsupported { name: "sampling", value: clip(&value), want: "use YCbCr-4:2:2" });
    }
    let value = fmtp.need("depth", "add depth=10 (or 8) to a=fmtp")?;
    let depth = match value.as_str() {
        "8" => Depth::Bits8,
        "10" => Depth::Bits10,
        _ => return Err(SdpError::Unsupported { name: "depth", value: clip(&value), want: "use 8 or 10" }),
    };
    let missing = |name| SdpError::Missing { name, remedy: "add it to a=fmtp, 1 to 32767" };
    let side = "a side is a whole number from 1 to 32767";
    let width = fmtp.number("width", side)?.ok_or_else(|| missing("width"))?;
    let height = fmtp.number("height", side)?.ok_or_else(|| missing("height"))?;
    let rate = rate(fmtp, media, default_rate, warnings)?;
    Ok(VideoFormat::new(width, height, Sampling::YCbCr422, depth, rate)?)
}

fn progressive(fmtp: &mut Fmtp) -> Result<(), SdpError> {
    for name in ["interlace", "segmented"] {
        // ST 2110-20 §7.3: a flag. Some write a value.
        match fmtp.take(name) {
            None => {}
            Some(value) if value == "0" || value.eq_ignore_ascii_case("false") => {}
            Some(_) => return Err(SdpError::Interlaced { name }),
        }
    }
    Ok(())
}

/// `exactframerate`, else `a=framerate`, else what the caller says.
fn rate(
    fmtp: &mut Fmtp,
    media: &Media,
    default_rate: Option<Rate>,
    warnings: &mut Vec<String>,
) -> Result<Rate, SdpError> {
    let rate = if let Some(text) = fmtp.take("exactframerate") {
        exact(&text, warnings)?
    } else if let Some(text) = values(&media.attributes, "framerate").next() {
        Rate::from_decimal(text.trim()).map_err(|_| RateError::Syntax(clip(text)))?
    } else {
        let remedy = "add exactframerate=25 to a=fmtp, or a=framerate:25, or set the rate in the configuration";
        default_rate.ok_or(SdpError::Missing { name: "exactframerate", remedy })?
    };
    if u64::from(rate.num()) > u64::from(MAX_RATE) * u64::from(rate.den()) {
        let want = "a frame rate is at most 1000";
        return Err(SdpError::Value { name: "exactframerate", value: rate.to_string(), want });
    }
    Ok(rate)
}

fn exact(text: &str, warnings: &mut Vec<String>) -> Result<Rate, SdpError> {
    // ST 2110-20 §7.2: an integer, or a ratio in lowest terms
    let value = || SdpError::Value {
        name: "exactframerate",
        value: clip(text),
        want: "write an integer (25) or a ratio (60000/1001), above 0",
    };
    let (num, den) = text.split_once('/').unwrap_or((text, "1"));
    let num = num.trim().parse().map_err(|_| value())?;
    let den = den.trim().parse().map_err(|_| value())?;
    let rate = Rate::new(num, den).map_err(|_| value())?;
    if rate.num() != num || text.contains('/') && rate.den() == 1 {
        warnings.push(format!("exactframerate={} is not in lowest terms: taken as {rate}", clip(text)));
    }
    Ok(rate)
}

pub(super) fn port(media: &Media) -> Result<u16, SdpError> {
    match media.port {
        0 => {
            let want = "port 0 says that the stream is off: give the UDP port of its packets";
            Err(SdpError::Value { name: "m=video port", value: "0".to_owned(), want })
        }
        port => Ok(port),
    }
}

/// The destination address and, for an IPv4 group, its TTL.
pub(super) fn connection(
    session: &Session,
    media: &Media,
    warnings: &mut Vec<String>,
) -> Result<(IpAddr, Option<u8>), SdpError> {
    let remedy = "add c=IN IP4 <address> (with /<ttl> for a group)";
    let connection = media.connections.first().or(session.connection.as_ref());
    let connection = connection.ok_or(SdpError::Missing { name: "c=", remedy })?;
    let address = connection.try_address().map_err(|_| SdpError::Value {
        name: "c",
        value: clip(&connection.connection_address),
        want: "write IN IP4 <address>[/<ttl>] or IN IP6 <address>, not a host name",
    })?;
    if address.count.is_some_and(|count| count > 1) {
        warnings.push("c= names several groups: the first is used".into());
    }
    if address.ip.is_multicast() && address.ip.is_ipv4() && address.ttl.is_none() {
        // RFC 8866 §5.7
        warnings.push("c= names an IPv4 group without a TTL".into());
    }
    Ok((address.ip, address.ttl))
}

fn origin(session: &Session) -> Origin {
    let origin = &session.origin;
    Origin {
        session_id: origin.sess_id.clone(),
        session_version: origin.sess_version,
        address: origin.unicast_address.clone(),
    }
}

/// The sources that `incl` filters admit for `destination` (RFC 4570): the media's, else the session's.
pub(super) fn sources(
    session: &Session,
    media: &Media,
    destination: IpAddr,
    warnings: &mut Vec<String>,
) -> Vec<IpAddr> {
    let of_media = values(&media.attributes, "source-filter").next().is_some();
    let attributes = if of_media { &media.attributes } else { &session.attributes };
    let mut sources = Vec::new();
    for text in values(attributes, "source-filter") {
        let Ok(filter) = text.trim().parse::<SourceFilter>() else {
            warnings.push(format!("a=source-filter:{} cannot be read: ignored", clip(text)));
            continue;
        };
        let here = match &filter.destination {
            SourceFilterDestination::Wildcard => true,
            SourceFilterDestination::Address(address) => *address == SourceFilterAddress::IpAddr(destination),
        };
        if filter.mode == sdp_types::SourceFilterMode::Excl {
            warnings.push("a=source-filter: excl is not supported: ignored".into());
        } else if here {
            admit(&filter, destination, &mut sources, warnings);
        } else {
            warnings.push(format!("a=source-filter:{} is not for {destination}: ignored", clip(text)));
        }
    }
    sources
}

fn admit(filter: &SourceFilter, destination: IpAddr, sources: &mut Vec<IpAddr>, warnings: &mut Vec<String>) {
    for source in &filter.sources {
        match source {
            SourceFilterAddress::IpAddr(ip) if ip.is_ipv4() == destination.is_ipv4() => {
                if !sources.contains(ip) {
                    sources.push(*ip);
                }
            }
            other => warnings.push(format!("source {} of a=source-filter: ignored", clip(&other.to_string()))),
        }
    }
}

/// The one SSRC that the media section names; none if it names several.
fn ssrc(media: &Media, warnings: &mut Vec<String>) -> Option<Ssrc> {
    let mut named = values(&media.attributes, "ssrc")
        .filter_map(|value| value.split_whitespace().next()?.parse::<u32>().ok())
        .collect::<Vec<u32>>();
    named.dedup();
    match named.as_slice() {
        [] => None,
        [one] => Some(Ssrc(*one)),
        _ => {
            warnings.push("several a=ssrc: one of them is followed, whichever comes first".into());
            None
        }
    }
}

/// How it is packed and sent: PM, MAXUDP, TP, TROFF, CMAX.
fn transport(sdp: &mut VideoSdp, fmtp: &mut Fmtp, warnings: &mut Vec<String>) -> Result<(), SdpError> {
    sdp.packing = match fmtp.take("PM") {
        None => PackingMode::Gpm,
        Some(value) if value.eq_ignore_ascii_case("2110GPM") => PackingMode::Gpm,
        Some(value) if value.eq_ignore_ascii_case("2110BPM") => PackingMode::Bpm,
        Some(value) => {
            return Err(SdpError::Value { name: "PM", value: clip(&value), want: "write 2110GPM or 2110BPM" });
        }
    };
    let want = "write 1460 or 8960";
    sdp.limit = match fmtp.number("MAXUDP", want)? {
        None | Some(0..=1460) => UdpLimit::Standard,
        Some(1461..=8960) => UdpLimit::Extended,
        Some(value) => return Err(SdpError::Value { name: "MAXUDP", value: value.to_string(), want }),
    };
    sdp.sender_type = fmtp.take("TP").and_then(|value| {
        let known = [SenderType::N, SenderType::NL, SenderType::W];
        let found = known.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(&value));
        if found.is_none() {
            warnings.push(format!("TP={} is not known: taken as not given", clip(&value)));
        }
        found
    });
    sdp.troff_micros = fmtp.number("TROFF", "write microseconds as a whole number")?;
    sdp.c_max = fmtp.number("CMAX", "write packets as a whole number")?;
    Ok(())
}

fn clock_warnings(sdp: &VideoSdp, warnings: &mut Vec<String>) {
    if sdp.ssn.is_some() && (sdp.reference_clock.is_none() || sdp.media_clock.is_none()) {
        // ST 2110-10 §8
        warnings.push("ST 2110 without a=ts-refclk and a=mediaclk: treated as asynchronous".into());
    }
    if let Some(ReferenceClock::Other(text)) = &sdp.reference_clock {
        warnings.push(format!("a=ts-refclk:{} is not known: treated as asynchronous", clip(text)));
    }
    if let Some(MediaClock::Other(text)) = &sdp.media_clock {
        warnings.push(format!("a=mediaclk:{} is not known: treated as asynchronous", clip(text)));
    }
}
