//! Pictures from a ring through DPDK ports to another ring, by one worker in virtual time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dpdk::eal::Eal;
use dpdk::payload::retired_leases;
use dpdk::rx::{DpdkBuf, DpdkRx};
use dpdk::tx::DpdkTx;
use media::{Clock, ManualClock};
use netio::{Burst, RxCounters, RxQueue};
use shm::{FrameReader, FrameWriter, GrainEnd, GrainLease, PagePolicy};
use worker::{InputKey, OutputIndex, PortKey, ReceiverCounters, SenderCounters};

use crate::{PortBench, PortMake, Road, Turning, eventually, road};

/// Slots of the ring that is sent from.
pub const SLOTS: u16 = 24;
/// Pictures for which nobody may take packets: then the ring evicts the sender, which holds what is in flight.
pub const STUCK: u32 = 5;
/// The port that sends, on its worker.
pub const PORT: PortKey = PortKey { input: Some(InputKey(1)), output: OutputIndex(0) };
/// Where pictures go.
const GROUP: &str = "239.1.2.3:5004";
/// Pictures in which a receiver is in step again after an interruption.
const PATIENCE: u32 = 50;

/// A port's transmit queue.
pub type Tx = DpdkTx<GrainLease>;

/// A receive queue that can be kept from looking.
pub struct Valve {
    /// The queue.
    pub rx: DpdkRx<ManualClock>,
    is_shut: Rc<Cell<bool>>,
}

impl RxQueue for Valve {
    type Buf = DpdkBuf;

    fn rx_burst(&mut self, burst: &mut Burst<DpdkBuf>) -> usize {
        if self.is_shut.get() { 0 } else { self.rx.rx_burst(burst) }
    }

    fn counters(&self) -> RxCounters {
        self.rx.counters()
    }
}

/// The two rings, and everything between them.
pub struct Passage {
    /// Everybody's.
    pub clock: ManualClock,
    /// Writes the ring that is sent from.
    pub near: FrameWriter,
    far: FrameReader,
    /// Of the sender through the port.
    pub sender: Arc<SenderCounters>,
    /// Of the receiver.
    pub receiver: Arc<ReceiverCounters>,
    /// The worker. A second sender of it leads nowhere, by output 1.
    pub turning: Turning<Valve, Tx>,
    /// Whether the receive queue is kept from looking.
    pub is_shut: Rc<Cell<bool>>,
    /// The port that sends; the one that receives, where it is another; the one that leads nowhere.
    pub ports: Vec<PortBench>,
    /// The receive queue of the port that sends, where another one receives.
    pub spare: Option<DpdkRx<ManualClock>>,
    /// The broker of both rings.
    pub road: Road,
    number: u64,
    /// Whether the kernel is on the way: it needs real time.
    is_real: bool,
}

impl Passage {
    /// What is sent on the first device is received on the last.
    ///
    /// # Errors
    /// What a port, the broker or the worker refuses.
    pub fn open(eal: &Eal, devices: &[&str]) -> Result<Self> {
        let makes: Vec<PortMake> = devices.iter().map(|device| PortMake::on(device)).collect();
        Self::open_on(eal, &makes)
    }

    /// As [`Self::open`], on ports that are made otherwise.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(eal: &Eal, makes: &[PortMake]) -> Result<Self> {
        let road = Road::new(eal, PagePolicy::PlainOnly)?;
        let clock = ManualClock::at(road::NOON);
        let (mut outputs, mut inputs, mut ports) = (Vec::new(), Vec::new(), Vec::new());
        for make in makes {
            let (port, tx, rx) = PortBench::open::<GrainLease, _>(eal, make, clock.clone())?;
            ports.push(port);
            outputs.push(tx);
            inputs.push(rx);
        }
        eventually("the links are up", || ports.iter().all(|port| port.port().link().up));
        ports.last_mut().context("no device")?.listen(&[GROUP]);
        let (nowhere, null, _) = PortBench::open(eal, &PortMake::on("net_null"), clock.clone())?;
        ports.push(nowhere);
        outputs.truncate(1);
        outputs.push(null);
        let mut turning = Turning::new(&clock, outputs);
        let is_shut = Rc::<Cell<bool>>::default();
        let rx = inputs.pop().context("no device")?;
        turning.listen(1, Valve { rx, is_shut: Rc::clone(&is_shut) })?;
        let receiver = turning.receive(road.receiver::<Valve>(1, 1, GROUP, "far")?)?;
        let mut near = road.ring("near", SLOTS)?;
        let mut send = |output: u8| {
            let reader = road.reader("near", 6, || near.poll(clock.now()))?;
            turning.send(output.into(), output, GROUP, reader)
        };
        let (sender, _nowhere) = (send(0)?, send(1)?);
        let far = road.reader("far", 4, || turning.turn())?;
        let (is_real, spare) = (makes.iter().any(|make| make.device != "net_ring"), inputs.pop());
        Ok(Self { clock, near, far, sender, receiver, turning, is_shut, ports, spare, road, number: 0, is_real })
    }

    /// Writes a picture that nobody has sent yet.
    ///
    /// # Panics
    /// When the ring has no slot.
    pub fn write(&mut self) {
        self.number += 1;
        let key = road::open(&mut self.near, self.number, self.clock.now()).expect("a slot is free");
        road::fill(&mut self.near, key, self.number).expect("a picture is open");
        self.near.commit(key, GrainEnd::default());
    }

    /// Hundredths of a picture's time.
    pub fn pass(&mut self, steps: u32) {
        for _ in 0..steps {
            self.turning.step();
            if self.is_real {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        self.near.poll(self.clock.now());
    }

    /// Writes a picture and passes its time; how many came whole meanwhile.
    ///
    /// # Panics
    /// When the ring has no slot, or a whole picture is none that was sent lately.
    pub fn play(&mut self) -> u32 {
        self.write();
        self.pass(100);
        // A net_ring keeps what nobody takes; a wire does not.
        let delay = if self.is_real { 3 } else { u64::from(STUCK) + 3 };
        let mut whole = 0;
        while let Some(index) = self.far.next_available() {
            let Ok(lease) = self.far.lease(index) else { break };
            let Some(lines) = lease.lines(0..road::format().height()) else { break };
            if self.far.lost_lines(&lease.grain()).next().is_none() {
                let is_known = (0..=delay).any(|back| road::shows(lines, self.number.wrapping_sub(back)));
                assert!(is_known, "a whole picture that nobody sent of late, after {} pictures", self.number);
                whole += 1;
            }
        }
        whole
    }

    /// Plays until pictures arrive one after the other.
    ///
    /// # Errors
    /// When they do not.
    pub fn flows(&mut self) -> Result<()> {
        let flows = (0..PATIENCE).any(|_| (0..5).all(|_| self.play() > 0));
        ensure!(flows, "no pictures: {:?} {:?}", self.sender.values(), self.receiver.values());
        Ok(())
    }

    /// Slots of the ring that somebody holds.
    pub fn leased(&mut self) -> u16 {
        self.near.poll(self.clock.now());
        self.near.slot_accounts().leased
    }

    /// Looks whether every slot of the ring is there, and nobody holds one.
    ///
    /// # Errors
    /// Where they are.
    pub fn accounts(&mut self) -> Result<()> {
        self.pass(300);
        let accounts = self.near.slot_accounts();
        ensure!(accounts.free + accounts.open + accounts.done == SLOTS, "{accounts:?}");
        ensure!((accounts.leased, accounts.quarantined) == (0, 0), "{accounts:?}");
        let held = self.ports[0].counters.tx.leases_held.value();
        ensure!((held, retired_leases()) == (0, 0), "{held} leases are attached, {} retired", retired_leases());
        Ok(())
    }
}
