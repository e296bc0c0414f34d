//! Ports as printed.

use control::v1;
use serde::Serialize;

use super::present;
use crate::table::Table;

/// A network port that the gateway drives itself.
#[derive(Debug, Serialize)]
pub struct PortView {
    /// The interface of receivers and senders on it.
    pub name: String,
    /// As configured.
    pub device: String,
    /// What drives it.
    pub driver: Option<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Whether the link is up; null where nobody tells.
    pub link_up: Option<bool>,
    /// With the lengths of their prefixes.
    pub addresses: Vec<String>,
    /// The VLAN of its frames; null for untagged.
    pub vlan: Option<u32>,
    /// Octets of the largest IP packet.
    pub mtu: u32,
    /// Who answers for it: "none", "tap NAME" or "netdev NAME".
    pub exception: String,
    /// Whether the device sends a payload from where it lies.
    pub gathers: bool,
    /// Copies of a payload that its driver makes on the way in.
    pub driver_copies_in: u32,
    /// Copies of a payload that its driver makes on the way out.
    pub driver_copies_out: u32,
    /// How its rings and pools are sized.
    pub sizing: Vec<String>,
    /// What else the device can do.
    pub capabilities: Vec<String>,
    /// What to see to.
    pub troubles: Vec<String>,
    /// The worker that owns it.
    pub worker: Option<String>,
}

/// `ports`.
#[derive(Debug, Serialize)]
pub struct PortsView {
    /// By name.
    pub ports: Vec<PortView>,
}

/// `ports restart`.
#[derive(Debug, Serialize)]
pub struct PortRestartedView {
    /// The port as it is afterwards.
    pub restarted: PortView,
}

impl From<v1::Port> for PortView {
    fn from(port: v1::Port) -> Self {
        Self {
            name: port.name,
            device: port.device,
            driver: present(port.driver),
            mac: present(port.mac),
            link_up: port.link_up,
            addresses: port.addresses,
            vlan: (port.vlan != 0).then_some(port.vlan),
            mtu: port.mtu,
            exception: port.exception,
            gathers: port.gathers,
            driver_copies_in: port.driver_copies_in,
            driver_copies_out: port.driver_copies_out,
            sizing: port.sizing,
            capabilities: port.capabilities,
            troubles: port.troubles,
            worker: present(port.worker),
        }
    }
}

impl PortView {
    /// "zero-copy", or who copies a payload on its way out.
    fn sends(&self) -> String {
        match (self.gathers, self.driver_copies_out) {
            (true, 0) => "zero-copy".to_owned(),
            (true, copies) => format!("gathers, driver copies {copies}x"),
            (false, copies) => format!("linearises, driver copies {copies}x"),
        }
    }

    fn row(&self) -> [String; 10] {
        let link = match self.link_up {
            Some(true) => "up",
            Some(false) => "DOWN",
            None => "",
        };
        [
            self.name.clone(),
            self.device.clone(),
            link.to_owned(),
            self.mac.clone().unwrap_or_default(),
            self.addresses.join(" "),
            self.vlan.map(|vlan| vlan.to_string()).unwrap_or_default(),
            self.mtu.to_string(),
            self.exception.clone(),
            self.sends(),
            self.worker.clone().unwrap_or_default(),
        ]
    }
}

/// The table of ports, and what to see to.
pub(super) fn text(ports: &[PortView]) -> String {
    let heading = ["PORT", "DEVICE", "LINK", "MAC", "ADDRESSES", "VLAN", "MTU", "EXCEPTION", "SENDS", "WORKER"];
    let mut table = Table::new(&heading);
    ports.iter().for_each(|port| table.row(port.row()));
    let troubles = ports.iter().flat_map(|port| port.troubles.iter().map(|words| format!("{}: {words}\n", port.name)));
    table.render() + &troubles.collect::<String>()
}

impl PortsView {
    pub(crate) fn text(&self) -> String {
        if self.ports.is_empty() {
            return "no ports: the kernel's network interfaces are used; [[port]] in flypackd.toml makes one\n"
                .to_owned();
        }
        let lines = |port: &PortView| {
            let words = port.sizing.iter().chain(&port.capabilities);
            words.map(|words| format!("{}: {words}\n", port.name)).collect::<String>()
        };
        text(&self.ports) + &self.ports.iter().map(lines).collect::<String>()
    }
}

impl PortRestartedView {
    pub(crate) fn text(&self) -> String {
        text(std::slice::from_ref(&self.restarted))
    }
}
