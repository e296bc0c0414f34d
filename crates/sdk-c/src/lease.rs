//! One grain in use.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;

use shm::{GrainLease, GrainState, ReadError};

use crate::boundary::{Out, borrow, guard, take};
use crate::failure::Failure;
use crate::format::Layout;
use crate::producer::{Stamp, lines};
use crate::status::Status;

/// A grain that is in use: it is not overwritten until this is released, unless its consumer is a lossy one. Any
/// number of threads may use it at once; it may outlive its consumer.
pub struct Lease {
    inner: GrainLease,
    layout: Layout,
}

/// How far a grain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// Slices from the top that are final: written, or declared lost.
    pub slices: u32,
    /// 1 when it is committed: all slices are final.
    pub complete: u8,
    /// 1 when it was given up: no further slices will come.
    pub cancelled: u8,
    /// Lines that were declared lost, once it has ended; 0 before.
    pub lost_lines: u16,
    /// How long the grain is, in octets, once it has ended; 0 before. Ancillary data may be shorter than a slice.
    pub octets: u32,
}

impl From<GrainState> for State {
    fn from(state: GrainState) -> Self {
        let GrainState { slices, complete, cancelled, octets, lost_lines } = state;
        Self { slices: slices.into(), complete: complete.into(), cancelled: cancelled.into(), lost_lines, octets }
    }
}

impl Lease {
    pub(crate) const fn new(inner: GrainLease, layout: Layout) -> Self {
        Self { inner, layout }
    }

    pub(crate) const fn inner(&self) -> &GrainLease {
        &self.inner
    }

    fn in_place(&self, first: u32, count: u32) -> Result<&[u8], Failure> {
        let wanted = self.wanted(first, count)?;
        let end = wanted.end;
        if let Some(bytes) = self.inner.lines(wanted) {
            return Ok(bytes);
        }
        let state = self.inner.state()?;
        if end > state.slices {
            let (index, slices, wanted) = (self.inner.index(), state.slices, end);
            return Err(if state.cancelled {
                ReadError::Cancelled { index, slices }.into()
            } else {
                ReadError::Unpublished { index, wanted, slices }.into()
            });
        }
        let text = "the bytes of a pod's flow, or under a lossy consumer, may change: use flypack_lease_copy";
        Err(Failure::new(Status::FLYPACK_E_COPY_ONLY, text))
    }

    fn wanted(&self, first: u32, count: u32) -> Result<Range<u16>, Failure> {
        // As many as the ring's geometry has, which is a u16.
        lines(first, count, self.layout.slices as u16)
    }
}

/// Runs `body` with the lease behind the pointer.
///
/// # Safety
/// Null, or from flypack_consumer_next or one of its kin and not released.
unsafe fn with(lease: *const Lease, body: impl FnOnce(&Lease) -> Result<(), Failure>) -> Status {
    guard(|| {
        // SAFETY: this function's own contract.
        body(unsafe { borrow(lease, "lease") }?)
    })
}

/// Releases the grain.
///
/// # Safety
/// `lease` is null or from flypack_consumer_next or one of its kin, not released before, and no other thread is using
/// it. No pointer from flypack_lease_lines is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_release(lease: *mut Lease) {
    // SAFETY: this function's own contract.
    unsafe { take(lease) };
}

/// The grain's index.
///
/// # Safety
/// `lease` is null or not released; `index` is null or points to a uint64_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_index(lease: *const Lease, index: *mut u64) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            Out::new(index, "index")?.set(lease.inner.index().0);
            Ok(())
        })
    }
}

/// The grain's instants.
///
/// # Safety
/// `lease` is null or not released; `stamp` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_stamp(lease: *const Lease, stamp: *mut Stamp) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            let found = lease.inner.stamp();
            Out::new(stamp, "stamp")?.set(Stamp { tai_ns: found.tai.as_nanos(), rtp: found.rtp.0 });
            Ok(())
        })
    }
}

/// How far the grain has come.
///
/// # Safety
/// `lease` is null or not released; `state` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_state(lease: *const Lease, state: *mut State) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            let out = Out::new(state, "state")?;
            out.set(lease.inner.state()?.into());
            Ok(())
        })
    }
}

/// `count` lines from line `first` on in place: their address goes to `lines`, how many octets lie there to `octets`.
/// They must be published, the flow the gateway's own, and the consumer a leased one; else FLYPACK_E_NOT_YET or
/// FLYPACK_E_COPY_ONLY. A line that was declared lost holds what an earlier grain left.
///
/// # Safety
/// `lease` is null or not released; `lines` and `octets` are null or point to where the results go. What `lines` then
/// points to may be read until the lease is released; it cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_lines(
    lease: *const Lease,
    first: u32,
    count: u32,
    lines: *mut *const u8,
    octets: *mut usize,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            let (lines, octets) = (Out::new(lines, "lines")?, Out::new(octets, "octets")?);
            let found = lease.in_place(first, count)?;
            lines.set(found.as_ptr());
            octets.set(found.len());
            Ok(())
        })
    }
}

/// Copies `count` lines from line `first` on to `to` and checks that they are whole. After FLYPACK_E_TORN and
/// FLYPACK_E_GONE nothing useful is there.
///
/// # Safety
/// `lease` is null or not released; `to` is null or has room for `capacity` octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_copy(
    lease: *const Lease,
    first: u32,
    count: u32,
    to: *mut u8,
    capacity: usize,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            let wanted = lease.wanted(first, count)?;
            let octets = count as usize * lease.layout.slice_octets as usize;
            if to.is_null() {
                return Err(Failure::null("to"));
            }
            if capacity < octets {
                return Err(ReadError::Size { octets, room: capacity }.into());
            }
            // What is there may be nothing yet.
            Ok(lease.inner.copy_lines_to(wanted, slice::from_raw_parts_mut(to.cast::<MaybeUninit<u8>>(), octets))?)
        })
    }
}

/// Writes the numbers of the lines that were declared lost, in rising order: as many as there are go to `count`, the
/// first `capacity` of them to `lines`. Meaningful for lines that are published.
///
/// # Safety
/// `lease` is null or not released; `lines` has room for `capacity` of them, null if `capacity` is 0; `count` is null
/// or points to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_lease_lost_lines(
    lease: *const Lease,
    lines: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(lease, |lease| {
            let count = Out::new(count, "count")?;
            if lines.is_null() && capacity > 0 {
                return Err(Failure::null("lines"));
            }
            let mut found = 0;
            for line in (0..lease.layout.slices as u16).filter(|line| lease.inner.is_lost(*line)) {
                if found < capacity {
                    lines.add(found).write(line.into());
                }
                found += 1;
            }
            count.set(found);
            Ok(())
        })
    }
}
