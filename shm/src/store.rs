//! How octets are stored into a grain: through the caches, or past them.
//!
//! A non-temporal store does not read the line that it replaces and does not push another one out of the caches; who
//! reads the grain soon afterwards has to fetch it from memory. Which is faster depends on the machine and on the
//! length of the pieces, so it is measured ([`Store::measure`]), not guessed.
//!
//! A cache line is written one way or the other, never both: mixed, each streaming store would push a half-written
//! line out. So [`Store::Streamed`] streams only the lines that a piece covers whole, and the two at its ends, which it
//! shares with its neighbours, go through the caches for both of them.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Octets of a cache line.
const LINE_OCTETS: usize = 64;

/// One way to store octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// As memcpy does it, through the caches.
    #[default]
    Cached,
    /// Whole lines by non-temporal stores. [`crate::FrameWriter`] fences them before it publishes or lends what they wrote.
    Streamed,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cached => "cached",
            Self::Streamed => "streamed",
        })
    }
}

impl Store {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cached, Self::Streamed];

    /// Copies `from` to `to`, as many octets as both have. Nobody may look at `to` before [`Self::fence`].
    #[cfg(test)]
    fn copy(self, to: &mut [u8], from: &[u8]) {
        let octets = to.len().min(from.len());
        // SAFETY: two slices, of which one is borrowed exclusively, do not overlap, and both have so many octets.
        unsafe { self.copy_raw(to.as_mut_ptr(), from.as_ptr(), octets) };
    }

    /// Copies as [`Self::copy_on`] does, as many octets as both have. Nobody may look at `to` before [`Self::fence`].
    #[inline]
    fn go_on(self, to: &mut [u8], from: &[u8]) {
        let octets = to.len().min(from.len());
        // SAFETY: two slices, of which one is borrowed exclusively, do not overlap, and both have so many octets.
        unsafe { self.copy_on(to.as_mut_ptr(), from.as_ptr(), octets) };
    }

    /// Copies `octets` octets.
    ///
    /// # Safety
    /// They may be written at `to` and read at `from`, and the two ranges do not overlap. Nobody accesses what was written
    /// before [`Self::fence`] on this thread.
    #[inline]
    pub(crate) unsafe fn copy_raw(self, to: *mut u8, from: *const u8, octets: usize) {
        match self {
            // SAFETY: the caller's promise.
            Self::Cached => unsafe { std::ptr::copy_nonoverlapping(from, to, octets) },
            // SAFETY: the caller's promise.
            Self::Streamed => unsafe { stream(to, from, octets) },
        }
    }

    /// As [`Self::copy_raw`], of pieces one behind the other: asks for the memory that the next ones will be written to. Without
    /// that each piece waits for lines to come from memory that it is going to overwrite.
    ///
    /// # Safety
    /// As for [`Self::copy_raw`].
    #[inline]
    pub(crate) unsafe fn copy_on(self, to: *mut u8, from: *const u8, octets: usize) {
        match self {
            // SAFETY: the caller's promise.
            Self::Cached => unsafe { cache_on(to, from, octets) },
            Self::Streamed => {
                // The lines that it shares with the next pieces, of this one's length: the others come whole.
                line_ahead(to.wrapping_add(2 * octets));
                line_ahead(to.wrapping_add(3 * octets));
                // SAFETY: the caller's promise.
                unsafe { stream(to, from, octets) };
            }
        }
    }

    /// Makes what was stored visible before any later store. Costs nothing where nothing was streamed.
    #[inline]
    pub(crate) fn fence(self) {
        if self == Self::Streamed {
            crate::mapping::fence_before_streaming();
        }
    }

    /// Which of the two is faster for pieces of `piece_octets`, one after the other, by copying into `to` for `time`. Streaming
    /// has to win by a twentieth in the median of rounds, so that a host which pauses decides nothing: who reads soon finds what
    /// was cached, and a choice is not to change with each start. `from` and `to` should be the memory that is meant, touched, and
    /// more than the caches hold: a queue's buffers, and rings. What is in `to` is lost.
    #[must_use]
    pub fn measure(piece_octets: usize, from: &[u8], to: &mut [u8], time: Duration) -> Self {
        let most = to.len().min(from.len()).max(1);
        let piece_octets = piece_octets.clamp(1, most);
        let buffer_octets = BUFFER_OCTETS.max(piece_octets).min(most);
        let (began, mut at, mut ratios) = (Instant::now(), 0, Vec::new());
        // The first round only touches what the others measure.
        while ratios.len() < 2 || began.elapsed() < time {
            let mut took = [Duration::ZERO; 2];
            for (store, took) in Self::ALL.into_iter().zip(&mut took) {
                let round = Instant::now();
                for buffer in from.chunks_exact(buffer_octets) {
                    at = if at + piece_octets > to.len() { 0 } else { at };
                    store.go_on(&mut to[at..], black_box(&buffer[..piece_octets]));
                    at += piece_octets;
                }
                store.fence();
                *took = round.elapsed();
            }
            let [cached, streamed] = took.map(|took| took.as_secs_f64());
            ratios.push(if cached > 0.0 { streamed / cached } else { 1.0 });
        }
        let ratios = ratios.get_mut(1..).unwrap_or_default();
        let middle = ratios.len() / 2;
        let (_, median, _) = ratios.select_nth_unstable_by(middle, f64::total_cmp);
        if *median < 0.95 { Self::Streamed } else { Self::Cached }
    }
}

/// From one packet's octets to the next one's in a queue's buffers, where they fit.
const BUFFER_OCTETS: usize = 2_432;

/// How far ahead of a piece memory is asked for: some packets, which is longer than memory takes to answer.
#[cfg(all(target_arch = "x86_64", not(loom)))]
const AHEAD_OCTETS: usize = 4_096;

/// Copies, whole lines by non-temporal stores.
///
/// # Safety
/// As for [`Store::copy_raw`].
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
unsafe fn stream(to: *mut u8, from: *const u8, octets: usize) {
    let head = to.align_offset(LINE_OCTETS).min(octets);
    let lines = (octets - head) / LINE_OCTETS;
    let tail = head + lines * LINE_OCTETS;
    // SAFETY: the three ranges (up to the first line, whole lines, the rest) make up the caller's, and the second begins at a
    // multiple of 64; the processor has the instructions.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, head);
        if is_x86_feature_detected!("avx512f") {
            stream_wide_lines(to.add(head), from.add(head), lines);
        } else {
            stream_lines(to.add(head), from.add(head), lines);
        }
        std::ptr::copy_nonoverlapping(from.add(tail), to.add(tail), octets - tail);
    }
}

/// Copies whole lines, each by one store: none is pushed out half-written.
///
/// # Safety
/// As for [`Store::copy_raw`], of 64 octets each; `to` is a multiple of 64.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[target_feature(enable = "avx512f")]
unsafe fn stream_wide_lines(to: *mut u8, from: *const u8, lines: usize) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_stream_si512};

    for at in (0..lines).map(|line| line * LINE_OCTETS) {
        // SAFETY: the caller's promise: the line lies within both ranges, and is aligned.
        unsafe { _mm512_stream_si512(to.add(at).cast(), _mm512_loadu_si512(from.add(at).cast())) };
    }
}

/// Copies whole lines.
///
/// # Safety
/// As for [`stream_wide_lines`].
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
unsafe fn stream_lines(to: *mut u8, from: *const u8, lines: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};

    let (mut line, mut source) = (to.cast::<__m128i>(), from.cast::<__m128i>());
    for _ in 0..lines {
        // SAFETY: the caller's promise: the line lies within both ranges, and is aligned; SSE2 is part of x86-64.
        unsafe {
            let octets = [0, 1, 2, 3].map(|at| _mm_loadu_si128(source.add(at)));
            for (at, octets) in octets.into_iter().enumerate() {
                _mm_stream_si128(line.add(at), octets);
            }
            (line, source) = (line.add(4), source.add(4));
        }
    }
}

/// Copies through the caches, and asks for a line further on with each line.
///
/// # Safety
/// As for [`Store::copy_raw`].
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
unsafe fn cache_on(to: *mut u8, from: *const u8, octets: usize) {
    // SAFETY: the caller's promise, and the processor has the instructions.
    unsafe {
        if is_x86_feature_detected!("avx") {
            cache_on_wide(to, from, octets);
        } else {
            prefetch(to.wrapping_add(AHEAD_OCTETS), octets);
            std::ptr::copy_nonoverlapping(from, to, octets);
        }
    }
}

/// As [`cache_on`].
///
/// # Safety
/// As for [`Store::copy_raw`].
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[target_feature(enable = "avx")]
unsafe fn cache_on_wide(to: *mut u8, from: *const u8, octets: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};

    let whole = octets / LINE_OCTETS * LINE_OCTETS;
    for at in (0..whole).step_by(LINE_OCTETS) {
        line_ahead(to.wrapping_add(at + AHEAD_OCTETS));
        // SAFETY: the caller's promise: the 64 octets lie within both ranges. The stores and loads take any address.
        unsafe {
            let (line, source) = (to.add(at).cast::<__m256i>(), from.add(at).cast::<__m256i>());
            let octets = [_mm256_loadu_si256(source), _mm256_loadu_si256(source.add(1))];
            _mm256_storeu_si256(line, octets[0]);
            _mm256_storeu_si256(line.add(1), octets[1]);
        }
    }
    // SAFETY: the rest of both ranges.
    unsafe { std::ptr::copy_nonoverlapping(from.add(whole), to.add(whole), octets - whole) };
}

/// Asks for the cache lines of `octets` octets at `at`. Addresses that are not mapped do nothing.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
fn prefetch(at: *const u8, octets: usize) {
    (0..octets).step_by(LINE_OCTETS).for_each(|line| line_ahead(at.wrapping_add(line)));
}

/// Asks for one line. An address that is not mapped does nothing.
#[inline]
fn line_ahead(at: *const u8) {
    // SAFETY: a prefetch reads nothing that the program can see, and faults nowhere; SSE is part of x86-64.
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom))))]
    let _ = at;
}

/// There are no such stores to be had here.
///
/// # Safety
/// As for [`Store::copy_raw`].
#[cfg(not(all(target_arch = "x86_64", not(loom))))]
#[inline]
unsafe fn stream(to: *mut u8, from: *const u8, octets: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, octets) };
}

/// As [`Store::copy_raw`] does.
///
/// # Safety
/// As for [`Store::copy_raw`].
#[cfg(not(all(target_arch = "x86_64", not(loom))))]
#[inline]
unsafe fn cache_on(to: *mut u8, from: *const u8, octets: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, octets) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_copy_the_same_at_every_alignment_and_length() {
        let from: Vec<u8> = (0..400_u32).map(|at| (at * 7 + at / 251) as u8).collect();
        for store in Store::ALL {
            for start in 0..LINE_OCTETS {
                for octets in [0, 1, 15, 16, 63, 64, 65, 127, 128, 200, 257] {
                    for copy in [Store::copy, Store::go_on] {
                        let mut to = vec![0xAA; 400];
                        copy(store, &mut to[start..start + octets], &from[3..]);
                        store.fence();
                        assert_eq!(
                            to[start..start + octets],
                            from[3..3 + octets],
                            "{store} {octets} octets at {start}"
                        );
                        assert!(to[..start].iter().chain(&to[start + octets..]).all(|octet| *octet == 0xAA), "{store}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_measurement_ends_and_chooses_one() {
        let (from, mut to) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        for (octets, from) in [(1_200, &from[..]), (0, &from), (1 << 21, &from), (1_200, &[]), (1_200, &from[..100])] {
            assert!(Store::ALL.contains(&Store::measure(octets, from, &mut to, Duration::ZERO)), "{octets}");
        }
        assert!(Store::ALL.contains(&Store::measure(0, &from, &mut [], Duration::ZERO)));
    }
}
