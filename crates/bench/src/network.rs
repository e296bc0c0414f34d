//! `flypack bench server` and `client`: the same between hosts or namespaces, as iperf has it.
//!
//! ```text
//!  client                              server
//!    │── Offer: what will be sent ─────► rings, sockets or a port
//!    │◄───────── Ready: where to ────────│
//!    │═══════════ RTP ══════════════════►│ every octet checked
//!    │── Sent: that was all ────────────►│
//!    │◄───────── Heard: the outcome ─────│
//! ```
//! One JSON object a line, over TCP.

mod client;
mod control;
mod report;
mod search;
mod server;

pub use client::call;
pub use server::serve;

#[cfg(feature = "dpdk")]
use crate::device::DeviceName;

/// The ports of both legs.
#[cfg(feature = "dpdk")]
fn ports<'a>(first: &'a DeviceName, second: Option<&'a DeviceName>) -> Vec<&'a DeviceName> {
    std::iter::once(first).chain(second).collect()
}

/// Each leg has a port of its own.
#[cfg(feature = "dpdk")]
fn check_legs(legs: u16, ports: &[&DeviceName]) -> anyhow::Result<()> {
    anyhow::ensure!(
        usize::from(legs) <= ports.len(),
        "two legs need two ports, and here is {} alone: name the other one by --second-device",
        ports[0]
    );
    Ok(())
}
