//! How a port's presence does, for status, statistics and metrics.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ip::frame::Reason;
use ip::{HostCounters, Ignored};
use netio::exchange::ExchangeCounters;

/// How a port's presence does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceReport {
    /// Whether the netdev under the device carries frames; `None` where there is none to watch.
    pub link_up: Option<bool>,
    /// Counters by name; the unit is part of the name.
    pub counters: Vec<(&'static str, u64)>,
    /// What an operator should see to now.
    pub troubles: Vec<String>,
}

/// The newest report of one port, shared with whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<PresenceReport>>);

impl Shared {
    pub(super) fn publish(&self, report: PresenceReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    pub(super) fn read(&self) -> PresenceReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the presence thread counts of one port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) tap_received_frames: u64,
    pub(super) tap_sent_frames: u64,
    pub(super) tap_failures: u64,
    pub(super) tap_full_frames: u64,
    pub(super) tap_absent_frames: u64,
    pub(super) tap_removals: u64,
    pub(super) foreign_vlan_frames: u64,
    pub(super) ignored_frames: u64,
    pub(super) neighbours_found: u64,
    pub(super) neighbours_moved: u64,
    pub(super) neighbours_silent: u64,
    pub(super) neighbour_limit_requests: u64,
    pub(super) neighbour_failures: u64,
    pub(super) conflicts: u64,
    pub(super) join_failures: u64,
    pub(super) lost_notices: u64,
    pub(super) link_changes: u64,
}

impl Counts {
    /// All counters of a port under the names that operators see.
    pub(super) fn named(&self, exchange: ExchangeCounters) -> Vec<(&'static str, u64)> {
        vec![
            ("exception_received_frames", exchange.offered),
            ("exception_received_full_frames", exchange.offered_full),
            ("exception_received_too_long_frames", exchange.offered_too_long),
            ("exception_sent_frames", exchange.sent),
            ("exception_sent_full_frames", exchange.sent_full),
            ("exception_sent_too_long_frames", exchange.sent_too_long),
            ("neighbour_requests", exchange.requests),
            ("neighbour_full_requests", exchange.requests_full),
            ("neighbour_limit_requests", self.neighbour_limit_requests),
            ("neighbours_found", self.neighbours_found),
            ("neighbours_moved", self.neighbours_moved),
            ("neighbours_silent", self.neighbours_silent),
            ("neighbour_failures", self.neighbour_failures),
            ("address_conflicts", self.conflicts),
            ("join_failures", self.join_failures),
            ("link_changes", self.link_changes),
            ("lost_notices", self.lost_notices),
            ("media_tables", exchange.tables),
            ("foreign_vlan_frames", self.foreign_vlan_frames),
            ("ignored_frames", self.ignored_frames),
            ("tap_received_frames", self.tap_received_frames),
            ("tap_sent_frames", self.tap_sent_frames),
            ("tap_failures", self.tap_failures),
            ("tap_full_frames", self.tap_full_frames),
            ("tap_absent_frames", self.tap_absent_frames),
            ("tap_removals", self.tap_removals),
        ]
    }
}

/// The names of frames that the gateway's own host was shown and did nothing with, by reason.
static BAD: LazyLock<Vec<String>> =
    LazyLock::new(|| Reason::ALL.iter().map(|reason| format!("host_bad_{}_frames", reason.label())).collect());
static IGNORED: LazyLock<Vec<String>> =
    LazyLock::new(|| Ignored::ALL.iter().map(|reason| format!("host_ignored_{}_frames", reason.label())).collect());

/// The counters of the gateway's own host under the names that operators see.
pub(super) fn host_counters(host: &HostCounters) -> Vec<(&'static str, u64)> {
    let mut counters = vec![
        ("host_received_frames", host.frames_received),
        ("host_sent_frames", host.frames_sent),
        ("host_dropped_frames", host.frames_dropped),
        ("host_echo_replies", host.echo_replies),
        ("host_answers", host.answers),
        ("host_questions", host.questions),
        ("host_membership_reports", host.reports),
        ("host_membership_queries", host.queries),
        ("host_conflict_frames", host.conflicts),
        ("host_defences", host.defences),
        ("host_dropped_events", host.events_dropped),
    ];
    counters.extend(BAD.iter().map(String::as_str).zip(host.bad));
    counters.extend(IGNORED.iter().map(String::as_str).zip(host.ignored));
    counters
}
