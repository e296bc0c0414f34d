//! Writing: a whole ST 2110-20 description, as far as the stream is known.

use std::fmt::Write as _;
use std::net::IpAddr;

use media::{Sampling, VIDEO_CLOCK_HZ};
use sdp_types::{
    AddrType, Attribute, Connection, Media, MediaType, NetType, Origin, Session, SourceFilter, SourceFilterAddrType,
    SourceFilterAddress, SourceFilterDestination, SourceFilterMode, TransportProto,
};

use super::VideoSdp;
use crate::packing::UdpLimit;

/// The tokens of the two legs (RFC 5888 §4).
const MIDS: [&str; 2] = ["primary", "secondary"];

pub(super) fn video(sdp: &VideoSdp) -> String {
    written(&session(&sdp.origin, &sdp.session_name, vec![media(sdp)]))
}

pub(super) fn legs(first: &VideoSdp, second: &VideoSdp) -> String {
    let medias = [first, second].into_iter().zip(MIDS).map(|(sdp, mid)| {
        let mut media = media(sdp);
        media.attributes.push(Attribute::with_value("mid", mid));
        media
    });
    let mut session = session(&first.origin, &first.session_name, medias.collect());
    session.attributes.push(Attribute::with_value("group", format!("DUP {}", MIDS.join(" "))));
    written(&session)
}

pub(super) fn session(origin: &super::Origin, name: &str, medias: Vec<Media>) -> Session {
    let family = if origin.address.contains(':') { AddrType::Ip6 } else { AddrType::Ip4 };
    let origin = Origin::new(&origin.session_id, origin.session_version, NetType::In, family, &origin.address);
    // RFC 8866 §5.3: a single space when there is no name
    let name = if name.is_empty() { " " } else { name };
    let mut session = Session::new(origin, name);
    session.medias = medias;
    session
}

pub(super) fn written(session: &Session) -> String {
    let mut octets = Vec::new();
    // Writing to memory cannot fail; what cannot be UTF-8 cannot come from `String`s.
    let written = session.write(&mut octets).is_ok();
    debug_assert!(written, "writing an SDP to memory failed");
    String::from_utf8(octets).unwrap_or_default()
}

fn media(sdp: &VideoSdp) -> Media {
    let payload_type = sdp.payload_type.0;
    let mut media =
        Media::new(MediaType::Video, sdp.destination.port(), TransportProto::RtpAvp, payload_type.to_string());
    let address = sdp.destination.ip();
    media.connections.push(Connection::from_ip_addr_ttl(address, sdp.ttl));
    let mut attributes = Vec::new();
    if !sdp.sources.is_empty() {
        attributes.push(Attribute::with_value("source-filter", format!(" {}", source_filter(&sdp.sources, address))));
    }
    attributes.push(Attribute::with_value("rtpmap", format!("{payload_type} raw/{VIDEO_CLOCK_HZ}")));
    attributes.push(Attribute::with_value("fmtp", format!("{payload_type} {}", parameters(sdp))));
    if let Some(clock) = &sdp.reference_clock {
        attributes.push(Attribute::with_value("ts-refclk", clock));
    }
    if let Some(clock) = &sdp.media_clock {
        attributes.push(Attribute::with_value("mediaclk", clock));
    }
    if let Some(ssrc) = sdp.ssrc {
        attributes.push(Attribute::with_value("ssrc", format!("{} cname:flypack", ssrc.0)));
    }
    media.attributes = attributes;
    media
}

pub(super) fn source_filter(sources: &[IpAddr], destination: IpAddr) -> SourceFilter {
    SourceFilter {
        mode: SourceFilterMode::Incl,
        nettype: NetType::In,
        addrtype: if destination.is_ipv4() { SourceFilterAddrType::Ip4 } else { SourceFilterAddrType::Ip6 },
        destination: SourceFilterDestination::Address(SourceFilterAddress::IpAddr(destination)),
        sources: sources.iter().copied().map(SourceFilterAddress::IpAddr).collect(),
    }
}

/// The parameters in the order of the standard's examples, each with `; ` after it (ST 2110-20 §7.1).
fn parameters(sdp: &VideoSdp) -> String {
    let format = &sdp.format;
    let sampling = match format.sampling() {
        Sampling::YCbCr422 => "YCbCr-4:2:2",
    };
    let mut text = String::new();
    let mut put = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}={value}; ");
    };
    put("sampling", &sampling);
    put("width", &format.width());
    put("height", &format.height());
    put("exactframerate", &format.rate());
    put("depth", &format.depth().bits());
    let optional = [("TCS", &sdp.tcs), ("colorimetry", &sdp.colorimetry), ("RANGE", &sdp.range)];
    for (name, value) in optional {
        if let Some(value) = value {
            put(name, value);
        }
    }
    put("PM", &sdp.packing);
    if let Some(ssn) = &sdp.ssn {
        put("SSN", ssn);
    }
    if let Some(sender_type) = sdp.sender_type {
        put("TP", &sender_type);
    }
    if let Some(troff) = sdp.troff_micros {
        put("TROFF", &troff);
    }
    if let Some(c_max) = sdp.c_max {
        put("CMAX", &c_max);
    }
    if sdp.limit == UdpLimit::Extended {
        put("MAXUDP", &sdp.limit.octets());
    }
    for (name, value) in &sdp.other {
        let _ = match value {
            Some(value) => write!(text, "{name}={value}; "),
            None => write!(text, "{name}; "),
        };
    }
    text
}
