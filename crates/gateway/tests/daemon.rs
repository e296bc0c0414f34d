//! `flypackd` as a process: start, errors, a picture from a pod through the network to a pod, and the end.
//!
//! Runs as any user, on loopback, with plain pages. Each test has its own folder and its own loopback address.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "daemon/archive.rs"]
mod archive;
#[path = "daemon/flypackd.rs"]
mod flypackd;
#[path = "daemon/legs.rs"]
mod legs;
#[path = "daemon/relay.rs"]
mod relay;
#[path = "daemon/road.rs"]
mod road;

use std::io::Write;

use flypackd::{Folder, read_to_end};

#[test]
fn a_gateway_without_receivers_starts_and_ends_cleanly() {
    let folder = Folder::new();
    let mut daemon = folder.start("");
    assert!(folder.path("api.sock").exists());
    assert!(daemon.terminate().success(), "SIGTERM is a clean end: {}", daemon.log());
    assert!(!folder.path("api.sock").exists(), "the API's socket goes with the gateway");
    assert!(!folder.path("broker.sock").exists(), "the broker's socket goes with the gateway");
}

#[test]
fn a_signal_while_the_gateway_starts_is_a_clean_end_too() {
    let folder = Folder::new();
    let fifo = folder.path("slow.sdp");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut child = folder.spawn("[[receiver]]\nname = \"cam\"\nsdp = \"slow.sdp\"\n");
    // Opens when the gateway reads its receivers' SDPs: in the middle of its start.
    let mut sdp = std::fs::File::options().write(true).open(&fifo).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    sdp.write_all(folder.sdp().as_bytes()).unwrap();
    drop(sdp);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(!folder.path("broker.sock").exists());
}

#[test]
fn the_folder_of_the_sockets_is_made_and_one_that_cannot_be_is_named() {
    let folder = Folder::new();
    let config = |sockets: &str| {
        let (broker, api) = (format!("{sockets}/broker.sock"), folder.path(&format!("{sockets}/api.sock")));
        let text = format!(
            "[broker]\nsocket = \"{broker}\"\n[api]\nlisten = \"unix:{}\"\n[metrics]\nlisten = \"\"\n",
            api.display()
        );
        std::fs::write(folder.path("flypackd.toml"), text).unwrap();
    };
    config("run");
    assert!(folder.launch().terminate().success());
    assert!(folder.path("run").is_dir());
    config("no/such");
    let said = read_to_end(&folder.run_to_end("flypackd.toml"));
    assert!(said.contains("no/such") && said.contains("folder"), "{said}");
}

#[test]
fn a_second_instance_fails_clearly_and_leaves_the_first_alone() {
    let folder = Folder::new();
    let mut first = folder.start("");
    let second = folder.run_to_end("flypackd.toml");
    assert!(!second.status.success());
    let said = read_to_end(&second);
    assert!(said.contains("another flypackd"), "{said}");
    assert!(folder.path("broker.sock").exists());
    assert!(first.terminate().success());
}

#[test]
fn a_killed_gateways_sockets_do_not_keep_the_next_from_starting() {
    let folder = Folder::new();
    let mut first = folder.start("");
    first.kill();
    assert!(folder.path("broker.sock").exists());
    assert!(folder.start("").terminate().success());
}

#[test]
fn errors_of_the_configuration_say_where_and_what_would_work() {
    let receiver = |extra: &str| format!("[[receiver]]\nname = \"cam\"\nsdp = \"cam.sdp\"\n{extra}");
    let cases = [
        ("[broker]\nsokcet = \"x\"".to_owned(), "sokcet"),
        ("[workers]\ncores = [4095]".to_owned(), "workers.cores"),
        (receiver("interface = \"nosuch0\""), "there is no interface \"nosuch0\""),
        (receiver("slots = 2"), "slots is 2"),
        (receiver("rate = \"fast\""), "no rate"),
        ("[[receiver]]\nname = \"cam\"\nsdp = \"missing.sdp\"".to_owned(), "missing.sdp"),
        ("[[sender]]\nname = \"out\"\ndestination = \"nowhere\"".to_owned(), "address:port"),
        (
            "[[sender]]\nname = \"out\"\ndestination = \"127.0.0.1:9\"\nsource_address = \"192.0.2.77\"".to_owned(),
            "192.0.2.77",
        ),
        ("[[crosspoint]]\ndestination = \"out\"\nsource = \"cam\"".to_owned(), "no sender \"out\""),
        ("[metrics]\nlisten = \"everywhere\"".to_owned(), "metrics.listen"),
        ("[broker]\ngroup = \"no-such-group\"".to_owned(), "no-such-group"),
    ];
    for (text, word) in cases {
        let folder = Folder::new();
        folder.write_config(&text);
        let output = folder.run_to_end("flypackd.toml");
        let said = read_to_end(&output);
        assert!(!output.status.success() && said.contains(word), "{text}\n{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn hugepages_that_are_not_there_are_an_error_only_where_they_are_demanded() {
    if std::fs::read_to_string("/proc/sys/vm/nr_hugepages").is_ok_and(|pages| pages.trim() != "0") {
        eprintln!("SKIPPED: this machine has hugepages, so their absence cannot be tested");
        return;
    }
    let folder = Folder::new();
    let receiver = "[[receiver]]\nname = \"cam\"\nsdp = \"cam.sdp\"\n";
    folder.write_config(&format!("[broker]\npages = \"huge\"\n{receiver}"));
    let said = read_to_end(&folder.run_to_end("flypackd.toml"));
    assert!(said.contains("vm.nr_hugepages"), "{said}");
    let mut daemon = folder.start(receiver);
    assert!(daemon.terminate().success());
    assert!(daemon.log().contains("plain 4 KiB pages"), "{}", daemon.log());
}
