//! The ring under loom: the writer and readers of production in a model memory, in every order of loads and
//! stores that C++'s memory model allows and that takes few preemptions. `make loom`.
//!
//! What loom does not see: that a load may take its value from a store that runs later in program order (load
//! buffering), and `SeqCst` accesses, of which the ring has none. The first matters only for payload, and there
//! the cells of the model memory take over: who writes what another still borrows fails, seen or not.

mod bells;
mod blocking;
mod endings;
mod epochs;
mod evictions;
pub(crate) mod exploration;
mod following;
mod joining;
mod leaps;
mod leases;
mod mailbox;
mod members;
mod open_grains;
mod slices;
mod stage;
mod torn;
mod vain_waits;
mod wakes;
