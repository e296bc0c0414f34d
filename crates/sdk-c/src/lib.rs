//! The SDK for C: `libflypack.so` and `flypack.h`, over the sessions, producers and consumers of `shm`.
//!
//! Every function that can fail gives back a [`Status`] and leaves the text and the values of its error on the
//! thread ([`last_error`]). Pointers are checked for null and values for their range; a panic ends at the boundary
//! as [`Status::FLYPACK_E_PANIC`]. What C hands in is never a Rust enum: numbers are checked, then translated.
//!
//! Handles are boxes whose pointer the caller keeps. A grain being written is a number, not a pointer: one that is
//! over is told apart, and never another grain.
#![allow(unsafe_code, reason = "the C boundary is this crate's subject; every block carries its SAFETY comment")]

mod boundary;
pub mod consumer;
mod failure;
pub mod format;
pub mod last_error;
pub mod lease;
pub mod options;
pub mod producer;
pub mod session;
pub mod status;

pub use consumer::Consumer;
pub use format::{Ancillary, Audio, Format, Layout, Video};
pub use last_error::ErrorValue;
pub use lease::{Lease, State};
pub use options::{ProduceOptions, SubscribeOptions};
pub use producer::{GrainEnd, Producer, Stamp};
pub use session::{Flow, Session};
pub use status::Status;

/// Raw pointers tell the compiler nothing: what C may hand from thread to thread is stated here.
const _: () = {
    const fn by_any_thread<T: Send + Sync>() {}
    by_any_thread::<Session>();
    by_any_thread::<Producer>();
    by_any_thread::<Consumer>();
    by_any_thread::<Lease>();
    by_any_thread::<producer::Memory>();
};
