//! The ways by which the packets of a receiver or a relay come: one, or two (ST 2022-7).

use std::net::{IpAddr, SocketAddr};

use control::{HeardLegSpec, ReceiverSpec, RelaySpec};
use media::Name;

/// A way.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Address and port, or group, at which they come in.
    pub destination: SocketAddr,
    /// Admitted sources; empty for all.
    pub sources: &'a [IpAddr],
    /// The network interface; `None`: the kernel chooses.
    pub interface: Option<&'a str>,
    /// The port that it was placed on; `None` for the kernel's choice.
    pub port: Option<&'a Name>,
}

impl<'a> Way<'a> {
    /// The ways of a receiver; `ports` are those that they were placed on.
    #[must_use]
    pub fn of_receiver(spec: &'a ReceiverSpec, ports: [Option<&'a Name>; 2]) -> Vec<Self> {
        let interface = spec.interface.as_deref();
        let first = Self { destination: spec.sdp.destination, sources: &spec.sdp.sources, interface, port: ports[0] };
        first.and(spec.second.as_ref(), ports[1])
    }

    /// The ways of a relay; `ports` are those that they were placed on.
    #[must_use]
    pub fn of_relay(spec: &'a RelaySpec, ports: [Option<&'a Name>; 2]) -> Vec<Self> {
        let interface = spec.interface.as_deref();
        let first = Self { destination: spec.listen, sources: &spec.sources, interface, port: ports[0] };
        first.and(spec.second.as_ref(), ports[1])
    }

    fn and(self, second: Option<&'a HeardLegSpec>, port: Option<&'a Name>) -> Vec<Self> {
        let second = second.map(|leg| {
            let interface = leg.interface.as_deref();
            Self { destination: leg.destination, sources: &leg.sources, interface, port }
        });
        std::iter::once(self).chain(second).collect()
    }
}

/// The sources that a stream may have, whichever way it comes; empty for all.
#[must_use]
pub fn admitted(ways: &[Way<'_>]) -> Vec<IpAddr> {
    if ways.iter().any(|way| way.sources.is_empty()) {
        return Vec::new();
    }
    ways.iter().flat_map(|way| way.sources).copied().collect()
}
