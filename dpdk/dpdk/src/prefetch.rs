//! Asks for memory before it is read.

/// Octets of a cache line.
const LINE_OCTETS: usize = 64;

/// Asks for the lines of `octets` octets at `start`. Addresses that are not mapped do nothing.
#[inline]
pub(crate) fn prefetch<T>(start: *const T, octets: usize) {
    let start = start.cast::<i8>();
    for number in 0..octets.div_ceil(LINE_OCTETS) {
        line(start.wrapping_add(number * LINE_OCTETS));
    }
}

#[inline]
fn line(at: *const i8) {
    // SAFETY: a prefetch reads nothing that the program can see, and faults nowhere; SSE is part of x86-64.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
