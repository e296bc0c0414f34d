//! An open grain: filled, published slice by slice, ended.

use std::mem::offset_of;
use std::ops::Range;
use std::slice;

use super::open_grains::OpenGrain;
use super::{FrameWriter, GrainKey, WriteError};
use crate::grain::GrainEnd;
use crate::layout::{self, FLAG_CANCELLED, SlotWords};
use crate::seed::{planted, sound};
use crate::store::Store;

impl FrameWriter {
    /// Copies `bytes` to octet `offset` of an open grain.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    #[inline]
    pub fn write(&mut self, key: GrainKey, offset: u32, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_by(Store::Cached, key, offset, bytes)
    }

    /// As [`Self::write`], by a way of storing.
    ///
    /// # Errors
    /// As for [`Self::write`].
    #[inline]
    pub fn write_by(&mut self, store: Store, key: GrainKey, offset: u32, bytes: &[u8]) -> Result<(), WriteError> {
        let at = self.writable_at(key, offset, bytes.len())?;
        self.has_streamed |= store == Store::Streamed;
        self.data.copy_in_by(store, at, bytes);
        Ok(())
    }

    /// As [`Self::write_by`], of a stream in its order: asks for the memory behind `bytes`, where the next ones go.
    ///
    /// # Errors
    /// As for [`Self::write`].
    #[inline]
    pub fn write_on(&mut self, store: Store, key: GrainKey, offset: u32, bytes: &[u8]) -> Result<(), WriteError> {
        let at = self.writable_at(key, offset, bytes.len())?;
        self.has_streamed |= store == Store::Streamed;
        self.data.copy_on_by(store, at, bytes);
        Ok(())
    }

    /// Lines of an open grain to write in place; not those that are published. Who writes there past the caches, by
    /// non-temporal stores, must fence them (`sfence`) before publishing; `memcpy` does.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn lines_mut(&mut self, key: GrainKey, lines: Range<u16>) -> Result<&mut [u8], WriteError> {
        let outside = |end| WriteError::Range { end, grain_octets: self.geometry.grain_octets };
        let count = lines.end.checked_sub(lines.start).ok_or(outside(u64::MAX))?;
        let offset = u64::from(lines.start) * u64::from(self.geometry.slice_octets);
        let offset = u32::try_from(offset).map_err(|_| outside(offset))?;
        let octets = usize::from(count) * self.geometry.slice_octets as usize;
        let at = self.writable_at(key, offset, octets)?;
        fence(&mut self.has_streamed);
        let start = self.data.range(at, octets);
        // SAFETY: in bounds (`range`), mapped for writing as long as `self` lives, borrowed from `&mut self`. No
        // other reference covers it: readers in this process form slices of published lines only, and the slot
        // was not given out while any lease held it. Other processes cannot write here.
        Ok(unsafe { slice::from_raw_parts_mut(start, octets) })
    }

    /// Declares a line of an open grain lost; to be called before the line is published. Of a grain that is not
    /// open, beyond the picture, or twice, it does nothing.
    pub fn mark_lost(&mut self, key: GrainKey, line: u16) {
        let slices = self.geometry.slices;
        let Some(grain) = self.open.find(key).filter(|grain| (grain.slices..slices).contains(&line)) else { return };
        let slot = grain.slot;
        if let Some((word, bits)) = self.open.lose(key, line) {
            // Ordered by the Release of `progress` that passes the line.
            let at = self.layout.bitmap(slot, word);
            sound!(self.control.store(at, bits), unless LostLate => self.control.store_late(at, bits));
            self.open.find_mut(key).into_iter().for_each(|grain| grain.lines_lost += 1);
            self.counters.count_lines_lost(1);
        }
    }

    /// Publishes the first `slices` slices of an open grain: each is written, or declared lost. Never goes back, and
    /// at most to the whole grain.
    #[inline]
    pub fn publish(&mut self, key: GrainKey, slices: u16) {
        self.advance(key, slices);
        self.wake_sleepers();
    }

    #[inline]
    fn advance(&mut self, key: GrainKey, slices: u16) {
        let Some(grain) = self.open.find_mut(key) else { return };
        let slices = slices.min(self.geometry.slices);
        if slices > grain.slices {
            fence(&mut self.has_streamed);
            grain.slices = slices;
            // At most the octets of a grain, which are a u32.
            grain.published_octets = u32::from(slices) * self.geometry.slice_octets;
            let progress = grain.q << 16 | u64::from(slices);
            // Pairs with Membership::state: the bytes and the bitmap are visible before the progress.
            let at = self.layout.slot(grain.slot) + offset_of!(SlotWords, progress);
            sound!(self.control.store_release(at, progress), unless ProgressRelaxed => self.control.store(at, progress));
            planted!(LostLate => crate::seed::settle());
        }
    }

    /// Ends an open grain: publishes all of it. Lines that were neither written nor declared lost show what
    /// an earlier grain left there. Does nothing when the grain is not open.
    pub fn commit(&mut self, key: GrainKey, end: GrainEnd) {
        self.advance(key, self.geometry.slices);
        if let Some(grain) = self.open.take(key) {
            self.close(&grain, 0, end);
            // Grains may be committed in any order, so the greatest is kept: `head` never falls.
            let end = key.index().0 + 1;
            self.head = sound!(self.head.max(end), unless HeadOfTheLast => end);
            // Pairs with RingProbe::head.
            sound!(self.control.store_release(layout::HEAD, self.head), unless HeadRelaxed
                => self.control.store(layout::HEAD, self.head));
            self.counters.count_committed();
            self.counters.count_closed();
            self.wake_sleepers();
        }
    }

    /// Gives an open grain up; what was published stays readable. Does nothing when the grain is not open.
    pub fn cancel(&mut self, key: GrainKey) {
        if let Some(grain) = self.open.take(key) {
            self.close(&grain, FLAG_CANCELLED, GrainEnd::default());
            self.counters.count_cancelled();
            self.counters.count_closed();
            sound!(self.wake_sleepers(), unless CancelledUnwoken);
        }
    }

    fn close(&mut self, grain: &OpenGrain, flags: u64, end: GrainEnd) {
        let whole = self.geometry.grain_octets;
        let is_variable = self.geometry.format.is_variable();
        let octets = if is_variable { end.octets.unwrap_or(grain.written_octets).min(whole) } else { whole };
        let at = self.layout.slot(grain.slot);
        let words = [
            (offset_of!(SlotWords, flags), flags),
            (offset_of!(SlotWords, octets), u64::from(octets)),
            (offset_of!(SlotWords, first_arrival), end.first_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, last_arrival), end.last_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, lost_lines), u64::from(grain.lines_lost)),
        ];
        let end = 2 * grain.q + 2;
        planted!(ClosedEarly => self.control.store_release(at + offset_of!(SlotWords, generation), end));
        for (field, value) in words {
            self.control.store(at + field, value);
        }
        // Pairs with Membership::state: the end fields are visible before the end.
        let at = at + offset_of!(SlotWords, generation);
        sound!(self.control.store_release(at, end), unless ClosedRelaxed => self.control.store(at, end));
        self.slots.close(grain.slot);
    }

    /// Offset in the data region of `octets` octets at `offset` of an open grain, if they may be written.
    #[inline]
    fn writable_at(&mut self, key: GrainKey, offset: u32, octets: usize) -> Result<usize, WriteError> {
        let grain = self.open.find_mut(key).ok_or(WriteError::NotOpen { index: key.index() })?;
        let grain_octets = self.geometry.grain_octets;
        let end = u64::from(offset).saturating_add(octets as u64);
        if end > u64::from(grain_octets) {
            return Err(WriteError::Range { end, grain_octets });
        }
        if offset < grain.published_octets {
            return Err(WriteError::Published { offset, published_octets: grain.published_octets });
        }
        // At most the octets of a grain, which are a u32.
        let reached = if octets == 0 { 0 } else { end as u32 };
        grain.written_octets = grain.written_octets.max(reached);
        Ok(grain.start + offset as usize)
    }
}

/// Non-temporal stores come before whatever this thread does from here on: no Release orders them. (A writer that goes to
/// another thread in between is handed over by an atomic that swaps or adds, which orders them as well: Intel's SDM,
/// volume 3, §8.2.2.)
#[inline]
fn fence(has_streamed: &mut bool) {
    if std::mem::take(has_streamed) {
        Store::Streamed.fence();
    }
}
