//! Finding grains.

use std::ops::DerefMut as _;
use std::sync::Mutex;

use media::{GrainIndex, Tai};
use shm::GrainLease;

use crate::boundary::{Out, borrow, deadline, enter, guard, take};
use crate::failure::Failure;
use crate::format::Layout;
use crate::lease::{Lease, State};
use crate::options::narrow;
use crate::session::Session;
use crate::status::Status;

/// A reader of one flow. One thread at a time may use it.
pub struct Consumer {
    reading: Mutex<shm::Consumer>,
}

/// `slices` of flypack_consumer_wait: until the grain has ended, committed or given up.
pub const FLYPACK_END: u32 = 65_535;

impl Consumer {
    pub(crate) const fn new(consumer: shm::Consumer) -> Self {
        Self { reading: Mutex::new(consumer) }
    }
}

/// Runs `body` in the consumer behind the pointer.
///
/// # Safety
/// Null, or from flypack_subscribe and not closed.
unsafe fn with(consumer: *const Consumer, body: impl FnOnce(&mut shm::Consumer) -> Result<(), Failure>) -> Status {
    guard(|| {
        // SAFETY: this function's own contract.
        let consumer = unsafe { borrow(consumer, "consumer") }?;
        body(enter(&consumer.reading, "consumer")?.deref_mut())
    })
}

/// As `with`; what `find` leases becomes a handle.
///
/// # Safety
/// As `with`; `lease` is null or points to where the handle goes.
unsafe fn lease_with(
    consumer: *const Consumer,
    lease: *mut *mut Lease,
    find: impl FnOnce(&mut shm::Consumer) -> Result<GrainLease, Failure>,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(consumer, |consumer| {
            let out = Out::new(lease, "lease")?;
            let found = find(consumer)?;
            let layout = Layout::of(consumer.reader().geometry());
            out.set(Box::into_raw(Box::new(Lease::new(found, layout))));
            Ok(())
        })
    }
}

/// Ends the consumer. Its leases stay good; its seat comes free with the last of them.
///
/// # Safety
/// `consumer` is null or from flypack_subscribe, not closed before, and no other thread is using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_close(consumer: *mut Consumer) {
    // SAFETY: this function's own contract.
    unsafe { take(consumer) };
}

/// The format of the flow, and how its grains lie in memory.
///
/// # Safety
/// `consumer` is null or from flypack_subscribe and not closed; `layout` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_layout(consumer: *const Consumer, layout: *mut Layout) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(consumer, |consumer| {
            Out::new(layout, "layout")?.set(Layout::of(consumer.reader().geometry()));
            Ok(())
        })
    }
}

/// Leases the oldest grain that was opened and not passed yet; waits for one for `timeout_ns`, without end if that is
/// negative. A wait cannot be broken off: where the program must be able to stop, wait in pieces. The grain may still be open (flypack_consumer_wait), have lost lines or be cancelled
/// (flypack_lease_state, flypack_lease_lost_lines).
///
/// # Safety
/// `consumer` is null or from flypack_subscribe and not closed; `lease` is null or points to where the new handle
/// goes; the caller releases it with flypack_lease_release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_next(
    consumer: *const Consumer,
    timeout_ns: i64,
    lease: *mut *mut Lease,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe { lease_with(consumer, lease, |consumer| Ok(consumer.next(deadline(timeout_ns))?)) }
}

/// Leases grain `index`, if it was opened and is still there, and passes those below it. Does not wait.
///
/// # Safety
/// As flypack_consumer_next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_get(consumer: *const Consumer, index: u64, lease: *mut *mut Lease) -> Status {
    // SAFETY: this function's own contract.
    unsafe { lease_with(consumer, lease, |consumer| Ok(consumer.get(GrainIndex(index))?)) }
}

/// Leases the grain nearest to `tai_ns`, as flypack_consumer_get.
///
/// # Safety
/// As flypack_consumer_next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_get_at(
    consumer: *const Consumer,
    tai_ns: i64,
    lease: *mut *mut Lease,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe { lease_with(consumer, lease, |consumer| Ok(consumer.at(Tai::from_nanos(tai_ns))?)) }
}

/// Waits until the first `slices` lines of a leased grain are final, or the grain has ended; with FLYPACK_END for the
/// end alone, which comes a moment after the last line. Waits for `timeout_ns`, without end if that is negative (see
/// flypack_consumer_next). How far it has come goes to `state`, which may be null. A lease of another consumer, or of this
/// one before flypack_consumer_rejoin, is FLYPACK_E_INVALID: its index may be another picture here.
///
/// # Safety
/// `consumer` is null or from flypack_subscribe and not closed; `lease` is null or not released; `state` is null or
/// points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_wait(
    consumer: *const Consumer,
    lease: *const Lease,
    slices: u32,
    timeout_ns: i64,
    state: *mut State,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(consumer, |consumer| {
            let lease = borrow(lease, "lease")?;
            let slices = narrow(slices, "slices")?;
            let reached = consumer.wait(lease.inner(), slices, deadline(timeout_ns))?;
            if let Ok(out) = Out::new(state, "state") {
                out.set(reached.into());
            }
            Ok(())
        })
    }
}

/// Takes a new seat in the same flow, as it was subscribed to: after FLYPACK_E_EVICTED, or when the flow is back after
/// FLYPACK_E_PRODUCER_GONE. On failure it may be asked to rejoin again; what an eviction had left in its reach is passed then,
/// if none of it is leased.
///
/// # Safety
/// `consumer` is null or from flypack_subscribe and not closed; `session` is null or from flypack_connect and open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_consumer_rejoin(consumer: *const Consumer, session: *const Session) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        with(consumer, |consumer| {
            let session = borrow(session, "session")?;
            let flow = consumer.name().clone();
            consumer.rejoin(session.inner()).map_err(|error| Failure::from(error).about(&flow))
        })
    }
}
