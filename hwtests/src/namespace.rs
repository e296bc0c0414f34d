//! Network namespaces and the veth pairs between them.
//!
//! A namespace is called `fp-PID-ROLE` after the process that made it, so that [`sweep`] can tell which ones
//! a run that died together with its reaper left behind.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::reaper::Undo;

const PREFIX: &str = "fp-";

/// A network namespace that ends, with all processes in it, when the value drops.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    _undo: Undo,
}

impl Namespace {
    /// Makes the namespace `fp-PID-role`, its loopback interface up.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN and CAP_NET_ADMIN, or when a namespace of that role exists in this process.
    pub fn create(role: &str) -> Result<Self> {
        sweep()?;
        let name = format!("{PREFIX}{}-{role}", std::process::id());
        if Path::new("/run/netns").join(&name).exists() {
            bail!("this process already has a namespace {role}");
        }
        // Processes first: a namespace lives as long as one of them. A stopped process takes KILL, too.
        let undo = Undo::push(&format!("ip netns pids {name} | xargs -r kill -KILL; ip netns del {name}"))?;
        ip(&["netns", "add", &name])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(Self { name, _undo: undo })
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside this namespace; its process id becomes the program's own.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `work` on a thread of its own that is inside this namespace; threads and sockets that it makes are too.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN. A panic of `work` goes on here.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).context("cannot open the namespace")?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Adds a route to `network` by way of `gateway`.
    ///
    /// # Errors
    /// What `ip route` says.
    pub fn route(&self, network: &str, gateway: &str) -> Result<()> {
        ip(&["-n", &self.name, "route", "add", network, "via", gateway])
    }

    /// Packets that the interface's queue or the wire dropped (`rx_dropped`, `tx_dropped` and errors together).
    ///
    /// # Errors
    /// When `ip` fails or there is no such interface.
    pub fn interface_drops(&self, interface: &str) -> Result<u64> {
        let output = output(Command::new("ip").args(["-n", &self.name, "-s", "-j", "link", "show", interface]))?;
        let links: serde_json::Value = serde_json::from_str(&output).context("ip -j wrote no JSON")?;
        let stats = &links[0]["stats64"];
        let total = ["rx", "tx"]
            .iter()
            .flat_map(|way| ["dropped", "errors"].map(|what| stats[way][what].as_u64()))
            .sum::<Option<u64>>();
        total.with_context(|| format!("ip -s shows no drops of {interface}"))
    }
}

/// One end of a veth pair: whose, called what, and with which addresses (`10.77.0.1/24`, `fd77::1/64`).
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The namespace at this end.
    pub namespace: &'a Namespace,
    /// The interface's name there, 15 octets at most.
    pub interface: &'a str,
    /// Its addresses, each with the prefix length.
    pub addresses: &'a [&'a str],
}

/// Joins two namespaces by a veth pair with an MTU of `mtu` octets.
///
/// # Errors
/// What `ip` says. The pair goes when either namespace goes.
pub fn join(a: Link<'_>, b: Link<'_>, mtu: u32) -> Result<()> {
    add_pair(a, b, mtu)?;
    [a, b].into_iter().try_for_each(bring_up)
}

/// The pair of [`join`], down and without addresses.
pub(crate) fn add_pair(a: Link<'_>, b: Link<'_>, mtu: u32) -> Result<()> {
    let mtu = mtu.to_string();
    let (a_name, b_name) = (a.namespace.name(), b.namespace.name());
    let add = ["link", "add", a.interface, "mtu", &mtu, "netns", a_name, "type", "veth", "peer", "name"];
    let mut command = Command::new("ip");
    command.args(add).args([b.interface, "mtu", &mtu, "netns", b_name]);
    output(&mut command).map(drop)
}

/// Gives one end of a pair its addresses, and sets it up.
pub(crate) fn bring_up(end: Link<'_>) -> Result<()> {
    let name = end.namespace.name();
    for address in end.addresses {
        // `nodad`: an IPv6 address that is being checked for duplicates cannot be bound.
        let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        let mut add = vec!["-n", name, "addr", "add", address, "dev", end.interface];
        add.extend(nodad);
        ip(&add)?;
    }
    ip(&["-n", name, "link", "set", end.interface, "up"])
}

/// Switches an offload of an interface (`gro`, `gso`, `tx-udp-segmentation`) as `ethtool -K` does.
///
/// # Errors
/// What `ethtool` says.
pub fn set_offload(link: Link<'_>, offload: &str, state: &str) -> Result<()> {
    let mut command = link.namespace.command("ethtool");
    output(command.args(["-K", link.interface, offload, state])).map(drop)
}

/// Why this process cannot make namespaces, or `None` when it can.
#[must_use]
pub fn unavailable() -> Option<String> {
    let probe = output(Command::new("unshare").args(["--net", "ip", "link", "show"]));
    probe.err().map(|error| format!("{error:#}"))
}

/// Removes the namespaces of processes that are no more.
///
/// # Errors
/// When `ip netns list` fails.
pub fn sweep() -> Result<()> {
    let list = output(Command::new("ip").args(["netns", "list"]))?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| owner(name).is_some_and(|pid| !is_alive(pid))) {
        eprintln!("removing the namespace {name} that an earlier run left");
        let pids = output(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
        for pid in pids.split_whitespace() {
            let _ = output(Command::new("kill").args(["-KILL", pid]));
        }
        // Another run may be sweeping, too: whoever comes second finds nothing, which is as good.
        let _ = ip(&["netns", "del", name]);
    }
    Ok(())
}

/// The process that a namespace's name says it belongs to.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    output(Command::new("ip").args(arguments)).map(drop)
}

/// Runs a command to its end; its standard output, or what it said when it failed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_have_an_owner() {
        assert_eq!(owner("fp-123-studio"), Some(123));
        for other in ["studio", "fp-", "fp-x-rack", "cni-123-rack"] {
            assert_eq!(owner(other), None, "{other}");
        }
        assert!(is_alive(std::process::id()));
    }
}
