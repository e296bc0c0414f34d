//! Frame rings for the road through a DPDK port: a broker whose regions are registered with devices, pictures whose
//! octets tell their number, and a worker in virtual time.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use dpdk::eal::Eal;
use dpdk::extmem::DmaPlacement;
use media::{Depth, GrainIndex, Name, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, Tai, VideoFormat};
use netio::{Path, RxQueue, TxQueue};
use shm::{
    Broker, BrokerConfig, ConsumerClass, DmaMapping, FrameReader, FrameWriter, GrainKey, GrainLease, GrainStamp,
    Mapping, PagePolicy, Pages, PlacementHooks,
};
use st2110::{PackingMode, PackingPlan, TimelineMode, UdpLimit};
use worker::{
    InputKey, Lateness, Leg, OutputIndex, Receiver, ReceiverConfig, ReceiverKey, Sender, SenderConfig, SenderKey,
    SenderTiming, SteeredReceiver,
};

/// Payload type of every stream here.
pub const PAYLOAD_TYPE: PayloadType = PayloadType(96);
/// From one picture to the next.
pub const FRAME_NANOS: i64 = 40_000_000;
/// When virtual time begins.
pub const NOON: Tai = Tai::from_nanos(1_790_000_000_000_000_000);

/// A broker whose regions are registered with EAL; where they were mapped is noted.
pub struct Road {
    broker: Broker,
    reached: Reached,
    _folder: tempfile::TempDir,
}

/// A picture of some 500 packets, so that two of them fill a net_ring: 720 × 320 at 10 bits.
///
/// # Panics
/// Never: the standard has it.
#[must_use]
pub fn format() -> VideoFormat {
    let rate = Rate::new(25, 1).expect("a rate");
    VideoFormat::new(720, 320, Sampling::YCbCr422, Depth::Bits10, rate).expect("a format")
}

/// How pictures are cut into packets.
///
/// # Panics
/// Never: they fit.
#[must_use]
pub fn plan() -> Arc<PackingPlan> {
    Arc::new(PackingPlan::new(format(), PackingMode::Gpm, UdpLimit::Standard).expect("a plan"))
}

/// The octet at place `at` of picture `number`.
#[must_use]
pub const fn octet(number: u64, at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (number as usize).wrapping_mul(101) ^ (at >> 8)) as u8
}

/// All octets of picture `number`.
#[must_use]
pub fn picture(number: u64) -> Vec<u8> {
    (0..format().frame_octets() as usize).map(|at| octet(number, at)).collect()
}

/// Whether these lines, from the top, are those of picture `number`. Allocates nothing.
#[must_use]
pub fn shows(lines: &[u8], number: u64) -> bool {
    lines.iter().enumerate().all(|(at, found)| *found == octet(number, at))
}

/// Opens picture `number` of a ring and says its instants. The key names it until it is committed.
///
/// # Errors
/// What the ring says: no slot is free.
pub fn open(writer: &mut FrameWriter, number: u64, now: Tai) -> Result<GrainKey> {
    let stamp = GrainStamp { tai: now, rtp: RtpTimestamp((number as u32).wrapping_mul(3_600)) };
    Ok(writer.open(GrainIndex(number), stamp, now)?)
}

/// Fills an open picture as number `number`, without publishing it. Allocates nothing.
///
/// # Errors
/// When the picture is not open.
pub fn fill(writer: &mut FrameWriter, key: GrainKey, number: u64) -> Result<()> {
    let lines = writer.lines_mut(key, 0..format().height())?;
    lines.iter_mut().enumerate().for_each(|(at, out)| *out = octet(number, at));
    Ok(())
}

impl Road {
    /// A broker with rings of these pages, registered whatever their size.
    ///
    /// # Errors
    /// What the broker says.
    pub fn new(eal: &Eal, pages: PagePolicy) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = pages;
        let reached = Reached::default();
        let hooks = Noting { placement: DmaPlacement::new(eal, 0), reached: Arc::clone(&reached) };
        let broker = Broker::start_placed(config, Box::new(hooks), |_| {})?;
        Ok(Self { broker, reached, _folder: folder })
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The addresses of the regions that devices reach, in the order in which they were made.
    #[must_use]
    pub fn reached(&self) -> Vec<Range<usize>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A ring for the pictures of [`format()`].
    ///
    /// # Errors
    /// What the broker says.
    pub fn ring(&self, flow: &str, slots: u16) -> Result<FrameWriter> {
        Ok(self.broker.create_flow(&flow.parse()?, format(), Some(slots))?)
    }

    /// Joins a ring; `poll` lets its writer look after its readers.
    ///
    /// # Errors
    /// What the broker says.
    pub fn reader(&self, flow: &str, held: u16, mut poll: impl FnMut()) -> Result<FrameReader> {
        let class = ConsumerClass::Leased { k: held, deadline_nanos: i64::MAX };
        let name: Name = flow.parse()?;
        std::thread::scope(|scope| {
            let joining = scope.spawn(|| self.broker.subscribe(&name, class));
            while !joining.is_finished() {
                poll();
            }
            joining.join().map_err(|_| anyhow::anyhow!("the broker panicked"))?.context("cannot subscribe")
        })
    }

    /// A receiver for `destination` on that input that writes a new ring.
    ///
    /// # Errors
    /// What the broker says.
    pub fn receiver<R: RxQueue>(
        &self,
        key: u64,
        input: u64,
        destination: &str,
        flow: &str,
    ) -> Result<SteeredReceiver<R::Buf>> {
        let config = ReceiverConfig {
            format: format(),
            payload_type: PAYLOAD_TYPE,
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 64,
            grain_timeout_nanos: 2 * FRAME_NANOS,
            stores: shm::StoreChoice::default(),
        };
        let receiver = Receiver::new(&config, self.ring(flow, 16)?);
        let leg = Leg { input: InputKey(input), destination: destination.parse()? };
        Ok(SteeredReceiver::new(ReceiverKey(key), [leg], receiver))
    }
}

/// A sender of pictures as they come.
///
/// # Errors
/// When `destination` is no address with a port.
pub fn sender<T: TxQueue<Lease = GrainLease>>(key: u64, output: u8, destination: &str) -> Result<Sender<T>> {
    let destination: SocketAddr = destination.parse()?;
    if destination.port() == 0 {
        bail!("a sender to port 0");
    }
    let config = SenderConfig {
        path: Path::to(destination),
        output: OutputIndex(output),
        payload_type: PAYLOAD_TYPE,
        ssrc: Ssrc(3),
        first_sequence: 65_000,
        timing: SenderTiming::Source,
        lateness: Lateness::Frames(1),
    };
    Ok(Sender::new(SenderKey(key), config))
}

type Reached = Arc<Mutex<Vec<Range<usize>>>>;

/// [`DmaPlacement`], with a note of where the regions are.
struct Noting {
    placement: DmaPlacement,
    reached: Reached,
}

impl PlacementHooks for Noting {
    fn map_for_dma(&self, data: &Mapping, pages: Pages) -> io::Result<Option<Box<dyn DmaMapping>>> {
        let mapping = self.placement.map_for_dma(data, pages)?;
        if mapping.is_some() {
            let start = data.as_ptr().addr();
            let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.push(start..start + data.octets());
        }
        Ok(mapping)
    }
}
