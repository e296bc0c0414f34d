//! The last error of each thread: its text, and the values behind it.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

use crate::boundary::{Out, guard};
use crate::failure::{Failure, Value};
use crate::status::Status;

/// One value of an error.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ErrorValue {
    /// What it is: "index", "limit", "errno" …
    pub name: *const c_char,
    /// The value, if it is a number.
    pub number: i64,
    /// The value, if it is a text; else null.
    pub text: *const c_char,
}

/// A failure in C's strings.
struct LastError {
    status: Status,
    text: CString,
    values: Vec<(&'static CStr, i64, Option<CString>)>,
}

impl Default for LastError {
    fn default() -> Self {
        Self { status: Status::FLYPACK_OK, text: CString::default(), values: Vec::new() }
    }
}

thread_local! {
    static LAST: RefCell<LastError> = RefCell::default();
}

/// Remembers `failure` for this thread.
pub(crate) fn remember(failure: Failure) -> Status {
    let Failure { status, text, values } = failure;
    let values = values.into_iter().map(|(name, value)| match value {
        Value::Number(number) => (name, number, None),
        Value::Text(text) => (name, 0, Some(c_text(text))),
    });
    let last = LastError { status, text: c_text(text), values: values.collect() };
    // A thread that is ending has none any more: its last destructors get the status alone.
    let _ = LAST.try_with(|slot| slot.replace(last));
    status
}

/// A text without its null octets, of which there are none but by mistake.
fn c_text(text: String) -> CString {
    let mut octets = text.into_bytes();
    octets.retain(|octet| *octet != 0);
    CString::new(octets).unwrap_or_default()
}

/// What `look` finds in the last error; of a thread that is ending there is none.
fn last<T>(look: impl FnOnce(&LastError) -> T) -> Option<T> {
    LAST.try_with(|last| look(&last.borrow())).ok()
}

/// What the last call that failed on this thread came to; FLYPACK_OK if none has failed.
#[unsafe(no_mangle)]
pub extern "C" fn flypack_last_error() -> Status {
    last(|last| last.status).unwrap_or(Status::FLYPACK_OK)
}

/// What went wrong in the last call that failed on this thread, and what would work: English, for a person. Never
/// null. Valid until the next call that fails on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn flypack_last_error_text() -> *const c_char {
    last(|last| last.text.as_ptr()).unwrap_or(c"".as_ptr())
}

/// How many values the last error of this thread has.
#[unsafe(no_mangle)]
pub extern "C" fn flypack_last_error_values() -> usize {
    last(|last| last.values.len()).unwrap_or(0)
}

/// Value number `position` of the last error of this thread; the comment of its status says which there are. What it
/// points to is valid until the next call that fails on this thread: also this one, when there is no such value.
///
/// # Safety
/// `value` is null or points to a flypack_error_value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_last_error_value(position: usize, value: *mut ErrorValue) -> Status {
    guard(|| {
        // SAFETY: null or the caller's, who says so.
        let out = unsafe { Out::new(value, "value") }?;
        let found = last(|last| {
            last.values.get(position).map(|(name, number, text)| ErrorValue {
                name: name.as_ptr(),
                number: *number,
                text: text.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            })
        });
        out.set(found.flatten().ok_or_else(|| Failure::invalid(format!("there is no value {position}")))?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What a destructor of a thread that ends was told.
    static TOLD: Mutex<Vec<(Status, Status, usize, usize)>> = Mutex::new(Vec::new());

    struct Late;

    impl Drop for Late {
        fn drop(&mut self) {
            // SAFETY: null is allowed.
            let failed = unsafe { flypack_last_error_value(0, ptr::null_mut()) };
            // SAFETY: never null.
            let text = unsafe { CStr::from_ptr(flypack_last_error_text()) };
            let told = (failed, flypack_last_error(), text.to_bytes().len(), flypack_last_error_values());
            TOLD.lock().unwrap().push(told);
        }
    }

    thread_local! {
        static LATE: Late = const { Late };
    }

    #[test]
    fn a_thread_that_is_ending_is_told_the_status_alone() {
        let run = || {
            // The last one that was used is the first one that goes.
            LATE.with(|_| ());
            remember(Failure::null("it"));
            assert_eq!(flypack_last_error(), Status::FLYPACK_E_INVALID);
        };
        std::thread::spawn(run).join().unwrap();
        assert_eq!(*TOLD.lock().unwrap(), [(Status::FLYPACK_E_INVALID, Status::FLYPACK_OK, 0, 0)]);
    }
}
