//! What a worker is compared with: packets over a ring of DPDK's without a worker, copied out on the other core.
//!
//! One core gathers packets from the grains of a ring, as a sender does; the other one copies what they carry into the grains
//! of another ring, one packet after the other, by plain stores. No header is written anew, read or counted, nothing is
//! steered, published packet by packet or placed. Whole frames are copied by memcpy beside it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use arrayvec::ArrayVec;
use dpdk::eal::Eal;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::port::RxHandle;
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads};
use ip::{MacAddr, Network};
use media::{GrainIndex, Tai};
use netio::exchange::{ExchangeConfig, exchange};
use netio::{Burst, Path, PathId, TxQueue as _};
use shm::{ConsumerClass, FrameReader, FrameWriter, Geometry, GrainEnd, GrainLease, GrainStamp, IdentityPlacement};
use st2110::PackingPlan;
use worker::Core;

use super::summary::Bare;
use crate::arguments::Local;
use crate::clock;
use crate::flow::Flow;
use crate::pattern::Pattern;
use crate::plane::port::{Opened, Sends, Tx, destination, enter, start_port};

/// Grains that packets are made from, and to: as many as a run of one stream has in its rings.
const GRAINS: u16 = 6;
/// RTP, extended sequence number, one SRD header.
const HEADER: [u8; 20] = [0x80; 20];
/// Octets that are copied before a check looks at them.
const PIECE_OCTETS: usize = 256 << 10;
/// How long memcpy is measured, ns.
const MEMCPY_NS: u64 = 500_000_000;

/// What is done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Copy,
    CopyAndCheck,
}

/// Measures each once.
pub(super) fn measure(eal: &Eal, arguments: &Local) -> Result<Bare> {
    let packets_per_second = over_the_ring(eal, arguments, Duty::Copy)?;
    let checked_packets_per_second = over_the_ring(eal, arguments, Duty::CopyAndCheck)?;
    let memcpy_gigaoctets_per_second = memcpy(arguments)?;
    Ok(Bare { packets_per_second, checked_packets_per_second, memcpy_gigaoctets_per_second })
}

/// Grains that show the pattern, each leased for good.
struct Grains {
    reader: FrameReader,
    leases: Vec<GrainLease>,
    _writer: FrameWriter,
}

impl Grains {
    fn new(arguments: &Local, pattern: Pattern) -> Result<Self> {
        let traffic = &arguments.traffic;
        let slots = u16::try_from(Geometry::slots_for(1, [GRAINS]))?;
        let (mut flow, mut writer) =
            Flow::create("bare-tx", traffic.video()?, slots, traffic.pages.into(), &IdentityPlacement)?;
        let mut reader = flow.join(&mut writer, ConsumerClass::Leased { k: GRAINS, deadline_nanos: i64::MAX })?;
        let mut leases = Vec::new();
        for number in 0..u64::from(GRAINS) {
            let key = writer.open(GrainIndex(number), GrainStamp::default(), Tai::from_nanos(0))?;
            let lines = writer.geometry().slices;
            let grain = writer.lines_mut(key, 0..lines)?;
            let front = crate::pattern::Front { number, sent: 0, ground: pattern.ground(number) };
            Pattern::lay(front.ground, grain);
            pattern.write_front(&front, grain);
            pattern.write_tags(number, 0, grain);
            writer.commit(key, GrainEnd::default());
            leases.push(reader.lease(GrainIndex(number))?);
        }
        Ok(Self { reader, leases, _writer: writer })
    }
}

/// Packets a second that the other core has copied.
fn over_the_ring(eal: &Eal, arguments: &Local, duty: Duty) -> Result<f64> {
    let Opened { port, queues, capabilities, pools, device } =
        start_port(eal, &arguments.device, &arguments.traffic, Sends::AsItCan)?;
    let network = Network::new(vec!["192.0.2.1/24".parse()?], None, None)?;
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let station = Station { name: device.to_string(), mac, vlan: None, network, mtu: 1_500 };
    let (_rx_end, tx_end, _host) = exchange(ExchangeConfig::default());
    let config = DpdkTxConfig { payloads: 64, reads: Reads::Process, ..DpdkTxConfig::default() };
    let mut tx = DpdkTx::new(queues.tx, station, &capabilities, pools, tx_end, Arc::default(), config);
    let pattern = Pattern::new(arguments.traffic.seed, 0);
    let path = tx.open_path(&Path::to(destination(0, 0)))?;
    let plan = arguments.traffic.plan()?;
    let grains = Grains::new(arguments, pattern)?;
    let mut sink = Sink::new(arguments, pattern, duty)?;
    let stop = AtomicBool::new(false);
    let [tx_core, rx_core] = arguments.traffic.pair_of_cores();
    let entering = enter(eal);
    let rate = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let _core = tx_core.map(|core| worker::run::pin(Core(core)));
            let _lcore = entering()?;
            send(tx, path, &plan, grains, &stop)
        });
        let receiving = scope.spawn(|| {
            let _core = rx_core.map(|core| worker::run::pin(Core(core)));
            let _lcore = entering()?;
            let rate = receive(queues.rx, &mut sink, arguments);
            // Relaxed: a flag without data behind it.
            stop.store(true, Ordering::Relaxed);
            rate
        });
        let rate = receiving.join().map_err(|_| anyhow!("the thread that receives panicked"))?;
        sending.join().map_err(|_| anyhow!("the thread that sends panicked"))??;
        rate
    })?;
    drop(port);
    anyhow::ensure!(sink.wrong == 0, "{} blocks of the bare loop are wrong: the measure is broken", sink.wrong);
    Ok(rate)
}

/// Gathers grain after grain until it is told to stop.
fn send(mut tx: Tx, path: PathId, plan: &PackingPlan, grains: Grains, stop: &AtomicBool) -> Result<()> {
    let Grains { mut reader, leases, _writer } = grains;
    let mut burst = Burst::new();
    for lease in leases.iter().cycle() {
        let again = reader.lease_again(lease)?;
        let packets = plan.packets();
        let Ok(payload) = tx.attach(again, packets.len() as u32) else { continue };
        for packet in packets {
            let made = loop {
                match tx.gather(path, &HEADER, &payload, packet.range()) {
                    Ok(made) => break made,
                    Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
                    Err(full) => anyhow::ensure!(full.is_transient(), "{full}"),
                }
            };
            anyhow::ensure!(burst.push(made).is_ok(), "a burst takes {BURST} packets");
            while burst.is_full() {
                tx.tx_burst(&mut burst);
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        }
        tx.cancel(payload, 0);
        tx.reap();
    }
    Ok(())
}

/// Takes packets and copies them, for as long as is measured; returns how many a second.
fn receive(mut rx: RxHandle, sink: &mut Sink, arguments: &Local) -> Result<f64> {
    let time = u64::from(arguments.traffic.seconds) * 1_000_000_000;
    let mut arrived = ArrayVec::<Mbuf, BURST>::new();
    let (mut began, mut packets) = (None, 0_u64);
    loop {
        for _ in 0..64 {
            rx.burst(&mut arrived);
            packets += arrived.len() as u64;
            for packet in arrived.drain(..) {
                let payload = packet.segments().nth(1).context("a packet of two buffers")?;
                sink.take(payload)?;
            }
        }
        let now = clock::now();
        match began {
            // Caches and pages have settled when the first grains are through.
            None if sink.grains >= u64::from(GRAINS) => (began, packets) = (Some(now), 0),
            Some(began) if now - began >= time => return Ok(packets as f64 * 1e9 / (now - began) as f64),
            _ => {}
        }
    }
}

/// Where packets are copied to.
struct Sink {
    writer: FrameWriter,
    pattern: Pattern,
    duty: Duty,
    key: Option<shm::GrainKey>,
    octets: usize,
    checked: usize,
    grains: u64,
    wrong: usize,
}

impl Sink {
    fn new(arguments: &Local, pattern: Pattern, duty: Duty) -> Result<Self> {
        let traffic = &arguments.traffic;
        let (_, writer) = Flow::create("bare-rx", traffic.video()?, GRAINS, traffic.pages.into(), &IdentityPlacement)?;
        Ok(Self { writer, pattern, duty, key: None, octets: 0, checked: 0, grains: 0, wrong: 0 })
    }

    #[inline]
    fn take(&mut self, payload: &[u8]) -> Result<()> {
        let key = match self.key {
            Some(key) => key,
            None => self.open()?,
        };
        self.writer.write(key, self.octets as u32, payload)?;
        self.octets += payload.len();
        let whole = self.writer.geometry().grain_octets as usize;
        if self.duty == Duty::CopyAndCheck && (self.octets - self.checked >= PIECE_OCTETS || self.octets == whole) {
            self.check(key, whole)?;
        }
        if self.octets == whole {
            self.writer.commit(key, GrainEnd::default());
            self.key = None;
            self.grains += 1;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<shm::GrainKey> {
        let key = self.writer.open(GrainIndex(self.grains), GrainStamp::default(), Tai::from_nanos(0))?;
        (self.key, self.octets, self.checked) = (Some(key), 0, 0);
        Ok(key)
    }

    fn check(&mut self, key: shm::GrainKey, whole: usize) -> Result<()> {
        let until = if self.octets == whole { whole } else { self.octets / 512 * 512 };
        let lines = self.writer.geometry().slices;
        let grain = self.writer.lines_mut(key, 0..lines)?;
        let wrong = match self.pattern.read_front(grain) {
            Some(front) => self.pattern.count_wrong(&front, self.checked / 512, &grain[self.checked..until]),
            None => 1,
        };
        self.wrong += wrong;
        self.checked = until;
        Ok(())
    }
}

/// Copies whole frames from ring to ring on one core, GB/s.
fn memcpy(arguments: &Local) -> Result<f64> {
    let pattern = Pattern::new(arguments.traffic.seed, 0);
    let grains = Grains::new(arguments, pattern)?;
    let mut sink = Sink::new(arguments, pattern, Duty::Copy)?;
    let [_, core] = arguments.traffic.pair_of_cores();
    thread::scope(|scope| {
        let copying = scope.spawn(move || -> Result<f64> {
            let _core = core.map(|core| worker::run::pin(Core(core)));
            let (mut began, mut octets) = (None, 0_u64);
            for (count, lease) in grains.leases.iter().cycle().enumerate() {
                let grain = lease.bytes().context("a grain of our own")?;
                let key = sink.open()?;
                sink.writer.write(key, 0, black_box(grain))?;
                sink.writer.commit(key, GrainEnd::default());
                sink.grains += 1;
                octets += grain.len() as u64;
                let now = clock::now();
                match began {
                    None if count + 1 >= 2 * usize::from(GRAINS) => (began, octets) = (Some(now), 0),
                    Some(began) if now - began >= MEMCPY_NS => return Ok(octets as f64 / (now - began) as f64),
                    _ => {}
                }
            }
            anyhow::bail!("there are no grains")
        });
        copying.join().map_err(|_| anyhow!("the thread that copies panicked"))?
    })
}
