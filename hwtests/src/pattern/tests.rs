//! The pattern says its number, differs where it must and is the same twice.

use media::{Rate, Sampling};

use super::*;

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(25, 1).unwrap()).unwrap()
}

#[test]
fn every_size_and_depth_says_its_number() {
    for (width, height) in [(64, 24), (90, 30), (720, 576), (1280, 720)] {
        for depth in [Depth::Bits8, Depth::Bits10] {
            let pattern = Pattern::new(format(width, height, depth), 7);
            for number in [0, 1, 255, 4096, 0x00ff_ffff] {
                assert_eq!(read_number(&pattern.picture(number)), Some(number), "{width}x{height}");
            }
        }
    }
}

#[test]
fn a_turned_or_mixed_number_row_is_no_number() {
    let pattern = Pattern::new(format(640, 48, Depth::Bits10), 7);
    let mut mirrored = pattern.picture(0x123);
    for row in mirrored.y.chunks_exact_mut(640) {
        row.reverse();
    }
    assert_eq!(read_number(&mirrored), None);
    let mut mixed = pattern.picture(0x123);
    mixed.y[640..2 * 640].copy_from_slice(&pattern.picture(0x124).y[640..2 * 640]);
    assert_eq!(read_number(&mixed), None);
    assert_eq!(read_number(&Planes::black(*pattern.format())), None);
}

#[test]
fn every_row_of_every_picture_is_its_own() {
    let pattern = Pattern::new(format(128, 72, Depth::Bits8), 7);
    let row_octets = pattern.format().row_octets() as usize;
    let frames: Vec<Vec<u8>> = (0..8).map(|number| pattern.frame(number, Layout::Wire)).collect();
    let mut rows: Vec<&[u8]> = frames.iter().flat_map(|frame| frame.chunks_exact(row_octets)).collect();
    let count = rows.len();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), count);
}

#[test]
fn the_seed_alone_decides_the_picture() {
    let same = |seed| Pattern::new(format(128, 72, Depth::Bits10), seed).frame(5, Layout::Wire);
    assert_eq!(same(1), same(1));
    assert_ne!(same(1), same(2));
}

#[test]
fn samples_stay_clear_of_the_reserved_values() {
    // ST 274: 0 to 3 and 1020 to 1023 are timing references.
    let picture = Pattern::new(format(1280, 720, Depth::Bits10), 3).picture(9);
    assert!(picture.y.iter().chain(&picture.cb).chain(&picture.cr).all(|sample| (4..1020).contains(sample)));
}
