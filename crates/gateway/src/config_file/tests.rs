//! Files that are read, and those that are refused with the place and what would work.

use shm::broker::Who;

use super::*;
use crate::config::IdleConfig;

fn parse(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flypackd.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path)
}

#[test]
fn an_empty_file_is_a_gateway_with_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.broker.socket, Path::new("/run/flypack/broker.sock"));
    assert_eq!(config.workers.idle, IdleConfig::Auto);
}

#[test]
fn unknown_keys_and_wrong_types_name_their_place() {
    for (text, word) in [
        ("[broker]\nsokcet = \"x\"", "sokcet"),
        ("[[receiver]]\nname = \"a\"\nslots = \"many\"", "slots"),
        ("[workers]\nidle = \"doze\"", "doze"),
        ("[broker]\nmode = \"rw\"", "broker.mode"),
        ("[broker.limits]\nconnections = 0", "broker.limits.connections"),
        ("[broker.limits]\nflows_per_uid = 1", "flows_per_uid"),
        ("[[broker.access]]\nflows = \"*cam\"", "broker.access.flows"),
        ("[[broker.access]]\nread_uids = [1]", "flows"),
        ("[workers]\nmax_gso_segments = 0", "max_gso_segments"),
        ("[record]\nhold_grains = 1", "record.hold_grains"),
        ("[record]\ntrial_ms = 60000", "record.trial_ms"),
        ("[dpdk]\niova = \"ga\"", "ga"),
        ("[[port]]\nname = \"a\"\ndevice = \"net_null\"\nvlna = 1", "vlna"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
#[cfg(not(feature = "dpdk"))]
fn a_port_without_the_feature_names_the_way_out() {
    let port = "[[port]]\nname = \"a\"\ndevice = \"net_null\"\naddresses = [\"192.0.2.1/24\"]";
    let error = parse(port).unwrap_err().to_string();
    assert!(error.contains("--features dpdk") && error.contains("\"a\""), "{error}");
}

#[test]
fn a_missing_file_says_where_a_sample_is() {
    let error = Config::load(Path::new("/nonexistent/flypackd.toml")).unwrap_err().to_string();
    assert!(error.contains("deploy/flypackd.toml"), "{error}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = parse("[broker]\nsocket = \"b.sock\"").unwrap();
    assert!(config.broker.socket.is_absolute());
}

#[test]
fn limits_and_rules_reach_the_broker() {
    let config = parse(
        "[broker.limits]\nuser_mb = 3\nslots_per_user = 5\n[[broker.access]]\nflows = \"cam-*\"\nread_uids = [7]\n\
         produce_gids = []",
    )
    .unwrap();
    let limits = config.broker.limits.limits();
    assert_eq!((limits.octets_per_uid, limits.slots_per_uid), (3 << 20, 5));
    assert_eq!(limits.flows, shm::Limits::default().flows);
    let rule = config.broker.access[0].rule().unwrap();
    assert_eq!(rule.flows, "cam-*".parse().unwrap());
    assert_eq!(rule.read, Who::Listed { uids: vec![7], gids: vec![] });
    assert_eq!(rule.produce, Who::Listed { uids: vec![], gids: vec![] }, "nobody");
    let open = parse("[[broker.access]]\nflows = \"*\"").unwrap().broker.access[0].rule().unwrap();
    assert_eq!((open.read, open.produce), (Who::Everyone, Who::Everyone));
}
