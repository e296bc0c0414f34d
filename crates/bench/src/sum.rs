//! Lines that differ from frame to frame, and a sum that every octet of them goes into.

/// The octets of a line.
#[must_use]
pub(crate) fn line_of(frame: u64, line: u16, octets: usize) -> Vec<u8> {
    let first = (frame << 16 | u64::from(line)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = (0..octets as u64 / 8).map(|word| first.wrapping_add(word.wrapping_mul(0xd1b5_4a32_d192_ed03)));
    words.flat_map(u64::to_ne_bytes).collect()
}

/// Adds octets to a sum: eight at a time, each word turned by its place, so that words that change places are noticed.
/// Runs at the speed of memory.
#[must_use]
pub(crate) fn add(sum: u64, octets: &[u8]) -> u64 {
    let mut lanes = [sum, 1, 2, 3];
    let mut chunks = octets.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = word.try_into().map_or(0, u64::from_ne_bytes);
            *lane = lane.rotate_left(1) ^ word;
        }
    }
    for octet in chunks.remainder() {
        lanes[0] = lanes[0].rotate_left(8) ^ u64::from(*octet);
    }
    lanes.into_iter().fold(sum, |sum, lane| sum.rotate_left(17).wrapping_add(lane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_moved_octet_changes_the_sum() {
        let line = line_of(3, 7, 512);
        let sum = add(5, &line);
        for at in 0..line.len() {
            let mut other = line.clone();
            other[at] ^= 1;
            assert_ne!(add(5, &other), sum, "{at}");
        }
        let mut turned = line.clone();
        turned.rotate_left(32);
        assert_ne!(add(5, &turned), sum);
        assert_ne!(add(6, &line), sum);
        assert_ne!(line_of(3, 8, 512), line);
        assert_ne!(line_of(4, 7, 512), line);
    }

    #[test]
    fn lines_summed_one_by_one_or_several_at_once_are_the_same() {
        // The sum goes on over chunks only where chunks are cut alike: both sides cut at lines.
        let sum = (0..4).fold(0, |sum, line| add(sum, &line_of(1, line, 64)));
        let all: Vec<u8> = (0..4).flat_map(|line| line_of(1, line, 64)).collect();
        assert_eq!(all.chunks_exact(64).fold(0, add), sum);
    }
}
