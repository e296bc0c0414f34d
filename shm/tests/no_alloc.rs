//! The ring's paths allocate nothing once they have started: grains in, grains out, a consumer that joins, one
//! that is evicted, acknowledges and leaves (ARCHITECTURE, invariant 5).
#![allow(unsafe_code, reason = "a counting test allocator")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use media::{Depth, FlowId, GrainIndex, Name, Rate, Sampling, Tai, VideoFormat};
use shm::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, GrainEnd, GrainStamp, IdentityPlacement, LeasePage,
    Mail, Mailbox, Notice, PagePolicy, Pages, ReaderParts, Region, SealedRegion, Start, Trust,
};

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system allocator unchanged; counting touches only a thread-local number.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.realloc(pointer, layout, octets) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of this thread's allocator during `work`.
fn calls(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

const CLASS: ConsumerClass = ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX };

fn ring() -> (SealedRegion, FrameWriter, Arc<Mailbox>) {
    let rate = Rate::new(25, 1).unwrap();
    let format = VideoFormat::new(16, 200, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
    let flow = FlowId::from_name(&"test".parse::<Name>().unwrap());
    let geometry = Geometry::new(flow, format, 8, 1, Pages::Plain).unwrap();
    let geometry = Geometry { slot_stride: 8000_u64.next_multiple_of(64), ..geometry };
    let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    let (control, data) = region.map_for_writing().unwrap();
    let mailbox = Arc::new(Mailbox::new());
    let writer = FrameWriter::new(*region.geometry(), control, data, Arc::clone(&mailbox)).unwrap();
    (region.seal().unwrap(), writer, mailbox)
}

fn grain(writer: &mut FrameWriter, index: u64) {
    let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
    for line in 0..200_u16 {
        if line % 50 == 3 {
            writer.mark_lost(key, line);
        } else {
            writer.write(key, u32::from(line) * 40, &[1; 40]).unwrap();
        }
        writer.publish(key, line + 1);
    }
    writer.commit(key, GrainEnd::default());
}

fn read(reader: &mut FrameReader) {
    let index = reader.next_available().unwrap();
    let lease = reader.lease(index).unwrap();
    let again = reader.lease_again(&lease).unwrap();
    assert_eq!(reader.lost_lines(&lease.grain()).count(), 4);
    assert_eq!(lease.lines(0..200).unwrap().len(), 8000);
    let mut out = [0; 400];
    again.copy_lines(7..17, &mut out).unwrap();
    black_box(out);
}

#[test]
fn the_counter_counts() {
    assert!(calls(|| drop(black_box(Box::new(1)))) >= 2);
}

#[test]
fn a_running_ring_does_not_allocate() {
    let (region, mut writer, mailbox) = ring();
    let page = LeasePage::create().unwrap();
    let lease = Arc::new(page.map(Access::ReadOnly).unwrap());
    let start = Start::Live;
    mailbox.post(Mail::Join { consumer: 0, class: CLASS, start, lease, nonce: 9 }).unwrap();
    assert_eq!(calls(|| writer.poll(Tai::EPOCH)), 0, "joining");
    assert!(matches!(mailbox.take_notice(), Some(Notice::Joined { .. })));

    let (control, data) = region.map_for_reading().unwrap();
    let lease = page.map(Access::ReadWrite).unwrap();
    let geometry = *region.geometry();
    let trust = Trust::Gateway;
    let parts = ReaderParts { geometry, control, data, lease, consumer: 0, class: CLASS, nonce: 9, trust, life: None };
    let mut reader = FrameReader::new(parts).unwrap();
    for index in 0..30 {
        assert_eq!(calls(|| grain(&mut writer, index)), 0, "writing grain {index}");
        assert_eq!(calls(|| read(&mut reader)), 0, "reading grain {index}");
    }
    let evicting = calls(|| {
        for index in 30..50 {
            grain(&mut writer, index);
        }
        reader.acknowledge_eviction().unwrap();
        writer.poll(Tai::EPOCH);
    });
    assert_eq!((evicting, writer.counters().evicted()), (0, 1), "evicting");
    let gone = calls(|| {
        mailbox.post(Mail::Gone { consumer: 0, nonce: 9 }).unwrap();
        writer.poll(Tai::EPOCH);
    });
    assert_eq!(gone, 0, "leaving");
}
