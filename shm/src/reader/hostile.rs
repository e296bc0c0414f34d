//! What a hostile producer can show a reader: any word at any place of the control region, at any time (I8).

use std::ops::Range;
use std::time::{Duration, Instant};

use media::GrainIndex;
use proptest::prelude::*;

use super::*;
use crate::fixture::{geometry, leased};
use crate::{Access, IdentityPlacement, LeasePage, PagePolicy, Region, StableBytes};

/// A ring whose producer is the test: a control region to scribble on, and a reader that distrusts it.
struct Hostile {
    control: Mapping,
    reader: FrameReader,
}

const NONCE: u64 = 77;

impl Hostile {
    fn new() -> Self {
        let region = Region::create(geometry(4, 70), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let geometry = *region.geometry();
        let (control, _data) = region.map_for_writing().unwrap();
        for (word, value) in layout::header_words(&geometry).into_iter().enumerate() {
            control.store(word * 8, value);
        }
        control.store(layout::seat(0), SeatStatus::Live { eff: GrainIndex(0) }.encode());
        control.store(layout::seat(0) + 8, NONCE);
        let (seen, data) = region.seal().unwrap().map_for_reading().unwrap();
        let lease = LeasePage::create().unwrap().map(Access::ReadWrite).unwrap();
        let reader = FrameReader::new(ReaderParts {
            geometry,
            control: seen,
            data,
            lease,
            consumer: 0,
            class: leased(1),
            nonce: NONCE,
            trust: Trust::Pod,
            life: None,
        })
        .unwrap();
        Self { control, reader }
    }
}

#[test]
fn a_producer_that_has_opened_everything_is_no_reason_to_spin() {
    let mut hostile = Hostile::new();
    hostile.control.store(layout::OPENED, u64::MAX);
    // Without the answer it would look again and again until then.
    let deadline = Instant::now() + Duration::from_secs(3600);
    let answer = hostile.reader.wait_next(deadline).unwrap_err();
    assert_eq!(answer, WaitError::Read(ReadError::Gone { index: GrainIndex(GrainIndex::LIMIT), oldest: None }));
}

#[test]
fn a_grain_that_is_described_but_not_opened_is_not_available() {
    let hostile = Hostile::new();
    let descs = u64::from(hostile.reader.geometry().descs);
    hostile.control.store(layout::OPENED, 10);
    let beyond = 2 * descs;
    hostile.control.store(hostile.reader.member.layout().desc(beyond), beyond + 1);
    assert_eq!(hostile.reader.next_available(), None);
    hostile.control.store(layout::OPENED, beyond + 1);
    assert_eq!(hostile.reader.next_available(), Some(GrainIndex(beyond)));
}

/// Words that are likely to hurt: small numbers, powers of two and their neighbours, and anything.
fn nasty() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..20,
        (0_u32..64, -2_i64..=2).prop_map(|(bit, near)| (1_u64 << bit).wrapping_add_signed(near)),
        any::<u64>(),
    ]
}

/// A grain that is plausible in most of its words.
#[derive(Clone, Debug)]
struct Plausible {
    index: u64,
    slot: u64,
    q: u64,
    slices: u64,
    closed: bool,
    lost: u64,
}

fn plausible() -> impl Strategy<Value = Plausible> {
    let slot = prop_oneof![6 => 0_u64..4, 1 => nasty()];
    let q = prop_oneof![3 => 1_u64..4, 1 => nasty()];
    (0_u64..20, slot, q, 0_u64..100, any::<bool>(), any::<u64>())
        .prop_map(|(index, slot, q, slices, closed, lost)| Plausible { index, slot, q, slices, closed, lost })
}

impl Hostile {
    fn show(&self, grain: &Plausible) {
        let layout = self.reader.member.layout();
        let desc = layout.desc(grain.index);
        let slot = layout.slot((grain.slot % 4) as u16);
        let bitmap = layout.bitmap((grain.slot % 4) as u16, 1);
        let generation = grain.q.wrapping_mul(2).wrapping_add(1 + u64::from(grain.closed));
        for (at, value) in [
            (slot, generation),
            (slot + 8, grain.q << 16 | grain.slices),
            (bitmap, grain.lost),
            (desc, grain.index + 1),
            (desc + 8, grain.slot),
            (desc + 16, grain.q),
            (layout::OPENED, grain.index + 1),
        ] {
            self.control.store(at, value);
        }
    }

    /// Everything that may be asked about a grain.
    fn look(&self, lease: &GrainLease, lines: &Range<u16>) {
        assert!(lease.grain().slot() < 4 && StableBytes::octets(lease) == 2800);
        if let Ok(state) = lease.state() {
            assert!(state.slices <= 70, "{state:?}");
            assert!(!state.complete || state.slices == 70, "{state:?}");
            assert!(state.octets <= 2800 && state.lost_lines <= 70, "{state:?}");
        }
        assert_eq!(lease.lines(lines.clone()), None);
        let mut out = [0; 70 * 40];
        let copied = lease.copy_lines(lines.clone(), &mut out);
        assert!(copied.is_err() || lines.end <= 70);
        assert!(lease.copy_bytes(&mut out).is_ok_and(|octets| octets <= 2800) || lease.bytes().is_none());
        assert!(self.reader.lost_lines(&lease.grain()).all(|line| line < 70));
        assert!(!lease.is_lost(70));
    }
}

proptest! {
    /// Whatever stands in the control region, at whatever moment: no panic, nothing out of range, no endless loop.
    #[test]
    fn a_hostile_control_region_hurts_nobody(
        rounds in prop::collection::vec(
            (plausible(), prop::collection::vec((any::<usize>(), nasty()), 0..6), nasty(), 0_u16..80, 0_u16..80), 1..24),
    ) {
        let mut hostile = Hostile::new();
        let mut held: Option<GrainLease> = None;
        let words = hostile.control.octets() / 8;
        for (grain, scribbles, index, start, end) in rounds {
            hostile.show(&grain);
            if start % 3 == 0 {
                held = None;
            }
            for index in hostile.reader.next_available().into_iter().chain([GrainIndex(index)]) {
                held = hostile.reader.lease(index).ok().or(held);
            }
            for (word, value) in scribbles {
                // Spare the seat: an eviction is the end of the story.
                let at = word % words * 8;
                if !(512..640).contains(&at) {
                    hostile.control.store(at, value);
                }
            }
            if let Some(lease) = &held {
                hostile.look(lease, &Range { start, end });
            }
            prop_assert!(hostile.reader.waiting() <= 8);
        }
    }

    /// A descriptor that lies about its slot leads to a slot of the ring or to nothing.
    #[test]
    fn a_lying_descriptor_never_leads_out_of_the_ring(grain in plausible()) {
        let mut hostile = Hostile::new();
        hostile.show(&grain);
        let honest = grain.slot < 4 && grain.q < 1 << 48;
        match hostile.reader.lease(GrainIndex(grain.index)) {
            Ok(lease) => {
                prop_assert!(honest);
                hostile.look(&lease, &(0..70));
            }
            Err(error) => prop_assert!(!honest && matches!(error, ReadError::Gone { .. }), "{error}"),
        }
    }
}
