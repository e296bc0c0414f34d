//! The bench on which Flypack is tested against programs that nobody here wrote: network namespaces joined
//! by veth, FFmpeg and GStreamer as cameras and receivers, pictures that carry their number, and a verifier.
//!
//! Everything that changes the machine is undone through the [`reaper`], also after a panic, an interrupt or
//! `kill -9`. The crate serves tests and the demo only, so its errors are `anyhow` texts for a person to read.
#![forbid(unsafe_code)]

pub mod actor;
pub mod clip;
pub mod crowd;
pub mod dice;
pub mod eventually;
pub mod frames;
pub mod gateway;
pub mod gateway_bench;
pub mod hardware;
pub mod interpose;
pub mod isolated;
pub mod namespace;
pub mod netdev;
pub mod passage;
pub mod pattern;
pub mod peer;
pub mod picture;
pub mod ping;
pub mod planes;
pub mod port_bench;
pub mod process;
pub mod reaper;
pub mod rfc4175;
pub mod road;
pub mod scratch;
pub mod stall;
pub mod stranger;
pub mod stuck_peer;
pub mod syscalls;
pub mod sysctl;
pub mod turn;
pub mod turning;
pub mod udp_state;
pub mod verify;
pub mod wire;

pub use actor::{Actor, Actors};
pub use clip::Clip;
pub use dice::Dice;
pub use eventually::eventually;
pub use gateway::{Gateway, PidSpace, Statistics};
pub use hardware::{PortPair, Rack, Trial};
pub use isolated::Isolated;
pub use namespace::{Link, Namespace};
pub use netdev::Netdev;
pub use pattern::Pattern;
pub use peer::{Camera, Peer, Receiver};
pub use ping::ping;
pub use planes::{Layout, Planes};
pub use port_bench::{PortBench, PortMake};
pub use process::{Launch, Process, User};
pub use reaper::Undo;
pub use road::Road;
pub use scratch::Scratch;
pub use stranger::Stranger;
pub use stuck_peer::StuckPeer;
pub use sysctl::Sysctl;
pub use turn::take_turn;
pub use turning::Turning;
pub use verify::{Tally, Verifier};
pub use wire::Wire;
