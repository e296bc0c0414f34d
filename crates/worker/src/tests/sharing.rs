//! Several senders of one queue fill its bursts together, and cost one another nothing by that.

use std::sync::Arc;

use netio::sim::Faults;

use super::studio::{Receiving, Studio, tall};
use crate::counters::SenderCounters;
use crate::sender::{Lateness, SenderConfig, SenderTiming};
use st2110::SenderType;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;
const SENDERS: usize = 4;

/// Senders of type N of one camera by one queue, with what receives them.
struct Stand {
    studio: Studio,
    near: Receiving,
    far: Vec<(Receiving, Arc<SenderCounters>)>,
}

impl Stand {
    fn new(lateness: Lateness) -> Self {
        let mut studio = Studio::with_outputs(1, Faults::default(), 1);
        let mut near = studio.receive(tall(), 16);
        let far = (0..SENDERS).map(|_| {
            let far = studio.receive(tall(), 16);
            let patient = |config: &mut SenderConfig| config.lateness = lateness;
            let (key, counters) = studio.sender_with(far.destination, SenderTiming::Source, patient);
            studio.connect_with(key, &mut near, 4, |source| source.of_type(SenderType::N));
            (far, counters)
        });
        let far = far.collect();
        Self { studio, near, far }
    }

    /// Plays so many frames from `first` on, and lets the last one go out.
    fn play(&mut self, first: u32, frames: u32) {
        let mut camera = self.studio.camera(&self.near, 1);
        for number in first..first + frames {
            camera.send(number, number * TICKS);
            self.studio.pass(FRAME);
        }
        self.studio.pass(2 * FRAME);
    }

    /// Pictures that came whole, and packets that came in another order than sent, at each far end.
    fn arrived(&self) -> Vec<(u64, u64)> {
        let counters = self.far.iter().map(|(far, _)| &far.counters);
        counters.map(|counters| (counters.grains_complete.value(), counters.reordered.value())).collect()
    }
}

#[test]
fn what_is_due_of_all_leaves_in_one_burst() {
    let mut stand = Stand::new(Lateness::Frames(1));
    stand.studio.camera(&stand.near, 1).send(0, 0);
    stand.studio.pass(FRAME / 4);
    stand.studio.clock.advance_nanos(FRAME / 4);
    stand.studio.valves[0].offers();
    let before = stand.studio.outputs[0].packets.value();
    stand.studio.worker.turn();
    let packets = stand.studio.outputs[0].packets.value() - before;
    assert_eq!((packets, stand.studio.valves[0].offers()), (4 * SENDERS as u64, 1), "C_MAX of each");
    stand.studio.pass(2 * FRAME);
    assert_eq!(stand.arrived(), [(1, 0); SENDERS]);
}

/// A socket whose buffer is full stops at its own packets, in the middle of a burst.
#[test]
fn what_is_stuck_in_the_middle_of_a_burst_is_seen_by_its_own_sender_only() {
    const STUCK: usize = 1;
    let told = |is_stuck: bool| {
        let mut stand = Stand::new(Lateness::Frames(1));
        let destination = stand.far[STUCK].0.destination;
        stand.studio.valves[0].bar(Some(destination).filter(|_| is_stuck));
        stand.play(0, 4);
        let (_, counters) = stand.far.remove(STUCK);
        assert_eq!((counters.packets.value() == counters.packets_taken_back.value()), is_stuck, "{counters:?}");
        assert_eq!(stand.arrived(), [(4, 0); SENDERS - 1]);
        stand.far.iter().map(|(_, counters)| counters.values()).collect::<Vec<_>>()
    };
    assert_eq!(told(true), told(false));
}

/// It takes some packets and then none, again and again, wherever in a burst that is.
#[test]
fn a_queue_that_takes_parts_of_bursts_keeps_each_senders_order() {
    let mut stand = Stand::new(Lateness::Frames(100));
    let mut camera = stand.studio.camera(&stand.near, 1);
    for number in 0..3 {
        camera.send(number, number * TICKS);
        for turn in 0..800 {
            stand.studio.valves[0].shut();
            // A little less than what is due of all.
            stand.studio.valves[0].pass(if turn % 3 == 0 { turn * 7 % 5 } else { 0 });
            stand.studio.pass(50_000);
        }
    }
    let taken_in_parts = stand.far.iter().map(|(_, counters)| counters.queue_full.value()).collect::<Vec<_>>();
    assert!(taken_in_parts.iter().all(|times| *times > 100), "{taken_in_parts:?}");
    stand.studio.valves[0].open();
    stand.studio.pass(4 * FRAME);
    assert_eq!(stand.arrived(), [(3, 0); SENDERS]);
    let over = stand.far.iter().map(|(_, counters)| counters.packets_over_c_max.value());
    assert_eq!(over.sum::<u64>(), 0);
}
