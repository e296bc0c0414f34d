//! Below UDP: Ethernet, IP, ARP, neighbour discovery, ICMP, group membership; sans-IO.
//!
//! Two halves. The hot one is for a worker's turn: [`frame::parse`] finds the datagram in a received frame in one
//! pass, [`Template`] writes the headers of one to be sent; neither allocates. The slow one is a port's [`Host`], which answers
//! and asks what a network expects of an address; beside a kernel that does so, [`conflict`] only watches.
#![forbid(unsafe_code)]

mod arp;
pub mod checksum;
pub mod conflict;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod host;
mod igmp;
pub mod mac;
mod mld;
mod nd;
pub mod network;
pub mod template;
mod wire;

pub use host::{Event, Host, HostConfig, HostCounters, Ignored, JoinError};
pub use mac::{MacAddr, MacError};
pub use network::{InterfaceAddr, Network, NetworkError, NextHop, NoRoute};
pub use template::{Template, TemplateConfig, TemplateError};
