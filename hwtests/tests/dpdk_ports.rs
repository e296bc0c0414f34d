//! DPDK's virtual devices on kernel ones: every octet there and back, over restarts; links that go down; what is refused.
//! Each test runs in a namespace and a process of its own. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::Command;

use arrayvec::ArrayVec;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, PortError, PortQueues, Reception, Stopped};
use dpdk::sizing::{Demand, Sizing};
use hwtests::isolated::Isolated;
use hwtests::namespace::Link;
use hwtests::{Namespace, Netdev, eventually, netdev};

/// IEEE 802's number for local experiments: nothing else on the wire has it.
const ETHERTYPE: [u8; 2] = [0x88, 0xB5];
const BROADCAST: [u8; 6] = [0xFF; 6];

/// Runs `body` in a process of its own, in a namespace with a veth pair `near` and `far` of this MTU.
fn inside(test: &str, mtu: u32, body: impl FnOnce()) {
    let wire = |space: &Namespace| {
        // The kernel's own IPv6 packets would come between.
        let quiet = space.command("sysctl").args(["-qw", "net.ipv6.conf.default.disable_ipv6=1"]).status()?;
        assert!(quiet.success(), "interfaces made later have no voice of their own");
        let far = Link { namespace: space, interface: "far", addresses: &[] };
        netdev::wire(Netdev { namespace: space, name: "near" }, far, mtu)
    };
    print!("{}", Isolated::new(test).in_namespace("ports", wire, body).unwrap());
}

fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
}

fn eal() -> Eal {
    Eal::start(&EalConfig::new(Memory::NoHuge { mib: 192 })).unwrap()
}

fn config(device: &str, mtu: u16) -> PortConfig {
    let device = device.parse().unwrap();
    let sizing = Sizing::new(&device, Demand { packets_per_second: 1_000, hold_ms: 1, mtu, streams: 1 }).unwrap();
    PortConfig { device, sizing, reception: Reception::Multicast }
}

fn probe(eal: &Eal, config: PortConfig) -> Result<Port<Stopped>, PortError> {
    let pool = Mempool::create(eal, &config.sizing.rx_pool(None)).unwrap();
    Port::probe(eal, config, pool)
}

/// A frame whose every octet follows from its number.
fn frame(number: usize, octets: usize) -> Vec<u8> {
    let header = BROADCAST.into_iter().chain([2, 0, 0, 0, 0, 1]).chain(ETHERTYPE);
    let body = (0..).map(|at: usize| (number * 31 + at * 7 + at / 256) as u8);
    header.chain(body).take(octets).collect()
}

/// The frame in one buffer, or in two where the port gathers.
fn packet(pool: &Mempool, octets: &[u8], chained: bool) -> Mbuf {
    let cut = if chained { 62.min(octets.len()) } else { octets.len() };
    let one = |octets: &[u8]| {
        let mut packet = pool.alloc().unwrap();
        packet.append(u16::try_from(octets.len()).unwrap()).unwrap().copy_from_slice(octets);
        packet
    };
    let mut head = one(&octets[..cut]);
    if cut < octets.len() {
        head.chain(one(&octets[cut..])).unwrap();
    }
    head
}

/// Sends frames one way and expects exactly them, in order.
fn exchange(from: &mut PortQueues, gathers: bool, to: &mut PortQueues, pool: &Mempool, longest: usize) {
    let frames: Vec<Vec<u8>> = (0..200).map(|number| frame(number, 60 + (longest - 60) * number / 199)).collect();
    let mut received = Vec::new();
    for batch in frames.chunks(20) {
        let mut burst: ArrayVec<Mbuf, BURST> = batch.iter().map(|frame| packet(pool, frame, gathers)).collect();
        let expected = received.len() + batch.len();
        eventually("the batch has arrived", || {
            from.tx.burst(&mut burst);
            let mut arrived = ArrayVec::<Mbuf, BURST>::new();
            to.rx.burst(&mut arrived);
            let octets = arrived.iter().map(|packet| packet.segments().flatten().copied().collect::<Vec<u8>>());
            received.extend(octets.filter(|octets| octets[12..14] == ETHERTYPE));
            // The other side's queue is polled, too: that is what makes AF_XDP take its finished frames back.
            let mut nothing = ArrayVec::<Mbuf, BURST>::new();
            from.rx.burst(&mut nothing);
            received.len() >= expected
        });
    }
    for (number, (received, sent)) in received.iter().zip(&frames).enumerate() {
        assert!(received[..sent.len()] == sent[..], "frame {number} of {} octets differs", sent.len());
        assert!(received.len() <= sent.len().max(60), "frame {number} has grown");
    }
    assert_eq!(received.len(), frames.len());
}

/// Both ways between `near` and `far`, three starts of each.
fn there_and_back(near: &str, far: &str, mtu: u16) {
    let eal = eal();
    let _registered = eal.register_thread().unwrap();
    let (near, far) = (config(near, mtu), config(far, mtu));
    let pool = Mempool::create(&eal, &near.sizing.linear_pool(None)).unwrap();
    let (mut near, mut far) = (probe(&eal, near).unwrap(), probe(&eal, far).unwrap());
    println!("{:?}\n{:?} {}", near.capabilities(), far.capabilities(), far.mac());
    let longest = usize::from(mtu) + 14;
    for _ in 0..3 {
        let (near_gathers, far_gathers) = (near.capabilities().gathers, far.capabilities().gathers);
        let (near_started, mut near_queues) = near.start().unwrap();
        let (far_started, mut far_queues) = far.start().unwrap();
        eventually("both links are up", || near_started.link().up && far_started.link().up);
        exchange(&mut near_queues, near_gathers, &mut far_queues, &pool, longest);
        exchange(&mut far_queues, far_gathers, &mut near_queues, &pool, longest);
        println!("{:?}", near_started.stats());
        near = near_started.stop(near_queues).unwrap();
        far = far_started.stop(far_queues).unwrap();
    }
    drop((near, far));
    println!("transmit pool: {} of {} back; retired {:?}", pool.available(), pool.capacity(), Mempool::retired());
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn af_packet_carries_every_octet_over_restarts() {
    inside("af_packet_carries_every_octet_over_restarts", 1_500, || {
        there_and_back("net_af_packet:near", "net_af_packet:far", 1_500);
    });
}

#[test]
fn af_packet_carries_jumbo_frames() {
    inside("af_packet_carries_jumbo_frames", 9_000, || {
        there_and_back("net_af_packet:near", "net_af_packet:far", 9_000);
    });
}

#[test]
fn af_xdp_carries_every_octet_over_restarts() {
    inside("af_xdp_carries_every_octet_over_restarts", 1_500, || {
        there_and_back("net_af_xdp:near", "net_af_packet:far", 1_500);
    });
}

#[test]
fn tap_carries_every_octet_over_restarts() {
    inside("tap_carries_every_octet_over_restarts", 1_500, || {
        // The far side is a socket on the very device that the near side makes.
        let eal = eal();
        let _registered = eal.register_thread().unwrap();
        let near = config("net_tap:fp-tap", 1_500);
        let pool = Mempool::create(&eal, &near.sizing.linear_pool(None)).unwrap();
        let mut near = probe(&eal, near).unwrap();
        println!("{:?}", near.capabilities());
        for _ in 0..3 {
            let gathers = near.capabilities().gathers;
            let (started, mut queues) = near.start().unwrap();
            eventually("the link is up", || started.link().up);
            let far = probe(&eal, config("net_af_packet:fp-tap", 1_500)).unwrap();
            let (far, mut far_queues) = far.start().unwrap();
            exchange(&mut queues, gathers, &mut far_queues, &pool, 1_514);
            exchange(&mut far_queues, true, &mut queues, &pool, 1_514);
            ip("link set fp-tap down");
            eventually("the link is down", || !started.link().up);
            ip("link set fp-tap up");
            eventually("the link is up again", || started.link().up);
            drop((far_queues, far));
            near = started.stop(queues).unwrap();
        }
        drop(near);
        assert_eq!(pool.available(), pool.capacity());
    });
}

#[test]
fn what_came_while_a_port_was_stopped_is_not_received() {
    inside("what_came_while_a_port_was_stopped_is_not_received", 1_500, || {
        let eal = eal();
        let pool = Mempool::create(&eal, &config("net_af_packet:far", 1_500).sizing.linear_pool(None)).unwrap();
        for (near, far) in [("net_af_packet:near", "far"), ("net_af_xdp:near", "far"), ("net_tap:fp-tap", "fp-tap")] {
            let (port, queues) = probe(&eal, config(near, 1_500)).unwrap().start().unwrap();
            let far = config(&format!("net_af_packet:{far}"), 1_500);
            let (far, mut far_queues) = probe(&eal, far).unwrap().start().unwrap();
            eventually("both links are up", || port.link().up && far.link().up);
            let mut stale = || {
                for number in 0..5 {
                    far_queues.tx.burst(&mut ArrayVec::from_iter([packet(&pool, &frame(number, 500), false)]));
                }
            };
            // A TAP is down while its port is stopped; what it had before, nobody has read.
            stale();
            let port = port.stop(queues).unwrap();
            if !near.starts_with("net_tap") {
                stale();
            }
            let (_port, mut queues) = port.start().unwrap();
            eventually("the other link is up", || far.link().up);
            let mut arrived = ArrayVec::<Mbuf, BURST>::new();
            eventually("a frame has arrived", || {
                far_queues.tx.burst(&mut ArrayVec::from_iter([packet(&pool, &frame(9, 900), false)]));
                queues.rx.burst(&mut arrived);
                arrived.retain(|packet| packet.head()[12..14] == ETHERTYPE);
                !arrived.is_empty()
            });
            assert!(arrived.iter().all(|packet| packet.octets() == 900), "{near}: {arrived:?}");
        }
    });
}

#[test]
fn a_link_is_what_the_kernel_says_and_restarts_after_its_device_was_gone() {
    inside("a_link_is_what_the_kernel_says_and_restarts_after_its_device_was_gone", 1_500, || {
        let eal = eal();
        for device in ["net_af_packet:near", "net_af_xdp:near"] {
            let (port, queues) = probe(&eal, config(device, 1_500)).unwrap().start().unwrap();
            eventually("the link is up", || port.link().up);
            ip("link set far down");
            eventually("the link is down", || !port.link().up);
            ip("link set far up");
            eventually("the link is up again", || port.link().up);
            drop(port.stop(queues).unwrap());
        }
        // A socket's port is attached anew at each start: it finds that its device is gone, and that it is back.
        let (port, queues) = probe(&eal, config("net_af_packet:near", 1_500)).unwrap().start().unwrap();
        let port = port.stop(queues).unwrap();
        ip("link del near");
        let refused = port.start().unwrap_err();
        assert!(matches!(refused.error, PortError::NetdevAbsent { .. }), "{refused}");
        assert!(!refused.port.link().up);
        ip("link add near type veth peer name far");
        ip("link set near up");
        ip("link set far up");
        let (port, _queues) = refused.port.start().unwrap();
        eventually("the link is up", || port.link().up);
    });
}

#[test]
fn what_the_kernel_does_not_carry_is_refused_in_words() {
    inside("what_the_kernel_does_not_carry_is_refused_in_words", 1_400, || {
        let eal = eal();
        let narrow = probe(&eal, config("net_af_packet:near", 1_500)).unwrap_err();
        assert!(matches!(narrow, PortError::NetdevMtu { asked: 1_500, has: 1_400, .. }), "{narrow:?}");
        assert!(narrow.to_string().contains("ip link set dev"), "{narrow}");
        for device in ["net_af_packet:absent", "net_af_xdp:absent"] {
            let absent = probe(&eal, config(device, 1_400)).unwrap_err();
            assert!(matches!(absent, PortError::NetdevAbsent { .. }), "{absent:?}");
            assert!(absent.to_string().contains("No such device"), "{absent}");
        }
        let taken = probe(&eal, config("net_tap:near", 1_400)).unwrap_err();
        assert!(matches!(taken, PortError::Probe { .. }), "{taken:?}");
        assert!(taken.to_string().contains("/dev/net/tun"), "{taken}");
        drop(probe(&eal, config("net_af_packet:near", 1_400)).unwrap());
    });
}
