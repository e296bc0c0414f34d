//! Requests of the API as specifications: every field read once, bounded and typed.

use std::net::{IpAddr, SocketAddr};

use media::{Name, NameError, PayloadType, Rate, RateError};
use st2110::packing::{PackingMode, UdpLimit};
use st2110::schedule::{ReadSchedule, SenderType};
use st2110::sdp::{SdpError, VideoSdp};

use crate::v1;
use crate::{
    HeardLegSpec, Lateness, LegSpec, ReceiverSpec, Rewriting, SenderSpec, SenderTiming, SpecError, StreamName,
};

/// The largest SDP that is read, octets.
pub(crate) const MAX_SDP_OCTETS: usize = VideoSdp::MAX_OCTETS;

/// Why a request is refused before anything is tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("{field}: {cause}")]
    Name { field: &'static str, cause: NameError },
    #[error("sdp has {octets} octets, it may have {MAX_SDP_OCTETS}: send one media description only")]
    SdpTooLong { octets: usize },
    #[error("sdp is empty: send the stream's SDP, of ST 2110-20 or RFC 4175")]
    SdpEmpty,
    #[error(transparent)]
    Sdp(#[from] SdpError),
    #[error("default_rate: {0}")]
    Rate(#[from] RateError),
    #[error("{field} \"{text}\" is no address: write {example}")]
    Address { field: &'static str, text: String, example: &'static str },
    #[error("{field} is {value}, which this gateway does not know: {known}")]
    Choice { field: &'static str, value: i32, known: &'static str },
    #[error("seat is {seat}: a ring has seats 0 to 63, `flypack rings` shows those that are taken")]
    Seat { seat: u32 },
    #[error("the stream to be moved is not named: name a receiver or a sender")]
    NoStream,
    #[error(transparent)]
    Spec(#[from] SpecError),
}

pub(crate) fn name(field: &'static str, text: &str) -> Result<Name, IntakeError> {
    text.parse().map_err(|cause| IntakeError::Name { field, cause })
}

/// A name, or `None` for the empty text.
pub(crate) fn optional_name(field: &'static str, text: &str) -> Result<Option<Name>, IntakeError> {
    if text.is_empty() { Ok(None) } else { name(field, text).map(Some) }
}

/// What is to be moved.
pub(crate) fn stream(stream: Option<v1::move_stream_request::Stream>) -> Result<StreamName, IntakeError> {
    use v1::move_stream_request::Stream;
    match stream {
        Some(Stream::Receiver(receiver)) => name("receiver", &receiver).map(StreamName::Receiver),
        Some(Stream::Sender(sender)) => name("sender", &sender).map(StreamName::Sender),
        Some(Stream::Relay(relay)) => name("relay", &relay).map(StreamName::Relay),
        Some(Stream::Port(port)) => name("port", &port).map(StreamName::Port),
        None => Err(IntakeError::NoStream),
    }
}

/// A consumer's number in a ring.
pub(crate) fn seat(seat: u32) -> Result<u8, IntakeError> {
    u8::try_from(seat).ok().filter(|seat| *seat < 64).ok_or(IntakeError::Seat { seat })
}

pub(crate) fn receiver(request: v1::CreateReceiverRequest) -> Result<ReceiverSpec, IntakeError> {
    let name = name("name", &request.name)?;
    if request.sdp.trim().is_empty() {
        return Err(IntakeError::SdpEmpty);
    }
    if request.sdp.len() > MAX_SDP_OCTETS {
        return Err(IntakeError::SdpTooLong { octets: request.sdp.len() });
    }
    let default_rate: Option<Rate> = match request.default_rate.as_str() {
        "" => None,
        text => Some(text.parse()?),
    };
    let slots = match request.slots {
        0 => None,
        slots => Some(u16::try_from(slots).map_err(|_| SpecError::Slots { slots })?),
    };
    let sdp = VideoSdp::parse(&request.sdp, default_rate)?;
    let leg = request.second.map(second_leg).transpose()?.unwrap_or_default();
    Ok(ReceiverSpec {
        name,
        second: HeardLegSpec::of(sdp.second.as_ref(), leg.destination, leg.sources, leg.interface)?,
        sdp,
        interface: non_empty(request.interface),
        slots,
        reorder_packets: request
            .reorder_packets
            .map(|packets| u16::try_from(packets).map_err(|_| SpecError::ReorderWindow { packets }))
            .transpose()?,
        grain_timeout_ms: request.grain_timeout_ms,
        skew_ms: request.skew_ms,
        receive_buffer_octets: request.receive_buffer_octets,
    })
}

/// A second leg as far as it was given.
#[derive(Default)]
pub(crate) struct GivenLeg {
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) interface: Option<String>,
}

pub(crate) fn second_leg(leg: v1::SecondLeg) -> Result<GivenLeg, IntakeError> {
    let given = non_empty(leg.destination);
    Ok(GivenLeg {
        destination: given.as_deref().map(destination).transpose()?,
        sources: sources(&leg.sources)?,
        interface: non_empty(leg.interface),
    })
}

/// Admitted sources.
pub(crate) fn sources(texts: &[String]) -> Result<Vec<IpAddr>, IntakeError> {
    let refused = |text: &str| IntakeError::Address { field: "sources", text: shortened(text), example: "10.0.0.1" };
    texts.iter().map(|text| text.parse().map_err(|_| refused(text))).collect()
}

pub(crate) fn sender(request: v1::CreateSenderRequest) -> Result<SenderSpec, IntakeError> {
    let name = name("name", &request.name)?;
    let destination = destination(&request.destination)?;
    let payload_type = match request.payload_type {
        0 => SenderSpec::DEFAULT_PAYLOAD_TYPE,
        number => PayloadType(u8::try_from(number).map_err(|_| SpecError::PayloadType(number))?),
    };
    let dscp =
        request.dscp.map_or(Ok(SenderSpec::DEFAULT_DSCP), |n| u8::try_from(n).map_err(|_| SpecError::Dscp(n)))?;
    let ttl = request.ttl.map_or(Ok(SenderSpec::DEFAULT_TTL), |n| u8::try_from(n).map_err(|_| SpecError::Ttl(n)))?;
    let lateness = Lateness::of(request.lateness_frames, request.lateness_ms)?;
    Ok(SenderSpec {
        name,
        destination,
        source: source_address(&request.source_address)?,
        interface: non_empty(request.interface),
        second: request.second.map(leg).transpose()?,
        payload_type,
        packing: packing(request.packing)?,
        limit: limit(request.limit)?,
        timing: timing(request.timing)?,
        sender_type: sender_type(request.sender_type)?,
        schedule: schedule(request.schedule)?,
        lateness,
        dscp,
        ttl,
        rewriting: Rewriting::keeping(request.relay_keep.iter().map(String::as_str), request.relay_payload_type)?,
    })
}

fn leg(leg: v1::SenderLeg) -> Result<LegSpec, IntakeError> {
    Ok(LegSpec {
        destination: destination(&leg.destination)?,
        source: source_address(&leg.source_address)?,
        interface: non_empty(leg.interface),
    })
}

pub(crate) fn non_empty(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

fn destination(text: &str) -> Result<SocketAddr, IntakeError> {
    let example = "239.1.1.1:5004 or [ff3e::1]:5004";
    text.parse().map_err(|_| IntakeError::Address { field: "destination", text: shortened(text), example })
}

fn source_address(text: &str) -> Result<Option<SocketAddr>, IntakeError> {
    if text.is_empty() {
        return Ok(None);
    }
    let alone = |_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    let example = "10.0.0.1 or 10.0.0.1:5004";
    let refused = |_| IntakeError::Address { field: "source_address", text: shortened(text), example };
    text.parse::<SocketAddr>().or_else(alone).map(Some).map_err(refused)
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

fn packing(value: i32) -> Result<PackingMode, IntakeError> {
    match v1::PackingMode::try_from(value) {
        Ok(v1::PackingMode::Unspecified | v1::PackingMode::General) => Ok(PackingMode::Gpm),
        Ok(v1::PackingMode::Block) => Ok(PackingMode::Bpm),
        Err(_) => Err(IntakeError::Choice { field: "packing", value, known: "1 is GPM, 2 is BPM" }),
    }
}

fn limit(value: i32) -> Result<UdpLimit, IntakeError> {
    match v1::UdpLimit::try_from(value) {
        Ok(v1::UdpLimit::Unspecified | v1::UdpLimit::Standard) => Ok(UdpLimit::Standard),
        Ok(v1::UdpLimit::Extended) => Ok(UdpLimit::Extended),
        Err(_) => Err(IntakeError::Choice { field: "limit", value, known: "1 is standard, 2 is extended" }),
    }
}

fn timing(value: i32) -> Result<SenderTiming, IntakeError> {
    match v1::SenderTiming::try_from(value) {
        Ok(v1::SenderTiming::Unspecified | v1::SenderTiming::Source) => Ok(SenderTiming::Source),
        Ok(v1::SenderTiming::Grid) => Ok(SenderTiming::Grid),
        Err(_) => Err(IntakeError::Choice { field: "timing", value, known: "1 is source, 2 is grid" }),
    }
}

fn sender_type(value: i32) -> Result<SenderType, IntakeError> {
    match v1::SenderType::try_from(value) {
        Ok(v1::SenderType::Unspecified | v1::SenderType::Wide) => Ok(SenderType::W),
        Ok(v1::SenderType::Narrow) => Ok(SenderType::N),
        Ok(v1::SenderType::NarrowLinear) => Ok(SenderType::NL),
        Err(_) => Err(IntakeError::Choice { field: "sender_type", value, known: "1 is N, 2 is NL, 3 is W" }),
    }
}

fn schedule(value: i32) -> Result<ReadSchedule, IntakeError> {
    match v1::ReadSchedule::try_from(value) {
        Ok(v1::ReadSchedule::Unspecified | v1::ReadSchedule::Gapped) => Ok(ReadSchedule::Gapped),
        Ok(v1::ReadSchedule::Linear) => Ok(ReadSchedule::Linear),
        Err(_) => Err(IntakeError::Choice { field: "schedule", value, known: "1 is gapped, 2 is linear" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(destination: &str) -> v1::CreateSenderRequest {
        v1::CreateSenderRequest { name: "out".into(), destination: destination.into(), ..Default::default() }
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let spec = sender(request("239.1.1.1:5004")).unwrap();
        assert_eq!(spec, SenderSpec::new("out".parse().unwrap(), "239.1.1.1:5004".parse().unwrap()));
    }

    #[test]
    fn a_source_address_may_leave_out_its_port() {
        let with =
            |source: &str| sender(v1::CreateSenderRequest { source_address: source.into(), ..request("10.0.0.1:1") });
        assert_eq!(with("10.0.0.2").unwrap().source, Some("10.0.0.2:0".parse().unwrap()));
        assert_eq!(with("10.0.0.2:7").unwrap().source, Some("10.0.0.2:7".parse().unwrap()));
        assert_eq!(with("fe80::1").unwrap().source, Some("[fe80::1]:0".parse().unwrap()));
        assert!(with("localhost").unwrap_err().to_string().contains("10.0.0.1"));
    }

    #[test]
    fn a_second_leg_is_a_sender_by_another_way() {
        let leg = |destination: &str, interface: &str| {
            let (destination, interface) = (destination.to_owned(), interface.to_owned());
            let leg = v1::SenderLeg { destination, source_address: String::new(), interface };
            sender(v1::CreateSenderRequest { second: Some(leg), ..request("239.1.1.1:5004") })
        };
        let spec = leg("239.1.2.1:5006", "eth1").unwrap();
        spec.check().unwrap();
        let second = spec.second_leg().unwrap();
        assert_eq!(
            (second.destination.to_string().as_str(), second.interface.as_deref()),
            ("239.1.2.1:5006", Some("eth1"))
        );
        assert_eq!((second.second.is_none(), second.payload_type), (true, spec.payload_type));
        assert!(leg("239.1.1.1:5004", "eth1").unwrap().check().is_ok(), "the same group by another interface");
        let same = leg("239.1.1.1:5004", "").unwrap().check().unwrap_err().to_string();
        assert!(same.contains("both legs") && same.contains("239.1.1.1:5004"), "{same}");
        assert!(leg("239.1.1.1:0", "eth1").unwrap().check().unwrap_err().to_string().contains("239.1.1.1:0"));
        assert!(leg("somewhere", "").unwrap_err().to_string().contains("destination"));
    }

    #[test]
    fn the_type_says_the_schedule_of_all_but_wide_senders() {
        let of = |sender_type: v1::SenderType, schedule: v1::ReadSchedule| {
            let request = request("10.0.0.1:1");
            sender(v1::CreateSenderRequest { sender_type: sender_type.into(), schedule: schedule.into(), ..request })
        };
        let read = |sender_type, schedule| of(sender_type, schedule).unwrap().read_schedule();
        assert_eq!(read(v1::SenderType::Narrow, v1::ReadSchedule::Linear), ReadSchedule::Gapped);
        assert_eq!(read(v1::SenderType::NarrowLinear, v1::ReadSchedule::Unspecified), ReadSchedule::Linear);
        assert_eq!(read(v1::SenderType::Wide, v1::ReadSchedule::Linear), ReadSchedule::Linear);
        assert_eq!(sender(request("10.0.0.1:1")).unwrap().sender_type, SenderType::W);
        let strange = v1::CreateSenderRequest { sender_type: 9, ..request("10.0.0.1:1") };
        assert!(sender(strange).unwrap_err().to_string().contains("sender_type is 9"));
    }

    #[test]
    fn numbers_that_do_not_fit_are_named() {
        let cases = [
            (v1::CreateSenderRequest { payload_type: 300, ..request("10.0.0.1:1") }, "payload_type is 300"),
            (v1::CreateSenderRequest { dscp: Some(256), ..request("10.0.0.1:1") }, "dscp is 256"),
            (v1::CreateSenderRequest { ttl: Some(1000), ..request("10.0.0.1:1") }, "ttl is 1000"),
            (v1::CreateSenderRequest { packing: 9, ..request("10.0.0.1:1") }, "packing is 9"),
            (v1::CreateSenderRequest { schedule: -1, ..request("10.0.0.1:1") }, "schedule is -1"),
        ];
        for (request, expected) in cases {
            let message = sender(request).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn an_sdp_is_bounded_before_it_is_parsed() {
        let with = |sdp: String| receiver(v1::CreateReceiverRequest { name: "cam".into(), sdp, ..Default::default() });
        assert!(matches!(with("v".repeat(MAX_SDP_OCTETS + 1)), Err(IntakeError::SdpTooLong { octets: 65_537 })));
        assert!(matches!(with("v".repeat(MAX_SDP_OCTETS)), Err(IntakeError::Sdp(_))));
        assert!(matches!(with(" \r\n".into()), Err(IntakeError::SdpEmpty)));
    }

    proptest! {
        #[test]
        fn no_request_panics(
            name in ".{0,80}", address in "[0-9a-f.:\\[\\]]{0,40}", source in ".{0,40}", number in any::<u32>(), choice in any::<i32>()
        ) {
            let leg = v1::SenderLeg { destination: name.clone(), source_address: source.clone(), interface: name.clone() };
            let asked = v1::CreateSenderRequest {
                sender_type: choice,
                second: Some(leg),
                name: name.clone(), destination: address, source_address: source, payload_type: number,
                packing: choice, limit: choice, timing: choice, schedule: choice, dscp: Some(number), ttl: Some(number),
                lateness_frames: number, lateness_ms: number, relay_keep: vec![name.clone()], relay_payload_type: number,
                interface: name.clone(),
            };
            let _ = sender(asked).map(|spec| spec.check());
            let sdp = format!("v=0\r\n{name}");
            let _ = receiver(v1::CreateReceiverRequest { name, sdp, slots: number, ..Default::default() });
        }
    }
}
