//! memcpy: what no hand-over with a copy can be faster than.

use std::hint::black_box;

use crate::{FrameSize, clock};

/// Destinations that are walked in turn.
const FRAMES: usize = 4;

/// The times of so many copies, ns.
#[must_use]
pub(crate) fn copy_ns(size: FrameSize, copies: u32) -> Vec<u64> {
    let source = vec![1_u8; size.octets()];
    let mut frames = vec![vec![2_u8; size.octets()]; FRAMES];
    let copy = |number: u32| {
        let frame = &mut frames[number as usize % FRAMES];
        let began = clock::now();
        frame.copy_from_slice(black_box(&source));
        black_box(frame);
        clock::now() - began
    };
    (0..copies).map(copy).collect()
}
