//! The sum of octets that another process may be writing.

use std::ptr;

use ip::checksum::Sum;

/// Octets summed at a time. Even, so that pieces stay at even places.
const PIECE_OCTETS: usize = 512;

/// The sum with `octets` of a lease appended. They are read once, a piece at a time, into memory of our own: nobody may
/// form a reference to a lease's octets.
///
/// # Safety
/// `octets` from `address` on are readable.
pub(super) unsafe fn sum_of_lease(mut sum: Sum, address: *const u8, octets: usize) -> Sum {
    let mut piece = [0; PIECE_OCTETS];
    let mut done = 0;
    while done < octets {
        let count = PIECE_OCTETS.min(octets - done);
        // SAFETY: `done + count` is at most `octets`, so the source is readable (caller); `piece` is ours, and long enough.
        unsafe { ptr::copy_nonoverlapping(address.add(done), piece.as_mut_ptr(), count) };
        sum = sum.octets(&piece[..count]);
        done += count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_the_whole() {
        let octets: Vec<u8> = (0..2_000_u32).map(|n| (n * 31 + n / 7) as u8).collect();
        for count in [0, 1, 2, 511, 512, 513, 1_024, 1_999, 2_000] {
            for before in [&[][..], &[7], &[1, 2, 3]] {
                let before = Sum::new().octets(before);
                // SAFETY: the vector holds as many.
                let sum = unsafe { sum_of_lease(before, octets.as_ptr(), count) };
                assert_eq!(sum.folded(), before.octets(&octets[..count]).folded(), "{count}");
            }
        }
    }
}
