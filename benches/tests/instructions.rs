//! What a packet costs a worker in instructions, counted by callgrind: sent, received, relayed. What is more than 5 % beside
//! `baseline/instructions.toml` fails, more or less: a change that costs, or saves, says so there.
//!
//! What is shipped is counted: `cargo build --release -p flypack-benches --examples` makes the programs, and the test needs
//! `--release` as well.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::PathBuf;
use std::process::Command;
use std::thread;

/// Of the baseline.
const TOLERANCE: f64 = 0.05;
/// Which memcpy runs is not to depend on the processor. What else looks at it sees callgrind's, which has AVX2 where the real
/// one has.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX2_Usable,-ERMS,-FSRM";

/// What is counted.
struct Way {
    name: &'static str,
    program: &'static str,
    /// Words of a short and of a long run; what a run costs anyway cancels out.
    runs: [&'static [&'static str]; 2],
    /// Packets by which they differ.
    packets: u64,
    /// The function that is looked at.
    function: &'static str,
}

const WAYS: [Way; 5] = [
    Way {
        name: "transmit",
        program: "transmit",
        runs: [&["net_null", "1", "1080"], &["net_null", "5", "1080"]],
        packets: 4 * 4_320,
        function: "*turns*",
    },
    Way {
        name: "transmit_many",
        program: "transmit",
        runs: [&["net_null", "1", "720", "64"], &["net_null", "2", "720", "64"]],
        packets: 64 * 2_880,
        function: "*turns*",
    },
    Way { name: "receive", program: "receive", runs: [&["1"], &["5"]], packets: 4 * 4_320, function: "*served_turn*" },
    Way {
        name: "receive_many",
        program: "receive",
        runs: [&["1", "64"], &["3", "64"]],
        packets: 2 * 64 * 720,
        function: "*served_turn*",
    },
    Way {
        name: "relay",
        program: "relay",
        runs: [&["net_null", "64", "2"], &["net_null", "64", "6"]],
        // Each round of that program is measured three times.
        packets: 3 * 4 * 32 * 64,
        function: "*served_turn*",
    },
];

#[test]
fn a_packet_costs_what_the_baseline_says() {
    if cfg!(debug_assertions) {
        eprintln!("SKIPPED: the baseline is of programs as they are shipped; cargo test --release");
        return;
    }
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_valgrind {
        eprintln!("SKIPPED: valgrind is not installed; nothing was counted");
        return;
    }
    let baseline = include_str!("../baseline/instructions.toml").parse::<toml::Table>().unwrap();
    let mut far = Vec::new();
    for way in &WAYS {
        let [short, long] = thread::scope(|scope| {
            let counting = way.runs.map(|words| scope.spawn(|| count(way, words)));
            counting.map(|counting| counting.join().unwrap())
        });
        let (found, was) = ((long - short) as f64 / way.packets as f64, baseline[way.name].as_float().unwrap());
        println!(
            "{}: {found:.1} instructions a packet, baseline {was:.1}: {:+.1} %",
            way.name,
            (found / was - 1.0) * 100.0
        );
        if (found / was - 1.0).abs() > TOLERANCE {
            far.push(format!("{}: {found:.1} instructions a packet, {was:.1} in the baseline", way.name));
        }
    }
    assert!(
        far.is_empty(),
        "{far:?}: write what it is now into benches/baseline/instructions.toml, and why into the commit"
    );
}

/// Instructions within the function over a run.
fn count(way: &Way, words: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={}", way.function))
        .arg(example(way.program))
        .args(words)
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = said.lines().find_map(|line| line.split_once("Collected :")).unwrap_or_else(|| panic!("{said}")).1;
    let counted = counted.trim().parse().unwrap();
    assert!(counted > 0, "{} is no function of {}: nothing was counted\n{said}", way.function, way.program);
    counted
}

/// A program beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().with_file_name("examples").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --release -p flypack-benches --examples", path.display());
    path
}
