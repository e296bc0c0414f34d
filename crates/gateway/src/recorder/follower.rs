//! A flow's grains, whole and in order, through evictions and from one epoch to the next.

use std::thread;
use std::time::{Duration, Instant};

use control::{ArchiveError, ArchiveState};
use media::{FlowFormat, Name};
use shm::{ConsumerClass, FrameReader, GrainLease, ReadError, Refusal, SubscribeError, WaitError};

use super::ending::Ending;
use super::flows::Flows;

/// How often a flow that gives nothing is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// The pause of one that has no ring to wait for.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a grain may be held beyond the periods of all, ns: then the disk has stopped answering.
const DEADLINE_NANOS: i64 = 5_000_000_000;
/// The fewest grains to hold: one on its way to the disk, one that comes.
const HOLD_MIN: u16 = 2;
/// What is more is no gap: the writer's clock was set.
const GAP_SECONDS_MAX: u64 = 10;

/// See the module.
pub(super) struct Follower<F> {
    flows: F,
    flow: Name,
    format: FlowFormat,
    class: ConsumerClass,
    /// None while the ring does not admit it again.
    reader: Option<FrameReader>,
    /// A grain that was leased and is not whole yet.
    open: Option<GrainLease>,
    expected: Option<u64>,
    looked: Instant,
}

/// What came of waiting.
pub(super) enum Step {
    /// A grain, its lines that were lost, and how many grains before it are missing.
    Grain { lease: GrainLease, lost: Vec<u16>, missing: u64 },
    /// Nothing in this time.
    Nothing,
    /// A grain that its writer gave up.
    Cancelled,
    /// This reader gets nothing more: give back every lease, and rejoin.
    Rejoin { is_evicted: bool },
    /// No more will come.
    Ended(Ending),
}

impl<F: Flows> Follower<F> {
    /// Joins, with as many grains to hold as the ring allows, at most `hold`.
    ///
    /// # Errors
    /// Why the ring does not admit it.
    pub(super) fn join(flows: F, flow: &Name, format: FlowFormat, hold: u16) -> Result<Self, ArchiveError> {
        let mut k = hold.max(HOLD_MIN);
        let (class, reader) = loop {
            let class = class(&format, k);
            match flows.subscribe(flow, class) {
                Ok(reader) => break (class, reader),
                Err(SubscribeError::Refused(Refusal::Admission { works, .. })) if (HOLD_MIN..k).contains(&works) => {
                    k = works;
                }
                Err(error) => return Err(ArchiveError::Refused(Box::new(error))),
            }
        };
        let (reader, looked) = (Some(reader), Instant::now());
        Ok(Self { flows, flow: flow.clone(), format, class, reader, open: None, expected: None, looked })
    }

    /// Grains that it may hold.
    pub(super) fn hold(&self) -> u16 {
        self.class.holds().unwrap_or(HOLD_MIN)
    }

    /// The next whole grain; waits at most for `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Step {
        let deadline = Instant::now() + patience;
        if self.reader.is_none() {
            thread::sleep(PAUSE);
            let step = self.look();
            return if matches!(step, Step::Nothing) { Step::Rejoin { is_evicted: false } } else { step };
        }
        match self.open.take() {
            Some(lease) => self.complete(lease, deadline),
            None => match self.find(deadline) {
                Ok(lease) => self.complete(lease, deadline),
                Err(step) => step,
            },
        }
    }

    fn find(&mut self, deadline: Instant) -> Result<GrainLease, Step> {
        let Some(reader) = &mut self.reader else { return Err(Step::Nothing) };
        let found = reader.wait_next(deadline).and_then(|index| Ok(reader.lease(index)?));
        found.map_err(|error| match error {
            WaitError::Read(ReadError::Evicted { .. }) => Step::Rejoin { is_evicted: true },
            WaitError::Read(ReadError::EpochEnded { .. }) | WaitError::ProducerGone { .. } => {
                thread::sleep(PAUSE);
                self.look()
            }
            _ if self.looked.elapsed() >= LOOK => self.look(),
            _ => Step::Nothing,
        })
    }

    /// Waits for the end of a grain.
    fn complete(&mut self, lease: GrainLease, deadline: Instant) -> Step {
        let Some(reader) = &mut self.reader else { return Step::Nothing };
        // What it comes to is the lease's to say: it is good beyond an eviction.
        let waited = reader.wait_until(lease.index(), u16::MAX, deadline);
        let Ok(state) = lease.state() else { return Step::Nothing };
        if state.complete {
            let lost = reader.lost_lines(&lease.grain()).collect();
            return Step::Grain { missing: self.missing_before(lease.index().0), lost, lease };
        }
        if state.cancelled {
            self.missing_before(lease.index().0);
            return Step::Cancelled;
        }
        match waited {
            Err(WaitError::Read(ReadError::Evicted { .. })) => Step::Rejoin { is_evicted: true },
            _ if self.looked.elapsed() >= LOOK => {
                self.open = Some(lease);
                self.look()
            }
            _ => {
                self.open = Some(lease);
                Step::Nothing
            }
        }
    }

    fn missing_before(&mut self, index: u64) -> u64 {
        let missing = self.expected.map_or(0, |expected| index.saturating_sub(expected));
        self.expected = Some(index + 1);
        let rate = self.format.rate();
        let most = GAP_SECONDS_MAX * u64::from(rate.num()) / u64::from(rate.den());
        if missing > most { 0 } else { missing }
    }

    /// Whether the flow's name still stands for this ring.
    fn look(&mut self) -> Step {
        self.looked = Instant::now();
        let own = self.reader.as_ref().map(|reader| reader.geometry().epoch);
        match self.flows.ring(&self.flow) {
            None => Step::Ended(Ending::because(ArchiveState::FlowEnded, "the flow is gone")),
            Some((_, format)) if format != self.format => {
                Step::Ended(Ending::because(ArchiveState::FlowEnded, format!("the flow carries {format} now")))
            }
            Some((epoch, _)) if own.is_some_and(|own| own != epoch) => Step::Rejoin { is_evicted: false },
            Some(_) => Step::Nothing,
        }
    }

    /// Joins again; every lease that it gave out has dropped. Where the ring does not admit it, the next step tries again.
    pub(super) fn rejoin(&mut self) {
        self.open = None;
        // Dropping it acknowledges an eviction.
        self.reader = None;
        match self.flows.subscribe(&self.flow, self.class) {
            Ok(reader) => self.reader = Some(reader),
            Err(error) => tracing::debug!("flow {}: the recorder may not join again yet: {error}", self.flow),
        }
    }
}

fn class(format: &FlowFormat, k: u16) -> ConsumerClass {
    let periods = format.rate().period_nanos().saturating_mul(i64::from(k) + 1);
    ConsumerClass::Leased { k, deadline_nanos: DEADLINE_NANOS.saturating_add(periods) }
}
