//! A configuration before it is used.

use super::*;

fn check(text: &str) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flypackd.toml");
    std::fs::write(&path, text).unwrap();
    Findings::of(&path)
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    for (text, word) in [("[broker", "flypackd.toml"), ("[workers]\nnice = 99", "workers.nice")] {
        let findings = check(text);
        assert!(!findings.would_work());
        assert!(findings.text().contains(word) && findings.text().contains("FAIL"), "{}", findings.text());
    }
}

#[test]
fn a_small_gateway_needs_nothing_more() {
    let findings = check("[broker]\npages = \"plain\"\n");
    assert!(findings.would_work(), "{}", findings.text());
    let json: serde_json::Value = serde_json::from_str(&findings.json()).unwrap();
    assert_eq!(
        [&json[0]["name"], &json[0]["level"], &json[0]["fix"]],
        ["configuration", "ok", ""]
            .map(|text| if text.is_empty() { serde_json::Value::Null } else { text.into() })
            .each_ref()
    );
}

#[test]
#[cfg(feature = "dpdk")]
fn ports_are_sized_and_what_they_stand_on_is_looked_at() {
    let text = "[dpdk]\nmemory = \"no-huge\"\n[broker]\npages = \"plain\"\n[[port]]\nname = \"a\"\n\
                device = \"net_af_packet:nosuch0\"\naddresses = [\"192.0.2.1/24\"]\n";
    let findings = check(text);
    assert!(!findings.would_work());
    let text = findings.text();
    assert!(text.contains("260000 packets/s") && text.contains("no network interface nosuch0"), "{text}");
    let loopback = check(&text_on("lo"));
    let text = loopback.text();
    assert!(text.contains("ip addr flush dev lo") && text.contains("127.0.0.1"), "{text}");
}

#[test]
#[cfg(feature = "dpdk")]
fn a_backlog_that_a_port_cannot_keep_is_found() {
    let relay = |(port, backlog): (u16, u16)| {
        format!("[[relay]]\nname = \"r{port}\"\nlisten = \"192.0.2.1:{port}\"\nbacklog_packets = {backlog}\n")
    };
    let relays = |backlogs: &[u16]| {
        let relays: String = (5004..).zip(backlogs.iter().copied()).map(relay).collect();
        check(&(text_on("lo") + "packets_per_second = 20000\nhold_ms = 50\n" + &relays)).text()
    };
    assert!(!relays(&[1_024]).contains("backlog_packets"));
    let text = relays(&[16_384, 256]);
    assert!(!text.contains("for its other relays"), "the one that is refused keeps nothing: {text}");
    assert!(
        text.contains("keeping up to 16384 packets") && text.contains("lower the relay's backlog_packets"),
        "{text}"
    );
    // Each fits by itself.
    let text = relays(&[1_024, 1_024, 1_024]);
    assert!(text.contains("relay r5006") && text.contains("2048 of them for its other relays"), "{text}");
}

#[cfg(feature = "dpdk")]
fn text_on(netdev: &str) -> String {
    format!(
        "[dpdk]\nmemory = \"no-huge\"\n[broker]\npages = \"plain\"\n[[port]]\nname = \"a\"\n\
         device = \"net_af_packet:{netdev}\"\naddresses = [\"192.0.2.1/24\"]\n"
    )
}
