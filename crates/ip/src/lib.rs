//! Below UDP: Ethernet, IP, ARP, neighbour discovery, ICMP, group membership; sans-IO.
//!
//! Two halves. The hot one is for a worker's turn: [`frame::parse`] finds the datagram in a received frame in one
//! pass, [`Template`] writes the headers of one to be sent; neither allocates. The slow one is a port's host, which
//! answers and asks what a network expects of an address.
#![forbid(unsafe_code)]

pub mod checksum;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod mac;
pub mod network;
pub mod template;

pub use mac::{MacAddr, MacError};
pub use network::{InterfaceAddr, Network, NetworkError, NextHop, NoRoute};
pub use template::{Template, TemplateConfig, TemplateError};
