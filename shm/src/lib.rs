//! Hugepage regions, the frame ring, leases and the broker protocol: everything that a pod links.
#![allow(unsafe_code, reason = "shared memory is this crate's subject; every block carries its SAFETY comment")]

mod stable;

pub use stable::StableBytes;
