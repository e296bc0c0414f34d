//! Measurements of what Flypack promises, beside its peers, in one run.
//!
//! | command | what is measured | begins in |
//! |---|---|---|
//! | `shm` | the frame ring between processes | [`suite`] |
//! | `local` | the data plane without a network, in this process | [`local`] |
//! | `server`, `client` | the same between hosts or namespaces | [`network`] |
//! | `scale` | memory and time of a core for some numbers of flows | [`scale`] |
//!
//! All but `shm` run real workers over real queues ([`plane`]): a [`producer`] fills rings with a [`pattern`] that differs from
//! grain to grain, and a [`verifier`] finds every octet of it, or what is missing, behind the worker that receives.
//!
//! In `shm` each party of a measurement is a process of its own ([`role`], [`playing`]), pinned to a core where there are two. Whatever is
//! compared is measured in rounds that alternate, and compared round by round: what disturbs the machine disturbs
//! both. Figures are medians over rounds, with their quartiles.
#![cfg_attr(not(feature = "iceoryx2"), forbid(unsafe_code))]

pub mod arguments;
pub mod clock;
pub mod desk;
pub mod device;
pub mod flow;
mod frame_format;
mod frame_size;
pub mod local;
mod machine;
mod message;
pub mod network;
mod pair;
pub mod pattern;
mod peer;
mod percentiles;
pub mod plan;
pub mod plane;
pub mod playing;
mod process;
pub mod producer;
pub mod ring;
pub mod role;
pub mod scale;
mod spin;
pub mod suite;
mod sum;
pub mod tai;
pub mod traffic;
mod verdict;
pub mod verifier;
mod writing;

pub use frame_format::{FrameFormat, FrameFormatError};
pub use frame_size::{FrameSize, FrameSizeError};
pub use machine::Machine;
pub use message::Mark;
pub use percentiles::{Percentiles, Spread};
pub use verdict::Verdict;
pub use writing::Writing;

/// How long a process waits for another before it gives up, ns.
pub(crate) const PATIENCE_NS: u64 = 20_000_000_000;
