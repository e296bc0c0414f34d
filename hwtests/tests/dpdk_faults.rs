//! Links that go down and come back, pools that run dry: each is counted, the pictures flow again when it is over, and every slot of
//! the ring comes back. Each test runs in a process of its own; most need root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::Command;

use dpdk::payload::retired_leases;
use hwtests::isolated::{self, Isolated};
use hwtests::namespace::Link;
use hwtests::passage::Passage;
use hwtests::port_bench::small_eal;
use hwtests::{Namespace, Netdev, PortBench, PortMake, eventually, netdev};
use media::ManualClock;
use netio::{BURST, Burst, OwnedBytes, PacketBuf, Path, RxQueue, TxQueue};

const GROUP: &str = "239.1.2.3:5004";
/// Pictures during which a link is down: more packets than any ring on the way holds.
const DOWN: u32 = 30;

/// Runs `body` in a namespace with the veth pair `near`–`far`.
fn inside(test: &str, body: impl FnOnce()) {
    let wire = |space: &Namespace| {
        let near = Netdev { namespace: space, name: "near" };
        netdev::wire(near, Link { namespace: space, interface: "far", addresses: &[] }, 1_500)
    };
    Isolated::new(test).in_namespace("faults", wire, body).unwrap();
}

/// In the namespace of this process.
fn link(words: &str) {
    assert!(Command::new("ip").arg("link").args(words.split(' ')).status().unwrap().success(), "ip link {words}");
}

/// A link that goes down under the pictures stops neither worker nor sender; when it is up they flow again.
fn goes_down_and_up(passage: &mut Passage, netdev: &str) {
    for _ in 0..2 {
        passage.flows().unwrap();
        link(&format!("set {netdev} down"));
        eventually("the port says so", || !passage.ports[0].port().link().up);
        let (sent, late) = (passage.sender.grains_sent.value(), passage.sender.grains_late.value());
        let arrived: u32 = (0..DOWN).map(|_| passage.play()).sum();
        assert!(arrived <= 1, "{arrived} pictures over a link that is down");
        let sender = &passage.sender;
        let ended = sender.grains_sent.value() - sent + sender.grains_late.value() - late;
        // One that is late has taken two periods.
        assert!(ended + sender.grains_missed.value() >= u64::from(DOWN / 2), "{:?}", sender.values());
        passage.accounts().unwrap();
        link(&format!("set {netdev} up"));
        eventually("the port says so", || passage.ports[0].port().link().up);
    }
    passage.flows().unwrap();
    passage.accounts().unwrap();
}

#[test]
fn a_veth_whose_other_end_goes_down_and_up() {
    inside("a_veth_whose_other_end_goes_down_and_up", || {
        let mut passage =
            Passage::open(&small_eal(256).unwrap(), &["net_af_packet:near", "net_af_packet:far"]).unwrap();
        goes_down_and_up(&mut passage, "far");
        println!("{:?}", passage.ports[0].port().stats());
    });
}

#[test]
fn a_tap_whose_device_goes_down_and_up() {
    inside("a_tap_whose_device_goes_down_and_up", || {
        let mut passage = Passage::open(&small_eal(256).unwrap(), &["net_tap:fp-tap", "net_af_packet:fp-tap"]).unwrap();
        goes_down_and_up(&mut passage, "fp-tap");
        println!("{:?}", passage.ports[0].port().stats());
    });
}

/// A receiver that lets go of nothing: the pool runs dry, that is counted, and it goes on when the packets drop.
#[test]
fn a_receiver_that_holds_packets_exhausts_its_pool_until_it_lets_go() {
    inside("a_receiver_that_holds_packets_exhausts_its_pool_until_it_lets_go", || {
        let eal = small_eal(256).unwrap();
        let clock = ManualClock::default();
        let open = |device: &str, rx_mbufs| {
            let make = PortMake { rx_mbufs, ..PortMake::on(device) };
            PortBench::open::<OwnedBytes, _>(&eal, &make, clock.clone()).unwrap()
        };
        let ((near, mut tx, _), (mut far, _tx, mut rx)) =
            (open("net_af_packet:near", None), open("net_af_packet:far", Some(127)));
        eventually("the links are up", || near.port().link().up && far.port().link().up);
        far.listen(&[GROUP]);
        let path = tx.open_path(&Path::to(GROUP.parse().unwrap())).unwrap();
        let mut send = |fill: u8| {
            let payload =
                tx.attach(OwnedBytes::new(vec![fill; 1_000]), BURST as u32).unwrap_or_else(|_| panic!("room"));
            let mut burst = Burst::new();
            for n in 0..BURST as u8 {
                burst.push(tx.gather(path, &[n; 12], &payload, 0..1_000).unwrap()).unwrap();
            }
            drop(payload);
            eventually("it is sent", || {
                tx.tx_burst(&mut burst);
                burst.is_empty()
            });
            tx.reap();
        };
        let mut held = Vec::new();
        eventually("the pool is dry", || {
            send(7);
            let mut burst = Burst::new();
            rx.rx_burst(&mut burst);
            held.extend(burst.drain());
            rx.counters().no_buffers > 0
        });
        assert_eq!(rx.counters().no_buffers, far.counters.rx.no_mbufs.value());
        assert!(held.len() <= 127 && far.rx_pool.available() == 0, "{} are held", held.len());
        assert!(held.iter().all(|packet| packet.segments().flatten().skip(12).all(|octet| *octet == 7)));
        held.clear();
        let mut fresh = 0;
        eventually("fresh packets come", || {
            send(9);
            let mut burst = Burst::new();
            rx.rx_burst(&mut burst);
            fresh += burst.iter().filter(|packet| packet.last_octet() == 9).count();
            fresh > 1_000
        });
        drop((tx, _tx, rx, near));
        drop(far);
        assert_eq!(retired_leases(), 0);
    });
}

/// On net_ring the receiver holds the sender's own buffers: the sender runs dry, counts it, and is late for that; leases come
/// back when the receiver lets go.
#[test]
fn a_receiver_that_holds_a_senders_buffers_makes_it_wait() {
    isolated::run("a_receiver_that_holds_a_senders_buffers_makes_it_wait", || {
        let mut passage = Passage::open(&small_eal(192).unwrap(), &["net_ring"]).unwrap();
        passage.flows().unwrap();
        let pool = passage.ports[0].headers.clone();
        let mut held = Vec::new();
        while let Some(mbuf) = pool.alloc() {
            held.push(mbuf);
        }
        // What the ring holds are the sender's last headers: paced, it has few on their way at a time.
        passage.is_shut.set(true);
        (0..5).for_each(|_| _ = passage.play());
        passage.is_shut.set(false);
        assert!(passage.ports[0].counters.tx.no_mbufs.value() > 0);
        assert!(
            passage.sender.queue_full.value() > 0 && passage.sender.grains_late.value() > 0,
            "{:?}",
            passage.sender.values()
        );
        passage.accounts().unwrap();
        held.clear();
        passage.flows().unwrap();
        passage.accounts().unwrap();
    })
    .unwrap();
}
