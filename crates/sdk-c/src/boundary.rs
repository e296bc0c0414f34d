//! The boundary itself: pointers become references, failures become numbers, panics end here.

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::last_error;
use crate::status::Status;

/// Waiting without end, in practice.
const PATIENCE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Runs `body`; its failure or panic becomes the thread's last error.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    // Unwind safe: producers and consumers are behind a mutex, whose every use leaves them whole.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::FLYPACK_OK,
        Ok(Err(failure)) => last_error::remember(failure),
        Err(panic) => last_error::remember(Failure::panic(words(&*panic))),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Where a result goes.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// The argument `name`.
    ///
    /// # Safety
    /// Null, or for a `T` to be written to for as long as this lives.
    pub(crate) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        NonNull::new(pointer).map(Self).ok_or_else(|| Failure::null(name))
    }

    /// Writes the result. What was there is not dropped: it is C's, and may be nothing yet.
    pub(crate) fn set(self, value: T) {
        // SAFETY: not null, and for a `T` by the promise of `new`.
        unsafe { self.0.write(value) };
    }
}

/// The handle or struct that the argument `name` points to.
///
/// # Safety
/// Null, or a live `T` that nobody writes to until the call is over.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: by this function's own contract.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::null(name))
}

/// The text that the argument `name` points to.
///
/// # Safety
/// Null, or text that ends with a null octet and does not change until the call is over.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not null; the rest is this function's own contract.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::invalid(format!("{name} is not UTF-8")))
}

/// Takes a handle back, to be dropped.
///
/// # Safety
/// Null, or a pointer that `Box::into_raw` gave and that was not taken back before.
pub(crate) unsafe fn take<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: by this function's own contract.
        let handle = unsafe { Box::from_raw(pointer) };
        // Its drop may join a thread; a panic there must not reach C.
        guard(|| {
            drop(handle);
            Ok(())
        });
    }
}

/// What one thread at a time may use.
pub(crate) fn enter<'a, T>(mutex: &'a Mutex<T>, what: &str) -> Result<MutexGuard<'a, T>, Failure> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(PoisonError::into_inner(poisoned)),
        Err(TryLockError::WouldBlock) => {
            let text = format!("another thread is using this {what}: one at a time may");
            Err(Failure::new(Status::FLYPACK_E_BUSY, text))
        }
    }
}

/// The end of a time-out in nanoseconds; negative: none.
pub(crate) fn deadline(timeout_ns: i64) -> Instant {
    let patience = u64::try_from(timeout_ns).map_or(PATIENCE, Duration::from_nanos);
    Instant::now() + patience.min(PATIENCE)
}
