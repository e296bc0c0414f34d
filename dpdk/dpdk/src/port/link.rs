//! Whether the cable is in.

use super::attach::Attached;

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Packets can pass.
    pub up: bool,
    /// Megabits per second; `None` where the driver does not know, or the device has no wire.
    pub speed_mbps: Option<u32>,
}

impl Link {
    pub(super) fn down() -> Self {
        Self { up: false, speed_mbps: None }
    }
}

/// What drivers answer for "unknown".
const SPEED_UNKNOWN: u32 = u32::MAX;

impl Attached {
    /// On a network device of the kernel, what the kernel says: net_af_packet of 22.11 and net_af_xdp never look.
    pub(super) fn link(&self) -> Link {
        if let Some(netdev) = &self.netdev {
            // A device that has disappeared is down.
            return Link { up: netdev.is_running().unwrap_or(false), speed_mbps: None };
        }
        let id = self.id;
        self.eal.run(move || {
            let mut link = dpdk_sys::flypack_link::default();
            // SAFETY: the port exists as long as `self`, which waits for this; `link` is ours to write.
            let result = unsafe { dpdk_sys::flypack_link_nowait(id, &raw mut link) };
            let known = link.speed_mbps != 0 && link.speed_mbps != SPEED_UNKNOWN;
            Link { up: result == 0 && link.up != 0, speed_mbps: known.then_some(link.speed_mbps) }
        })
    }
}
