//! The SDK as a pod uses it: grains that cancel themselves, the next grain and its lines, seats taken anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "torture/stage.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod stage;

use std::thread;
use std::time::{Duration, Instant};

use media::{AncillaryFormat, AudioDepth, AudioFormat, FlowFormat, GrainIndex, VideoFormat};
use shm::{
    Consumer, ConsumerClass, GrainLease, GrainStamp, OpenError, ProduceError, ProduceOptions, Producer, ReadError,
    Refusal, Session, SessionError, SubscribeOptions, WaitError, WriteError,
};

use stage::{Stage, leased, name, tiny};

/// A flow of a pod, and a consumer of it.
struct Pair {
    session: Session,
    producer: Producer,
    consumer: Consumer,
    /// The grain of the present when the test began.
    index: u64,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Subscribes while `producer` lets the consumer in.
fn join(session: &Session, producer: &mut Producer, flow: &str, class: ConsumerClass) -> Consumer {
    thread::scope(|scope| {
        let joining = scope.spawn(|| session.subscribe(&name(flow), class));
        while !joining.is_finished() {
            producer.poll();
            thread::sleep(Duration::from_millis(1));
        }
        joining.join().unwrap().unwrap()
    })
}

impl Pair {
    fn on(stage: &Stage, class: ConsumerClass) -> Self {
        Self::in_a_ring_of(16, stage, class)
    }

    fn in_a_ring_of(slots: u16, stage: &Stage, class: ConsumerClass) -> Self {
        let session = Session::connect(&stage.socket()).unwrap();
        let options = ProduceOptions { slots: Some(slots), ..ProduceOptions::default() };
        let mut producer = session.produce(&name("gfx"), tiny(), options).unwrap();
        let consumer = join(&session, &mut producer, "gfx", class);
        let index = producer.index_now().0;
        Self { session, producer, consumer, index }
    }

    /// Writes a whole grain, `ahead` of the first.
    fn write(&mut self, ahead: u64) {
        let index = GrainIndex(self.index + ahead);
        let stamp = self.producer.stamp_of(index);
        let mut grain = self.producer.open(index, stamp).unwrap();
        grain.lines_mut(0..4).unwrap().fill(ahead as u8);
        grain.commit();
    }

    /// Takes a new seat while the producer lets the consumer in.
    fn rejoin(&mut self) {
        self.try_rejoin().unwrap();
    }

    fn try_rejoin(&mut self) -> Result<(), SessionError> {
        let Self { session, producer, consumer, .. } = self;
        thread::scope(|scope| {
            let joining = scope.spawn(|| consumer.rejoin(session));
            while !joining.is_finished() {
                producer.poll();
                thread::sleep(Duration::from_millis(1));
            }
            joining.join().unwrap()
        })
    }

    /// What ends the reading.
    fn read_to_the_end(&mut self) -> WaitError {
        loop {
            match self.next() {
                Ok(_) => {}
                Err(error) => break error,
            }
        }
    }

    fn next(&mut self) -> Result<GrainLease, WaitError> {
        self.consumer.next(soon())
    }
}

#[test]
fn lines_are_read_while_the_grain_is_written() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(2));
    let index = GrainIndex(pair.index);
    let stamp = pair.producer.stamp_of(index);
    let mut grain = pair.producer.open(index, stamp).unwrap();
    let lease = pair.consumer.next(soon()).unwrap();
    assert_eq!((lease.index(), lease.stamp(), lease.state().unwrap().slices), (index, stamp, 0));
    let row = tiny().row_octets() as usize;
    grain.write_lines(0, &vec![7; 2 * row]).unwrap();
    grain.publish(2);
    let state = pair.consumer.wait(&lease, 1, soon()).unwrap();
    assert_eq!((state.slices, state.complete), (2, false));
    let mut copy = vec![0; 2 * row];
    lease.copy_lines(0..2, &mut copy).unwrap();
    assert_eq!(copy, vec![7; 2 * row]);
    let late = pair.consumer.wait(&lease, 3, Instant::now()).unwrap_err();
    assert_eq!(late, WaitError::TimedOut { index, slices: 3, reached: Some(2) });
    assert_eq!(grain.write_lines(1, &[0]), Err(WriteError::Published { offset: 40, published_octets: 80 }));
    grain.lines_mut(2..4).unwrap().fill(8);
    grain.mark_lost(3);
    grain.commit();
    let state = pair.consumer.wait(&lease, 4, soon()).unwrap();
    assert!(state.complete && !state.cancelled);
    assert_eq!((0..4).filter(|line| lease.is_lost(*line)).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_grain_that_is_dropped_is_cancelled_and_seen_as_such() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(2));
    let index = GrainIndex(pair.index);
    let stamp = pair.producer.stamp_of(index);
    let mut grain = pair.producer.open(index, stamp).unwrap();
    grain.write_lines(0, &[1; 40]).unwrap();
    grain.publish(1);
    drop(grain);
    pair.write(1);
    let lease = pair.next().unwrap();
    let state = pair.consumer.wait(&lease, 4, soon()).unwrap();
    assert_eq!((lease.index(), state.slices, state.cancelled, state.complete), (index, 1, true, false));
    assert_eq!(pair.next().unwrap().index(), GrainIndex(pair.index + 1));
}

#[test]
fn a_grain_that_is_kept_is_taken_up_again() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(2));
    let index = GrainIndex(pair.index);
    let key = pair.producer.open(index, GrainStamp::default()).unwrap().keep();
    pair.producer.poll();
    let mut grain = pair.producer.grain(key).unwrap();
    grain.lines_mut(0..4).unwrap().fill(9);
    grain.commit();
    assert_eq!(pair.producer.grain(key).unwrap_err(), WriteError::NotOpen { index });
    let lease = pair.next().unwrap();
    assert!(pair.consumer.wait(&lease, 4, soon()).unwrap().complete);
}

#[test]
fn grains_are_found_by_index_and_by_instant() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(6));
    for ahead in [0, 1, 3, 4] {
        pair.write(ahead);
    }
    let first = pair.index;
    let at = |ahead: u64| GrainIndex(first + ahead);
    assert_eq!(pair.consumer.get(at(1)).unwrap().index(), at(1));
    assert!(pair.consumer.get(at(0)).is_err(), "passed");
    assert!(pair.consumer.get(at(2)).is_err(), "a hole");
    let instant = pair.producer.stamp_of(at(3)).tai.plus_nanos(3_000_000);
    assert_eq!(pair.consumer.at(instant).unwrap().index(), at(3));
    assert_eq!(pair.next().unwrap().index(), at(4));
    let nothing = pair.consumer.next(Instant::now()).unwrap_err();
    assert_eq!(nothing, WaitError::TimedOut { index: at(5), slices: 0, reached: None });
}

#[test]
fn who_is_evicted_takes_a_new_seat() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(1));
    for ahead in 0..6 {
        pair.write(ahead);
    }
    let evicted = pair.read_to_the_end();
    assert!(matches!(evicted, WaitError::Read(ReadError::Evicted { .. })), "{evicted}");
    pair.rejoin();
    pair.write(6);
    assert_eq!(pair.next().unwrap().index(), GrainIndex(pair.index + 6));
}

/// Of the seat that it gives back the gateway hears from the writer, and after the consumer has asked for the next.
#[test]
fn a_ring_with_room_for_one_takes_its_evicted_consumer_back() {
    let stage = Stage::new();
    // 1 + 1 + (2 + 1) slots.
    let mut pair = Pair::in_a_ring_of(5, &stage, leased(2));
    for round in 0..5 {
        pair.write(10 * round);
        let held = pair.next().unwrap();
        for ahead in 1..6 {
            pair.write(10 * round + ahead);
        }
        let evicted = pair.read_to_the_end();
        assert!(matches!(evicted, WaitError::Read(ReadError::Evicted { .. })), "{evicted}");
        let beside = pair.try_rejoin().unwrap_err();
        assert!(matches!(beside, SessionError::Refused(Refusal::Admission { slots: 5, k: 2, .. })), "{beside}");
        let mut copy = [0; 40];
        held.copy_lines(0..1, &mut copy).unwrap();
        assert_eq!(copy, [10 * round as u8; 40], "it goes on to hold what it holds");
        drop(held);
        pair.rejoin();
    }
}

/// In another epoch, the same index may be another picture.
#[test]
fn a_lease_waits_with_its_own_consumer_only() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(1));
    let mut other = join(&pair.session, &mut pair.producer, "gfx", leased(1));
    pair.write(0);
    let lease = pair.next().unwrap();
    let foreign = WaitError::Read(ReadError::Foreign { index: lease.index() });
    assert_eq!(other.wait(&lease, 4, soon()).unwrap_err(), foreign);
    assert!(pair.consumer.wait(&lease, 4, soon()).unwrap().complete);
    pair.rejoin();
    assert_eq!(pair.consumer.wait(&lease, 4, soon()).unwrap_err(), foreign);
}

#[test]
fn a_flow_goes_on_with_another_format_and_other_indices() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(3));
    pair.write(0);
    let open = pair.producer.open(GrainIndex(pair.index + 1), GrainStamp::default()).unwrap().keep();
    let wider = VideoFormat::new(32, 4, tiny().sampling(), tiny().depth(), tiny().rate()).unwrap();
    let refused = pair.producer.succeed(wider, Some(16)).unwrap_err();
    assert!(matches!(refused, SessionError::GrainOpen { index } if index.0 == pair.index + 1), "{refused}");
    pair.producer.writer().cancel(open);
    let (first, memory) = (pair.next().unwrap(), pair.producer.writer().memory());
    pair.producer.succeed(wider, Some(16)).unwrap();
    let successor = pair.producer.epoch();
    // As after a clock that was set back.
    pair.index -= 50;
    pair.write(0);
    assert!(pair.next().unwrap().state().unwrap().cancelled);
    let end = GrainIndex(first.index().0 + 2);
    let ended = pair.next().unwrap_err();
    assert!(
        matches!(ended, WaitError::Read(ReadError::EpochEnded { end: at, successor: Some(to), .. }) if at == end && to == successor),
        "{ended}"
    );
    // What was leased of the old ring stays, and so does what the producer keeps of it.
    let mut copy = [1; 40];
    first.copy_lines(0..1, &mut copy).unwrap();
    assert_eq!(copy, [0; 40]);
    pair.rejoin();
    drop((first, memory));
    pair.write(1);
    // Also what was written before it had come.
    assert_eq!(pair.next().unwrap().index().0, pair.index);
    let lease = pair.next().unwrap();
    assert_eq!((lease.index().0, pair.consumer.reader().geometry().format), (pair.index + 1, wider.into()));
}

#[test]
fn what_was_opened_before_the_producer_went_is_still_read() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(3));
    pair.write(0);
    pair.write(1);
    let Pair { producer, mut consumer, index, .. } = pair;
    drop(producer);
    for ahead in 0..2 {
        assert_eq!(consumer.next(soon()).unwrap().index(), GrainIndex(index + ahead));
    }
    let gone = consumer.next(soon()).unwrap_err();
    assert_eq!(gone, WaitError::ProducerGone { index: GrainIndex(index + 2) });
}

#[test]
fn an_index_far_ahead_is_refused_and_the_next_one_opens() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(2));
    let day = GrainIndex(pair.index + 25 * 86_400);
    let error = pair.producer.open(day, Default::default()).unwrap_err();
    let ProduceError::TooFarAhead { index, now, limit } = error else { panic!("{error}") };
    assert_eq!((index, limit.0 - now.0), (day, 250));
    assert!(now.0 >= pair.index);
    pair.write(0);
    let again = pair.producer.open(GrainIndex(pair.index), Default::default()).unwrap_err();
    assert!(matches!(again, ProduceError::Open(OpenError::NotMonotone { .. })), "{again}");
}

#[test]
fn a_format_that_was_not_expected_is_named() {
    let stage = Stage::new();
    let mut pair = Pair::on(&stage, leased(2));
    let wider = VideoFormat::new(32, 4, tiny().sampling(), tiny().depth(), tiny().rate()).unwrap();
    let ask = |expect| SubscribeOptions { expect: Some(FlowFormat::Video(expect)), ..ConsumerClass::Lossy.into() };
    let mut subscribe = |expect| {
        let Pair { session, producer, .. } = &mut pair;
        thread::scope(|scope| {
            let joining = scope.spawn(|| session.subscribe_with(&name("gfx"), ask(expect)));
            while !joining.is_finished() {
                producer.poll();
                thread::sleep(Duration::from_millis(1));
            }
            joining.join().unwrap()
        })
    };
    assert!(subscribe(tiny()).is_ok());
    let error = subscribe(wider).unwrap_err();
    let SessionError::Format { expected, found } = &error else { panic!("{error}") };
    assert_eq!((*expected, *found), (wider.into(), tiny().into()));
}

/// Subscribes to `flow` of `producer`, writes one grain of `bytes` to it and gives back what is read.
fn carried(session: &Session, producer: &mut Producer, flow: &str, bytes: &[u8]) -> Vec<u8> {
    let mut consumer = join(session, producer, flow, leased(2));
    let index = producer.index_now();
    let stamp = producer.stamp_of(index);
    let mut grain = producer.open(index, stamp).unwrap();
    grain.write_lines(0, bytes).unwrap();
    grain.commit_octets(bytes.len() as u32);
    let lease = consumer.next(soon()).unwrap();
    assert_eq!((lease.index(), lease.stamp()), (index, stamp));
    let state = consumer.wait(&lease, u16::MAX, soon()).unwrap();
    assert!(state.complete);
    let geometry = *consumer.reader().geometry();
    let mut copy = vec![0; geometry.grain_octets as usize];
    lease.copy_lines(0..geometry.slices, &mut copy).unwrap();
    copy.truncate(state.octets as usize);
    copy
}

#[test]
fn one_api_carries_pictures_sound_and_ancillary_data() {
    let stage = Stage::new();
    let session = Session::connect(&stage.socket()).unwrap();
    let sound = AudioFormat::new(8, 48_000, AudioDepth::L24, 48).unwrap();
    let captions = AncillaryFormat::new(tiny().rate(), 256).unwrap();
    let production: [(&str, FlowFormat, usize); 3] =
        [("picture", tiny().into(), 160), ("sound", sound.into(), 1152), ("captions", captions.into(), 24)];
    for (flow, format, octets) in production {
        let mut producer = session.produce(&name(flow), format, Some(8)).unwrap();
        let bytes: Vec<u8> = (0..octets).map(|octet| octet as u8).collect();
        assert_eq!(carried(&session, &mut producer, flow, &bytes), bytes, "{flow}");
        let listed = session.flows().unwrap();
        assert_eq!(listed.iter().find(|entry| entry.name == name(flow)).unwrap().format, format);
    }
}
