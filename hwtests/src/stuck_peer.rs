//! A peer on a wire of its own that answers, and stops to drain: its kernel puts what comes into a queue that stands still.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::namespace::{Link, Namespace};
use crate::netdev::{self, Netdev};

/// The peer; its netdev is `far2`.
#[derive(Debug)]
pub struct StuckPeer {
    namespace: Namespace,
}

impl StuckPeer {
    /// Wires the netdev `near2` of `rack` to a new peer with this address (address/prefix).
    ///
    /// # Errors
    /// Without root; what `ip` and `tc` say.
    pub fn wire(rack: &Namespace, address: &str) -> Result<Self> {
        let namespace = Namespace::create("still")?;
        let peer = Link { namespace: &namespace, interface: "far2", addresses: &[address] };
        netdev::wire(Netdev { namespace: rack, name: "near2" }, peer, 1500)?;
        let peer = Self { namespace };
        // Where IP packets go: a queue that lets one octet pass in a second. ARP is answered.
        peer.run("ip link add hole type veth peer name hole2")?;
        peer.run("ip link set hole up")?;
        peer.run("ip link set hole2 up")?;
        peer.run("tc qdisc add dev hole root tbf rate 8bit burst 2000 limit 1000000000")?;
        Ok(peer)
    }

    /// From here on it takes nothing more.
    ///
    /// # Errors
    /// What `tc` says.
    pub fn stop_draining(&self) -> Result<()> {
        self.run("tc qdisc add dev far2 ingress")?;
        self.run(
            "tc filter add dev far2 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev hole",
        )
    }

    /// It takes everything again.
    ///
    /// # Errors
    /// What `tc` says.
    pub fn drain(&self) -> Result<()> {
        self.run("tc qdisc del dev far2 ingress")?;
        self.run("tc qdisc del dev hole root")
    }

    fn run(&self, words: &str) -> Result<()> {
        let mut command: Command = self.namespace.command(words.split(' ').next().unwrap_or_default());
        let status = command.args(words.split(' ').skip(1)).status()?;
        ensure!(status.success(), "{words}: {status}");
        Ok(())
    }
}
