//! Times of packets on ports: when each is to leave, as a worker's sender plans it and a device's clock counts it. Over net_ring, which
//! hands the packets on as they are; that a card keeps the times is `hardware.rs`'s. Each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use arrayvec::ArrayVec;
use dpdk::device_clock::{ClockFollower, ClockPair};
use dpdk::eal::Eal;
use dpdk::launch::LaunchTimes;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::port::RxHandle;
use dpdk::rx::DpdkRx;
use dpdk::tx::DpdkTx;
use hwtests::isolated::{Isolated, is_inside};
use hwtests::port_bench::small_eal;
use hwtests::{PortBench, PortMake, Road, Turning, road, take_turn};
use media::{Clock, ManualClock, Tai};
use shm::{FrameReader, FrameWriter, GrainEnd, GrainLease, PagePolicy};
use st2110::{ReadSchedule, Schedule, SenderType};
use worker::{SenderCounters, Source};

const GROUP: &str = "239.1.2.3:5004";
/// How far ahead of its time the worker hands a packet over, at the most.
const AHEAD_NANOS: i64 = 250_000;
/// A tick of the card lasts 6.4 ns, and its clock is read to a tick.
const TICK_NANOS: i64 = 10;

/// What mlx5 has: 156.25 MHz, from a beginning of its own.
fn ticks(tai: Tai) -> u64 {
    let since = i128::from(tai.nanos_since(road::NOON));
    0xFFFF_FFFF_0000_0000_u64.wrapping_add((since * 15_625 / 100_000) as u64)
}

fn inside(test: &str, body: impl FnOnce()) {
    if is_inside(test) {
        return body();
    }
    let _turn = take_turn();
    Isolated::new(test).run().unwrap();
}

/// A ring, a worker that sends it by a port with launch times, and the far end of the port.
struct Stage {
    clock: ManualClock,
    near: FrameWriter,
    turning: Turning<DpdkRx<ManualClock>, DpdkTx<GrainLease>>,
    far: RxHandle,
    times: LaunchTimes,
    follower: ClockFollower,
    port: PortBench,
    road: Road,
    _eal: Eal,
}

impl Stage {
    /// `looks` have been taken at the card's clock.
    fn set(looks: i64) -> Self {
        let eal = small_eal(128).unwrap();
        let road = Road::new(&eal, PagePolicy::PlainOnly).unwrap();
        let clock = ManualClock::at(road::NOON);
        let make = PortMake::on("net_ring");
        let (port, tx, mut rx) = PortBench::open::<GrainLease, _>(&eal, &make, clock.clone()).unwrap();
        let mut follower = ClockFollower::default();
        for _ in 0..looks {
            follower.follow(ClockPair { ticks: ticks(clock.now()), tai: clock.now() });
            clock.advance_nanos(20_000_000);
        }
        let times = LaunchTimes::register(&eal).unwrap();
        let tx = tx.launched_by(times, follower.clock());
        let turning = Turning::new(&clock, vec![tx]);
        let near = road.ring("near", 16).unwrap();
        let far = rx.detach_device().unwrap();
        Self { clock, near, turning, far, times, follower, port, road, _eal: eal }
    }

    fn send(&mut self, change: impl Fn(Source) -> Source) -> std::sync::Arc<SenderCounters> {
        let reader = self.reader();
        let sender = road::sender(1, 0, GROUP).unwrap();
        self.turning.send_from(sender, change(Source::new(reader, road::plan(), ReadSchedule::Gapped))).unwrap()
    }

    fn reader(&mut self) -> FrameReader {
        let (near, clock) = (&mut self.near, &self.clock);
        self.road.reader("near", 3, || near.poll(clock.now())).unwrap()
    }

    /// Sends a picture; when its packets were handed over, and which tick they are to leave at.
    fn play(&mut self, number: u64) -> Vec<(Tai, Option<u64>)> {
        let key = road::open(&mut self.near, number, self.clock.now()).unwrap();
        road::fill(&mut self.near, key, number).unwrap();
        self.near.commit(key, GrainEnd::default());
        let mut seen = Vec::new();
        for _ in 0..road::FRAME_NANOS / 100_000 {
            self.turning.turn();
            let mut burst = ArrayVec::<Mbuf, BURST>::new();
            while self.far.burst(&mut burst) > 0 {
                seen.extend(burst.drain(..).map(|packet| (self.clock.now(), self.times.of(&packet))));
            }
            // Somebody looks at the card's clock meanwhile.
            self.follower.follow(ClockPair { ticks: ticks(self.clock.now()), tai: self.clock.now() });
            self.clock.advance_nanos(100_000);
        }
        seen
    }
}

#[test]
fn a_sender_tells_the_device_when_each_packet_is_to_leave() {
    inside("a_sender_tells_the_device_when_each_packet_is_to_leave", || {
        let mut stage = Stage::set(2);
        let counters = stage.send(|source| source.of_type(SenderType::N));
        let packets = road::plan().packets_per_frame();
        let schedule = Schedule::new(&road::format(), packets, ReadSchedule::Gapped);
        for number in 0..3 {
            let begun = stage.clock.now();
            let seen = stage.play(number);
            assert_eq!(seen.len() as u32, packets);
            for (packet, (now, launch)) in (0..).zip(&seen) {
                let at = schedule.at(packet, begun);
                let off = launch.unwrap().wrapping_sub(ticks(at)).cast_signed() * 64 / 10;
                assert!(off.abs() <= TICK_NANOS, "packet {packet} of {number}: {off} ns off");
                let ahead = at.nanos_since(*now);
                assert!((0..=AHEAD_NANOS).contains(&ahead), "packet {packet} was handed over {ahead} ns ahead");
            }
        }
        assert_eq!(counters.packets_late_to_10us.value(), u64::from(packets) * 3, "{:?}", counters.values());
        assert_eq!((counters.bunched_largest.value(), counters.packets_over_c_max.value()), (1, 0));
        let tx = &stage.port.counters.tx;
        assert_eq!((tx.launch_timed.value(), tx.launch_untimed.value()), (u64::from(packets) * 3, 0));
    });
}

/// What is given out in words: nothing is held back, and nothing is lost.
#[test]
fn a_device_whose_clock_nobody_knows_sends_without_times() {
    inside("a_device_whose_clock_nobody_knows_sends_without_times", || {
        let mut stage = Stage::set(0);
        stage.follower = ClockFollower::default();
        let counters = stage.send(|source| source.of_type(SenderType::N));
        let seen = stage.play(0);
        assert!(seen.len() as u32 == road::plan().packets_per_frame() && seen.iter().all(|(_, at)| at.is_none()));
        let tx = &stage.port.counters.tx;
        assert_eq!((tx.launch_timed.value(), tx.launch_untimed.value()), (0, counters.packets.value()));
    });
}

#[test]
fn what_is_unpaced_has_no_times() {
    inside("what_is_unpaced_has_no_times", || {
        let mut stage = Stage::set(2);
        let counters = stage.send(Source::unpaced);
        let seen = stage.play(0);
        assert!(!seen.is_empty() && seen.iter().all(|(_, at)| at.is_none()));
        let tx = &stage.port.counters.tx;
        assert_eq!((tx.launch_timed.value(), tx.launch_untimed.value()), (0, 0));
        assert_eq!(counters.packets.value(), seen.len() as u64);
    });
}
