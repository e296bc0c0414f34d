//! Ports of files: what arrives, what is refused, and in which words.

use super::*;
use crate::config::Config;

const PORT: &str =
    "name = \"a\"\ndevice = \"net_af_packet:eth1\"\naddresses = [\"192.0.2.10/24\", \"2001:db8::10/64\"]\n";

fn plans(text: &str) -> Result<Vec<PortPlan>, ConfigError> {
    ports(&toml::from_str::<Config>(text).unwrap().ports)
}

/// One port with some keys changed.
fn with(keys: &str) -> Result<PortPlan, ConfigError> {
    let changed: Vec<&str> = keys.lines().filter_map(|line| line.split_once(" =")).map(|(key, _)| key).collect();
    let kept = PORT.lines().filter(|line| !changed.iter().any(|key| line.starts_with(&format!("{key} ="))));
    let kept: Vec<&str> = kept.collect();
    plans(&format!("[[port]]\n{}\n{keys}\n", kept.join("\n"))).map(|mut plans| plans.remove(0))
}

#[test]
fn a_port_has_defaults() {
    let plan = with("").unwrap();
    assert_eq!((plan.vlan, plan.mtu, plan.mac), (None, 1500, None));
    assert_eq!(plan.seating, Seating { cores: Vec::new(), workers: 1 });
    assert_eq!(plan.exception, Exception::None);
    assert_eq!((plan.packets_per_second, plan.hold), (260_000, Duration::from_millis(100)));
    assert_eq!(plan.network.addresses()[1].to_string(), "2001:db8::10/64");
}

#[test]
fn every_key_arrives() {
    let plan = with(
        "core = 3\ngateway = [\"192.0.2.1\", \"2001:db8::1\"]\nvlan = 4094\nmtu = 9000\nmac = \"02-00-5e-00-00-01\"\n\
         exception = \"tap\"\ntap_name = \"studio\"\npackets_per_second = 1_036_000\nhold_ms = 50",
    )
    .unwrap();
    assert_eq!((plan.seating.cores.as_slice(), plan.vlan, plan.mtu), ([3].as_slice(), Some(4094), 9000));
    assert_eq!(plan.mac, Some(MacAddr::new([2, 0, 0x5e, 0, 0, 1])));
    assert_eq!(plan.exception, Exception::Tap("studio".to_owned()));
    assert_eq!(plan.gateways, ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
    assert_eq!(with("exception = \"tap\"").unwrap().exception, Exception::Tap("fp-a".to_owned()));
    let hardware = with("device = \"0000:3b:00.0\"\nexception = \"netdev:eth3\"").unwrap();
    assert_eq!(hardware.exception, Exception::Netdev("eth3".to_owned()));
    assert_eq!((hardware.pacing, hardware.arrival), (PacingConfig::Auto, ArrivalConfig::Auto));
    let hardware = with("device = \"0000:3b:00.0\"\npacing = \"launch\"\narrival = \"device\"").unwrap();
    assert_eq!((hardware.pacing, hardware.arrival), (PacingConfig::Launch, ArrivalConfig::Device));
    let plain = with("pacing = \"software\"\narrival = \"burst\"").unwrap();
    assert_eq!((plain.pacing, plain.arrival), (PacingConfig::Software, ArrivalConfig::Burst));
    assert_eq!(with("device = \"net_pcap:rx=a.pcap\"\narrival = \"device\"").unwrap().arrival, ArrivalConfig::Device);
}

#[test]
fn cards_receive_by_every_worker_and_others_by_one() {
    let queues = |keys: &str| with(keys).unwrap().rx_queues;
    let card = "device = \"0000:3b:00.0\"\ncores = [1, 2, 3]";
    assert_eq!(
        [queues(card), queues(&format!("{card}\nrx_queues = 2")), queues(&format!("{card}\nrx_queues = 1"))],
        [3, 2, 1]
    );
    assert_eq!([queues("cores = [1, 2, 3]"), queues("device = \"0000:3b:00.0\""), queues("rx_queues = 1")], [1; 3]);
    assert_eq!(queues("device = \"net_null\"\nworkers = 2\nrx_queues = 2"), 2);
}

#[test]
fn what_makes_no_port_names_the_key_and_what_would_work() {
    for (keys, key, wanted) in [
        ("name = \"a/b\"", "port.name", "A-Z"),
        ("device = \"eth1\"", "device", "net_af_packet:NETDEV"),
        ("addresses = []", "addresses", "192.0.2.10/24"),
        ("pacing = \"launch\"", "pacing", "software"),
        ("arrival = \"device\"", "arrival", "burst"),
        ("device = \"net_pcap:rx=a.pcap\"\npacing = \"launch\"", "pacing", "software"),
        ("addresses = [\"192.0.2.10\"]", "addresses", "192.0.2.1/24"),
        ("addresses = [\"192.0.2.300/24\"]", "addresses", "192.0.2.1/24"),
        ("addresses = [\"192.0.2.10/33\"]", "addresses", "1 to 32"),
        ("addresses = [\"192.0.2.10/0\"]", "addresses", "1 to 32"),
        ("addresses = [\"2001:db8::1/129\"]", "addresses", "1 to 128"),
        ("addresses = [\"239.0.0.1/24\"]", "addresses", "no station"),
        ("addresses = [\"127.0.0.1/8\"]", "addresses", "no station"),
        ("addresses = [\"192.0.2.0/24\"]", "addresses", "no station"),
        ("addresses = [\"192.0.2.255/24\"]", "addresses", "no station"),
        ("gateway = [\"198.51.100.1\"]", "gateway", "192.0.2.10/24, 2001:db8::10/64"),
        ("gateway = [\"192.0.2.255\"]", "gateway", "192.0.2.10/24"),
        ("gateway = [\"192.0.2.10\"]", "gateway", "no other station"),
        ("gateway = [\"192.0.2.1/24\"]", "gateway", "without a length"),
        ("gateway = [\"192.0.2.1\", \"192.0.2.2\"]", "gateway", "one gateway for IPv4"),
        ("vlan = 4095", "vlan", "1 to 4094"),
        ("cores = [1, 2]\nrx_queues = 2", "rx_queues", "no flow rules"),
        ("device = \"0000:3b:00.0\"\ncores = [1, 2]\nrx_queues = 3", "rx_queues", "at most 2"),
        ("mtu = 1279", "mtu", "1280 to 9198"),
        ("mtu = 9199", "mtu", "1280 to 9198"),
        ("addresses = [\"192.0.2.10/24\"]\nmtu = 575", "mtu", "576 to"),
        ("mac = \"01:00:5e:00:00:01\"", "mac", "02:00:00:00:00:01"),
        ("mac = \"00:00:00:00:00:00\"", "mac", "02:00:00:00:00:01"),
        ("mac = \"02:00:00:00:00\"", "mac", "02:00:00:00:00:01"),
        ("mac = \"02:00:00:00:00:01:02\"", "mac", "02:00:00:00:00:01"),
        ("mac = \"+2:00:00:00:00:01\"", "mac", "02:00:00:00:00:01"),
        ("exception = \"kni\"", "exception", "\"netdev:NAME\""),
        ("exception = \"netdev:eth1\"", "exception", "hardware"),
        ("name = \"contribution-1\"\nexception = \"tap\"", "tap_name", "1 to 15"),
        ("tap_name = \"x\"", "tap_name", "exception = \"tap\""),
        ("exception = \"tap\"\ntap_name = \"eth1\"", "tap_name", "another name"),
        ("packets_per_second = 0", "packets_per_second", "1036000"),
        ("hold_ms = 1001", "hold_ms", "1 to 1000"),
    ] {
        let error = with(keys).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(wanted), "{keys}: {error}");
    }
}

#[test]
fn point_to_point_networks_have_no_broadcast() {
    assert!(with("addresses = [\"192.0.2.10/31\"]").is_ok());
    assert!(with("addresses = [\"192.0.2.10/32\"]").is_ok());
}

#[test]
fn two_ports_share_neither_name_nor_device_nor_address() {
    let two = |keys: &str| plans(&format!("[[port]]\n{PORT}[[port]]\n{keys}")).unwrap_err().to_string();
    let other = "addresses = [\"192.0.2.11/24\"]\n";
    let cases = [
        (format!("name = \"a\"\ndevice = \"net_tap:b\"\n{other}"), "name"),
        (format!("name = \"b\"\ndevice = \"net_af_packet:eth1\"\n{other}"), "device"),
        (format!("name = \"b\"\ndevice = \"net_af_xdp:eth1\"\n{other}"), "device"),
        (format!("name = \"b\"\ndevice = \"net_null\"\n{other}exception = \"tap\"\ntap_name = \"eth1\"\n"), "device"),
        ("name = \"b\"\ndevice = \"net_tap:b\"\naddresses = [\"192.0.2.10/24\"]\n".to_owned(), "addresses"),
    ];
    for (keys, key) in cases {
        let error = two(&keys);
        assert!(error.contains(key) && error.contains("\"a\" has that already"), "{keys}: {error}");
    }
    let null = "device = \"net_null\"\n";
    let both =
        format!("[[port]]\nname = \"x\"\n{null}addresses = [\"192.0.2.1/24\"]\n[[port]]\nname = \"y\"\n{null}{other}");
    assert_eq!(plans(&both).unwrap().len(), 2);
}

#[test]
fn pages_without_a_lasting_address_are_not_for_physical_addresses() {
    let config = DpdkConfig { memory: DpdkMemoryConfig::NoHuge, iova: IovaConfig::Pa, ..DpdkConfig::default() };
    assert!(dpdk(&config).unwrap_err().to_string().contains("dpdk.iova"));
    let config = DpdkConfig { file_prefix: "a b".to_owned(), ..DpdkConfig::default() };
    assert!(dpdk(&config).unwrap_err().to_string().contains("file_prefix"));
    let plan = dpdk(&DpdkConfig::default()).unwrap();
    assert_eq!((plan.memory_mib, plan.file_prefix), (None, None));
}
