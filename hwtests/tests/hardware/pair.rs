//! Two ports of the rack, started, and datagrams from the one to the other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk::device::Device;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Features, Port, PortConfig, PortError, PortQueues, Reception, RxHandle, Started, TxHandle};
use dpdk::sizing::{Demand, Sizing};
use hwtests::PortPair;
use hwtests::hardware::numa_node;
use ip::{MacAddr, Template, TemplateConfig};

/// How long anything may take; never how long something should.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A port and its queues.
pub(crate) struct End {
    pub(crate) port: Port<Started>,
    pub(crate) queues: PortQueues,
}

/// Both ports. B is the one that receives.
pub(crate) struct Pair {
    pub(crate) a: End,
    pub(crate) b: End,
    /// On A's NUMA node, for what is sent.
    pub(crate) pool: Mempool,
    pub(crate) eal: Eal,
}

/// EAL with the rack's cards and hugepages; without cards it takes ordinary pages.
pub(crate) fn eal(hardware: &PortPair) -> Eal {
    let devices = [&hardware.a, &hardware.b].map(|name| name.parse::<Device>().unwrap());
    let card = |device: &Device| if let Device::Pci(address) = device { Some(*address) } else { None };
    let allow = devices.iter().filter_map(card).collect();
    let memory = hardware.hugepages_mib.map_or(Memory::NoHuge { mib: 256 }, |mib| Memory::Huge { mib });
    Eal::start(&EalConfig { allow, ..EalConfig::new(memory) }).unwrap()
}

impl Pair {
    /// Starts both; `None`, and says so, when a card does not have what is asked of it.
    pub(crate) fn open(hardware: &PortPair, a: Features, b: Features) -> Option<Self> {
        let eal = eal(hardware);
        let a = start(&eal, hardware, &hardware.a, a)?;
        let b = start(&eal, hardware, &hardware.b, b)?;
        let numa = numa_node(&hardware.a);
        let pool = Mempool::create(&eal, &a.port.config().sizing.linear_pool(numa)).unwrap();
        until("both links are up", || a.port.link().up && b.port.link().up);
        println!("{:?}\n{:?}", a.port.capabilities(), b.port.capabilities());
        Some(Self { a, b, pool, eal })
    }

    /// A whole frame from A to B.
    pub(crate) fn frame(&self, hardware: &PortPair, udp_port: u16, payload: &[u8]) -> Vec<u8> {
        let config = TemplateConfig {
            source_mac: self.a.port.mac(),
            vlan: hardware.vlan,
            source: SocketAddr::from((hardware.address_a, 5_000)),
            destination: SocketAddr::from((hardware.address_b, udp_port)),
            dscp: 34,
            ttl: 64,
        };
        let template = Template::new(&config).unwrap();
        let mut frame = vec![0; template.octets()];
        template.write(&mut frame, self.b.port.mac(), u16::try_from(payload.len()).unwrap());
        frame.extend_from_slice(payload);
        frame
    }

    /// A datagram whose payload is `number`, as a packet.
    pub(crate) fn numbered(&self, hardware: &PortPair, udp_port: u16, number: u32) -> Mbuf {
        let payload: Vec<u8> = number.to_be_bytes().into_iter().chain([0x5A; 196]).collect();
        packet(&self.pool, &self.frame(hardware, udp_port, &payload))
    }

    /// Hands all packets to A.
    pub(crate) fn send(&mut self, packets: impl IntoIterator<Item = Mbuf>) {
        hand_over(&mut self.a.queues.tx, packets);
    }
}

/// Hands all packets to a queue.
pub(crate) fn hand_over(tx: &mut TxHandle, packets: impl IntoIterator<Item = Mbuf>) {
    let mut packets = packets.into_iter().peekable();
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    until("the queue has taken all packets", || {
        burst.extend(packets.by_ref().take(burst.remaining_capacity()));
        tx.burst(&mut burst);
        burst.is_empty() && packets.peek().is_none()
    });
}

/// The first octets of a frame to one of our UDP ports: port and number.
pub(crate) fn number_of(hardware: &PortPair, frame: &[u8]) -> Option<(u16, u32)> {
    let ip = 14 + if hardware.vlan.is_some() { 4 } else { 0 };
    let is_ours = frame.get(ip + 16..ip + 20)? == hardware.address_b.octets() && frame[ip + 9] == 17;
    let udp_port = u16::from_be_bytes(frame.get(ip + 22..ip + 24)?.try_into().ok()?);
    let number = u32::from_be_bytes(frame.get(ip + 28..ip + 32)?.try_into().ok()?);
    is_ours.then_some((udp_port, number))
}

/// What arrives on `rx` of ours, until `enough` of it has: UDP port, number, and the packet.
pub(crate) fn receive(
    hardware: &PortPair,
    rx: &mut RxHandle,
    mut enough: impl FnMut(&[(u16, u32, Mbuf)]) -> bool,
) -> Vec<(u16, u32, Mbuf)> {
    let mut received = Vec::new();
    until("the datagrams have arrived", || {
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        rx.burst(&mut burst);
        for packet in burst {
            if let Some((udp_port, number)) = number_of(hardware, packet.head()) {
                received.push((udp_port, number, packet));
            }
        }
        enough(&received)
    });
    received
}

/// All that waits, freed.
pub(crate) fn drain(rx: &mut RxHandle) {
    while rx.burst(&mut ArrayVec::new()) > 0 {}
}

/// A frame in one buffer.
pub(crate) fn packet(pool: &Mempool, frame: &[u8]) -> Mbuf {
    let mut packet = pool.alloc().unwrap();
    packet.append(u16::try_from(frame.len()).unwrap()).unwrap().copy_from_slice(frame);
    packet
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::yield_now();
    }
}

fn start(eal: &Eal, hardware: &PortPair, device: &str, features: Features) -> Option<End> {
    let numa = numa_node(device);
    let device = device.parse().unwrap();
    let demand = Demand { packets_per_second: 100_000, hold_ms: 1, mtu: hardware.mtu, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    let one = sizing.rx_pool(numa);
    let mbufs = one.mbufs * u32::from(features.rx_queues);
    let pool = Mempool::create(eal, &MempoolConfig { mbufs, ..one }).unwrap();
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    match Port::probe_with(eal, config, features, pool) {
        Ok(port) => {
            let (port, queues) = port.start().unwrap();
            assert_ne!(port.mac(), MacAddr::new([0; 6]));
            Some(End { port, queues })
        }
        Err(error @ (PortError::Feature { .. } | PortError::RxQueues { .. })) => {
            eprintln!("SKIPPED: this card cannot show it: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
