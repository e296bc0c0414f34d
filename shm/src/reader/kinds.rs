//! Grains that are no pictures: as long as they are, and followed sample by sample.

use media::{AncillaryFormat, AudioDepth, AudioFormat, FlowFormat, FlowId, GrainIndex, Name, Rate};

use super::*;
use crate::GrainEnd;
use crate::fixture::{TestConsumer, TestRing, leased};

fn lease(consumer: &mut TestConsumer, index: u64) -> GrainLease {
    consumer.reader.lease(GrainIndex(index)).unwrap()
}

fn small(format: impl Into<FlowFormat>) -> TestRing {
    let flow = FlowId::from_name(&"test".parse::<Name>().unwrap());
    TestRing::with(Geometry::new(flow, format, 9, 2, crate::Pages::Plain).unwrap())
}

#[test]
fn ancillary_grains_are_as_long_as_they_are() {
    let mut ring = small(AncillaryFormat::new(Rate::new(50, 1).unwrap(), 64).unwrap());
    let mut consumer = ring.join(0, leased(4));
    for (index, octets) in [(0, Some(12)), (1, Some(0)), (2, None), (3, Some(1000)), (4, None)] {
        let key = ring.open(index).unwrap();
        // The last one ends where it was written to: the rest is an older grain's.
        let written = if index == 4 { 7 } else { 64 };
        ring.writer.write(key, 0, &[index as u8 + 1; 64][..written]).unwrap();
        // Nothing there is nothing written.
        ring.writer.write(key, 60, &[]).unwrap();
        ring.writer.lines_mut(key, 1..1).unwrap();
        let held = lease(&mut consumer, index);
        let mut out = [0; 64];
        assert_eq!(held.bytes(), None, "open");
        let open = ReadError::Unpublished { index: GrainIndex(index), wanted: 1, slices: 0 };
        assert_eq!(held.copy_bytes(&mut out), Err(open));
        ring.writer.commit(key, GrainEnd { octets, ..GrainEnd::default() });
        let octets = octets.unwrap_or(written as u32).min(64);
        assert_eq!(held.state().unwrap().octets, octets);
        assert_eq!(held.bytes().unwrap(), vec![index as u8 + 1; octets as usize]);
        assert_eq!(held.copy_bytes(&mut out), Ok(octets as usize));
        assert!(out.iter().enumerate().all(|(at, octet)| (*octet != 0) == (at < octets as usize)));
        if octets > 0 {
            let (octets, room) = (octets as usize, octets as usize - 1);
            assert_eq!(held.copy_bytes(&mut out[..room]), Err(ReadError::Size { octets, room }));
        }
    }
}

#[test]
fn a_block_of_audio_is_followed_sample_by_sample() {
    let mut ring = small(AudioFormat::new(2, 48_000, AudioDepth::L24, 48).unwrap());
    let mut consumer = ring.join(0, leased(2));
    let key = ring.open(7).unwrap();
    let held = lease(&mut consumer, 7);
    ring.writer.lines_mut(key, 0..12).unwrap().fill(9);
    ring.writer.publish(key, 12);
    assert_eq!(held.lines(0..12).unwrap(), [9; 72]);
    assert_eq!(held.lines(0..13), None);
    // A block is always whole.
    ring.writer.commit(key, GrainEnd { octets: Some(5), ..GrainEnd::default() });
    assert_eq!((held.state().unwrap().octets, held.bytes().unwrap().len()), (288, 288));
}
