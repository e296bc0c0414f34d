//! The daemon `flypackd`: configuration, cores, clock, wiring, metrics.
//!
//! The only daemon code that names concrete backends: sockets of the kernel for packets, the broker's rings
//! for frames, the counter against TAI for time.
#![deny(unsafe_code)]

mod alarms;
pub mod check;
pub mod clock;
pub mod config;
mod config_file;
pub mod cores;
pub mod daemon;
pub mod dataplane;
pub mod engine;
mod gate;
pub mod idleness;
pub mod loss;
mod memory;
pub mod metrics;
pub mod pool;
pub mod port_plan;
pub mod presence;
pub mod recorder;
pub mod specs;
mod uring;
