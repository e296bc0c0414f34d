//! `[dpdk]` and `[[port]]`: ports of the network that the gateway drives itself. [`crate::port_plan`] checks them.

use std::path::Path;

use serde::Deserialize;

use crate::port_plan::PortDevice;

/// `[dpdk]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DpdkConfig {
    /// Where packets lie.
    pub memory: DpdkMemoryConfig,
    /// How much of it, MiB; 0 for what the ports need.
    pub memory_mb: u32,
    /// How devices address it.
    pub iova: IovaConfig,
    /// Whether a device may be driven without an IOMMU.
    pub allow_no_iommu: bool,
    /// Name of this instance among DPDK's processes; empty for one of its own.
    pub file_prefix: String,
    /// Cores for the workers of ports that name none.
    pub cores: Vec<usize>,
}

/// Where packets lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DpdkMemoryConfig {
    /// 2 MB pages.
    Huge,
    /// 4 KB pages: virtual devices only.
    NoHuge,
}

/// How devices address memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IovaConfig {
    /// As the devices and the kernel allow.
    Auto,
    /// By virtual addresses.
    Va,
    /// By physical addresses.
    Pa,
}

/// Who holds packets to their schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PacingConfig {
    /// The device, where it can; else the worker.
    #[default]
    Auto,
    /// The device, by launch times; a port whose device has none is refused.
    Launch,
    /// The worker.
    Software,
}

/// Who says when packets arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalConfig {
    /// The device, where it does; else it is when their burst was taken.
    #[default]
    Auto,
    /// The device; a port whose device does not is refused.
    Device,
    /// Nobody: it is when their burst was taken.
    Burst,
}

/// `[[port]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortConfig {
    /// Its name: the `interface` of receivers and senders on it.
    pub name: String,
    /// The device.
    pub device: String,
    /// The core of its worker; none for the gateway's choice.
    #[serde(default)]
    pub core: Option<usize>,
    /// The cores of its workers, where several serve it; the first one has the first receive queue.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// How many workers it has, where it names no core.
    #[serde(default = "defaults::workers")]
    pub workers: u16,
    /// How many of its workers receive, each by a queue of its own; 0 for all of them where the device can sort.
    #[serde(default)]
    pub rx_queues: u16,
    /// `address/length`, IPv4 or IPv6.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// At most one per family.
    #[serde(default)]
    pub gateway: Vec<String>,
    /// VLAN of all that the port sends and receives; 0 for untagged.
    #[serde(default)]
    pub vlan: u16,
    /// Octets of an IP packet.
    #[serde(default = "defaults::mtu")]
    pub mtu: u16,
    /// The MAC address; empty for the device's.
    #[serde(default)]
    pub mac: String,
    /// `none`, `tap` or `netdev:NAME`.
    #[serde(default = "defaults::exception")]
    pub exception: String,
    /// Name of the TAP; empty for `fp-NAME`.
    #[serde(default)]
    pub tap_name: String,
    /// What the rings are sized for, packets per second each way.
    #[serde(default = "defaults::packets_per_second")]
    pub packets_per_second: u32,
    /// How long the rings hold them, milliseconds.
    #[serde(default = "defaults::hold_ms")]
    pub hold_ms: u32,
    /// `auto`, `launch` or `software`.
    #[serde(default)]
    pub pacing: PacingConfig,
    /// `auto`, `device` or `burst`.
    #[serde(default)]
    pub arrival: ArrivalConfig,
}

impl PortConfig {
    /// Makes the paths in the device relative to `folder`, the configuration's.
    pub(crate) fn stand_in(&mut self, folder: &Path) {
        if let Ok(PortDevice::Pcap { rx, tx }) = self.device.parse() {
            let within = |file: Option<String>| file.map(|file| folder.join(file).display().to_string());
            self.device = PortDevice::Pcap { rx: within(rx), tx: within(tx) }.to_string();
        }
    }
}

mod defaults {
    pub(super) fn workers() -> u16 {
        1
    }
    pub(super) fn mtu() -> u16 {
        1500
    }
    pub(super) fn exception() -> String {
        "none".to_owned()
    }
    /// One 1080p59.94 stream of 4:2:2 in 10 bit: 4,320 packets of 1,200 octets a frame, rounded up.
    pub(super) fn packets_per_second() -> u32 {
        260_000
    }
    pub(super) fn hold_ms() -> u32 {
        100
    }
}

impl Default for DpdkConfig {
    fn default() -> Self {
        Self {
            memory: DpdkMemoryConfig::Huge,
            memory_mb: 0,
            iova: IovaConfig::Auto,
            allow_no_iommu: false,
            file_prefix: String::new(),
            cores: Vec::new(),
        }
    }
}
