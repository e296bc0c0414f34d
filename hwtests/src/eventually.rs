//! Waiting for what another thread, process or the kernel does in its own time.

use std::time::{Duration, Instant};

/// How long anything may take. Far more than it does: only what never happens comes to this.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks until it `holds`.
///
/// # Panics
/// When it does not within half a minute.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
