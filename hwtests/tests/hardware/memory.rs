//! Frames out of a ring's memory through an IOMMU, and where memory lies.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::collections::BTreeSet;
use std::sync::Arc;

use dpdk::counters::PortCounters;
use dpdk::extmem::{DmaPlacement, Registration};
use dpdk::mempool::Mempool;
use dpdk::port::{Features, RxHandle};
use dpdk::references::References;
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxBuf, DpdkTxConfig, Reads, TxPools};
use hwtests::PortPair;
use hwtests::hardware::{driver_of, nodes_at, numa_node, pinned_octets};
use ip::{InterfaceAddr, Network};
use media::{Depth, GrainIndex, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use netio::{BURST, Burst, OwnedBytes, Path, StableBytes, TxQueue};
use rustix::thread::{CpuSet, sched_setaffinity};
use shm::{Broker, BrokerConfig, ConsumerClass, FrameWriter, GrainEnd, GrainLease, GrainStamp, PagePolicy};

use crate::MEDIA;
use crate::pair::{End, Pair, receive, until};

const SLOTS: u16 = 4;
const PAYLOAD_OCTETS: u32 = 1_200;
const NOON: Tai = Tai::from_nanos(1_790_000_000_000_000_000);
const FLOW: &str = "rack";

fn format() -> VideoFormat {
    VideoFormat::new(1_280, 720, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

/// The octet at `at` of the picture.
fn octet(at: usize) -> u8 {
    ((at * 31) ^ (at >> 8) ^ (at >> 16)) as u8
}

/// A broker whose rings are registered, in hugepages.
fn broker(placement: DmaPlacement) -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
    config.page_policy = PagePolicy::HugeOnly;
    (Broker::start_placed(config, Box::new(placement), |_| {}).unwrap(), folder)
}

fn ring(broker: &Broker) -> FrameWriter {
    broker.create_flow(&FLOW.parse().unwrap(), format(), Some(SLOTS)).unwrap()
}

/// A lease on a picture that was just written.
fn picture(broker: &Broker, writer: &mut FrameWriter) -> GrainLease {
    let class = ConsumerClass::Leased { k: 1, deadline_nanos: i64::MAX };
    let mut reader = std::thread::scope(|scope| {
        let joining = scope.spawn(|| broker.subscribe(&FLOW.parse().unwrap(), class));
        until("the reader has joined", || {
            writer.poll(NOON);
            joining.is_finished()
        });
        joining.join().unwrap().unwrap()
    });
    write(writer, 7);
    reader.lease(GrainIndex(7)).unwrap()
}

/// Writes the picture under a number; returns where its octets are.
fn write(writer: &mut FrameWriter, number: u64) -> usize {
    let key = writer.open(GrainIndex(number), GrainStamp { tai: NOON, rtp: RtpTimestamp(0) }, NOON).unwrap();
    let lines = writer.lines_mut(key, 0..format().height()).unwrap();
    lines.iter_mut().enumerate().for_each(|(at, out)| *out = octet(at));
    let address = lines.as_ptr().addr();
    writer.publish(key, format().height());
    writer.commit(key, GrainEnd { first_arrival: NOON, last_arrival: NOON, octets: None });
    address
}

/// What a card behind an IOMMU may read: the ring while it is registered, and nothing of it afterwards.
pub(crate) fn through_the_iommu(hardware: &PortPair) {
    if !hardware.is_hardware() {
        eprintln!("SKIPPED: {} is no card: it reads rings by the CPU", hardware.a);
        return;
    }
    let driver = driver_of(&hardware.a);
    assert!(
        matches!(driver.as_deref(), Some("vfio-pci" | "mlx5_core")),
        "{} is bound to {driver:?}: bind it to vfio-pci (mlx5 keeps its own driver)",
        hardware.a
    );
    // EAL has refused vfio without an IOMMU when it started: `allow_no_iommu` is off.
    let Some(pair) = Pair::open(hardware, Features::default(), Features::default()) else { return };
    let Pair { a: End { port, queues: a }, mut b, pool, eal } = pair;
    let _registered = eal.register_thread().unwrap();
    let capabilities = port.capabilities().clone();
    assert!(capabilities.gathers, "{} takes no chains: every frame is copied", capabilities.driver);
    let station = station(hardware, port.mac());
    let headers = Mempool::create(&eal, &port.config().sizing.header_pool(numa_node(&hardware.a))).unwrap();
    let references = || References::create(&eal, &port.config().sizing.reference_pool(None)).unwrap();
    let pools = TxPools { headers, references: references() };
    let config = DpdkTxConfig { reads: Reads::Registered, ..DpdkTxConfig::default() };

    let before = pinned_octets().unwrap();
    let (broker, _folder) = broker(DmaPlacement::new(&eal, 0));
    let mut writer = ring(&broker);
    let least = u64::from(SLOTS) * u64::from(format().frame_octets());
    let pinned = pinned_octets().unwrap() - before;
    println!("{pinned} octets are pinned for a ring of {least}");
    assert!(Registration::living() == 1 && pinned >= least, "the ring is not mapped for the card");

    let (_rx, tx_end, mut host) = exchange(ExchangeConfig::default());
    let counters = Arc::<PortCounters>::default();
    let mut tx = DpdkTx::new(a.tx, station.clone(), &capabilities, pools, tx_end, counters.clone(), config);
    carry(hardware, &mut tx, &mut host, &mut b, picture(&broker, &mut writer));
    assert_eq!(counters.tx.octets_copied_by_us.value(), 0, "payload was copied");

    // The end of the ring: nothing of it stays pinned.
    let device = tx.detach_device().unwrap();
    drop(tx);
    broker.remove_flow(&FLOW.parse().unwrap()).unwrap();
    drop(writer);
    until("the ring is unregistered and unpinned", || {
        Registration::living() == 0 && pinned_octets().unwrap() + least <= before + pinned
    });

    // What is not registered is copied, and arrives all the same.
    let (_rx, tx_end, mut host) = exchange(ExchangeConfig::default());
    let counters = Arc::<PortCounters>::default();
    let mut tx = DpdkTx::new(
        device,
        station,
        &capabilities,
        TxPools { headers: pool, references: references() },
        tx_end,
        counters.clone(),
        config,
    );
    let octets = format().frame_octets() as usize;
    carry(hardware, &mut tx, &mut host, &mut b, OwnedBytes::new((0..octets).map(octet).collect()));
    assert_eq!(counters.tx.octets_copied_by_us.value(), octets as u64);
}

fn station(hardware: &PortPair, mac: ip::MacAddr) -> Station {
    let ours: InterfaceAddr = format!("{}/24", hardware.address_a).parse().unwrap();
    let network = Network::new(vec![ours], None, None).unwrap();
    Station { name: "a".to_owned(), mac, vlan: hardware.vlan, network, mtu: hardware.mtu }
}

/// Sends a whole picture from `lease`, burst by burst, and compares what arrives at B.
fn carry<L: StableBytes>(hardware: &PortPair, tx: &mut DpdkTx<L>, host: &mut HostEnd, b: &mut End, lease: L) {
    let path = tx.open_path(&Path::to((hardware.address_b, MEDIA).into())).unwrap();
    let octets = format().frame_octets();
    let starts: Vec<u32> = (0..octets).step_by(PAYLOAD_OCTETS as usize).collect();
    let Ok(payload) = tx.attach(lease, starts.len() as u32) else { panic!("there is room") };
    for (batch, starts) in starts.chunks(BURST).enumerate() {
        let mut burst = Burst::<DpdkTxBuf>::new();
        for (number, start) in starts.iter().enumerate() {
            let number = (batch * BURST + number) as u32;
            let range = *start..octets.min(start + PAYLOAD_OCTETS);
            until("there is a packet", || {
                // The neighbour is known: it is B.
                while let Some(resolve) = host.request() {
                    resolve.cell.store(b.port.mac().octets());
                }
                let made = tx.gather(path, &number.to_be_bytes(), &payload, range.clone());
                made.is_ok_and(|packet| burst.push(packet).is_ok())
            });
        }
        until("A has taken the burst", || {
            tx.tx_burst(&mut burst);
            burst.is_empty()
        });
        compare(hardware, &mut b.queues.rx, batch, starts);
    }
    drop(payload);
    until("the card is done with the picture", || {
        tx.tx_burst(&mut Burst::new());
        tx.reap();
        tx.leases_held() == 0
    });
}

fn compare(hardware: &PortPair, rx: &mut RxHandle, batch: usize, starts: &[u32]) {
    let headers = 14 + if hardware.vlan.is_some() { 4 } else { 0 } + 20 + 8 + 4;
    let received = receive(hardware, rx, |seen| seen.len() >= starts.len());
    for ((_, number, packet), (index, start)) in received.iter().zip(starts.iter().enumerate()) {
        assert_eq!(*number as usize, batch * BURST + index);
        let octets: Vec<u8> = packet.segments().flatten().copied().skip(headers).collect();
        let end = format().frame_octets().min(start + PAYLOAD_OCTETS);
        let expected: Vec<u8> = (*start as usize..end as usize).map(octet).collect();
        assert!(octets == expected, "packet {number} differs");
    }
}

/// Pools made for a card's node are there, and so is a ring that a thread of that node makes.
pub(crate) fn on_the_cards_node(hardware: &PortPair) {
    let Some(node) = hardware.numa.or_else(|| numa_node(&hardware.b)) else {
        eprintln!("SKIPPED: the kernel knows no NUMA node of {}, and the file names none", hardware.b);
        return;
    };
    let Some(pair) = Pair::open(hardware, Features::default(), Features::default()) else { return };
    assert_eq!(pair.b.port.capabilities().numa, Some(node), "DPDK's own view of the card");
    let pool = Mempool::create(&pair.eal, &pair.b.port.config().sizing.linear_pool(Some(node))).unwrap();
    let buffers: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert!(!buffers.is_empty());
    let pages: BTreeSet<usize> = buffers.iter().map(|buffer| buffer.head().as_ptr().addr() >> 21).collect();
    pages.iter().for_each(|page| assert_lies_on(node, page << 21, "a packet buffer"));
    drop(buffers);
    // The first to touch a page decides where it lies.
    let cpus = std::fs::read_to_string(format!("/sys/devices/system/node/node{node}/cpulist")).unwrap();
    sched_setaffinity(None, &cpu_set(&cpus)).unwrap();
    let (broker, _folder) = broker(DmaPlacement::new(&pair.eal, 0));
    let mut writer = ring(&broker);
    for number in 0..u64::from(SLOTS) {
        let lines = write(&mut writer, number);
        assert_lies_on(node, lines, "a ring");
    }
}

fn assert_lies_on(node: u16, address: usize, what: &str) {
    let nodes = nodes_at(address).unwrap();
    assert!(nodes.keys().eq([&node]), "{what} lies on {nodes:?}, its card on node {node}");
}

/// `0-3,8`, as the kernel lists CPUs.
fn cpu_set(list: &str) -> CpuSet {
    let mut cpus = CpuSet::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        (first.parse::<usize>().unwrap()..=last.parse().unwrap()).for_each(|cpu| cpus.set(cpu));
    }
    cpus
}
