//! What a device calls the octets of a lease.
//!
//! Where addresses are virtual (VA), that is their own address. Where they are physical (PA), neighbouring pages may lie
//! apart: octets that cross such a border are several pieces, each with an address of its own.

use std::sync::Arc;

use arrayvec::ArrayVec;

/// Pieces of one packet's payload at most: a jumbo frame over 4 KiB pages.
pub(crate) const PIECES_MAX: usize = 4;

/// How a device addresses one lease.
#[derive(Clone, Debug, Default)]
pub(crate) enum Iova {
    /// As the process does.
    #[default]
    Virtual,
    /// By pages.
    Pages(IovaPages),
}

/// The device's addresses of the pages of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct IovaPages {
    /// Where the mapping begins; a multiple of the page size.
    pub(crate) start: usize,
    /// A power of two.
    pub(crate) page_octets: usize,
    /// One per page.
    pub(crate) addresses: Arc<[u64]>,
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

impl Iova {
    /// The pieces of `octets` from `address` on. `None` when they are too many, or a page is not known.
    #[inline]
    pub(crate) fn pieces(&self, address: *const u8, octets: u16) -> Option<Pieces> {
        let mut pieces = Pieces::new();
        match self {
            Self::Virtual => pieces.push(Piece { address, iova: address.addr() as u64, octets }),
            Self::Pages(pages) => pages.split(address, octets, &mut pieces)?,
        }
        Some(pieces)
    }
}

impl IovaPages {
    fn split(&self, address: *const u8, octets: u16, out: &mut Pieces) -> Option<()> {
        let mut done = 0_u16;
        while done < octets {
            let at = address.wrapping_add(done.into());
            let (iova, to_border) = self.at(at.addr())?;
            let piece = to_border.min(usize::from(octets - done)) as u16;
            match out.last_mut() {
                // Neighbours for the device too.
                Some(last) if last.iova + u64::from(last.octets) == iova => last.octets += piece,
                _ => out.try_push(Piece { address: at, iova, octets: piece }).ok()?,
            }
            done += piece;
        }
        Some(())
    }

    /// The device's address, and octets to the end of the page.
    fn at(&self, address: usize) -> Option<(u64, usize)> {
        let offset = address.checked_sub(self.start)?;
        let (page, within) = (offset / self.page_octets, offset % self.page_octets);
        Some((self.addresses.get(page)? + within as u64, self.page_octets - within))
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use proptest::prelude::*;

    use super::*;

    const START: usize = 0x10_0000;

    fn at(address: usize) -> *const u8 {
        ptr::without_provenance(address)
    }

    fn pages(addresses: &[u64]) -> Iova {
        Iova::Pages(IovaPages { start: START, page_octets: 4_096, addresses: addresses.into() })
    }

    fn split(iova: &Iova, offset: usize, octets: u16) -> Option<Vec<(usize, u64, u16)>> {
        let pieces = iova.pieces(at(START + offset), octets)?;
        Some(pieces.iter().map(|piece| (piece.address.addr() - START, piece.iova, piece.octets)).collect())
    }

    #[test]
    fn virtual_addresses_are_their_own() {
        assert_eq!(split(&Iova::Virtual, 4_000, 1_200), Some(vec![(4_000, (START + 4_000) as u64, 1_200)]));
    }

    #[test]
    fn only_a_border_between_pages_apart_splits() {
        let iova = pages(&[0x9000, 0xa000, 0x2000, 0x1000]);
        assert_eq!(split(&iova, 10, 1_200), Some(vec![(10, 0x9000 + 10, 1_200)]));
        assert_eq!(split(&iova, 4_000, 1_200), Some(vec![(4_000, 0x9000 + 4_000, 1_200)]), "neighbours");
        assert_eq!(
            split(&iova, 8_000, 1_200),
            Some(vec![(8_000, 0xa000 + 3_904, 192), (8_192, 0x2000, 1_008)]),
            "apart"
        );
        assert_eq!(split(&iova, 8_191, 8_193).map(|pieces| pieces.len()), Some(3));
    }

    #[test]
    fn what_is_not_mapped_has_no_address() {
        let iova = pages(&[0x9000]);
        assert_eq!(split(&iova, 4_000, 97), None);
        assert_eq!(iova.pieces(at(START - 1), 1), None);
        let scattered = pages(&[0x10_0000, 0x20_0000, 0x30_0000, 0x40_0000, 0x50_0000]);
        assert_eq!(split(&scattered, 4_095, 4_096 * 3 + 2), None, "five pieces");
        assert_eq!(split(&scattered, 4_095, 4_096 * 2 + 2).map(|pieces| pieces.len()), Some(4));
    }

    proptest! {
        #[test]
        fn pieces_cover_every_octet_once_where_its_page_is(
            frames in prop::collection::vec(1_u64..6, 1..12),
            offset in 0_usize..40_000,
            octets in 1_u16..9_000,
        ) {
            let addresses: Vec<u64> = frames.iter().map(|frame| frame * 4_096).collect();
            let Some(pieces) = split(&pages(&addresses), offset, octets) else { return Ok(()) };
            let mut next = offset;
            for (start, iova, octets) in pieces {
                prop_assert_eq!(start, next);
                for n in [0, usize::from(octets) - 1] {
                    let page = addresses[(start + n) / 4_096];
                    prop_assert_eq!(iova + n as u64, page + ((start + n) % 4_096) as u64);
                }
                next += usize::from(octets);
            }
            prop_assert_eq!(next, offset + usize::from(octets));
        }
    }
}
