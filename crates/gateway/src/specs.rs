//! From the file's words to what control checks and the data plane builds.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use control::{HeardLegSpec, Lateness, LegSpec, ReceiverSpec, RelaySpec, Rewriting, SenderSpec, SenderTiming};
use media::{Name, PayloadType, Rate};
use st2110::{PackingMode, ReadSchedule, RtpSdp, SenderType, UdpLimit, VideoSdp};

use crate::config::{ConfigError, CrosspointConfig, ReceiverConfig, RelayConfig, SenderConfig};

/// A receiver of the file.
///
/// # Errors
/// [`ConfigError::Value`] or [`ConfigError::Read`], naming the receiver's key.
pub fn receiver(config: &ReceiverConfig) -> Result<ReceiverSpec, ConfigError> {
    let name = name("receiver.name", &config.name)?;
    let rate = match config.rate.as_str() {
        "" => None,
        text => Some(text.parse::<Rate>().map_err(|e| ConfigError::value(key(&name, "rate"), text, e.to_string()))?),
    };
    let text = sdp_text(config, &name)?;
    let sdp = VideoSdp::parse(&text, rate)
        .map_err(|error| ConfigError::value(key(&name, "sdp"), first_line(&text), error.to_string()))?;
    for warning in &sdp.warnings {
        tracing::warn!("receiver {name}: SDP: {warning}");
    }
    let ReceiverConfig { second_destination, second_sources, second_interface, .. } = config;
    let leg = heard_leg(&name, "second_destination", second_destination, second_sources, second_interface)?;
    let second = HeardLegSpec::of(sdp.second.as_ref(), leg.destination, leg.sources, leg.interface);
    Ok(ReceiverSpec {
        second: second.map_err(|error| {
            ConfigError::value(key(&name, "second_interface"), &config.second_interface, error.to_string())
        })?,
        name,
        sdp,
        interface: optional(&config.interface),
        slots: (config.slots != 0).then_some(config.slots),
        reorder_packets: Some(config.reorder_packets),
        grain_timeout_ms: (config.grain_timeout_ms != 0).then_some(config.grain_timeout_ms),
        skew_ms: Some(config.skew_ms),
        receive_buffer_octets: Some(config.receive_buffer_octets),
    })
}

fn sdp_text(config: &ReceiverConfig, name: &Name) -> Result<String, ConfigError> {
    match (&config.sdp, &config.sdp_text) {
        (Some(path), None) => read_sdp(name, path),
        (None, Some(text)) => Ok(text.clone()),
        _ => Err(ConfigError::value(key(name, "sdp"), "", "give either sdp (a file) or sdp_text, one of the two")),
    }
}

fn read_sdp(name: &Name, path: &Path) -> Result<String, ConfigError> {
    let octets = std::fs::read(path).map_err(|source| ConfigError::ReadSdp {
        receiver: name.to_string(),
        path: path.to_owned(),
        source,
    })?;
    // Names in another character set (RFC 8866 §6.10) lose what is not ASCII, and nothing else.
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// A relay of the file.
///
/// # Errors
/// [`ConfigError::Value`], naming the relay's key.
pub fn relay(config: &RelayConfig) -> Result<RelaySpec, ConfigError> {
    let name = name("relay.name", &config.name)?;
    let plain = relayed(&name, config)?;
    let leg =
        heard_leg(&name, "second_listen", &config.second_listen, &config.second_sources, &config.second_interface)?;
    let second = HeardLegSpec::of(plain.described_second(), leg.destination, leg.sources, leg.interface)
        .map_err(|error| ConfigError::value(key(&name, "second_listen"), "", error.to_string()))?;
    let given = sources(&name, "sources", &config.sources)?;
    Ok(RelaySpec {
        second,
        sources: if given.is_empty() { plain.sources.clone() } else { given },
        interface: optional(&config.interface),
        clock_hz: if config.clock_hz == 0 { plain.clock_hz } else { config.clock_hz },
        backlog_packets: Some(config.backlog_packets),
        backlog_ms: Some(config.backlog_ms),
        receive_buffer_octets: Some(config.receive_buffer_octets),
        ..plain
    })
}

/// What is relayed, as the relay's SDP describes it or as it is told where it comes in.
fn relayed(name: &Name, config: &RelayConfig) -> Result<RelaySpec, ConfigError> {
    let listen = optional(&config.listen).map(|text| destination(name, "listen", &text)).transpose()?;
    let sdp = optional(&config.sdp).map(|path| {
        let text = read_sdp(name, Path::new(&path))?;
        RtpSdp::parse(&text).map_err(|error| ConfigError::value(key(name, "sdp"), first_line(&text), error.to_string()))
    });
    match (listen, sdp.transpose()?) {
        (listen, Some(sdp)) => Ok(RelaySpec::described(name.clone(), listen, sdp)),
        (Some(listen), None) => Ok(RelaySpec::new(name.clone(), listen)),
        (None, None) => Err(ConfigError::value(
            key(name, "listen"),
            "",
            "address:port, such as 239.1.1.1:5004, or an sdp that says it",
        )),
    }
}

/// The second leg of a receiver or a relay, as far as it is given.
struct GivenLeg {
    destination: Option<SocketAddr>,
    sources: Vec<IpAddr>,
    interface: Option<String>,
}

fn heard_leg(name: &Name, what: &str, at: &str, from: &[String], interface: &str) -> Result<GivenLeg, ConfigError> {
    let destination = optional(at).map(|text| destination(name, what, &text)).transpose()?;
    Ok(GivenLeg { destination, sources: sources(name, "second_sources", from)?, interface: optional(interface) })
}

fn sources(name: &Name, what: &str, texts: &[String]) -> Result<Vec<IpAddr>, ConfigError> {
    let source = |text: &String| {
        let refused = |_| ConfigError::value(key(name, what), text, "addresses, such as [\"192.0.2.10\"]");
        text.parse::<IpAddr>().map_err(refused)
    };
    texts.iter().map(source).collect()
}

/// A sender of the file.
///
/// # Errors
/// [`ConfigError::Value`], naming the sender's key.
pub fn sender(config: &SenderConfig) -> Result<SenderSpec, ConfigError> {
    let name = name("sender.name", &config.name)?;
    Ok(SenderSpec {
        destination: destination(&name, "destination", &config.destination)?,
        source: source(&name, "source_address", &config.source_address)?,
        interface: optional(&config.interface),
        second: second(&name, config)?,
        payload_type: PayloadType(config.payload_type),
        packing: word(&name, "packing", &config.packing, &[("gpm", PackingMode::Gpm), ("bpm", PackingMode::Bpm)])?,
        limit: match config.max_udp {
            1460 => UdpLimit::Standard,
            8960 => UdpLimit::Extended,
            other => return Err(ConfigError::value(key(&name, "max_udp"), other, "1460 or 8960")),
        },
        timing: word(
            &name,
            "timing",
            &config.timing,
            &[("source", SenderTiming::Source), ("grid", SenderTiming::Grid)],
        )?,
        sender_type: word(
            &name,
            "type",
            &config.sender_type,
            &[("N", SenderType::N), ("NL", SenderType::NL), ("W", SenderType::W)],
        )?,
        schedule: word(
            &name,
            "schedule",
            &config.schedule,
            &[("gapped", ReadSchedule::Gapped), ("linear", ReadSchedule::Linear)],
        )?,
        lateness: match config.lateness_ms {
            0 => Lateness::Frames(config.lateness_frames),
            ms => Lateness::Ms(ms),
        },
        dscp: config.dscp,
        ttl: config.ttl,
        rewriting: Rewriting::keeping(config.relay_keep.iter().map(String::as_str), config.relay_payload_type.into())
            .map_err(|error| {
            ConfigError::value(key(&name, "relay_keep"), config.relay_keep.join(", "), error.to_string())
        })?,
        name,
    })
}

fn destination(name: &Name, what: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::value(key(name, what), text, "address:port, such as 239.1.1.1:5004"))
}

fn source(name: &Name, what: &str, text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    let parse = |text: String| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    let refused = |_| ConfigError::value(key(name, what), text, "an address of this host");
    optional(text).map(parse).transpose().map_err(refused)
}

/// The second leg of a sender of the file.
fn second(name: &Name, config: &SenderConfig) -> Result<Option<LegSpec>, ConfigError> {
    let SenderConfig { second_destination, second_source_address, second_interface, .. } = config;
    if second_destination.is_empty() {
        let lone = [("second_source_address", second_source_address), ("second_interface", second_interface)];
        return match lone.into_iter().find(|(_, text)| !text.is_empty()) {
            Some((what, text)) => Err(ConfigError::value(key(name, what), text, "nothing without second_destination")),
            None => Ok(None),
        };
    }
    Ok(Some(LegSpec {
        destination: destination(name, "second_destination", second_destination)?,
        source: source(name, "second_source_address", second_source_address)?,
        interface: optional(second_interface),
    }))
}

/// A crosspoint of the file: the sender's and the flow's name.
///
/// # Errors
/// [`ConfigError::Value`], when one of them is no name.
pub fn crosspoint(config: &CrosspointConfig) -> Result<(Name, Name), ConfigError> {
    Ok((name("crosspoint.destination", &config.destination)?, name("crosspoint.source", &config.source)?))
}

fn name(key: &str, text: &str) -> Result<Name, ConfigError> {
    text.parse().map_err(|error: media::NameError| ConfigError::value(key, text, error.to_string()))
}

fn key(name: &Name, key: &str) -> String {
    format!("{name}: {key}")
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

fn word<T: Copy>(name: &Name, which: &str, text: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        ConfigError::value(key(name, which), text, known.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn sample() -> Config {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/flypackd.toml");
        Config::load(&path).unwrap()
    }

    #[test]
    fn the_sample_configuration_is_whole() {
        let config = sample();
        let receivers: Vec<_> = config.receivers.iter().map(|r| receiver(r).unwrap()).collect();
        let senders: Vec<_> = config.senders.iter().map(|s| sender(s).unwrap()).collect();
        assert_eq!(receivers[0].sdp.format.to_string(), "1920x1080p25 4:2:2 10 bit");
        senders[0].check().unwrap();
        receivers[0].check().unwrap();
        let relays: Vec<_> = config.relays.iter().map(|r| relay(r).unwrap()).collect();
        relays[0].check().unwrap();
        let (destination, source) = crosspoint(&config.crosspoints[0]).unwrap();
        assert_eq!((destination, source), (senders[0].name.clone(), receivers[0].name.clone()));
    }

    #[test]
    fn the_samples_values_are_the_defaults() {
        let config = sample();
        let mut bare = config.senders[0].clone();
        bare = toml::from_str(&format!("name = {:?}\ndestination = {:?}", bare.name, bare.destination)).unwrap();
        assert_eq!(sender(&bare).unwrap(), sender(&config.senders[0]).unwrap());
        let sample = &config.relays[0];
        let bare = toml::from_str(&format!("name = {:?}\nlisten = {:?}", sample.name, sample.listen)).unwrap();
        assert_eq!(relay(&bare).unwrap(), relay(sample).unwrap());
    }

    /// The sample with its port, which is commented out there.
    fn sample_with_port() -> Config {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/flypackd.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let begins = text.find("# [[port]]").unwrap();
        let ends = begins + text[begins..].find("\n\n").unwrap();
        let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', ':', '"']));
        let uncommented = text[begins..ends].lines().map(|line| line.trim_start_matches("# "));
        // A port has `core` or `cores`.
        let is_instead = |line: &str| line.starts_with("cores = ");
        let wanted = |line: &&str| *line == "[[port]]" || is_key(line) && !is_instead(line);
        let port: Vec<&str> = uncommented.filter(wanted).collect();
        toml::from_str(&[&text[..begins], &port.join("\n"), &text[ends..]].concat()).unwrap()
    }

    #[test]
    fn the_samples_port_is_whole_and_its_values_are_the_defaults() {
        let config = sample_with_port();
        let plans = crate::port_plan::ports(&config.ports).unwrap();
        let (name, device) = (&config.ports[0].name, &config.ports[0].device);
        let (addresses, gateway) = (&config.ports[0].addresses, &config.ports[0].gateway);
        let bare = format!(
            "name = {name:?}\ndevice = {device:?}\naddresses = {addresses:?}\ngateway = {gateway:?}\ncore = 1\n"
        );
        let bare = crate::port_plan::ports(&[toml::from_str(&bare).unwrap()]).unwrap();
        assert_eq!(plans, bare);
        let dpdk = crate::port_plan::dpdk(&config.dpdk).unwrap();
        assert_eq!(dpdk, crate::port_plan::dpdk(&crate::config::DpdkConfig::default()).unwrap());
    }

    #[test]
    fn every_key_of_a_port_is_in_the_sample() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/flypackd.toml");
        let text = std::fs::read_to_string(path).unwrap();
        // What serde lists for an unknown key are the keys that there are.
        let refusal = toml::from_str::<crate::config::PortConfig>("nonsense = 1").unwrap_err().to_string();
        let keys: Vec<&str> = refusal.split('`').skip(3).step_by(2).collect();
        assert!(keys.len() > 10, "{refusal}");
        for key in keys {
            assert!(text.contains(&format!("\n# {key} = ")), "{key}");
        }
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let mut config = sample().senders.remove(0);
        config.timing = "whenever".to_owned();
        let error = sender(&config).unwrap_err().to_string();
        assert!(error.contains("out-1: timing") && error.contains("\"grid\""), "{error}");
    }

    #[test]
    fn a_receiver_has_one_sdp() {
        let mut config = sample().receivers.remove(0);
        config.sdp_text = None;
        assert!(receiver(&config).unwrap_err().to_string().contains("sdp_text"));
    }
}
