//! What cards and cameras of a rack do. `FLYPACK_HW` names a file with them (`docs/hardware.md`); without it the same tests
//! run on a veth pair and a camera of our own, and say what those cannot show. Needs root, with cards hugepages too.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "hardware/camera.rs"]
mod camera;
#[path = "hardware/memory.rs"]
mod memory;
#[path = "hardware/pair.rs"]
mod pair;
#[path = "hardware/pictures.rs"]
mod pictures;
#[path = "hardware/shared.rs"]
mod shared;
#[path = "hardware/times.rs"]
mod times;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use dpdk::flow::{Datagrams, FlowRuleError};
use dpdk::interrupt::InterruptError;
use dpdk::launch::LaunchTimes;
use dpdk::mbuf::Mbuf;
use dpdk::port::{Features, Port, Started, Wish};
use dpdk::timestamp::RxTimestamps;
use hwtests::{PortPair, Trial};
use pair::{Pair, drain, receive};

const MEDIA: u16 = 5_004;
const OTHER: u16 = 5_006;
const DATAGRAMS: u32 = 200;

/// Runs `body` on each pair of ports, or says what it would have `shown`.
fn on_hardware(test: &str, shown: &str, body: impl FnOnce(&PortPair)) {
    Trial { test, shown }.on_pairs(body).unwrap();
}

#[test]
fn pictures_cross_the_pair() {
    on_hardware(
        "pictures_cross_the_pair",
        "pictures out of a ring, through both ports and into another ring, every octet compared",
        pictures::cross,
    );
}

#[test]
fn a_camera_is_received() {
    camera::is_received();
}

#[test]
fn an_iommu_lets_cards_read_rings_and_nothing_else() {
    on_hardware(
        "an_iommu_lets_cards_read_rings_and_nothing_else",
        "frames leave from ring memory through an IOMMU, which forgets the ring when it ends",
        memory::through_the_iommu,
    );
}

#[test]
fn memory_is_on_the_cards_own_numa_node() {
    on_hardware(
        "memory_is_on_the_cards_own_numa_node",
        "pools and rings lie on the NUMA node of their card",
        memory::on_the_cards_node,
    );
}

#[test]
fn a_flow_rule_puts_a_destination_on_its_queue() {
    on_hardware(
        "a_flow_rule_puts_a_destination_on_its_queue",
        "rte_flow: the card puts the datagrams of one destination on a queue of their own",
        |hardware| {
            let features = Features { rx_queues: 2, ..Features::default() };
            let Some(mut pair) = Pair::open(hardware, Features::default(), features) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            let mut second = pair.b.port.further_rx().pop().unwrap();
            let media = Datagrams { destination: (hardware.address_b, MEDIA).into(), vlan: hardware.vlan };
            let rule = match pair.b.port.steer(media, 1) {
                Ok(rule) => rule,
                Err(error @ FlowRuleError::Refused { .. }) => {
                    eprintln!("SKIPPED: this card cannot show it: {error}");
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            assert!(rule.is_in_place());
            both_kinds(&mut pair, hardware);
            let on_second = receive(hardware, &mut second, |seen| seen.len() >= DATAGRAMS as usize);
            let on_first = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= DATAGRAMS as usize);
            assert!(on_second.iter().all(|(udp_port, ..)| *udp_port == MEDIA), "others are on the rule's queue");
            assert!(on_first.iter().all(|(udp_port, ..)| *udp_port == OTHER), "media is on the first queue");
            // Without the rule all arrive on the first queue.
            drop(rule);
            both_kinds(&mut pair, hardware);
            let all = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= 2 * DATAGRAMS as usize);
            assert_eq!(all.iter().filter(|(udp_port, ..)| *udp_port == MEDIA).count(), DATAGRAMS as usize);
        },
    );
}

#[test]
fn a_rule_that_is_put_anew_moves_its_destination_to_another_queue() {
    on_hardware(
        "a_rule_that_is_put_anew_moves_its_destination_to_another_queue",
        "rte_flow: a destination goes from one queue to another, as a receiver that moves between workers needs it",
        |hardware| {
            let features = Features { rx_queues: 3, ..Features::default() };
            let Some(mut pair) = Pair::open(hardware, Features::default(), features) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            let mut further = pair.b.port.further_rx();
            let (mut third, mut second) = (further.pop().unwrap(), further.pop().unwrap());
            let media = Datagrams { destination: (hardware.address_b, MEDIA).into(), vlan: hardware.vlan };
            let before = match pair.b.port.steer(media, 1) {
                Ok(rule) => rule,
                Err(error @ FlowRuleError::Refused { .. }) => {
                    eprintln!("SKIPPED: this card cannot show it: {error}");
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            // The gateway's order: the new one first, where the card takes both.
            let (after, before) = match pair.b.port.steer(media, 2) {
                Ok(after) => {
                    println!("the card takes two rules of one destination");
                    (after, Some(before))
                }
                Err(error) => {
                    println!("one after the other: {error}");
                    drop(before);
                    (pair.b.port.steer(media, 2).unwrap(), None)
                }
            };
            drop(before);
            assert!(after.is_in_place());
            both_kinds(&mut pair, hardware);
            let on_third = receive(hardware, &mut third, |seen| seen.len() >= DATAGRAMS as usize);
            assert!(on_third.iter().all(|(udp_port, ..)| *udp_port == MEDIA), "others are on the rule's queue");
            let on_first = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= DATAGRAMS as usize);
            assert!(on_first.iter().all(|(udp_port, ..)| *udp_port == OTHER), "media is on the first queue");
            let mut left = arrayvec::ArrayVec::new();
            assert_eq!(second.burst(&mut left), 0, "the rule that went puts packets on its queue still");
        },
    );
}

/// Half to the one port and half to the other, in turns.
fn both_kinds(pair: &mut Pair, hardware: &PortPair) {
    let ports = (0..DATAGRAMS).flat_map(|number| [(MEDIA, number), (OTHER, number)]);
    let packets: Vec<_> = ports.map(|(udp_port, number)| pair.numbered(hardware, udp_port, number)).collect();
    pair.send(packets);
}

#[test]
fn transmit_queues_send_at_once_and_each_in_order() {
    on_hardware(
        "transmit_queues_send_at_once_and_each_in_order",
        "transmit queues of a card, each in the hands of a thread, send at once and keep the order of theirs",
        |hardware| {
            let features = Features { tx_queues: 4, ..Features::default() };
            let Some(mut pair) = Pair::open(hardware, features, Features::default()) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            let mut further = pair.a.port.further_tx();
            if further.is_empty() {
                eprintln!("SKIPPED: this card cannot show it: it has one transmit queue");
                return;
            }
            let udp_ports: Vec<u16> = (MEDIA..).step_by(2).take(further.len() + 1).collect();
            let of_lane = |udp_port| (0..DATAGRAMS).map(|number| pair.numbered(hardware, udp_port, number)).collect();
            let packets: Vec<Vec<Mbuf>> = udp_ports.iter().map(|udp_port| of_lane(*udp_port)).collect();
            let (eal, rx) = (&pair.eal, &mut pair.b.queues.rx);
            let seen = thread::scope(|scope| {
                for (tx, packets) in [&mut pair.a.queues.tx].into_iter().chain(&mut further).zip(packets) {
                    scope.spawn(move || {
                        let _registered = eal.register_thread().unwrap();
                        pair::hand_over(tx, packets);
                    });
                }
                receive(hardware, rx, |seen| seen.len() >= udp_ports.len() * DATAGRAMS as usize)
            });
            for udp_port in udp_ports {
                let of_lane = seen.iter().filter(|(port, ..)| *port == udp_port).map(|(_, number, _)| *number);
                assert!(of_lane.eq(0..DATAGRAMS), "to port {udp_port}");
            }
        },
    );
}

#[test]
fn packets_leave_at_their_launch_times() {
    on_hardware(
        "packets_leave_at_their_launch_times",
        "launch time: packets that are handed over at once leave at the times that stand in them",
        |hardware| {
            const COUNT: u32 = 32;
            const SPACING: Duration = Duration::from_micros(500);
            let (a, b) = (
                Features { launch_time: Wish::Needed, ..Features::default() },
                Features { rx_timestamps: Wish::Needed, ..Features::default() },
            );
            let Some(mut pair) = Pair::open(hardware, a, b) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            assert!(pair.a.port.capabilities().launch_time);
            let (launch, arrival) =
                (LaunchTimes::register(&pair.eal).unwrap(), RxTimestamps::register(&pair.eal).unwrap());
            let (a_rate, b_rate) = (ticks_per_second(&pair.a.port), ticks_per_second(&pair.b.port));
            let mut packets: Vec<_> = (0..COUNT).map(|number| pair.numbered(hardware, MEDIA, number)).collect();
            let (start, step) =
                (pair.a.port.clock_ticks().unwrap() + (a_rate / 50.0) as u64, a_rate * SPACING.as_secs_f64());
            for (number, packet) in packets.iter_mut().enumerate() {
                assert!(launch.set(packet, start + (number as f64 * step) as u64));
            }
            drain(&mut pair.b.queues.rx);
            pair.send(packets);
            let seen = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= COUNT as usize);
            let times: Vec<u64> = seen.iter().map(|(.., packet)| arrival.of(packet).expect("a time")).collect();
            let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as f64 / b_rate).collect();
            println!("gaps in µs, 500 were asked: {:.1?}", gaps.iter().map(|gap| gap * 1e6).collect::<Vec<_>>());
            assert!(seen.iter().map(|(_, number, _)| *number).eq(0..COUNT), "they are out of order");
            // At once they would follow one another by less than a microsecond.
            let half = SPACING.as_secs_f64() / 2.0;
            assert!(gaps.iter().all(|gap| (half..3.0 * half).contains(gap)), "the card did not wait");
        },
    );
}

/// Over a tenth of a second; for calibration, not for judgement.
fn ticks_per_second(port: &Port<Started>) -> f64 {
    let (begun, first) = (Instant::now(), port.clock_ticks().unwrap());
    thread::sleep(Duration::from_millis(100));
    let (last, passed) = (port.clock_ticks().unwrap(), begun.elapsed());
    assert!(last > first, "the card's clock stands still");
    (last - first) as f64 / passed.as_secs_f64()
}

#[test]
fn cards_say_when_packets_arrived() {
    on_hardware(
        "cards_say_when_packets_arrived",
        "NIC timestamps: every packet carries the time of its arrival by the card's clock",
        |hardware| {
            let features = Features { rx_timestamps: Wish::Needed, ..Features::default() };
            let Some(mut pair) = Pair::open(hardware, Features::default(), features) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            let arrival = RxTimestamps::register(&pair.eal).unwrap();
            let packets: Vec<_> = (0..DATAGRAMS).map(|number| pair.numbered(hardware, MEDIA, number)).collect();
            let before = pair.b.port.clock_ticks();
            pair.send(packets);
            let seen = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= DATAGRAMS as usize);
            let after = pair.b.port.clock_ticks();
            let times: Vec<u64> = seen.iter().filter_map(|(.., packet)| arrival.of(packet)).collect();
            assert_eq!(times.len(), seen.len(), "packets without a time");
            assert!(times.is_sorted(), "times go back: {times:?}");
            assert!(times.first() < times.last(), "the clock stands still");
            match (before, after) {
                (Ok(before), Ok(after)) => {
                    println!("clock {before}, {:?} to {:?}, clock {after}", times.first(), times.last());
                    assert!(times.iter().all(|time| (before..=after).contains(time)), "another clock's times");
                }
                (Err(error), _) | (_, Err(error)) => println!("only their order was looked at: {error}"),
            }
        },
    );
}

#[test]
fn the_gateway_goes_by_the_times_of_its_cards() {
    on_hardware(
        "the_gateway_goes_by_the_times_of_its_cards",
        "a sender of the gateway is paced by launch times, and its receiver's packets have the card's times of arrival",
        times::through_the_gateway,
    );
}

#[test]
fn a_sleeping_thread_is_woken_by_a_packet() {
    on_hardware(
        "a_sleeping_thread_is_woken_by_a_packet",
        "RX interrupts: a thread sleeps while nothing arrives and wakes when something does",
        |hardware| {
            let features = Features { rx_interrupts: true, ..Features::default() };
            let Some(mut pair) = Pair::open(hardware, Features::default(), features) else { return };
            let _registered = pair.eal.register_thread().unwrap();
            if let Err(error @ InterruptError::Unsupported { .. }) = pair.b.queues.rx.wait(Duration::ZERO) {
                eprintln!("SKIPPED: this card cannot show it: {error}");
                return;
            }
            for round in 0..10 {
                // What else is on the wire may wake it a few times.
                let slept = (0..50).any(|_| {
                    drain(&mut pair.b.queues.rx);
                    !pair.b.queues.rx.wait(Duration::from_millis(20)).unwrap()
                });
                assert!(slept, "it never slept through 20 ms: the wire is not quiet, or the card always wakes");
                let packet = pair.numbered(hardware, MEDIA, round);
                let Pair { a, b, eal, .. } = &mut pair;
                let (asleep, rx, tx) = (Barrier::new(2), &mut b.queues.rx, &mut a.queues.tx);
                let woken = thread::scope(|scope| {
                    let waiter = scope.spawn(|| {
                        asleep.wait();
                        rx.wait(pair::LIMIT).unwrap()
                    });
                    let _registered = eal.register_thread();
                    asleep.wait();
                    assert_eq!(tx.burst(&mut [packet].into_iter().collect()), 1);
                    waiter.join().unwrap()
                });
                assert!(woken, "nobody was woken in {:?}", pair::LIMIT);
                let seen = receive(hardware, &mut pair.b.queues.rx, |seen| !seen.is_empty());
                assert_eq!((seen[0].0, seen[0].1), (MEDIA, round));
            }
        },
    );
}

#[test]
fn the_kernel_answers_on_a_shared_card_while_media_is_ours() {
    on_hardware(
        "the_kernel_answers_on_a_shared_card_while_media_is_ours",
        "bifurcated drivers: the kernel answers ARP and ping on its device while media goes to DPDK",
        shared::kernel_and_media,
    );
}
