//! What an operator asks of relays: streams that are forwarded as they are, and what a sender changes of their headers.

use std::net::{IpAddr, SocketAddr};

use media::{Name, PayloadType};
use st2110::RtpSdp;
use st2110::sdp::SecondLeg;

use crate::spec::check_interface;
use crate::{HeardLegSpec, SpecError};

/// An RTP stream to take from the network and to forward packet by packet, whatever it carries. Senders are connected to
/// it by its name, as to a flow; it has no ring, and no pod can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySpec {
    /// Its name, among those of receivers and flows.
    pub name: Name,
    /// Address and port, or group, at which its packets come in.
    pub listen: SocketAddr,
    /// Admitted sources; empty for all.
    pub sources: Vec<IpAddr>,
    /// What the stream is, for the SDP of senders that forward it; `None`: nobody said.
    pub sdp: Option<RtpSdp>,
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<String>,
    /// Where the same packets come once more (ST 2022-7).
    pub second: Option<HeardLegSpec>,
    /// Rate of its time stamps, as its `a=rtpmap` says.
    pub clock_hz: u32,
    /// Packets that are kept for senders that do not take them at once; `None`: the default.
    pub backlog_packets: Option<u16>,
    /// Milliseconds for which they are kept; `None`: the default.
    pub backlog_ms: Option<u32>,
    /// Octets of the socket's receive buffer; `None`: the default.
    pub receive_buffer_octets: Option<u32>,
}

impl RelaySpec {
    /// Rate of the time stamps of video, and of most of what is not audio.
    pub const DEFAULT_CLOCK_HZ: u32 = 90_000;
    /// Packets that are kept where none are stated.
    pub const DEFAULT_BACKLOG_PACKETS: u16 = 256;
    /// Most packets that are kept.
    pub const MAX_BACKLOG_PACKETS: u16 = 16_384;
    /// How long they are kept where nothing is stated, milliseconds.
    pub const DEFAULT_BACKLOG_MS: u32 = 100;
    /// The longest that they are kept, milliseconds.
    pub const MAX_BACKLOG_MS: u32 = 10_000;

    /// A relay of `name` for what comes to `listen`, with every other field at its default.
    #[must_use]
    pub fn new(name: Name, listen: SocketAddr) -> Self {
        Self {
            name,
            listen,
            sources: Vec::new(),
            sdp: None,
            interface: None,
            second: None,
            clock_hz: Self::DEFAULT_CLOCK_HZ,
            backlog_packets: None,
            backlog_ms: None,
            receive_buffer_octets: None,
        }
    }

    /// The relay of a stream that is described: where it comes in, its sources and the rate of its time stamps are as the
    /// description has them, but for a `listen` of one's own.
    #[must_use]
    pub fn described(name: Name, listen: Option<SocketAddr>, sdp: RtpSdp) -> Self {
        let new = Self::new(name, listen.unwrap_or(sdp.destination));
        // Of another way than is described nobody knows who sends there.
        let sources = if new.listen == sdp.destination { sdp.sources.clone() } else { Vec::new() };
        Self { sources, clock_hz: sdp.clock_hz.unwrap_or(Self::DEFAULT_CLOCK_HZ), sdp: Some(sdp), ..new }
    }

    /// The second way that the description has, where the first is the one that it has.
    #[must_use]
    pub fn described_second(&self) -> Option<&SecondLeg> {
        self.sdp.as_ref().filter(|sdp| sdp.destination == self.listen)?.second.as_ref()
    }

    /// Checks everything that can be checked without the machine.
    ///
    /// # Errors
    /// The first [`SpecError`] found.
    pub fn check(&self) -> Result<(), SpecError> {
        check_interface(self.interface.as_deref())?;
        if self.listen.port() == 0 {
            return Err(SpecError::Listen(self.listen));
        }
        if let Some(source) = self.sources.iter().find(|source| source.is_ipv4() != self.listen.is_ipv4()) {
            return Err(SpecError::RelaySource { source_address: *source, listen: self.listen });
        }
        if let Some(leg) = &self.second {
            leg.check(self.listen, self.interface.as_deref())?;
        }
        if !(1..=1_000_000_000).contains(&self.clock_hz) {
            return Err(SpecError::ClockRate(self.clock_hz));
        }
        if let Some(packets) = self.backlog_packets.filter(|packets| !(1..=Self::MAX_BACKLOG_PACKETS).contains(packets))
        {
            return Err(SpecError::BacklogPackets(packets.into()));
        }
        if let Some(ms) = self.backlog_ms.filter(|ms| !(1..=Self::MAX_BACKLOG_MS).contains(ms)) {
            return Err(SpecError::BacklogTime(ms));
        }
        match self.receive_buffer_octets {
            Some(octets) if !(65_536..=1 << 30).contains(&octets) => Err(SpecError::ReceiveBuffer(octets)),
            _ => Ok(()),
        }
    }
}

/// Whose numbers the packets carry that a sender forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// The sender's own: they go on when it is taken to another source.
    #[default]
    Own,
    /// The source's.
    Source,
}

/// What a sender changes of the RTP headers that it forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// The SSRC.
    pub ssrc: Numbers,
    /// The sequence numbers.
    pub sequence: Numbers,
    /// The time stamps.
    pub timestamp: Numbers,
    /// The payload type; `None`: the source's.
    pub payload_type: Option<PayloadType>,
}

impl Rewriting {
    /// The words for what is kept, in the configuration and over the API.
    pub const KEPT: [&str; 3] = ["ssrc", "sequence", "timestamp"];

    /// Keeps what `words` name, and sends `payload_type` unless that is 0.
    ///
    /// # Errors
    /// [`SpecError::Kept`] for another word, [`SpecError::RelayPayloadType`] for what is no payload type.
    pub fn keeping<'a>(words: impl IntoIterator<Item = &'a str>, payload_type: u32) -> Result<Self, SpecError> {
        let mut rewriting = Self::default();
        for word in words {
            match word {
                "ssrc" => rewriting.ssrc = Numbers::Source,
                "sequence" => rewriting.sequence = Numbers::Source,
                "timestamp" => rewriting.timestamp = Numbers::Source,
                other => return Err(SpecError::Kept(other.chars().take(16).collect())),
            }
        }
        // RFC 5761 §4: 64 to 95 would be taken for RTCP.
        rewriting.payload_type = match u8::try_from(payload_type) {
            Ok(0) => None,
            Ok(kept @ (1..=63 | 96..=127)) => Some(PayloadType(kept)),
            _ => return Err(SpecError::RelayPayloadType(payload_type)),
        };
        Ok(rewriting)
    }

    /// The words for what it keeps.
    #[must_use]
    pub fn kept(&self) -> Vec<&'static str> {
        let all = Self::KEPT.into_iter().zip([self.ssrc, self.sequence, self.timestamp]);
        all.filter(|(_, numbers)| *numbers == Numbers::Source).map(|(word, _)| word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(listen: &str) -> RelaySpec {
        RelaySpec::new("cam".parse().unwrap(), listen.parse().unwrap())
    }

    #[test]
    fn defaults_are_a_relay_that_works() {
        for listen in ["239.1.1.1:5004", "0.0.0.0:5004", "[ff3e::1]:5004"] {
            assert_eq!(relay(listen).check(), Ok(()), "{listen}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_value() {
        let good = relay("239.1.1.1:5004");
        for (bad, expected) in [
            (relay("239.1.1.1:0"), "239.1.1.1:0"),
            (RelaySpec { sources: vec!["::1".parse().unwrap()], ..good.clone() }, "::1"),
            (RelaySpec { clock_hz: 0, ..good.clone() }, "clock_hz is 0"),
            (RelaySpec { backlog_packets: Some(16_385), ..good.clone() }, "16385"),
            (RelaySpec { backlog_ms: Some(0), ..good.clone() }, "backlog_ms is 0"),
            (RelaySpec { receive_buffer_octets: Some(1), ..good }, "receive_buffer_octets is 1"),
        ] {
            let refused = bad.check().unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn what_is_kept_is_said_in_words() {
        assert_eq!(Rewriting::keeping([], 0), Ok(Rewriting::default()));
        let kept = Rewriting::keeping(["timestamp", "ssrc"], 33).unwrap();
        assert_eq!((kept.kept(), kept.payload_type), (vec!["ssrc", "timestamp"], Some(PayloadType(33))));
        assert!(Rewriting::keeping(["marker"], 0).unwrap_err().to_string().contains("\"marker\""));
        for reserved in [64, 95, 128, 300] {
            assert_eq!(Rewriting::keeping([], reserved), Err(SpecError::RelayPayloadType(reserved)));
        }
    }
}
