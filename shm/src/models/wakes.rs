//! I5: no wake is lost. A consumer that sleeps through what it waits for is a deadlock here, which loom reports: no sleep
//! ends by time.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore};
use super::stage::{Stage, join, leased};
use crate::lease_page;
use crate::mapping::{Access, Mapping};
use crate::seed::Bug;
use crate::wake::{Alarm, Bell, Heard, Reached, Rounds, Sleeper, Sleepers, Waiting, WatchId, bell_pair};
use crate::{ConsumerClass, FrameReader, GrainState, ReadError, WaitError, WakeMode};

/// A ring with one consumer, and what its waker has.
pub(super) struct Room {
    pub(super) stage: Stage,
    pub(super) consumer: Consumer,
    pub(super) control: Mapping,
    pub(super) reached: Reached,
    lease: Arc<Mapping>,
    pub(super) bell: Arc<Bell>,
}

impl Room {
    pub(super) fn new(mode: WakeMode) -> Self {
        Self::on(Stage::new(3, 1), leased(1), mode)
    }

    fn on(stage: Stage, class: ConsumerClass, mode: WakeMode) -> Self {
        Self::with(stage, class, mode, bell_pair().unwrap())
    }

    /// With the consumer's bell and its waker's.
    pub(super) fn with(mut stage: Stage, class: ConsumerClass, mode: WakeMode, bells: (Bell, Bell)) -> Self {
        let (reader, lease) = stage.join_with_page(0, class);
        let (consumers, wakers) = bells;
        let geometry = stage.geometry;
        let waiting = Waiting::new(&geometry, mode, Some(consumers), None);
        let control = stage.control.shared(Access::ReadWrite);
        let lease = Arc::new(lease);
        let consumer = Consumer { reader, waiting: Some(waiting) };
        Self { stage, consumer, control, reached: Reached::of(&geometry), lease, bell: Arc::new(wakers) }
    }

    /// Whom the writer wakes, if anybody.
    pub(super) fn with_sleepers() -> (Self, Arc<Sleepers>) {
        Self::with_sleepers_on(Stage::new(3, 1), leased(1))
    }

    pub(super) fn with_sleepers_on(stage: Stage, class: ConsumerClass) -> (Self, Arc<Sleepers>) {
        let mut room = Self::on(stage, class, WakeMode::Inline);
        let sleepers = room.sleepers();
        (room, sleepers)
    }

    /// Whom its writer wakes from now on.
    pub(super) fn sleepers(&mut self) -> Arc<Sleepers> {
        let sleepers = Arc::new(Sleepers::new());
        self.stage.writer.wake_inline(Arc::clone(&sleepers));
        sleepers
    }

    pub(super) fn sleeper(&self) -> Sleeper {
        Sleeper::new(0, Arc::clone(&self.lease), Arc::clone(&self.bell))
    }
}

pub(super) struct Consumer {
    pub(super) reader: FrameReader,
    /// Until the reader has it.
    waiting: Option<Waiting>,
}

/// A thread of the model's; where a deadlock is reported, what it has is not dropped.
pub(super) fn start<T: Send + 'static>(has: T, act: impl FnOnce(&mut T) + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut has = ManuallyDrop::new(has);
        act(&mut has);
        drop(ManuallyDrop::into_inner(has));
    })
}

impl Consumer {
    /// From now on it sleeps by its bell.
    pub(super) fn by_the_bell(self) -> Self {
        let Self { reader, waiting } = self;
        Self { reader, waiting: waiting.map(Waiting::by_the_bell) }
    }

    /// Waits for the first slice of grain 0.
    pub(super) fn wait(&mut self) {
        let state = self.wait_until(0, 1).unwrap();
        assert!(state.slices >= 1);
    }

    pub(super) fn wait_until(&mut self, index: u64, slices: u16) -> Result<GrainState, WaitError> {
        self.waiting.take().into_iter().for_each(|waiting| self.reader.wait_with(waiting));
        self.reader.wait_until(GrainIndex(index), slices, Instant::now() + Duration::from_secs(1 << 30))
    }

    /// Begins to wait for the first slice of grain 0, and gives up, as those do who wait for many things at once.
    pub(super) fn give_up(&mut self) {
        let want = FrameReader::want(GrainIndex(0), 1).unwrap();
        let Self { reader, waiting } = self;
        let _ = waiting.as_mut().map(|waiting| waiting.announce(reader.bed(), want, Alarm::Futex));
        lease_page::take_back_want(reader.bed().lease);
    }
}

pub(super) fn write(stage: &mut Stage) {
    stage.open(0).unwrap();
    stage.slice(0, 0);
}

/// The writer knows the consumer.
fn inline() {
    let (room, sleepers) = Room::with_sleepers();
    sleepers.add(room.sleeper());
    let Room { stage, consumer, .. } = room;
    loom::explore();
    join([start(stage, write), start(consumer, Consumer::wait)]);
}

/// The writer does not know it yet: it rings, and the waker makes it known, as its keeper does.
pub(super) fn introduced(mut room: Room) {
    let sleepers = room.sleepers();
    let (known, stranger) = (room.sleeper(), room.sleeper());
    let Room { stage, consumer, control, bell, .. } = room;
    // The process goes on when the writer has written: its ends of the bells stay open.
    let lasting = (Arc::clone(&sleepers), Arc::clone(&bell));
    loom::explore();
    let waker =
        start((sleepers, control, bell, Some(known), stranger), |(sleepers, control, bell, known, stranger)| {
            if bell.listen() == Heard::Rung {
                known.take().into_iter().for_each(|known| sleepers.add(known));
                stranger.wake_anyway(control);
            }
        });
    let consumer = start(consumer, |consumer| {
        consumer.give_up();
        consumer.wait();
    });
    join([start(stage, write), consumer, waker]);
    drop(lasting);
}

/// The waker polls, rests, and is rung for.
fn polled() {
    let room = Room::new(WakeMode::Housekeeping);
    let sleeper = room.sleeper();
    let Room { stage, consumer, control, reached, bell, .. } = room;
    let mut rounds = Rounds::new(control, reached);
    rounds.add(WatchId::modelled(), sleeper);
    loom::explore();
    let waker = start((rounds, bell), |(rounds, bell)| {
        loop {
            while rounds.is_polled() {
                rounds.look();
                thread::yield_now();
            }
            match bell.listen() {
                Heard::Rung => rounds.begin(),
                _ => break,
            }
        }
    });
    join([start(stage, write), start(consumer, Consumer::wait), waker]);
}

/// It waits for a grain that will be out of its reach.
fn evicted() {
    let (mut room, sleepers) = Room::with_sleepers();
    sleepers.add(room.sleeper());
    (0..2).for_each(|index| room.stage.grain(index).unwrap());
    let Room { stage, consumer, .. } = room;
    loom::explore();
    let writer = start(stage, |stage| stage.open(2).unwrap());
    let consumer = start(consumer, |consumer| {
        let lost = consumer.wait_until(7, 0);
        assert_eq!(lost, Err(WaitError::Read(ReadError::Evicted { hi: GrainIndex(2) })));
    });
    join([writer, consumer]);
}

#[test]
fn a_writer_wakes_whom_it_knows() {
    explore("a sleeper of the writer", 3, inline);
    for bug in [Bug::WantUnfenced, Bug::PublishedUnfenced, Bug::SeenLate] {
        catches(bug, "deadlock", inline);
    }
}

#[test]
fn a_writer_gets_to_know_who_sleeps() {
    let model = || introduced(Room::new(WakeMode::Inline));
    explore("a sleeper that is introduced", 2, model);
    catches(Bug::SleeperUnfenced, "deadlock", model);
}

#[test]
fn a_waker_rests_when_nobody_sleeps_only() {
    explore("a sleeper of a waker that rests", 2, polled);
    catches(Bug::RestUnfenced, "deadlock", polled);
    catches(Bug::WantUnfenced, "deadlock", polled);
}

#[test]
fn an_eviction_wakes() {
    explore("a sleeper that is evicted", 3, evicted);
    for bug in [Bug::LossUnseen, Bug::PublishedUnfenced] {
        catches(bug, "deadlock", evicted);
    }
}
