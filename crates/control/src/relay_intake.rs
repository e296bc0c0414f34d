//! Requests of the API about relays as specifications, and relays as messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use media::Name;
use st2110::RtpSdp;

use crate::config::Owned;
use crate::intake::{GivenLeg, IntakeError, name, non_empty, second_leg, shortened, sources};
use crate::report::{legs, lost, scope};
use crate::{Dataplane, HeardLegSpec, RelaySpec, RelayStatus, SpecError, State, v1};

/// What `CreateRelay` asks for.
pub(crate) fn relay(request: v1::CreateRelayRequest) -> Result<RelaySpec, IntakeError> {
    let name = name("name", &request.name)?;
    let plain = match request.sdp.trim() {
        "" => RelaySpec::new(name, listen(&request.listen)?),
        text => {
            let at = non_empty(request.listen).map(|at| listen(&at)).transpose()?;
            RelaySpec::described(name, at, RtpSdp::parse(text)?)
        }
    };
    let GivenLeg { destination, sources: of_second, interface } =
        request.second.map(second_leg).transpose()?.unwrap_or_default();
    let second = HeardLegSpec::of(plain.described_second(), destination, of_second, interface)?;
    let backlog_packets = match request.backlog_packets {
        0 => None,
        packets => Some(u16::try_from(packets).map_err(|_| SpecError::BacklogPackets(packets))?),
    };
    let given = sources(&request.sources)?;
    Ok(RelaySpec {
        sources: if given.is_empty() { plain.sources.clone() } else { given },
        second,
        interface: non_empty(request.interface),
        clock_hz: if request.clock_hz == 0 { plain.clock_hz } else { request.clock_hz },
        backlog_packets,
        backlog_ms: (request.backlog_ms != 0).then_some(request.backlog_ms),
        receive_buffer_octets: request.receive_buffer_octets,
        ..plain
    })
}

fn listen(text: &str) -> Result<SocketAddr, IntakeError> {
    let example = "239.1.1.1:5004 or [ff3e::1]:5004";
    text.parse().map_err(|_| IntakeError::Address { field: "listen", text: shortened(text), example })
}

/// All relays, as they are now.
pub(crate) fn relays(state: &State, dataplane: &impl Dataplane) -> Vec<v1::Relay> {
    let by_name: BTreeMap<Name, RelayStatus> =
        dataplane.relays().into_iter().map(|status| (status.name.clone(), status)).collect();
    state.config().relays().map(|owned| message(owned, by_name.get(&owned.spec.name))).collect()
}

fn message(owned: &Owned<RelaySpec>, status: Option<&RelayStatus>) -> v1::Relay {
    let spec = &owned.spec;
    v1::Relay {
        name: spec.name.to_string(),
        scope: scope(owned.scope).into(),
        listen: spec.listen.to_string(),
        sources: spec.sources.iter().map(ToString::to_string).collect(),
        interface: spec.interface.clone().unwrap_or_default(),
        clock_hz: spec.clock_hz,
        backlog_packets: spec.backlog_packets.unwrap_or(RelaySpec::DEFAULT_BACKLOG_PACKETS).into(),
        backlog_ms: spec.backlog_ms.unwrap_or(RelaySpec::DEFAULT_BACKLOG_MS),
        alive: status.is_some_and(|status| status.is_alive),
        senders: status.map_or(0, |status| status.senders),
        legs: legs((spec.listen, &spec.interface), spec.second.as_ref(), status.map(|status| &status.legs)),
        lost: status.map(|status| lost(&status.counters)).unwrap_or_default(),
        worker: status.and_then(|status| status.worker.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdp_says_what_is_not_asked_for_otherwise() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nt=0 0\r\nm=audio 5004 RTP/AVP 98\r\nc=IN IP4 239.1.1.1/32\r\n\
                   a=source-filter: incl IN IP4 239.1.1.1 10.0.0.5\r\na=rtpmap:98 L24/48000/2\r\n";
        let asked = |listen: &str, clock_hz| {
            let (name, listen) = ("mic".into(), listen.into());
            let spec = relay(v1::CreateRelayRequest { name, listen, clock_hz, sdp: sdp.into(), ..Default::default() })
                .unwrap();
            assert!(spec.sdp.is_some() && spec.check().is_ok());
            (spec.listen.to_string(), spec.sources.len(), spec.clock_hz)
        };
        assert_eq!(asked("", 0), ("239.1.1.1:5004".to_owned(), 1, 48_000));
        assert_eq!(asked("192.0.2.1:7000", 96_000), ("192.0.2.1:7000".to_owned(), 0, 96_000));
        let leg = "m=audio 5006 RTP/AVP 98\r\nc=IN IP4 239.1.2.1/32\r\na=mid:b\r\n";
        let twice = sdp.replace("t=0 0\r\n", "t=0 0\r\na=group:DUP a b\r\n") + "a=mid:a\r\n" + leg;
        let second = |listen: &str, interface: Option<&str>| {
            let second = interface.map(|interface| v1::SecondLeg { interface: interface.into(), ..Default::default() });
            let (name, listen, sdp) = ("mic".into(), listen.into(), twice.clone());
            relay(v1::CreateRelayRequest { name, listen, sdp, second, ..Default::default() }).map(|spec| spec.second)
        };
        let leg = |interface: Option<&str>| HeardLegSpec {
            destination: "239.1.2.1:5006".parse().unwrap(),
            sources: Vec::new(),
            interface: interface.map(str::to_owned),
        };
        assert_eq!(second("", None).unwrap(), Some(leg(None)));
        assert_eq!(second("", Some("blue")).unwrap(), Some(leg(Some("blue"))));
        // Of another way than is described nobody knows a second one.
        assert_eq!(second("192.0.2.1:7000", None).unwrap(), None);
        assert!(second("192.0.2.1:7000", Some("blue")).is_err());
    }

    #[test]
    fn what_is_left_out_takes_its_default_and_what_does_not_fit_is_named() {
        let request =
            |listen: &str| v1::CreateRelayRequest { name: "cam".into(), listen: listen.into(), ..Default::default() };
        let plain = RelaySpec::new("cam".parse().unwrap(), "239.1.1.1:5004".parse().unwrap());
        assert_eq!(relay(request("239.1.1.1:5004")).unwrap(), plain);
        for (bad, expected) in [
            (request("239.1.1.1"), "listen \"239.1.1.1\""),
            (request(""), "listen \"\""),
            (v1::CreateRelayRequest { sdp: "v=0".into(), ..request("239.1.1.1:1") }, "SDP"),
            (v1::CreateRelayRequest { sources: vec!["camera".into()], ..request("239.1.1.1:1") }, "sources \"camera\""),
            (v1::CreateRelayRequest { backlog_packets: 70_000, ..request("239.1.1.1:1") }, "backlog_packets is 70000"),
        ] {
            let message = relay(bad).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
