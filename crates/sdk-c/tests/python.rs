//! The Python package over the library, against a broker. Says so and passes where there is no numpy.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "stage/broker.rs"]
mod stage;

use std::ffi::OsStr;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use shm::Refusal;
use shm::broker::{FlowRule, Who};
use shm::protocol::{BrokerMessage, Version};

use flypack::{
    Ancillary, Audio, ErrorValue, Flow, Format, GrainEnd, Layout, ProduceOptions, Stamp, State, SubscribeOptions, Video,
};

use stage::{Camera, Stage};

/// An interpreter that has numpy: perhaps not the first one of the path.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imported = Command::new(python).args(["-c", "import numpy"]).output();
        imported.is_ok_and(|output| output.status.success())
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python")
}

fn run(stage: &Stage, script: &str, arguments: &[impl AsRef<OsStr>]) {
    let Some(python) = python() else {
        println!("SKIPPED: no python3 with numpy here (apt-get install python3-numpy); {script} was not run");
        return;
    };
    let output = Command::new(python)
        .arg(folder().join("tests").join(script))
        .args(arguments)
        .env("PYTHONPATH", folder())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FLYPACK_LIBRARY", stage.path("libflypack.so.0"))
        .env("FLYPACK_SOCKET", stage.socket())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{said}", output.status);
    assert!(said.is_empty(), "{script} complains: {said}");
}

#[test]
fn pictures_of_the_gateway_are_views_that_keep_their_grain() {
    let stage = Stage::new();
    let _camera = Camera::start(&stage);
    run(&stage, "reading.py", &[""; 0]);
}

#[test]
fn what_python_produces_is_read_by_copies() {
    run(&Stage::new(), "producing.py", &[""; 0]);
}

#[test]
fn a_loop_takes_a_new_seat_once_its_lease_is_gone() {
    run(&Stage::new(), "evicted.py", &[""; 0]);
}

#[test]
fn the_programs_of_the_chapter_run() {
    run(&Stage::new(), "chapter.py", &[folder().join("../docs/sdk.md")]);
}

/// A gateway of times to come, which speaks versions 7 to 9 only, to whoever connects first.
fn future_gateway(socket: &Path) -> JoinHandle<()> {
    let listener = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    net::bind(&listener, &SocketAddrUnix::new(socket).unwrap()).unwrap();
    net::listen(&listener, 1).unwrap();
    std::thread::spawn(move || {
        let pod = net::accept(&listener).unwrap();
        let mut hello = [0_u8; 4096];
        let (octets, _) = net::recv(&pod, &mut hello, RecvFlags::empty()).unwrap();
        // One that went away without a word, as the test does for want of an interpreter.
        if octets >= 8 {
            let request = u32::from_le_bytes(hello[4..8].try_into().unwrap());
            let no = BrokerMessage::Refused(Refusal::Version { min: 7, max: 9 });
            net::send(&pod, &no.encode(request, Version::OLDEST).unwrap(), SendFlags::empty()).unwrap();
        }
    })
}

#[test]
fn refusals_and_lateness_are_exceptions_with_their_values() {
    let nobody = || Who::Listed { uids: Vec::new(), gids: Vec::new() };
    let secret = FlowRule { flows: "secret*".parse().unwrap(), read: nobody(), produce: nobody() };
    let others = FlowRule { flows: "*".parse().unwrap(), read: Who::Everyone, produce: Who::Everyone };
    let stage = Stage::with(|config| {
        config.rules = vec![secret, others];
        config.limits.pod_octets = 32 << 20;
    });
    let future = stage.path("future.sock");
    let gateway = future_gateway(&future);
    run(&stage, "refusals.py", &[&future]);
    // Where nothing was run it waits for somebody still.
    let _ = shm::Session::connect(&future);
    gateway.join().unwrap();
}

/// Each struct as `Name=octets:member@offset,…`.
fn structs() -> Vec<String> {
    macro_rules! structs {
        ($($kind:ident: $($member:ident)*;)*) => {
            vec![$({
                let members = [$(format!("{}@{}", stringify!($member), offset_of!($kind, $member))),*];
                format!("{}={}:{}", stringify!($kind), size_of::<$kind>(), members.join(","))
            }),*]
        };
    }
    structs! {
        Video: width height sampling bits rate_num rate_den;
        Audio: channels sample_rate_hz depth block_samples;
        Ancillary: rate_num rate_den max_octets;
        Format: kind video audio ancillary;
        Layout: format slots slices slice_octets grain_octets rate_num rate_den;
        Flow: name is_pods slots consumers format;
        Stamp: tai_ns rtp;
        GrainEnd: first_arrival_ns last_arrival_ns octets;
        State: slices complete cancelled lost_lines octets;
        ErrorValue: name number text;
        ProduceOptions: size slots open_max wake blocking;
        SubscribeOptions: size consumer_class grains_held start deadline_ns expect;
    }
}

#[test]
fn errors_are_exceptions_with_their_values() {
    let stage = Stage::new();
    let _camera = Camera::start(&stage);
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/flypack.h");
    let mut arguments = vec![header.into_os_string()];
    arguments.extend(structs().into_iter().map(Into::into));
    run(&stage, "errors.py", &arguments);
}
