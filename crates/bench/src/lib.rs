//! Measurements of what Flypack promises, beside its peers, in one run. Only `shm` so far: the frame ring.
//!
//! Each party of a measurement is a process of its own ([`role`]), pinned to a core where there are two. Whatever is
//! compared is measured in rounds that alternate, and compared round by round: what disturbs the machine disturbs
//! both. Figures are medians over rounds, with their quartiles.
#![cfg_attr(not(feature = "iceoryx2"), forbid(unsafe_code))]

pub mod arguments;
pub mod clock;
mod frame_size;
mod machine;
mod message;
mod pair;
mod peer;
mod percentiles;
mod process;
pub mod ring;
pub mod role;
mod spin;
pub mod suite;
mod sum;
mod writing;

pub use frame_size::{FrameSize, FrameSizeError};
pub use machine::Machine;
pub use message::Mark;
pub use percentiles::{Percentiles, Spread};
pub use writing::Writing;

/// How long a process waits for another before it gives up, ns.
pub(crate) const PATIENCE_NS: u64 = 20_000_000_000;
