//! A worker on the kernel's sockets, with a broker: that its turns allocate nothing, and what ends its sleep.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kernel {
    mod allocations;
    mod bench;
    mod sleep;
}
