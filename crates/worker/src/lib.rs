//! The poll-mode workers: packets in, grains in a ring, packets out.
//!
//! Generic over packet I/O and clock, so that the whole of it runs on the simulator in virtual time. No
//! file, socket, allocation or lock once a worker has started; everything it needs is built by the gateway
//! and handed over through a [`Mailbox`], everything it is done with goes back the same way.
//!
//! ```text
//! queue ─► Input ─┬► SteeredReceiver { Leg… } ─► Receiver ═══ ring ═══► Source ─► Sender ─► queue
//!                 └► Relay { Leg… } ─────────────────────────────────► Forwarder ─────────► queue
//! ```
//! Whoever wants to run one makes a [`Worker`] of a clock and its transmit queues, which it knows by their [`OutputIndex`];
//! sends it [`Input`]s, and then receivers, relays, senders and forwarders under keys that are never used twice, one
//! [`Command`] at a time; and gives it a thread that calls [`run()`], or calls [`Worker::turn`] by itself. What each has done stands
//! in counters ([`counters`]) that anyone may read at any time. A [`Convoy`] takes ports with all of this to another worker.
#![forbid(unsafe_code)]

pub mod command;
mod convoy;
pub mod counters;
mod forwarder;
mod heard;
mod hold;
pub mod idle;
mod input;
mod kept;
mod key;
mod limits;
mod output;
mod port;
pub mod pulse;
mod receiver;
mod refusal;
mod relay;
mod roster;
pub mod run;
mod sender;
pub mod spans;
mod steered;
mod steering;
mod watch;
mod window;
mod worker;

pub use command::{Command, Mailbox, Report};
pub use convoy::{ArrivalRefusal, Convoy, DepartureRefusal, Load};
pub use counters::{
    HeardLegCounters, InputCounters, LegCounters, OutputCounters, ReceiverCounters, RelayCounters, SenderCounters,
    WorkerCounters,
};
pub use forwarder::{Forwarder, ForwarderConfig, Rewrite, Timestamps};
pub use idle::{Idle, IdlePolicy, Rest};
pub use input::Input;
pub use key::{InputKey, OutputIndex, ReceiverKey, SenderKey};
pub use limits::WORKER_LIMIT;
pub use port::{PortKey, QueuePair};
pub use pulse::{PulseCounters, PulseLook};
pub use receiver::{Receiver, ReceiverConfig};
pub use refusal::{ReceiverRefusal, SenderRefusal};
pub use relay::{Relay, RelayConfig};
pub use run::{Core, run};
pub use sender::{LEGS_MAX, Lateness, Sender, SenderConfig, SenderTiming, Source};
pub use spans::{SpanCounts, Spans};
pub use steered::{Leg, SteeredReceiver};
pub use worker::{Berth, Slept, Turn, Worker};

#[cfg(test)]
mod tests;
