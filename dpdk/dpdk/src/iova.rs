//! What a device calls the octets of a packet's payload.
//!
//! Where addresses are virtual (VA), that is their own address. Where they are physical (PA), neighbouring pages may lie
//! apart: octets that cross such a border are several pieces, each with an address of its own.

use arrayvec::ArrayVec;

use crate::extmem::Mapped;

/// Pieces of one packet's payload at most: a jumbo frame over 4 KiB pages.
pub(crate) const PIECES_MAX: usize = 4;

/// Which memory a port reads payload from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Any of this process: the driver of a virtual device reads as a thread does.
    #[default]
    Process,
    /// What is registered: a card. The payload of other leases is copied.
    Registered,
}

/// Octets that are contiguous for process and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) address: *const u8,
    pub(crate) iova: u64,
    /// At least 1.
    pub(crate) octets: u16,
}

pub(crate) type Pieces = ArrayVec<Piece, PIECES_MAX>;

/// The pieces of `octets` from `address` on, which are `mapped` if they are registered. `None` when the device cannot read
/// them, or they are too many.
#[inline]
pub(crate) fn pieces(mapped: Option<&Mapped>, reads: Reads, address: *const u8, octets: u16) -> Option<Pieces> {
    let mut pieces = Pieces::new();
    match (mapped, reads) {
        (Some(mapped), _) => split(address, octets, &mut pieces, |address, octets| {
            let run = mapped.run(address, octets)?;
            Some((run.iova, run.octets))
        })?,
        (None, Reads::Process) => pieces.push(Piece { address, iova: address.addr() as u64, octets }),
        (None, Reads::Registered) => return None,
    }
    Some(pieces)
}

/// `run`: the device's address of octets, and how many of them follow one another.
#[inline]
fn split(
    address: *const u8,
    octets: u16,
    out: &mut Pieces,
    run: impl Fn(usize, usize) -> Option<(u64, usize)>,
) -> Option<()> {
    let mut done = 0_u16;
    while done < octets {
        let at = address.wrapping_add(done.into());
        let (iova, together) = run(at.addr(), usize::from(octets - done))?;
        // A run is of at least one octet and of no more than were asked for.
        let octets = together.clamp(1, usize::from(octets - done)) as u16;
        out.try_push(Piece { address: at, iova, octets }).ok()?;
        done += octets;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 4_096;

    fn at(address: usize) -> *const u8 {
        ptr::without_provenance(address)
    }

    /// Splits over pages at these addresses; the first begins at 0 for the process.
    fn over(pages: &[u64], offset: usize, octets: u16) -> Option<Vec<(usize, u64, u16)>> {
        let run = |address: usize, octets: usize| {
            let within = address % PAGE;
            let page = *pages.get(address / PAGE)?;
            Some((page + within as u64, octets.min(PAGE - within)))
        };
        let mut pieces = Pieces::new();
        split(at(offset), octets, &mut pieces, run)?;
        Some(pieces.iter().map(|piece| (piece.address.addr(), piece.iova, piece.octets)).collect())
    }

    #[test]
    fn memory_that_a_card_cannot_read_has_no_pieces() {
        let whole = Piece { address: at(4_000), iova: 4_000, octets: 1_200 };
        assert_eq!(pieces(None, Reads::Process, at(4_000), 1_200).as_deref(), Some([whole].as_slice()));
        assert_eq!(pieces(None, Reads::Registered, at(4_000), 1_200), None);
    }

    #[test]
    fn a_border_between_pages_splits() {
        let pages = [0x9000, 0x2000, 0x7000];
        assert_eq!(over(&pages, 10, 1_200), Some(vec![(10, 0x9000 + 10, 1_200)]));
        assert_eq!(over(&pages, 4_000, 1_200), Some(vec![(4_000, 0x9000 + 4_000, 96), (4_096, 0x2000, 1_104)]));
        assert_eq!(over(&pages, 4_095, 4_098).map(|pieces| pieces.len()), Some(3));
        assert_eq!(over(&pages, 8_192, 4_097), None, "beyond");
        let scattered = [0x10_0000, 0x20_0000, 0x30_0000, 0x40_0000, 0x50_0000];
        assert_eq!(over(&scattered, 4_095, 4_096 * 3 + 2), None, "five pieces");
    }

    proptest! {
        #[test]
        fn pieces_cover_every_octet_once_where_its_page_is(
            frames in prop::collection::vec(1_u64..6, 1..12),
            offset in 0_usize..40_000,
            octets in 1_u16..9_000,
        ) {
            let pages: Vec<u64> = frames.iter().map(|frame| frame * 4_096).collect();
            let Some(pieces) = over(&pages, offset, octets) else { return Ok(()) };
            let mut next = offset;
            for (start, iova, octets) in pieces {
                prop_assert_eq!(start, next);
                for n in [0, usize::from(octets) - 1] {
                    let page = pages[(start + n) / PAGE];
                    prop_assert_eq!(iova + n as u64, page + ((start + n) % PAGE) as u64);
                }
                next += usize::from(octets);
            }
            prop_assert_eq!(next, offset + usize::from(octets));
        }
    }
}
