//! A reader whose producer writes anything anywhere in the control region. Input: steps of 11 octets: what to
//! do (1), a word's number or line numbers (2), a value (8).
#![no_main]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use media::{Depth, FlowId, GrainIndex, Rate, Sampling, Tai, VideoFormat};
use shm::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, GrainLease, IdentityPlacement, LeasePage, Mail, Mailbox,
    Mapping, PagePolicy, Pages, ReaderParts, Region, Start, Trust,
};

const LINES: u16 = 70;
const CLASS: ConsumerClass = ConsumerClass::Leased { k: 1, deadline_nanos: i64::MAX };

/// A ring that was in order once: the producer's control region, and a reader that distrusts it.
fn ring() -> Option<(File, FrameReader)> {
    let format =
        VideoFormat::new(16, u32::from(LINES), Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).ok()?).ok()?;
    let geometry = Geometry::new(FlowId::from_octets([7; 16]), format, 4, 1, Pages::Plain).ok()?;
    let geometry = Geometry { slot_stride: u64::from(geometry.grain_octets).next_multiple_of(64), ..geometry };
    let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).ok()?;
    let fds = region.producer_fds().ok()?;
    let (control, data) = region.map_for_writing().ok()?;
    let mailbox = Arc::new(Mailbox::new());
    let mut writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox)).ok()?;
    let page = LeasePage::create().ok()?;
    let lease = Arc::new(page.map(Access::ReadOnly).ok()?);
    let start = Start::Live;
    mailbox.post(Mail::Join { consumer: 0, class: CLASS, start, lease, nonce: 1 }).ok()?;
    writer.poll(Tai::EPOCH);
    let reader = FrameReader::new(ReaderParts {
        geometry,
        control: Mapping::map(fds.control.as_fd(), geometry.control_octets(), Access::ReadOnly).ok()?,
        data: Mapping::map(fds.data.as_fd(), geometry.data_octets(), Access::ReadOnly).ok()?.into(),
        lease: page.map(Access::ReadWrite).ok()?,
        consumer: 0,
        class: CLASS,
        nonce: 1,
        trust: Trust::Pod,
        life: None,
    })
    .ok()?;
    Some((File::from(fds.control), reader))
}

/// Everything that may be asked about a grain.
fn look(reader: &FrameReader, lease: &GrainLease, number: u16) {
    assert!(lease.grain().slot() < 4);
    if let Ok(state) = lease.state() {
        assert!(state.slices <= LINES && !(state.complete && state.slices < LINES));
    }
    let mut out = [0; LINES as usize * 40];
    let lines = number >> 8..number & 0xff;
    assert!(lease.lines(lines.clone()).is_none(), "the bytes of a pod are never lent");
    let _ = lease.copy_lines(lines, &mut out);
    assert!(reader.lost_lines(&lease.grain()).all(|line| line < LINES));
}

fuzz_target!(|input: &[u8]| {
    let (control, mut reader) = ring().expect("plain pages are always to be had");
    let words = reader.geometry().control_octets() / 8;
    let mut held: Option<GrainLease> = None;
    for step in input.chunks_exact(11).take(200) {
        let number = u16::from_le_bytes([step[1], step[2]]);
        let mut octets = [0; 8];
        octets.copy_from_slice(&step[3..]);
        let value = u64::from_le_bytes(octets);
        match step[0] % 9 {
            0..4 => {
                let at = u64::from(number) % words * 8;
                control.write_all_at(&octets, at).expect("the producer's own descriptor");
            }
            4 => held = reader.next_available().and_then(|index| reader.lease(index).ok()).or(held),
            5 => held = reader.lease(GrainIndex(value)).ok().or(held),
            6 => held = None,
            7 => reader.skip_to(GrainIndex(value)),
            _ => drop(reader.acknowledge_eviction()),
        }
        if let Some(lease) = &held {
            look(&reader, lease, number);
        }
        assert!(reader.waiting() <= reader.geometry().slots);
        let _ = (reader.newest(), reader.status());
    }
});
