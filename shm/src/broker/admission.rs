//! Whether a ring can take another consumer (frame ring, sizing).

use crate::protocol::Refusal;
use crate::{CONSUMERS_MAX, ConsumerClass, Geometry};

/// Checks a consumer of `class` against the ring's slots. `leases` are the K of all leased consumers whose slots are
/// not released, quarantined ones among them: so evict-and-rejoin gains nothing.
///
/// # Errors
/// [`Refusal::Lease`] when no consumer of this ring may lease so much, [`Refusal::Admission`] when the others leave no
/// room for it; both say what would work.
pub(super) fn admit(geometry: &Geometry, leases: &[u16], class: ConsumerClass) -> Result<(), Refusal> {
    let Some(k) = class.holds() else { return Ok(()) };
    if k > geometry.k_max {
        return Err(Refusal::Lease { k, limit: geometry.k_max });
    }
    let needed = needed_with(geometry, leases, k);
    if needed <= u32::from(geometry.slots) {
        return Ok(());
    }
    let works = (1..k).rev().find(|less| needed_with(geometry, leases, *less) <= u32::from(geometry.slots));
    Err(Refusal::Admission { slots: geometry.slots, k, needed, works: works.unwrap_or(0) })
}

fn needed_with(geometry: &Geometry, leases: &[u16], k: u16) -> u32 {
    Geometry::slots_for(geometry.open_max, leases.iter().copied().chain([k]))
}

/// The lowest free number, if any.
pub(super) fn free_seat(seats: &[Option<u64>; CONSUMERS_MAX as usize]) -> Result<u8, Refusal> {
    let free = seats.iter().position(Option::is_none);
    free.map(|seat| seat as u8).ok_or(Refusal::Consumers { limit: CONSUMERS_MAX.into() })
}

#[cfg(test)]
mod tests {
    use media::{Depth, FlowId, Name, Rate, Sampling, VideoFormat};

    use super::*;
    use crate::Pages;

    fn ring(slots: u16) -> Geometry {
        let rate = Rate::new(25, 1).unwrap();
        let format = VideoFormat::new(16, 4, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        let flow = FlowId::from_name(&"cam".parse::<Name>().unwrap());
        Geometry::new(flow, format, slots, 1, Pages::Plain).unwrap()
    }

    fn leased(k: u16) -> ConsumerClass {
        ConsumerClass::Leased { k, deadline_nanos: i64::MAX }
    }

    #[test]
    fn what_fits_is_admitted_and_the_next_is_told_what_would() {
        let geometry = ring(8);
        let mut leases = Vec::new();
        // 2 + (1 + 1) × 3 = 8.
        for _ in 0..3 {
            admit(&geometry, &leases, leased(1)).unwrap();
            leases.push(1);
        }
        let refused = admit(&geometry, &leases, leased(1)).unwrap_err();
        assert_eq!(refused, Refusal::Admission { slots: 8, k: 1, needed: 10, works: 0 });
        assert!(refused.to_string().contains("lossy"), "{refused}");
        assert_eq!(admit(&geometry, &leases, ConsumerClass::Lossy), Ok(()));
    }

    #[test]
    fn a_smaller_lease_is_offered_where_one_fits() {
        let geometry = ring(8);
        let refused = admit(&geometry, &[2], leased(3)).unwrap_err();
        assert_eq!(refused, Refusal::Admission { slots: 8, k: 3, needed: 9, works: 2 });
        assert_eq!(admit(&geometry, &[2], leased(2)), Ok(()));
        let too_large = admit(&geometry, &[], leased(geometry.k_max + 1)).unwrap_err();
        assert_eq!(too_large, Refusal::Lease { k: geometry.k_max + 1, limit: geometry.k_max });
        assert_eq!(admit(&geometry, &[], leased(geometry.k_max)), Ok(()));
    }

    #[test]
    fn seats_are_given_from_below_and_run_out() {
        let mut seats = [Some(1); CONSUMERS_MAX as usize];
        assert_eq!(free_seat(&seats), Err(Refusal::Consumers { limit: 64 }));
        (seats[7], seats[9]) = (None, None);
        assert_eq!(free_seat(&seats), Ok(7));
    }
}
