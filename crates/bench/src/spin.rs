//! Waiting without sleep, for a while.

use anyhow::{Result, bail};

use crate::{PATIENCE_NS, clock};

/// Turns between two looks at the clock.
const TURNS: u32 = 1 << 16;

/// Asks again and again until there is something.
///
/// # Errors
/// When there is nothing for 20 s.
#[inline]
pub(crate) fn until<T>(mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = clock::now() + PATIENCE_NS;
    loop {
        for _ in 0..TURNS {
            if let Some(met) = condition() {
                return Ok(met);
            }
        }
        if clock::now() > deadline {
            bail!("waited for {} s", PATIENCE_NS / 1_000_000_000);
        }
    }
}
