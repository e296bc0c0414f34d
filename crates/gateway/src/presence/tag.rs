//! The VLAN tag between a port and its TAP: the port's frames carry it, the TAP's do not (IEEE 802.1Q).
//!
//! ```text
//! 0              6              12     14     16     18
//! | destination  | source       | 8100 | TCI  | type  …     on a port with a VLAN
//! | destination  | source       | type …                    on its TAP
//! ```

/// Octets of both MAC addresses.
const ADDRESSES: usize = 12;
/// Octets of a tag.
pub(super) const TAG: usize = 4;
/// An EtherType that is a tag.
const TAGGED: [u8; 2] = [0x81, 0x00];
/// The bits of a TCI that are the VLAN.
const VLAN: u16 = 0x0fff;

/// A frame of the port as its TAP gets it, in two pieces; none for a frame of another VLAN, or one that is too short.
pub(super) fn untagged(frame: &[u8], vlan: Option<u16>) -> Option<[&[u8]; 2]> {
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    let kind = rest.first_chunk()?;
    if *kind != TAGGED {
        return vlan.is_none().then_some([addresses, rest]);
    }
    let (tag, rest) = rest.split_at_checked(TAG)?;
    rest.first_chunk::<2>()?;
    // A tag of VLAN 0 is a priority, and the frame belongs to no VLAN.
    let of = u16::from_be_bytes([tag[2], tag[3]]) & VLAN;
    (of == vlan.unwrap_or(0)).then_some([addresses, rest])
}

/// A frame of the TAP as the port sends it. `room` begins with [`TAG`] octets that are free; the frame follows.
pub(super) fn tagged(room: &mut [u8], vlan: Option<u16>) -> Option<&[u8]> {
    let Some(vlan) = vlan else { return room.get(TAG..) };
    if room.len() < TAG + ADDRESSES + 2 {
        return None;
    }
    room.copy_within(TAG..TAG + ADDRESSES, 0);
    room[ADDRESSES..ADDRESSES + 2].copy_from_slice(&TAGGED);
    room[ADDRESSES + 2..ADDRESSES + TAG].copy_from_slice(&(vlan & VLAN).to_be_bytes());
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"ddddddssssss\x08\x00payload";
    const ON_VLAN_7: &[u8] = b"ddddddssssss\x81\x00\xe0\x07\x08\x00payload";
    const PRIORITY: &[u8] = b"ddddddssssss\x81\x00\xe0\x00\x08\x00payload";

    #[test]
    fn only_frames_of_the_ports_vlan_reach_its_tap_without_the_tag() {
        let untagged = |frame, vlan| untagged(frame, vlan).map(|pieces| pieces.concat());
        assert_eq!(untagged(ON_VLAN_7, Some(7)).as_deref(), Some(PLAIN));
        assert_eq!(untagged(PLAIN, None).as_deref(), Some(PLAIN));
        assert_eq!(untagged(PRIORITY, None).as_deref(), Some(PLAIN));
        for (frame, vlan) in [(ON_VLAN_7, None), (ON_VLAN_7, Some(8)), (PLAIN, Some(7)), (PRIORITY, Some(7))] {
            assert_eq!(untagged(frame, vlan), None, "{frame:?} {vlan:?}");
        }
    }

    #[test]
    fn frames_of_the_tap_get_the_ports_tag() {
        let mut room = [b"free", PLAIN].concat();
        assert_eq!(tagged(&mut room.clone(), None), Some(PLAIN));
        let sent = tagged(&mut room, Some(7)).unwrap();
        assert_eq!(sent, b"ddddddssssss\x81\x00\x00\x07\x08\x00payload");
        assert_eq!(untagged(sent, Some(7)).unwrap().concat(), PLAIN);
    }

    #[test]
    fn frames_that_are_cut_anywhere_are_no_reason_to_panic() {
        for frame in [PLAIN, ON_VLAN_7] {
            for octets in 0..frame.len() {
                for vlan in [None, Some(7)] {
                    let _ = untagged(&frame[..octets], vlan);
                    let _ = tagged(&mut frame[..octets].to_vec(), vlan);
                }
            }
        }
        assert_eq!(untagged(&ON_VLAN_7[..16], Some(7)), None);
    }
}
