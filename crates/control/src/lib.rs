//! The control plane: the protobuf API `flypack.v1`, its gRPC service and client, and the state behind it.
//!
//! Layers, each a plain value: CONFIG ([`config`]: what exists, each object owned by one scope), ROUTING
//! ([`routing`]: crosspoints, changed by Take only) and what [`crosspoint::resolve`] makes of them, the
//! table that a [`Dataplane`] applies. [`Controller`] changes them one step at a time, for the gRPC
//! service and for the loader of the configuration file alike. No packet ever comes here.
#![forbid(unsafe_code)]

pub mod archive;
pub mod client;
pub mod config;
pub mod controller;
pub mod crosspoint;
pub mod dataplane;
pub mod endpoint;
pub mod listener;
#[cfg(any(test, feature = "recording"))]
pub mod recording;
pub mod relay_spec;
pub mod routing;
pub mod server;
pub mod spec;
pub mod status;
pub mod v1;

mod archive_service;
mod authority;
mod heard_leg;
mod intake;
mod lateness;
mod relay_intake;
mod report;
mod service;

pub use archive::{
    Archive, ArchiveError, ArchiveState, CaptureSpec, CaptureStatus, InjectSpec, InjectionPace, InjectionStatus,
    RecordSpec, RecordingStatus, ReplayEnding, ReplaySpec, ReplayStatus, ReplayTiming,
};
pub use client::{ConnectError, connect};
pub use config::{Config, Scope};
pub use controller::{ControlError, Controller, SourcePresence, State, TakeOutcome};
pub use crosspoint::{CrosspointTable, resolve};
pub use dataplane::{Dataplane, DataplaneError, StreamName};
pub use endpoint::{Endpoint, EndpointError};
pub use heard_leg::HeardLegSpec;
pub use lateness::Lateness;
pub use listener::{ListenError, Listener};
pub use relay_spec::{Numbers, RelaySpec, Rewriting};
pub use routing::Routing;
pub use server::{ServeError, serve};
pub use spec::{LegSpec, ReceiverSpec, SenderSpec, SenderTiming, SpecError};
pub use status::{
    ConsumerClass, ConsumerHolder, ConsumerStatus, CoreIsolation, Counters, FlowProducer, FlowStanding, FlowStatus,
    LegStatus, NodeStatus, PortStatus, PulseStatus, ReceiverStatus, RelayStatus, SenderState, SenderStatus, Signal,
    SlotUse, SpanStatus, WorkerStatus,
};
