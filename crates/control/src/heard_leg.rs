//! A second way by which the packets of a receiver or a relay come (ST 2022-7).

use std::net::{IpAddr, SocketAddr};

use st2110::sdp::SecondLeg;

use crate::SpecError;
use crate::spec::check_interface;

/// Where the same packets come once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardLegSpec {
    /// Address and port, or group, at which they come in.
    pub destination: SocketAddr,
    /// Admitted sources; empty for all.
    pub sources: Vec<IpAddr>,
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<String>,
}

impl HeardLegSpec {
    /// The second leg of a receiver or a relay: as it was asked for, and where only an interface is given, or nothing, as the SDP
    /// has it.
    ///
    /// # Errors
    /// [`SpecError::NoSecondLeg`]: an interface for a leg that nobody describes.
    pub fn of(
        described: Option<&SecondLeg>,
        destination: Option<SocketAddr>,
        sources: Vec<IpAddr>,
        interface: Option<String>,
    ) -> Result<Option<Self>, SpecError> {
        match (destination, described) {
            (Some(destination), _) => Ok(Some(Self { destination, sources, interface })),
            (None, Some(leg)) => {
                let sources = if sources.is_empty() { leg.sources.clone() } else { sources };
                Ok(Some(Self { destination: leg.destination, sources, interface }))
            }
            (None, None) if interface.is_none() && sources.is_empty() => Ok(None),
            (None, None) => Err(SpecError::NoSecondLeg),
        }
    }

    /// Checks what can be checked without the machine; `first` and its interface are the other leg's.
    pub(crate) fn check(&self, first: SocketAddr, interface: Option<&str>) -> Result<(), SpecError> {
        check_interface(self.interface.as_deref())?;
        if self.destination.port() == 0 {
            return Err(SpecError::Listen(self.destination));
        }
        if let Some(source) = self.sources.iter().find(|source| source.is_ipv4() != self.destination.is_ipv4()) {
            return Err(SpecError::RelaySource { source_address: *source, listen: self.destination });
        }
        if self.destination == first && self.interface.as_deref() == interface {
            return Err(SpecError::SameLeg(first));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use st2110::VideoSdp;

    use super::*;

    const TWO: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\na=group:DUP a b\r\n\
        m=video 5004 RTP/AVP 96\r\nc=IN IP4 239.1.1.1/64\r\na=rtpmap:96 raw/90000\r\n\
        a=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=25; depth=10\r\na=mid:a\r\n\
        m=video 5006 RTP/AVP 96\r\nc=IN IP4 239.1.2.1/64\r\na=source-filter: incl IN IP4 239.1.2.1 192.0.2.9\r\n\
        a=rtpmap:96 raw/90000\r\n\
        a=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=25; depth=10\r\na=mid:b\r\n";

    #[test]
    fn a_leg_is_what_was_asked_for_or_what_the_sdp_has() {
        let two = VideoSdp::parse(TWO, None).unwrap().second;
        let (one, two) = (None, two.as_ref());
        let at = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
        let interface = || Some("eth1".to_owned());
        assert_eq!(HeardLegSpec::of(one, None, Vec::new(), None), Ok(None));
        assert_eq!(HeardLegSpec::of(one, None, Vec::new(), interface()), Err(SpecError::NoSecondLeg));
        let leg = HeardLegSpec::of(two, None, Vec::new(), interface()).unwrap().unwrap();
        let sources = vec!["192.0.2.9".parse().unwrap()];
        assert_eq!(leg, HeardLegSpec { destination: at("239.1.2.1:5006").unwrap(), sources, interface: interface() });
        let leg = HeardLegSpec::of(two, at("239.9.9.9:7000"), Vec::new(), None).unwrap().unwrap();
        assert_eq!((leg.destination, leg.sources.len()), (at("239.9.9.9:7000").unwrap(), 0));
    }

    #[test]
    fn a_leg_that_cannot_be_is_refused_with_its_value() {
        let first: SocketAddr = "239.1.1.1:5004".parse().unwrap();
        let leg = |destination: &str, interface: Option<&str>| HeardLegSpec {
            destination: destination.parse().unwrap(),
            sources: Vec::new(),
            interface: interface.map(str::to_owned),
        };
        assert_eq!(leg("239.1.1.1:5004", Some("eth1")).check(first, None), Ok(()), "the same group by another way");
        assert_eq!(leg("239.1.1.1:5004", None).check(first, None), Err(SpecError::SameLeg(first)));
        assert!(matches!(leg("239.1.2.1:0", None).check(first, None), Err(SpecError::Listen(_))));
        assert!(matches!(leg("239.1.2.1:1", Some("a/b")).check(first, None), Err(SpecError::Interface(_))));
    }
}
