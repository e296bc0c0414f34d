//! What keeps flypackd from starting: it says why in words, ends with 1, and leaves nothing behind.

use hwtests::gateway_bench::{self, GatewayBench};
use hwtests::{Netdev, eventually, take_turn};

use crate::{NET_DEVICE, can_run};

/// The interfaces of the rack, with their flags.
fn interfaces(bench: &GatewayBench) -> String {
    let output = bench.rack.command("ip").args(["-o", "link", "show"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn refused(bench: &GatewayBench, objects: &str, words: &[&str]) {
    let before = interfaces(bench);
    let refusal = match bench.start(objects) {
        Ok(_) => panic!("it has started: {objects}"),
        Err(refusal) => format!("{refusal:#}"),
    };
    assert!(refusal.contains("exit status: 1"), "{refusal}");
    for words in words {
        assert!(refusal.contains(words), "no {words:?}: {refusal}");
    }
    assert!(!refusal.contains("panicked"), "{refusal}");
    eventually("the interfaces are as before", || interfaces(bench) == before);
    for socket in ["broker.sock", "flypack.sock"] {
        assert!(!bench.file(socket).exists(), "{socket} is left behind: {refusal}");
    }
}

#[test]
fn a_port_that_cannot_be_had_is_refused_in_words_and_leaves_nothing() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let on = |device: &str, more: &str| gateway_bench::port(device, more);
    // More than any machine has, so that what others have reserved does not matter. Twice: the first leaves nothing.
    let huge = on(NET_DEVICE, "").replace("memory = \"no-huge\"", "memory = \"huge\"\nmemory_mb = 1048576");
    refused(&bench, &huge, &["[dpdk]", "hugepages", "1048576"]);
    refused(&bench, &huge, &["[dpdk]", "hugepages", "1048576"]);
    refused(&bench, &on("net_bogus:near", ""), &["media", "net_bogus", "net_af_packet:NETDEV"]);
    refused(&bench, &on("net_af_packet:nowhere", ""), &["media", "nowhere", "no network device", "ip link"]);
    refused(&bench, &on("net_af_packet:near", "mtu = 9000"), &["media", "9000", "1500", "ip link set"]);
    refused(&bench, &on("net_af_xdp:near", "mtu = 9000"), &["media", "9000", "lower"]);
    refused(&bench, &on("0000:ff:1f.7", ""), &["media", "0000:ff:1f.7", "vfio-pci"]);
    // The TAP is made before the second port fails, and goes with it.
    let second = "[[port]]\nname = \"other\"\ndevice = \"net_af_packet:nowhere\"\naddresses = [\"10.78.0.2/24\"]\n";
    refused(&bench, &(on(NET_DEVICE, "exception = \"tap\"") + second), &["other", "nowhere"]);
    refused(&bench, &on(NET_DEVICE, "exception = \"tap\"\ntap_name = \"near\""), &["tap_name = \"near\"", "another"]);
    let _taken = Netdev::tap(&bench.rack, "taken").unwrap();
    let taken = on(NET_DEVICE, "exception = \"tap\"\ntap_name = \"taken\"");
    refused(&bench, &taken, &["taken already", "ip link del taken", "tap_name"]);
    // Nothing of all that is in the way.
    let gateway = bench.start(&on(NET_DEVICE, "exception = \"tap\"")).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    gateway.stop().unwrap();
}
