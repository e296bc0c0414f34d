//! Hugepage regions, the frame ring, leases and the broker protocol: everything that a pod links.
#![allow(unsafe_code, reason = "shared memory is this crate's subject; every block carries its SAFETY comment")]

// The ring: regions, layout, writer, reader, leases.
mod atomics;
mod consumer;
mod directory;
mod epoch_end;
#[cfg(test)]
mod fixture;
mod geometry;
mod grain;
mod layout;
mod lease_page;
mod mailbox;
mod mapping;
mod memfd;
#[cfg(all(test, loom))]
mod models;
mod pages;
mod passing;
mod probe;
mod reader;
mod region;
mod seed;
mod slot_lease;
mod stable;
mod store;
mod store_choice;
mod view;
#[cfg(loom)]
mod wait_queue;
mod wake;
mod writer;

pub use consumer::{CONSUMERS_MAX, ConsumerClass, SeatStatus, Start};
pub use epoch_end::{EpochEnd, Successor};
pub use geometry::{Geometry, GeometryError};
pub use grain::{GrainEnd, GrainLease, GrainRef, GrainStamp, GrainState};
pub use lease_page::LeasePage;
pub use mailbox::{Mail, Mailbox, Notice};
pub use mapping::{Access, MapError, Mapping};
pub use memfd::{SealError, check_ring_seals, read_only};
pub use pages::{Fallback, PagePolicy, Pages};
pub use probe::RingProbe;
pub use reader::{AcknowledgeError, AttachError, FrameReader, LostLines, ReadError, ReaderParts, Trust, WaitError};
pub use region::{IdentityPlacement, PlacementHooks, Region, RegionError, RegionFds, SealedRegion};
pub use slot_lease::SlotLease;
pub use stable::StableBytes;
pub use store::Store;
pub use store_choice::StoreChoice;
pub use view::{DataView, DmaMapping};
pub use wake::WakeMode;
pub use writer::{FrameWriter, GrainKey, OpenError, RingError, RingMemory, SlotAccounts, WriteError, WriterCounters};

// What control planes call a flow.
pub mod nmos;

// The broker and the SDK: protocol, sockets, life pipes, sessions.
mod access;
#[cfg(feature = "tokio")]
pub mod aio;
pub mod broker;
mod pipe;
mod poll;
pub mod protocol;
mod seqpacket;
pub mod session;

pub use access::{AccessError, Peer};
pub use broker::{
    Broker, BrokerConfig, BrokerCounters, BrokerError, ConsumerHolder, ConsumerSnapshot, ConsumerState, EvictError,
    FlowEvent, FlowSnapshot, Limits, Standing, SubscribeError,
};
pub use protocol::{Blocking, FlowEntry, FlowOrigin, Refusal};
pub use session::{
    AHEAD_SECONDS_MAX, ClassError, Consumer, Grain, KernelTai, ProduceError, ProduceOptions, Producer, Session,
    SessionError, SubscribeOptions,
};
