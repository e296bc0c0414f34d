//! A ring at work asks nothing of anybody, however many read it: with sixteen consumers of each class, the writer's open,
//! write, publish, commit and poll, also where it is held up, and the consumers' lease, read and release, make no system
//! call and allocate nothing.
//!
//! Each test counts in a process of its own; what would have to be seen is seen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::hint::black_box;
use std::sync::Arc;

use hwtests::interpose::{self, Interposer};
use hwtests::isolated::{self, Isolated};
use hwtests::{syscalls, take_turn};
use media::{Depth, FlowId, GrainIndex, Name, Rate, Sampling, Tai, VideoFormat};
use shm::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, GrainEnd, GrainKey, GrainStamp, IdentityPlacement,
    LeasePage, Mail, Mailbox, OpenError, PagePolicy, Pages, ReaderParts, Region, Start, Trust,
};

const OF_EACH: u8 = 16;
const GRAINS: u64 = 200;
const LINES: u16 = 32;
const K: u16 = 2;
/// The sizing rule: 2 + 32 × (K + 1), for those who lease and those who block.
const SLOTS: u16 = 2 + 2 * OF_EACH as u16 * (K + 1);

/// What must not be done, in the middle of the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    CallsTheKernel,
    Allocates,
}

struct Stage {
    writer: FrameWriter,
    readers: Vec<FrameReader>,
    /// They read when the writer can go on no more.
    blocking: Vec<FrameReader>,
    row: Vec<u8>,
    out: [u8; 40 * LINES as usize],
}

impl Stage {
    fn set() -> Self {
        let rate = Rate::new(50, 1).unwrap();
        let format = VideoFormat::new(16, LINES.into(), Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        let flow = FlowId::from_name(&"cam".parse::<Name>().unwrap());
        let geometry = Geometry::new(flow, format, SLOTS, 1, Pages::Plain).unwrap();
        let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let (control, data) = region.map_for_writing().unwrap();
        let mailbox = Arc::new(Mailbox::new());
        let mut writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox)).unwrap();
        let region = region.seal().unwrap();
        let leased = ConsumerClass::Leased { k: K, deadline_nanos: 1_000_000_000 };
        let classes = [leased, ConsumerClass::Lossy, ConsumerClass::Blocking { k: K }];
        let seats = (0..).zip(classes.into_iter().flat_map(|class| [class; OF_EACH as usize]));
        let readers = seats.map(|(consumer, class)| {
            let page = LeasePage::create().unwrap();
            let (lease, nonce, start) = (Arc::new(page.map(Access::ReadOnly).unwrap()), 7, Start::Live);
            mailbox.post(Mail::Join { consumer, class, start, lease, nonce }).unwrap();
            writer.poll(Tai::EPOCH);
            assert!(mailbox.take_notice().is_some());
            let (control, data) = region.map_for_reading().unwrap();
            let (lease, trust) = (page.map(Access::ReadWrite).unwrap(), Trust::Gateway);
            let parts = ReaderParts { geometry, control, data, lease, consumer, class, nonce, trust, life: None };
            FrameReader::new(parts).unwrap()
        });
        let mut readers: Vec<_> = readers.collect();
        let blocking = readers.split_off(2 * usize::from(OF_EACH));
        Self { writer, readers, blocking, row: vec![7; format.row_octets() as usize], out: [0; 40 * LINES as usize] }
    }

    /// Grains in and out; how many were read.
    fn play(&mut self, fault: Fault) -> u64 {
        let mut read = 0;
        for index in 0..GRAINS {
            let now = Tai::from_nanos(index as i64 * 20_000_000);
            let key = self.open(index, now, &mut read);
            for line in 0..LINES {
                self.writer.write(key, u32::from(line) * self.row.len() as u32, &self.row).unwrap();
                self.writer.publish(key, line + 1);
                self.writer.poll(now);
            }
            self.writer.commit(key, GrainEnd::default());
            for reader in &mut self.readers {
                read += next(reader, &mut self.out).unwrap();
            }
            if index == GRAINS / 2 {
                fail(fault);
            }
        }
        read + self.catch_up()
    }

    fn open(&mut self, index: u64, now: Tai, read: &mut u64) -> GrainKey {
        loop {
            match self.writer.open(GrainIndex(index), GrainStamp::default(), now) {
                Err(OpenError::Held { .. }) => *read += self.catch_up(),
                opened => return opened.unwrap(),
            }
        }
    }

    /// Those who block read all that there is.
    fn catch_up(&mut self) -> u64 {
        let out = &mut self.out;
        self.blocking.iter_mut().map(|reader| std::iter::from_fn(|| next(reader, out)).sum::<u64>()).sum()
    }

    fn check(&self, read: u64) {
        assert_eq!(read, GRAINS * 3 * u64::from(OF_EACH));
        let counters = self.writer.counters();
        assert_eq!((counters.no_slot(), counters.evicted()), (0, 0));
        assert!(counters.held() > 0, "the writer was never held up");
    }
}

/// Reads the next grain, if there is one: 1 when it is as it must be.
fn next(reader: &mut FrameReader, out: &mut [u8; 40 * LINES as usize]) -> Option<u64> {
    let lease = reader.lease(reader.next_available()?).unwrap();
    lease.copy_lines(0..LINES, out).unwrap();
    Some(u64::from(black_box(out)[77] == 7))
}

fn fail(fault: Fault) {
    match fault {
        Fault::None => {}
        Fault::CallsTheKernel => drop(black_box(rustix::process::getppid())),
        Fault::Allocates => drop(black_box(Box::new(1_u64))),
    }
}

fn calls(test: &str, fault: Fault) -> Option<Vec<String>> {
    let body = || {
        let mut stage = Stage::set();
        let read = syscalls::between(|| stage.play(fault));
        stage.check(read);
    };
    syscalls::of(test, body).unwrap()
}

fn allocations(test: &str, fault: Fault, expected: &str) {
    if isolated::is_inside(test) {
        let mut stage = Stage::set();
        let (read, allocations) = interpose::between(|| stage.play(fault)).unwrap();
        stage.check(read);
        assert_eq!(allocations.to_string(), expected);
        return;
    }
    let _turn = take_turn();
    Interposer::build().unwrap().preload(Isolated::new(test)).run().unwrap();
}

#[test]
fn a_ring_calls_no_kernel() {
    if let Some(calls) = calls("a_ring_calls_no_kernel", Fault::None) {
        assert_eq!(calls, Vec::<String>::new());
    }
}

#[test]
fn a_call_of_the_kernel_is_seen() {
    if let Some(calls) = calls("a_call_of_the_kernel_is_seen", Fault::CallsTheKernel) {
        assert!(calls.len() == 1 && calls[0].starts_with("getppid("), "{calls:?}");
    }
}

#[test]
fn a_ring_allocates_nothing() {
    allocations("a_ring_allocates_nothing", Fault::None, "no allocation");
}

#[test]
fn an_allocation_is_seen() {
    allocations("an_allocation_is_seen", Fault::Allocates, "1 free, 1 malloc");
}
