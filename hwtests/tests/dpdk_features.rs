//! Receive interrupts and flow rules on net_tap, the one device without hardware that has them. Each test runs in a
//! namespace and a process of its own. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::flow::{Datagrams, FlowRuleError};
use dpdk::interrupt::InterruptError;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Features, Port, PortConfig, Reception, RxHandle, Stopped, TxHandle};
use dpdk::sizing::{Demand, Sizing};
use hwtests::isolated::is_inside;
use hwtests::{Isolated, Namespace, namespace, take_turn};
use ip::{MacAddr, Template, TemplateConfig};
use netio::{Alarm, Bed, Doorbell};

const LIMIT: Duration = Duration::from_secs(20);
const GROUP: [u8; 4] = [239, 1, 2, 3];

fn inside(test: &str, body: impl FnOnce()) {
    if is_inside(test) {
        return body();
    }
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let space = Namespace::create("feats").unwrap();
    // The kernel's own IPv6 packets would wake whoever sleeps.
    let quiet = ["-qw", "net.ipv6.conf.default.disable_ipv6=1"];
    assert!(space.command("sysctl").args(quiet).status().unwrap().success());
    Isolated::new(test).inside(&space).run().unwrap();
}

fn eal() -> Eal {
    Eal::start(&EalConfig::new(Memory::NoHuge { mib: 192 })).unwrap()
}

fn probe(eal: &Eal, device: &str, features: Features) -> Port<Stopped> {
    let device = device.parse().unwrap();
    let demand = Demand { packets_per_second: 1_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    let one = sizing.rx_pool(None);
    let mbufs = one.mbufs * u32::from(features.rx_queues.max(features.tx_queues));
    let pool = Mempool::create(eal, &MempoolConfig { mbufs, ..one }).unwrap();
    Port::probe_with(eal, PortConfig { device, sizing, reception: Reception::Multicast }, features, pool).unwrap()
}

/// A datagram to our group.
fn datagram(pool: &Mempool, udp_port: u16) -> Mbuf {
    let config = TemplateConfig {
        source_mac: MacAddr::new([2, 0, 0, 0, 0, 7]),
        vlan: None,
        source: ([192, 0, 2, 7], 7_000).into(),
        destination: (GROUP, udp_port).into(),
        dscp: 0,
        ttl: 1,
    };
    let template = Template::new(&config).unwrap();
    let mut packet = pool.alloc().unwrap();
    let frame = packet.append(u16::try_from(template.octets()).unwrap() + 100).unwrap();
    template.write(frame, template.group_mac().unwrap(), 100);
    packet
}

/// How many datagrams to `udp_port` of our group wait.
fn count(rx: &mut RxHandle, udp_port: u16) -> usize {
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    let mut found = 0;
    while rx.burst(&mut burst) > 0 {
        let wanted = |packet: &Mbuf| packet.head()[30..34] == GROUP && packet.head()[36..38] == udp_port.to_be_bytes();
        found += burst.drain(..).filter(wanted).count();
    }
    found
}

#[test]
fn a_tap_wakes_a_sleeping_thread() {
    inside("a_tap_wakes_a_sleeping_thread", || {
        let eal = eal();
        let _registered = eal.register_thread().unwrap();
        let mut port = probe(&eal, "net_tap:fp-tap", Features { rx_interrupts: true, ..Features::default() });
        for _ in 0..3 {
            let (started, mut queues) = port.start().unwrap();
            let (far, mut far_queues) = probe(&eal, "net_af_packet:fp-tap", Features::default()).start().unwrap();
            let pool = Mempool::create(&eal, &far.config().sizing.linear_pool(None)).unwrap();
            for _ in 0..20 {
                // What the kernel itself says on a new device may wake it a few times.
                let slept = (0..50).any(|_| {
                    count(&mut queues.rx, 0);
                    let begun = Instant::now();
                    !queues.rx.wait(Duration::from_millis(5)).unwrap() && begun.elapsed() >= Duration::from_millis(5)
                });
                assert!(slept, "it never slept through 5 ms");
                let (ready, rx, tx) = (Barrier::new(2), &mut queues.rx, &mut far_queues.tx);
                let woken = thread::scope(|scope| {
                    let waiter = scope.spawn(|| {
                        ready.wait();
                        rx.wait(LIMIT).unwrap()
                    });
                    ready.wait();
                    assert_eq!(tx.burst(&mut [datagram(&pool, 5_004)].into_iter().collect()), 1);
                    waiter.join().unwrap()
                });
                assert!(woken, "nobody was woken in {LIMIT:?}");
                // The driver looks once a signal has come, a moment later than the wake-up.
                let (deadline, mut arrived) = (Instant::now() + LIMIT, 0);
                while arrived == 0 {
                    assert!(Instant::now() < deadline, "the datagram has not arrived after {LIMIT:?}");
                    arrived = count(&mut queues.rx, 5_004);
                }
                assert_eq!(arrived, 1);
            }
            drop((far_queues, far));
            port = started.stop(queues).unwrap();
        }
        // Who has not asked for it is told so.
        let (_port, mut queues) = probe(&eal, "net_tap:fp-other", Features::default()).start().unwrap();
        let refusal = queues.rx.wait(Duration::ZERO).unwrap_err();
        assert!(matches!(refusal, InterruptError::Unsupported { .. }), "{refusal:?}");
    });
}

#[test]
fn a_tap_wakes_who_sleeps_on_its_alarm_among_others() {
    inside("a_tap_wakes_who_sleeps_on_its_alarm_among_others", || {
        let eal = eal();
        let _registered = eal.register_thread().unwrap();
        let port = probe(&eal, "net_tap:fp-tap", Features { rx_interrupts: true, ..Features::default() });
        let (started, mut queues) = port.start().unwrap();
        let (far, mut far_queues) = probe(&eal, "net_af_packet:fp-tap", Features::default()).start().unwrap();
        let pool = Mempool::create(&eal, &far.config().sizing.linear_pool(None)).unwrap();
        assert!(queues.rx.alarm().is_none() && !queues.rx.arm(), "nobody has asked for one");
        queues.rx.make_alarm().unwrap();
        let bell = Doorbell::new().unwrap();
        let bed = Bed::new(Arc::clone(&bell)).unwrap();
        bed.set(Alarm(queues.rx.alarm().unwrap())).unwrap();
        for _ in 0..20 {
            // What the kernel itself says on a new device may wake it a few times.
            let slept = (0..50).any(|_| {
                count(&mut queues.rx, 0);
                let slept = queues.rx.arm() && !bed.sleep(Duration::from_millis(5));
                queues.rx.disarm();
                slept
            });
            assert!(slept, "it never slept through 5 ms");
            assert!(queues.rx.arm());
            assert_eq!(far_queues.tx.burst(&mut [datagram(&pool, 5_004)].into_iter().collect()), 1);
            assert!(bed.sleep(LIMIT), "nobody was woken in {LIMIT:?}");
            queues.rx.disarm();
            let deadline = Instant::now() + LIMIT;
            while count(&mut queues.rx, 5_004) == 0 {
                assert!(Instant::now() < deadline, "the datagram has not arrived after {LIMIT:?}");
            }
        }
        bell.ring();
        assert!(queues.rx.arm() && bed.sleep(LIMIT));
        drop((far_queues, far));
        drop(started.stop(queues).unwrap());
    });
}

#[test]
fn a_tap_steers_where_the_kernel_classifies() {
    inside("a_tap_steers_where_the_kernel_classifies", || {
        let eal = eal();
        let _registered = eal.register_thread().unwrap();
        let port = probe(&eal, "net_tap:fp-tap", Features { rx_queues: 2, ..Features::default() });
        let (mut port, mut queues) = port.start().unwrap();
        let mut second = port.further_rx().pop().unwrap();
        let media = Datagrams { destination: (GROUP, 5_004).into(), vlan: None };
        let rule = match port.steer(media, 1) {
            Ok(rule) => rule,
            Err(refusal @ FlowRuleError::Refused { .. }) => {
                // The driver has taken the pattern; it is the kernel that has no classifier.
                assert!(refusal.to_string().contains("239.1.2.3:5004"), "{refusal}");
                eprintln!("SKIPPED: no cls_flower or act_skbedit in this kernel: {refusal}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let (far, mut far_queues) = probe(&eal, "net_af_packet:fp-tap", Features::default()).start().unwrap();
        let pool = Mempool::create(&eal, &far.config().sizing.linear_pool(None)).unwrap();
        let mut arrived = |rule_holds: bool| {
            let (mut media, deadline) = (0, Instant::now() + LIMIT);
            while media == 0 {
                assert!(Instant::now() < deadline, "nothing has arrived after {LIMIT:?}");
                far_queues.tx.burst(&mut [datagram(&pool, 5_004)].into_iter().collect());
                let (on_first, on_second) = (count(&mut queues.rx, 5_004), count(&mut second, 5_004));
                assert_eq!(if rule_holds { on_first } else { on_second }, 0);
                media = on_first + on_second;
            }
        };
        arrived(true);
        assert!(rule.is_in_place());
        drop(rule);
        arrived(false);
    });
}

/// Sends by each queue in turn, and waits until all of it has come in on the other side.
fn passes(pool: &Mempool, lanes: &mut [TxHandle], rx: &mut RxHandle) {
    const PACKETS: usize = 20;
    for (udp_port, tx) in (6_000..).zip(lanes) {
        let mut burst: ArrayVec<Mbuf, BURST> = (0..PACKETS).map(|_| datagram(pool, udp_port)).collect();
        let (mut arrived, deadline) = (0, Instant::now() + LIMIT);
        while arrived < PACKETS {
            assert!(Instant::now() < deadline, "{arrived} of {PACKETS} to port {udp_port} have arrived");
            tx.burst(&mut burst);
            arrived += count(rx, udp_port);
        }
        assert_eq!((arrived, burst.len()), (PACKETS, 0));
    }
}

#[test]
fn a_tap_and_packet_sockets_send_by_several_queues_and_receive_on_all() {
    inside("a_tap_and_packet_sockets_send_by_several_queues_and_receive_on_all", || {
        let eal = eal();
        let _registered = eal.register_thread().unwrap();
        let several = Features { tx_queues: 3, ..Features::default() };
        let (mut tap, mut tap_queues) = probe(&eal, "net_tap:fp-tap", several).start().unwrap();
        let mut far_port = probe(&eal, "net_af_packet:fp-tap", several);
        for _ in 0..2 {
            let (mut far, mut far_queues) = far_port.start().unwrap();
            assert_eq!((tap.tx_queues(), far.tx_queues()), (3, 3));
            let pool = Mempool::create(&eal, &far.config().sizing.linear_pool(None)).unwrap();
            let (mut tap_lanes, mut far_lanes) = (tap.further_tx(), far.further_tx());
            passes(&pool, std::slice::from_mut(&mut tap_queues.tx), &mut far_queues.rx);
            passes(&pool, &mut tap_lanes, &mut far_queues.rx);
            passes(&pool, std::slice::from_mut(&mut far_queues.tx), &mut tap_queues.rx);
            passes(&pool, &mut far_lanes, &mut tap_queues.rx);
            drop((tap_lanes, far_lanes));
            far_port = far.stop(far_queues).unwrap();
        }
    });
}
