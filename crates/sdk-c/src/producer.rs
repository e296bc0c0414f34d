//! Writing grains.

use std::ops::Range;
use std::slice;
use std::sync::Mutex;

use media::{Clock as _, GrainIndex, RtpTimestamp, Tai};
use shm::{GrainKey, GrainStamp, KernelTai};

use crate::boundary::{Out, borrow, enter, guard, take};
use crate::failure::Failure;
use crate::format::{Format, Layout};
use crate::options::narrow;
use crate::status::Status;

/// A flow that this process produces. One thread at a time may use it.
pub struct Producer {
    writing: Mutex<Writing>,
}

struct Writing {
    producer: shm::Producer,
    /// At most as many as the ring lets be open.
    open: Vec<OpenGrain>,
    /// Numbers given out.
    numbered: u64,
}

/// A grain and the number that C has for it.
struct OpenGrain {
    number: u64,
    key: GrainKey,
    opened: Tai,
}

/// Keeps the octets of a ring where they are.
pub struct Memory {
    _ring: shm::RingMemory,
}

/// The instants that name a grain.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Stamp {
    /// When the grain was captured: TAI, ns since 1970-01-01T00:00:00 TAI.
    pub tai_ns: i64,
    /// Its RTP timestamp.
    pub rtp: u32,
}

/// What is known of a grain when it is committed.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct GrainEnd {
    /// When its first octet came: TAI, ns; 0: when it was opened.
    pub first_arrival_ns: i64,
    /// When its last octet came: TAI, ns; 0: now.
    pub last_arrival_ns: i64,
    /// Of ancillary data: how long the grain is, in octets. Other grains are always whole.
    pub octets: u32,
}

impl OpenGrain {
    fn end(&self, end: Option<&GrainEnd>) -> shm::GrainEnd {
        let or = |nanos: i64, instant| if nanos == 0 { instant } else { Tai::from_nanos(nanos) };
        let GrainEnd { first_arrival_ns, last_arrival_ns, .. } = end.copied().unwrap_or_default();
        shm::GrainEnd {
            first_arrival: or(first_arrival_ns, self.opened),
            last_arrival: or(last_arrival_ns, KernelTai.now()),
            octets: end.map(|end| end.octets),
        }
    }
}

impl Producer {
    pub(crate) fn new(producer: shm::Producer) -> Self {
        Self { writing: Mutex::new(Writing { producer, open: Vec::new(), numbered: 0 }) }
    }
}

impl Writing {
    fn open(&mut self, index: GrainIndex, stamp: Option<GrainStamp>) -> Result<u64, Failure> {
        let stamp = stamp.unwrap_or_else(|| self.producer.stamp_of(index));
        let opened = KernelTai.now();
        let key = self.producer.open(index, stamp)?.keep();
        self.numbered += 1;
        self.open.push(OpenGrain { number: self.numbered, key, opened });
        Ok(self.numbered)
    }

    fn place(&self, grain: u64) -> Result<usize, Failure> {
        let place = self.open.iter().position(|open| open.number == grain);
        place.ok_or_else(|| Failure::not_open(grain))
    }

    /// The writer, and its key of `grain`.
    fn of(&mut self, grain: u64) -> Result<(&mut shm::FrameWriter, GrainKey), Failure> {
        let key = self.open[self.place(grain)?].key;
        Ok((self.producer.writer_of(key)?, key))
    }

    /// The same for the last time.
    fn end(&mut self, grain: u64) -> Result<(&mut shm::FrameWriter, OpenGrain), Failure> {
        let place = self.place(grain)?;
        let open = self.open.swap_remove(place);
        Ok((self.producer.writer_of(open.key)?, open))
    }

    /// As `of`, with the lines that are asked for.
    fn lines_of(
        &mut self,
        grain: u64,
        first: u32,
        count: u32,
    ) -> Result<(&mut shm::FrameWriter, GrainKey, Range<u16>), Failure> {
        let (writer, key) = self.of(grain)?;
        let lines = lines(first, count, writer.geometry().slices)?;
        Ok((writer, key, lines))
    }

    fn write(&mut self, grain: u64, first: u32, bytes: &[u8]) -> Result<(), Failure> {
        let (writer, key) = self.of(grain)?;
        // A line's beginning may be beyond 2³²; no grain is.
        let offset = first.saturating_mul(writer.geometry().slice_octets);
        Ok(writer.write(key, offset, bytes)?)
    }
}

/// Lines `first` and `count - 1` more of a grain that has `slices`.
pub(crate) fn lines(first: u32, count: u32, slices: u16) -> Result<Range<u16>, Failure> {
    let end = u64::from(first) + u64::from(count);
    // Then `first`, too, is a u16.
    let inside = u16::try_from(end).ok().filter(|end| *end <= slices);
    inside.map(|end| first as u16..end).ok_or_else(|| Failure::lines(end, slices))
}

/// Runs `body` in the producer behind the pointer.
///
/// # Safety
/// Null, or from flypack_produce and not closed.
unsafe fn with(producer: *const Producer, body: impl FnOnce(&mut Writing) -> Result<(), Failure>) -> Status {
    guard(|| {
        // SAFETY: this function's own contract.
        let producer = unsafe { borrow(producer, "producer") }?;
        body(&mut *enter(&producer.writing, "producer")?)
    })
}

/// Ends the flow: an open grain is cancelled, and its consumers hear that the producer is gone. What they have leased
/// stays readable.
///
/// # Safety
/// `producer` is null or from flypack_produce, not closed before, and no other thread is using it. No pointer from
/// flypack_producer_lines is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_close(producer: *mut Producer) {
    // SAFETY: this function's own contract.
    unsafe { take(producer) };
}

/// The format of the flow, and how its grains lie in memory.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `layout` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_layout(producer: *const Producer, layout: *mut Layout) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            Out::new(layout, "layout")?.set(Layout::of(writing.producer.writer().geometry()));
            Ok(())
        })
    }
}

/// The grain that is nearest to the present by the kernel's TAI clock: the one to open now.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `index` is null or points to a uint64_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_index_now(producer: *const Producer, index: *mut u64) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            Out::new(index, "index")?.set(writing.producer.index_now().0);
            Ok(())
        })
    }
}

/// Goes on in a new ring: with another format, or with the same after the clock was set back. The next grain, of any
/// index, is its first, and the consumers get FLYPACK_E_EPOCH_ENDED once they have read the old ring to its end. `slots`:
/// 0 takes the gateway's default. FLYPACK_E_GRAIN_OPEN while a grain is open; the old ring goes on after any failure.
/// Takes as long as the new ring's memory takes to be made.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `format` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_succeed(
    producer: *const Producer,
    format: *const Format,
    slots: u32,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let format = borrow(format, "format")?.checked()?;
            let slots = narrow(slots, "slots")?;
            Ok(writing.producer.succeed(format, Some(slots).filter(|slots| *slots != 0))?)
        })
    }
}

/// What keeps the octets of the present ring where they are until flypack_memory_release, also when the producer has
/// gone over to another ring or was closed: for callers that cannot tell when the last of their pointers from
/// flypack_producer_lines is gone. What is published must not be written to all the same.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `memory` is null or points to where the new handle goes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_memory(producer: *const Producer, memory: *mut *mut Memory) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let out = Out::new(memory, "memory")?;
            let kept = Memory { _ring: writing.producer.writer().memory() };
            out.set(Box::into_raw(Box::new(kept)));
            Ok(())
        })
    }
}

/// Lets the ring's memory go.
///
/// # Safety
/// `memory` is null or from flypack_producer_memory and was not released before. Nothing that it kept is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_memory_release(memory: *mut Memory) {
    // SAFETY: this function's own contract.
    unsafe { take(memory) };
}

/// Looks after the consumers: lets them in and out, evicts who is late. flypack_producer_open does so too; call this
/// often (every frame time at least) while no grain comes.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_poll(producer: *const Producer) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            writing.producer.poll();
            Ok(())
        })
    }
}

/// Opens grain `index`; consumers see it from now on. Indices rise, and may leave holes. `stamp` may be null: the
/// grain then starts where the grid of TAI has it. `grain` names it in the calls below; a number that is over gives
/// FLYPACK_E_NOT_OPEN.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `stamp` is null or points to one, `grain` null or to a
/// uint64_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_open(
    producer: *const Producer,
    index: u64,
    stamp: *const Stamp,
    grain: *mut u64,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let out = Out::new(grain, "grain")?;
            let stamp = stamp
                .as_ref()
                .map(|stamp| GrainStamp { tai: Tai::from_nanos(stamp.tai_ns), rtp: RtpTimestamp(stamp.rtp) });
            out.set(writing.open(GrainIndex(index), stamp)?);
            Ok(())
        })
    }
}

/// Where to write `count` lines from line `first` on in place: their address goes to `lines`, how many octets lie
/// there to `octets`. Not those that are published.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `lines` and `octets` are null or point to where the
/// results go. What `lines` then points to may be written until these lines are published, the grain ends or the
/// producer is closed, whichever comes first, by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_lines(
    producer: *const Producer,
    grain: u64,
    first: u32,
    count: u32,
    lines: *mut *mut u8,
    octets: *mut usize,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let (lines, octets) = (Out::new(lines, "lines")?, Out::new(octets, "octets")?);
            let (writer, key, wanted) = writing.lines_of(grain, first, count)?;
            let found = writer.lines_mut(key, wanted)?;
            lines.set(found.as_mut_ptr());
            octets.set(found.len());
            Ok(())
        })
    }
}

/// Copies `octets` octets to line `first` of the grain and, as far as they reach, to those below.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `bytes` is null or points to `octets` octets, none of
/// them in a ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_write(
    producer: *const Producer,
    grain: u64,
    first: u32,
    bytes: *const u8,
    octets: usize,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let start: *const u8 = borrow(bytes, "bytes")?;
            let _ = isize::try_from(octets).map_err(|_| Failure::invalid("octets is more than there can be"))?;
            writing.write(grain, first, slice::from_raw_parts(start, octets))
        })
    }
}

/// Declares a line lost, before it is published: readers are told, and see what an earlier grain left there.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_mark_lost(producer: *const Producer, grain: u64, line: u32) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let (writer, key, lost) = writing.lines_of(grain, line, 1)?;
            writer.mark_lost(key, lost.start);
            Ok(())
        })
    }
}

/// Publishes the first `slices` lines: each is written, or declared lost. They are the readers' from now on.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_publish(producer: *const Producer, grain: u64, slices: u32) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let (writer, key, published) = writing.lines_of(grain, 0, slices)?;
            writer.publish(key, published.end);
            Ok(())
        })
    }
}

/// Publishes all of the grain and ends it. `end` may be null: its arrival was from its opening to now.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed; `end` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_commit(
    producer: *const Producer,
    grain: u64,
    end: *const GrainEnd,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let end = end.as_ref();
            let (writer, open) = writing.end(grain)?;
            writer.commit(open.key, open.end(end));
            Ok(())
        })
    }
}

/// Gives the grain up; what was published stays readable.
///
/// # Safety
/// `producer` is null or from flypack_produce and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_producer_cancel(producer: *const Producer, grain: u64) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(producer, |writing| {
            let (writer, open) = writing.end(grain)?;
            writer.cancel(open.key);
            Ok(())
        })
    }
}

/// TAI now, by the kernel's clock, in ns since 1970-01-01T00:00:00 TAI.
#[unsafe(no_mangle)]
pub extern "C" fn flypack_tai_now() -> i64 {
    KernelTai.now().as_nanos()
}
