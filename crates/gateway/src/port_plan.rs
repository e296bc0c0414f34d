//! Ports as checked: what `[dpdk]` and `[[port]]` say, in types, before anything is opened.

mod device;
mod seating;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ip::{InterfaceAddr, MacAddr, Network, NetworkError};
use media::Name;

use crate::config::{ArrivalConfig, ConfigError, DpdkConfig, DpdkMemoryConfig, IovaConfig, PacingConfig, PortConfig};
pub use device::{PortDevice, PortDeviceError};
#[cfg(feature = "dpdk")]
pub(crate) use seating::assign;
pub use seating::{Seating, WORKERS_MAX};

/// The smallest IP packet that every link carries (RFC 791), octets.
const MTU_MIN: u16 = 576;
/// The smallest that IPv6 takes (RFC 8200 §5).
const MTU_MIN_IPV6: u16 = 1_280;
/// The longest frame that crosses between a worker and the port's host, less its Ethernet header and tag.
const MTU_MAX: u16 = 9_198;

/// What DPDK takes for itself beside the ports' pools, octets.
pub(crate) const DPDK_OCTETS: u64 = 32 << 20;

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    /// Its name.
    pub name: Name,
    /// Its device.
    pub device: PortDevice,
    /// Who serves it.
    pub seating: Seating,
    /// Receive queues, at most as many as workers; the first gets what no flow rule puts on another.
    pub rx_queues: u16,
    /// Its addresses and networks.
    pub network: Network,
    /// The routers on them, one per family at most.
    pub gateways: Vec<IpAddr>,
    /// The VLAN of its frames, 1 to 4094; `None` for untagged.
    pub vlan: Option<u16>,
    /// Octets of an IP packet.
    pub mtu: u16,
    /// Its MAC address; `None` for the device's own.
    pub mac: Option<MacAddr>,
    /// Who answers for it.
    pub exception: Exception,
    /// What its rings are sized for, each way.
    pub packets_per_second: u32,
    /// How long its rings hold that.
    pub hold: Duration,
    /// Who holds what it sends to the schedule.
    pub pacing: PacingConfig,
    /// Who says when packets arrived.
    pub arrival: ArrivalConfig,
}

/// Who answers for a port, and gets what is not media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The gateway itself: ARP, neighbour discovery, ICMP, group membership.
    None,
    /// The kernel, through a TAP of this name.
    Tap(String),
    /// The kernel, through the network interface that it has of the same hardware (a bifurcated driver).
    Netdev(String),
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Tap(name) => write!(f, "tap {name}"),
            Self::Netdev(name) => write!(f, "netdev {name}"),
        }
    }
}

/// What all ports share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpdkPlan {
    /// Where packets lie.
    pub memory: DpdkMemoryConfig,
    /// How much of it, MiB; `None` for what the ports need.
    pub memory_mib: Option<u32>,
    /// How devices address it.
    pub iova: IovaConfig,
    /// Whether a device may be driven without an IOMMU.
    pub allow_no_iommu: bool,
    /// Name among DPDK's processes; `None` for one of its own.
    pub file_prefix: Option<String>,
    /// Cores for the workers of ports that name none.
    pub cores: Vec<usize>,
}

/// Checks `[dpdk]`.
///
/// # Errors
/// [`ConfigError::Value`], naming the key.
pub fn dpdk(config: &DpdkConfig) -> Result<DpdkPlan, ConfigError> {
    let prefix = &config.file_prefix;
    if !prefix.is_empty() && prefix.parse::<Name>().is_err() {
        return Err(ConfigError::value("dpdk.file_prefix", prefix, "1 to 64 of A-Z a-z 0-9 . _ -, or \"\""));
    }
    if config.memory == DpdkMemoryConfig::NoHuge && config.iova == IovaConfig::Pa {
        return Err(ConfigError::value(
            "dpdk.iova",
            "pa",
            "\"va\" or \"auto\": 4 KB pages have no lasting physical address",
        ));
    }
    Ok(DpdkPlan {
        memory: config.memory,
        memory_mib: (config.memory_mb != 0).then_some(config.memory_mb),
        iova: config.iova,
        allow_no_iommu: config.allow_no_iommu,
        file_prefix: (!prefix.is_empty()).then(|| prefix.clone()),
        cores: seating::distinct("dpdk.cores", &config.cores)?,
    })
}

/// Checks all ports, each by itself and against the others.
///
/// # Errors
/// [`ConfigError::Value`], naming the port and the key.
pub fn ports(configs: &[PortConfig]) -> Result<Vec<PortPlan>, ConfigError> {
    let plans = configs.iter().map(port).collect::<Result<Vec<_>, _>>()?;
    let mut taken: BTreeMap<(&str, String), &Name> = BTreeMap::new();
    for plan in &plans {
        for (key, value) in shared_with_none(plan) {
            if let Some(other) = taken.insert((key, value.clone()), &plan.name) {
                let wanted = format!("port \"{other}\" has that already: each port needs its own");
                return Err(ConfigError::value(format!("port {}: {key}", plan.name), value, wanted));
            }
        }
    }
    Ok(plans)
}

/// Whether there are cores for the workers of all ports.
///
/// # Errors
/// [`ConfigError::Value`], naming the port.
pub fn check_seats(ports: &[PortPlan], dpdk: &DpdkPlan) -> Result<(), ConfigError> {
    seating::check(ports, &dpdk.cores)
}

/// What a port cannot share with another, as key and value.
fn shared_with_none(plan: &PortPlan) -> Vec<(&'static str, String)> {
    let mut values = vec![("name", plan.name.to_string())];
    if !plan.device.is_made_for_each_port() {
        values.push(("device", plan.device.identity()));
    }
    if let Exception::Tap(name) | Exception::Netdev(name) = &plan.exception {
        values.push(("device", name.clone()));
    }
    values.extend(plan.network.addresses().iter().map(|address| ("addresses", address.address.to_string())));
    values
}

fn port(config: &PortConfig) -> Result<PortPlan, ConfigError> {
    let name: Name = config
        .name
        .parse()
        .map_err(|error: media::NameError| ConfigError::value("port.name", &config.name, error.to_string()))?;
    let refuse = |key: &str, value: &dyn std::fmt::Display, wanted: String| {
        ConfigError::value(format!("port {name}: {key}"), value, wanted)
    };
    let device: PortDevice =
        config.device.parse().map_err(|e: PortDeviceError| refuse("device", &config.device, e.to_string()))?;
    let (network, gateways) = network(config).map_err(|(key, value, wanted)| refuse(key, &value, wanted))?;
    if config.vlan > 4094 {
        return Err(refuse("vlan", &config.vlan, "1 to 4094, or 0 for untagged frames".to_owned()));
    }
    let mtu_min = if network.addresses().iter().any(|own| own.address.is_ipv6()) { MTU_MIN_IPV6 } else { MTU_MIN };
    if !(mtu_min..=MTU_MAX).contains(&config.mtu) {
        return Err(refuse("mtu", &config.mtu, format!("{mtu_min} to {MTU_MAX} octets")));
    }
    let mac = mac(&config.mac).ok_or_else(|| {
        refuse(
            "mac",
            &config.mac,
            "an address of one device, such as 02:00:00:00:00:01, or \"\" for the device's own".to_owned(),
        )
    })?;
    if config.packets_per_second == 0 {
        return Err(refuse("packets_per_second", &0, "1 or more; a 2160p59.94 stream has 1036000".to_owned()));
    }
    if !(1..=1_000).contains(&config.hold_ms) {
        return Err(refuse("hold_ms", &config.hold_ms, "1 to 1000".to_owned()));
    }
    times(config, &device).map_err(|(key, value, wanted)| refuse(key, &value, wanted))?;
    let exception = exception(config, &name, &device).map_err(|(key, value, wanted)| refuse(key, &value, wanted))?;
    let seating = Seating::of(config, &name)?;
    let rx_queues = rx_queues(config, &device, seating.workers);
    Ok(PortPlan {
        device,
        rx_queues: rx_queues.map_err(|(key, value, wanted)| refuse(key, &value, wanted))?,
        seating,
        network,
        gateways,
        vlan: (config.vlan != 0).then_some(config.vlan),
        mtu: config.mtu,
        mac,
        exception,
        packets_per_second: config.packets_per_second,
        hold: Duration::from_millis(config.hold_ms.into()),
        pacing: config.pacing,
        arrival: config.arrival,
        name,
    })
}

/// Key, value and what would work.
type Refused = (&'static str, String, String);

/// Where several workers receive, flow rules sort what comes. Cards have those; net_null has the queues, and refuses the rules.
fn rx_queues(config: &PortConfig, device: &PortDevice, workers: u16) -> Result<u16, Refused> {
    let asked = config.rx_queues;
    let refuse = |wanted: String| Err(("rx_queues", asked.to_string(), wanted));
    let is_card = matches!(device, PortDevice::Pci(_));
    match asked {
        0 if is_card => Ok(workers),
        0 | 1 => Ok(1),
        _ if !is_card && *device != PortDevice::Null => {
            refuse(format!("0 or 1: {device} has no flow rules that put streams on receive queues"))
        }
        _ if asked > workers => refuse(format!("at most {workers}, a queue for each worker; cores names more of them")),
        _ => Ok(asked),
    }
}

/// What no device but a card has; whether this card has it, its driver says.
fn times(config: &PortConfig, device: &PortDevice) -> Result<(), Refused> {
    let (is_card, is_file) = (matches!(device, PortDevice::Pci(_)), matches!(device, PortDevice::Pcap { .. }));
    if config.pacing == PacingConfig::Launch && !is_card {
        let wanted = format!("\"auto\" or \"software\": {device} does not send at a time that stands in a packet");
        return Err(("pacing", "launch".to_owned(), wanted));
    }
    if config.arrival == ArrivalConfig::Device && !(is_card || is_file) {
        let wanted = format!("\"auto\" or \"burst\": {device} does not say when packets arrived");
        return Err(("arrival", "device".to_owned(), wanted));
    }
    Ok(())
}

fn exception(config: &PortConfig, name: &Name, device: &PortDevice) -> Result<Exception, Refused> {
    let words = config.exception.as_str();
    if words != "tap" && !config.tap_name.is_empty() {
        let wanted = format!("exception = \"tap\"; a port with exception = \"{words}\" has no TAP");
        return Err(("tap_name", config.tap_name.clone(), wanted));
    }
    match words.split_once(':') {
        None if words == "none" => Ok(Exception::None),
        None if words == "tap" => tap_name(config, name, device).map(Exception::Tap),
        Some(("netdev", netdev)) => match device {
            PortDevice::Pci(_) => device::interface(netdev).map(Exception::Netdev).map_err(|_| {
                ("exception", words.to_owned(), "netdev:NAME with the name of a network interface".to_owned())
            }),
            _ => Err((
                "exception",
                words.to_owned(),
                format!("\"none\" or \"tap\" on {device}: a netdev is shared with the kernel by hardware only"),
            )),
        },
        _ => Err(("exception", words.to_owned(), "\"none\", \"tap\" or \"netdev:NAME\"".to_owned())),
    }
}

fn tap_name(config: &PortConfig, name: &Name, device: &PortDevice) -> Result<String, Refused> {
    let tap = match config.tap_name.as_str() {
        "" => format!("fp-{name}"),
        given => given.to_owned(),
    };
    if device::interface(&tap).is_err() {
        let wanted = "1 to 15 characters without '/', ':', ',', '=' or blanks; give tap_name a shorter one";
        return Err(("tap_name", tap, wanted.to_owned()));
    }
    if device.netdev() == Some(&tap) {
        return Err(("tap_name", tap, "another name than the device's own".to_owned()));
    }
    Ok(tap)
}

/// The addresses of a port, and the routers on its networks.
fn network(config: &PortConfig) -> Result<(Network, Vec<IpAddr>), Refused> {
    let parse = |text: &String| text.parse().map_err(|e: NetworkError| ("addresses", text.clone(), e.to_string()));
    let addresses = config.addresses.iter().map(parse).collect::<Result<Vec<InterfaceAddr>, _>>()?;
    if addresses.is_empty() {
        let wanted = "one or more of address/length, such as [\"192.0.2.10/24\"]".to_owned();
        return Err(("addresses", String::new(), wanted));
    }
    let (mut v4, mut v6) = (None, None);
    for text in &config.gateway {
        let refuse = |wanted: &str| ("gateway", text.clone(), wanted.to_owned());
        let is_second = match text.parse() {
            Ok(IpAddr::V4(gateway)) => v4.replace(gateway).is_some(),
            Ok(IpAddr::V6(gateway)) => v6.replace(gateway).is_some(),
            Err(_) => return Err(refuse("the address of a router, without a length")),
        };
        if is_second {
            return Err(refuse("one gateway for IPv4 and one for IPv6 at most"));
        }
    }
    let network = Network::new(addresses, v4, v6).map_err(|refusal| {
        let (key, values) = match &refusal {
            NetworkError::Gateway { .. } => ("gateway", &config.gateway),
            _ => ("addresses", &config.addresses),
        };
        (key, values.join(", "), refusal.to_string())
    })?;
    let gateways = v4.map(IpAddr::from).into_iter().chain(v6.map(IpAddr::from)).collect();
    Ok((network, gateways))
}

/// The outer `None` is for what is no address of one device.
fn mac(text: &str) -> Option<Option<MacAddr>> {
    if text.is_empty() {
        return Some(None);
    }
    text.parse::<MacAddr>().ok().filter(|mac| mac.is_station()).map(Some)
}

#[cfg(test)]
mod tests;
