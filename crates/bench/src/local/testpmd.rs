//! `dpdk-testpmd` beside the worker: it sends packets of two pieces, the second as long as a packet's samples, by the same
//! device and core.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use st2110::PackingPlan;

use crate::device::DeviceName;
use crate::role::Policy;
use crate::traffic::Traffic;

const PROGRAM: &str = "dpdk-testpmd";
/// Ethernet, IPv4, UDP, RTP, extended sequence number, one SRD header.
const HEADER_OCTETS: u32 = 62;
/// As much as EAL takes for the worker's port.
const MEMORY_MIB: u32 = 256;
const MBUFS: u32 = 16_384;
/// The thread that sends, as DPDK names it.
const THREAD: &str = "rte-worker-1";
/// It has begun when it was so long on its core.
const BEGUN_NS: u64 = 20_000_000;
/// How long it may take until then.
const STARTING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// Whether it can be run.
pub(super) fn check() -> Result<()> {
    let found = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).with_context(|| format!("{PROGRAM} cannot be run: apt-get install dpdk-dev"))
}

/// Packets that it sends, by its own count, in a second in which the kernel lets it run.
pub(super) fn measure(device: &DeviceName, traffic: &Traffic) -> Result<f64> {
    let mut running = Running(start(device, traffic)?);
    let thread = running.begun()?;
    thread::sleep(Duration::from_secs(traffic.seconds.into()));
    let (text, on_core) = running.end(&thread)?;
    let packets = sent(&text).with_context(|| format!("{PROGRAM} does not say what it sent; it said:\n{text}"))?;
    Ok(packets * 1e9 / on_core as f64)
}

/// What the thread of that folder has been on a core; 0 where it is gone.
fn cpu_ns(thread: &Path) -> u64 {
    let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn start(device: &DeviceName, traffic: &Traffic) -> Result<Child> {
    let [tx_core, other] = traffic.pair_of_cores().map(|core| core.unwrap_or(0));
    let mut command = Command::new(PROGRAM);
    // Its first lcore only waits, and may share a core with the one that sends.
    command.args(["--lcores", &format!("0@{other},1@{tx_core}"), "--no-telemetry", "--iova-mode=va"]);
    command.args(["-m", &MEMORY_MIB.to_string()]);
    match traffic.pages {
        Policy::Huge => command.arg("--in-memory"),
        Policy::Prefer | Policy::Plain => command.args(["--no-huge", "--no-shconf"]),
    };
    match device.to_string().as_str() {
        virtual_device if virtual_device.starts_with("net_") => {
            let argument = virtual_device.replacen(':', "0,iface=", 1);
            let argument = if argument == virtual_device { format!("{virtual_device}0") } else { argument };
            command.args(["--no-pci", "--vdev", &argument]);
        }
        address => {
            command.args(["--allow", address]);
        }
    }
    let payload = mean_octets(&traffic.plan()?);
    command.args(["--", "--forward-mode=txonly", &format!("--txpkts={HEADER_OCTETS},{payload}"), "--nb-cores=1"]);
    command.args(["--burst=32", "--stats-period=1", &format!("--total-num-mbufs={MBUFS}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("{PROGRAM} cannot be run"))
}

/// Of the samples in a packet: the last one of a row has fewer than the others.
fn mean_octets(plan: &PackingPlan) -> u32 {
    let octets: u64 = plan.packets().iter().map(|packet| u64::from(packet.octets)).sum();
    (octets / u64::from(plan.packets_per_frame()).max(1)) as u32
}

/// It ends with what runs it.
struct Running(Child);

impl Running {
    /// Waits until it sends; the folder of the thread that does.
    fn begun(&mut self) -> Result<PathBuf> {
        let until = Instant::now() + STARTING;
        while Instant::now() < until {
            ensure!(self.0.try_wait()?.is_none(), "{PROGRAM} has ended by itself: run it by hand to see why");
            let threads = fs::read_dir(format!("/proc/{}/task", self.0.id()))?.flatten().map(|thread| thread.path());
            let is_ours =
                |thread: &PathBuf| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == THREAD);
            if let Some(thread) = threads.into_iter().find(is_ours)
                && cpu_ns(&thread) >= BEGUN_NS
            {
                return Ok(thread);
            }
            thread::sleep(LOOK);
        }
        bail!("{PROGRAM} has not begun to send within {} s", STARTING.as_secs())
    }

    /// Interrupts it; what it has said, and how long the thread that sends has been on its core until it stopped: it counts
    /// packets until then too.
    fn end(&mut self, thread: &Path) -> Result<(String, u64)> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("a process without a number")?;
        let mut on_core = cpu_ns(thread);
        kill_process(pid, Signal::INT).context("it has ended by itself")?;
        // When it has stopped it sleeps, and is on its core no longer.
        loop {
            thread::sleep(LOOK);
            let now = cpu_ns(thread);
            if now <= on_core {
                break;
            }
            on_core = now;
        }
        let mut text = String::new();
        let Some(output) = &mut self.0.stdout else { bail!("a process without output") };
        output.read_to_string(&mut text)?;
        self.0.wait()?;
        Ok((text, on_core))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `TX-packets: 147385856      TX-dropped: 0`, of all ports, when it ends.
fn sent(text: &str) -> Option<f64> {
    let (_, accumulated) = text.split_once("Accumulated forward statistics")?;
    let mut lines = accumulated.lines().filter_map(|line| line.trim().strip_prefix("TX-packets:"));
    lines.next()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_has_sent_is_read_from_what_it_prints() {
        let text = "  TX-packets: 3   TX-errors: 0\n  Tx-pps:  33961829  Tx-bps:  0\n\u{1b}[2J\n  +++++++++++++++ \
                    Accumulated forward statistics for all ports+++++++++++++++\n  RX-packets: 0   RX-dropped: 0\n  \
                    TX-packets: 147385856      TX-dropped: 0             TX-total: 147385856\n";
        assert_eq!(sent(text), Some(147_385_856.0));
        assert_eq!(sent("TX-packets: 3"), None);
    }
}
