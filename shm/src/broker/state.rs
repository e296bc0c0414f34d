//! All that the broker knows, behind one lock that no worker ever takes.
//!
//! Each file of this folder adds what belongs to its noun: connections ([`super::connection`]), flows
//! ([`super::flow`]), rings being made ([`super::making`]), consumers ([`super::membership`]), mapped regions
//! ([`super::views`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::access_list::FlowRule;
use super::catalogue::Catalogue;
use super::config::Limits;
use super::connection::Connection;
use super::left_page::LeftPage;
use super::making::Making;
use super::mason::Job;
use super::membership::Membership;
use super::porter::Errand;
use super::records::Records;
use super::released::Remainder;
use super::snapshot::{BrokerCounters, FlowEvent};
use super::stranded::Stranded;
use super::views::Views;
use crate::PagePolicy;
use crate::access::SocketAccess;
use crate::poll::Poll;
use crate::protocol::RingRecord;
use crate::wake::Waker;

/// See the module.
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) rules: Vec<FlowRule>,
    pub(super) default_slots: u16,
    pub(super) page_policy: PagePolicy,
    pub(super) access: SocketAccess,
    pub(super) poll: Arc<Poll>,
    /// To the thread that makes and seals regions; none once the broker stops.
    pub(super) mason: Option<Sender<Job>>,
    pub(super) connections: HashMap<u64, Connection>,
    pub(super) flows: Catalogue,
    /// Rings on their way to being flows, by epoch. Their names are taken.
    pub(super) makings: HashMap<u128, Making>,
    pub(super) memberships: HashMap<u64, Membership>,
    pub(super) views: Views,
    /// Where the rings of pods are written down, if anywhere.
    pub(super) records: Option<Arc<Records>>,
    /// What an earlier broker wrote down and nobody has brought yet, by epoch.
    pub(super) left_records: HashMap<u128, RingRecord>,
    /// Rings that were brought and not taken over, as far as the gateway was told of them.
    pub(super) stranded: Stranded,
    /// When this broker began.
    pub(super) since: Instant,
    /// Wakes the consumers of the gateway's own flows.
    pub(super) waker: Waker,
    /// Memory of rings that are gone, which somebody may still have.
    pub(super) remainders: Vec<Remainder>,
    /// Lease pages of consumers that are gone, which somebody may still have.
    pub(super) left_pages: Vec<LeftPage>,
    /// Connections to close once the event at hand is dealt with.
    pub(super) doomed: Vec<u64>,
    /// What porters are to do.
    pub(super) errands: Vec<Errand>,
    /// Connections that are being closed, and whose they were: they count until that is done.
    pub(super) closing: HashMap<u64, u32>,
    /// What the gateway has yet to be told.
    pub(super) events: Vec<FlowEvent>,
    pub(super) counters: BrokerCounters,
    last_id: u64,
}

/// How soon to look at time-outs.
pub(super) const WAITING: Duration = Duration::from_millis(100);

impl State {
    pub(super) fn new(
        (limits, rules): (Limits, Vec<FlowRule>),
        default_slots: u16,
        page_policy: PagePolicy,
        access: SocketAccess,
        (poll, mason, waker): (Arc<Poll>, Sender<Job>, Waker),
        first_id: u64,
    ) -> Self {
        Self {
            limits,
            rules,
            default_slots,
            page_policy,
            access,
            poll,
            mason: Some(mason),
            connections: HashMap::new(),
            flows: Catalogue::default(),
            makings: HashMap::new(),
            memberships: HashMap::new(),
            views: Views::default(),
            records: None,
            left_records: HashMap::new(),
            stranded: Stranded::default(),
            since: Instant::now(),
            waker,
            remainders: Vec::new(),
            left_pages: Vec::new(),
            doomed: Vec::new(),
            errands: Vec::new(),
            closing: HashMap::new(),
            events: Vec::new(),
            counters: BrokerCounters::default(),
            last_id: first_id,
        }
    }

    /// A number that was never used before.
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// What time brings: notices of the gateway's writers, time-outs, connections to close.
    pub(super) fn tick(&mut self, now: Instant) {
        self.drain_notices();
        self.settle_departures();
        self.expire_joins(now);
        self.expire_makings(now);
        self.expire_silent(now);
        self.close_doomed();
        self.collect_views();
        self.collect_released();
        self.expire_records(now);
    }

    /// How long the housekeeping thread may sleep; none is until something happens.
    pub(super) fn patience(&self) -> Option<Duration> {
        let members = self.memberships.values().filter_map(Membership::patience);
        let waits =
            !self.makings.is_empty() || !self.errands.is_empty() || self.connections.values().any(|c| !c.is_greeted());
        members
            .chain(waits.then_some(WAITING))
            .chain(self.views.patience())
            .chain(self.patience_for_released())
            .chain(self.patience_for_records())
            .min()
    }
}
