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
mod server;

pub use client::call;
pub use server::serve;
