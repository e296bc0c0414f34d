//! Rings on their way to being flows. For a pod's: region made → descriptors sent → the pod has mapped → sealed.
//!
//! Whatever goes wrong on the way refuses the flow and drops the broker's part of it: nothing of it was ever shown to
//! a consumer.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use media::{FlowFormat, FlowId, Name};

use super::access_list;
use super::flow::{Flow, WriterSide};
use super::mason::{Draft, Job};
use super::state::State;
use crate::access::Peer;
use crate::protocol::{Blocking, BrokerMessage, FlowRight, Reason, Refusal, RingRequest, SuccessionToken};
use crate::{Fallback, Geometry, GeometryError, Pages, Region, RegionError, SealedRegion, WakeMode};

/// A name that is taken by a ring which is no flow yet.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) name: Name,
    /// Who asked; none is the gateway, which makes its region in the calling thread.
    pod: Option<Asker>,
    /// What counts against [`super::Limits::pod_octets`].
    octets: u64,
    stage: Stage,
    fallback: Option<Fallback>,
    blocking: Blocking,
    wake: WakeMode,
}

#[derive(Clone, Copy, Debug)]
struct Asker {
    connection: u64,
    request: u32,
    uid: u32,
}

#[derive(Debug)]
enum Stage {
    Making,
    /// The pod has the descriptors and shall map them.
    Offered(Box<Region>, Instant),
    Sealing,
    /// Nobody wants it any more, and the mason has not come to it yet: it counts, and has no name.
    Abandoned,
}

impl Making {
    fn new(name: Name, pod: Option<Asker>, octets: u64) -> Self {
        let (blocking, wake) = (Blocking::Refused, WakeMode::None);
        Self { name, pod, octets, stage: Stage::Making, fallback: None, blocking, wake }
    }

    /// The user of the pod that it is for.
    pub(super) fn uid(&self) -> Option<u32> {
        self.pod.map(|pod| pod.uid)
    }

    /// Nobody waits for it any more; its name is free.
    pub(super) const fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Abandoned)
    }

    /// What it takes.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// The connection of the pod that it is for.
    pub(super) fn connection(&self) -> Option<u64> {
        self.pod.map(|pod| pod.connection)
    }
}

/// The geometry of a new ring.
///
/// # Errors
/// [`Refusal::Slots`], [`Refusal::Memory`].
pub(super) fn plan(name: &Name, format: FlowFormat, slots: u16, open_max: u16) -> Result<Geometry, Refusal> {
    // Which pages it really has is known when its region is made.
    Geometry::new(FlowId::from_name(name), format, slots, open_max, Pages::Plain).map_err(|error| match error {
        GeometryError::Epoch(source) => {
            Refusal::Memory { octets: 0, errno: source.raw_os_error().unwrap_or(0).unsigned_abs() }
        }
        GeometryError::OpenGrains { open_max, .. } => Refusal::OpenGrains { open_max, max: Geometry::OPEN_MAX },
        _ => Refusal::Slots { slots, min: Geometry::SLOTS_MIN, max: Geometry::SLOTS_MAX },
    })
}

impl State {
    /// Takes the name for a flow that the gateway makes; [`Self::release_name`] or [`Self::finish_own`] gives it on.
    pub(super) fn reserve_name(&mut self, name: &Name, epoch: u128) -> Result<(), Refusal> {
        self.check_new_flow(name, None, None)?;
        self.makings.insert(epoch, Making::new(name.clone(), None, 0));
        Ok(())
    }

    pub(super) fn release_name(&mut self, epoch: u128) {
        self.makings.remove(&epoch);
    }

    /// The gateway's ring becomes a flow.
    pub(super) fn finish_own(&mut self, flow: Flow, fallback: Option<Fallback>) -> Result<(), Refusal> {
        self.makings.remove(&flow.epoch()).ok_or(Refusal::Stopping)?;
        self.add_flow(flow, fallback);
        Ok(())
    }

    /// A pod asks for a ring.
    pub(super) fn produce(
        &mut self,
        (connection, request): (u64, u32),
        peer: &Peer,
        ring: RingRequest,
    ) -> Result<(), Refusal> {
        let RingRequest { name, format, slots, open_max, blocking, wake, succeeds } = ring;
        access_list::check(&self.rules, peer, FlowRight::Produce, &name)?;
        let succeeds = succeeds.map(|token| self.succeeded(token, &name, peer)).transpose()?;
        self.check_new_flow(&name, Some(connection), succeeds)?;
        let geometry = plan(&name, format, slots.unwrap_or(self.default_slots), open_max)?;
        let octets = geometry.octets();
        self.check_memory(peer.uid, octets)?;
        let pod = Some(Asker { connection, request, uid: peer.uid });
        self.makings.insert(geometry.epoch, Making { blocking, wake, ..Making::new(name, pod, octets) });
        self.hand_to_mason(Job::Make(geometry, self.page_policy));
        Ok(())
    }

    /// The epoch of this name that whoever has the token may succeed.
    fn succeeded(&self, token: SuccessionToken, name: &Name, peer: &Peer) -> Result<u128, Refusal> {
        // Also of one that waits: its producer may have gone over to it already, and that not be known yet.
        let mut queue = self.flows.queue(name);
        let flow = queue.find(|flow| flow.token() == Some(token) && flow.uid() == Some(peer.uid));
        flow.map(Flow::epoch).ok_or(Refusal::NotYours)
    }

    /// Whether somebody still waits for this ring. Else it is forgotten, and counts no longer: the mason has come to it.
    pub(super) fn is_wanted(&mut self, epoch: u128) -> bool {
        let wanted = self.makings.get(&epoch).is_some_and(|making| !making.is_abandoned());
        if !wanted {
            self.makings.remove(&epoch);
        }
        wanted
    }

    /// The mason has made a pod's region, or failed to.
    pub(super) fn region_made(&mut self, epoch: u128, made: Result<Region, RegionError>) {
        let asked = self.makings.remove(&epoch).filter(|making| !making.is_abandoned());
        let Some((making, pod)) = asked.and_then(|making| making.pod.map(|pod| (making, pod))) else {
            // The pod is gone; the region goes too, which nobody but this process ever had.
            made.into_iter().for_each(|region| self.retire(region.into_remains().0));
            return;
        };
        let offer = made.and_then(|region| Ok((region.producer_fds()?, region)));
        let (fds, region) = match offer {
            Ok(offer) => offer,
            Err(error) => return self.refuse_asker(pod, refusal_of(&error)),
        };
        let fallback = region.fallback();
        let message = BrokerMessage::Region { geometry: *region.geometry() };
        let stage = Stage::Offered(Box::new(region), Instant::now());
        self.makings.insert(epoch, Making { stage, fallback, ..making });
        self.tell(pod.connection, pod.request, &message, &[fds.control.as_fd(), fds.data.as_fd()]);
    }

    /// The pod says that it has mapped the ring. False if there was nothing to map.
    pub(super) fn mapped(&mut self, connection: u64, epoch: u128) -> bool {
        let Some(making) = self.makings.get_mut(&epoch).filter(|making| making.connection() == Some(connection)) else {
            return false;
        };
        let (name, uid) = (making.name.clone(), making.uid().unwrap_or_default());
        let draft = Draft { name, uid, blocking: making.blocking, wake: making.wake };
        match std::mem::replace(&mut making.stage, Stage::Sealing) {
            Stage::Offered(region, _) => {
                self.hand_to_mason(Job::Seal(region, Box::new(draft)));
                true
            }
            earlier => {
                making.stage = earlier;
                false
            }
        }
    }

    /// The mason has sealed a pod's region, or could not. The pod has it in any case: what becomes no flow counts until
    /// it is released.
    pub(super) fn region_sealed(&mut self, epoch: u128, sealed: Result<SealedRegion, (RegionError, Box<Region>)>) {
        let asked = self.makings.remove(&epoch).and_then(|making| making.pod.map(|pod| (making, pod)));
        let Some((making, pod)) = asked else { return };
        let connection = self.connections.get(&pod.connection).filter(|_| !making.is_abandoned());
        match (sealed, connection.map(|connection| connection.peer)) {
            (Ok(ring), Some(peer)) => {
                let Making { name, blocking, wake, fallback, .. } = making;
                let flow = Flow::new(name, ring, WriterSide::pod(pod.connection, peer));
                let token = flow.token();
                self.add_flow(Flow { blocking, wake, ..flow }, fallback);
                self.answer(pod.connection, pod.request, &BrokerMessage::Produced { epoch, token }, &[]);
            }
            (Ok(ring), None) => {
                self.put_aside(pod.uid, making.octets, ring.into_remains());
                self.forget_record(epoch);
            }
            (Err((error, region)), peer) => {
                self.put_aside(pod.uid, making.octets, region.into_remains());
                peer.into_iter().for_each(|_| self.refuse_asker(pod, seal_refusal(&error)));
            }
        }
    }

    /// Forgets a ring that was being made. Who asked for it is still owed an answer, unless they are gone.
    pub(super) fn cancel_making(&mut self, epoch: u128) {
        let Some(making) = self.makings.get_mut(&epoch) else { return };
        match (&making.stage, making.pod) {
            // The mason has work with it. Were it not to count, who asks and leaves would queue work without end.
            (Stage::Making | Stage::Sealing, Some(_)) => making.stage = Stage::Abandoned,
            (Stage::Abandoned, _) => {}
            _ => drop(self.take_offered(epoch)),
        }
    }

    /// Forgets the rings of these.
    pub(super) fn forget_makings(&mut self, which: impl Fn(&Making) -> bool) {
        let epochs = self.makings.iter().filter(|(_, making)| which(making)).map(|(epoch, _)| *epoch);
        let epochs: Vec<u128> = epochs.collect();
        epochs.into_iter().for_each(|epoch| self.cancel_making(epoch));
    }

    /// Takes out a ring that the mason has nothing to do with.
    fn take_offered(&mut self, epoch: u128) -> Option<Asker> {
        let Making { pod, stage, octets, .. } = self.makings.remove(&epoch)?;
        if let (Stage::Offered(region, _), Some(pod)) = (stage, pod) {
            self.put_aside(pod.uid, octets, region.into_remains());
        }
        pod
    }

    /// Refuses those who were given a ring and do not say that they have mapped it.
    pub(super) fn expire_makings(&mut self, now: Instant) {
        let limit = Duration::from_millis(self.limits.answer_ms.into());
        let late = |making: &Making| match making.stage {
            Stage::Offered(_, since) => now.saturating_duration_since(since) >= limit,
            Stage::Making | Stage::Sealing | Stage::Abandoned => false,
        };
        let expired: Vec<u128> = self.makings.iter().filter(|(_, m)| late(m)).map(|(epoch, _)| *epoch).collect();
        for epoch in expired {
            self.counters.silent += 1;
            if let Some(pod) = self.take_offered(epoch) {
                self.refuse_asker(pod, Refusal::NotMapped { waited_ms: self.limits.answer_ms });
            }
        }
    }

    fn refuse_asker(&mut self, pod: Asker, refusal: Refusal) {
        self.counters.refused += 1;
        self.answer(pod.connection, pod.request, &BrokerMessage::Refused(refusal), &[]);
    }
}

/// The refusal for a region that could not be made.
fn refusal_of(error: &RegionError) -> Refusal {
    let errno = |errno: rustix::io::Errno| errno.raw_os_error().unsigned_abs();
    match error {
        RegionError::Memory { errno: reason, octets } => Refusal::Memory { octets: *octets, errno: errno(*reason) },
        RegionError::NoHugepages { errno: reason, pages_wanted } => {
            Refusal::Memory { octets: pages_wanted << 21, errno: errno(*reason) }
        }
        RegionError::Placement(error) => Refusal::Placement(Reason::new(&error.to_string())),
        RegionError::Descriptor(reason) => Refusal::Descriptors { errno: errno(*reason) },
        _ => Refusal::Memory { octets: 0, errno: 0 },
    }
}

/// The refusal for a region that could not be sealed.
fn seal_refusal(error: &RegionError) -> Refusal {
    match error {
        RegionError::Memory { .. } => refusal_of(error),
        _ => Refusal::NotSealed,
    }
}
