//! What devices call memory: its virtual address, or a physical one per page.

use std::sync::Arc;

use super::{ExternalMemoryError, Region};

/// Addresses that follow one another, as a device sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IovaRun {
    /// Of the first octet.
    pub iova: u64,
    /// How many follow one another, of those that were asked for.
    pub octets: usize,
}

/// `RTE_BAD_IOVA`, a cast that bindgen does not evaluate.
const BAD_IOVA: u64 = u64::MAX;

/// The addresses of one region.
#[derive(Clone, Debug)]
pub(super) enum IovaTable {
    /// VA mode.
    Virtual,
    /// PA mode: one address per page.
    Physical(Arc<[u64]>),
}

impl IovaTable {
    /// # Safety
    /// The region is mapped and readable; with physical addresses its pages do not move.
    pub(super) unsafe fn of(region: &Region, physical: bool) -> Result<Self, ExternalMemoryError> {
        if !physical {
            return Ok(Self::Virtual);
        }
        let address_of = |page: usize| {
            // The kernel tells the place of a page only once this process has touched it.
            // SAFETY: the page is readable (caller); what another process writes there meanwhile is not looked at.
            unsafe { (page as *const u8).read_volatile() };
            physical_address(page)
        };
        let pages: Result<Vec<u64>, _> = region.pages().map(address_of).collect();
        Ok(Self::Physical(pages?.into()))
    }

    /// One address per page, in order.
    pub(super) fn pages(&self, region: &Region) -> Vec<u64> {
        match self {
            Self::Virtual => region.pages().map(|address| address as u64).collect(),
            Self::Physical(pages) => pages.to_vec(),
        }
    }

    #[inline]
    pub(super) fn run(&self, region: &Region, offset: usize, octets: usize) -> IovaRun {
        match self {
            Self::Virtual => IovaRun { iova: (region.address + offset) as u64, octets },
            Self::Physical(pages) => physical_run(pages, region.page_octets, offset, octets),
        }
    }

    /// The whole region as runs: offset within it, address, octets.
    pub(super) fn runs(&self, region: Region) -> impl Iterator<Item = (usize, IovaRun)> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let run = (offset < region.octets).then(|| self.run(&region, offset, region.octets - offset))?;
            let at = offset;
            offset += run.octets;
            Some((at, run))
        })
    }
}

fn physical_address(address: usize) -> Result<u64, ExternalMemoryError> {
    // SAFETY: the address is looked up in EAL's lists and in /proc/self/pagemap; the memory itself is not touched.
    let iova = unsafe { dpdk_sys::rte_mem_virt2iova(address as *const _) };
    if iova == BAD_IOVA || iova == 0 { Err(ExternalMemoryError::NoPhysicalAddress { address }) } else { Ok(iova) }
}

/// Ends where the next page is not the next one physically.
fn physical_run(pages: &[u64], page_octets: usize, offset: usize, octets: usize) -> IovaRun {
    let (page, within) = (offset / page_octets, offset % page_octets);
    let mut run = page_octets - within;
    for pair in pages[page..].windows(2) {
        if run >= octets || pair[0] + page_octets as u64 != pair[1] {
            break;
        }
        run += page_octets;
    }
    IovaRun { iova: pages[page] + within as u64, octets: run.min(octets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4_096;

    #[test]
    fn a_run_ends_where_pages_part() {
        let pages = [0x10_000, 0x11_000, 0x20_000, 0x21_000];
        let run = |offset, octets| physical_run(&pages, PAGE, offset, octets);
        assert_eq!(run(0, 4 * PAGE), IovaRun { iova: 0x10_000, octets: 2 * PAGE });
        assert_eq!(run(100, 50), IovaRun { iova: 0x10_064, octets: 50 });
        assert_eq!(run(2 * PAGE - 10, 20), IovaRun { iova: 0x11_FF6, octets: 10 });
        assert_eq!(run(PAGE - 10, 20), IovaRun { iova: 0x10_FF6, octets: 20 });
        assert_eq!(run(4 * PAGE - 1, 1), IovaRun { iova: 0x21_FFF, octets: 1 });
    }

    #[test]
    fn runs_cover_the_region_once() {
        let region = Region { address: 0x7000_0000, octets: 4 * PAGE, page_octets: PAGE };
        let table = IovaTable::Physical([0x10_000, 0x11_000, 0x20_000, 0x21_000].into());
        let runs: Vec<_> = table.runs(region).collect();
        let half = 2 * PAGE;
        assert_eq!(
            runs,
            [(0, IovaRun { iova: 0x10_000, octets: half }), (half, IovaRun { iova: 0x20_000, octets: half })]
        );
        let whole: Vec<_> = IovaTable::Virtual.runs(region).collect();
        assert_eq!(whole, [(0, IovaRun { iova: 0x7000_0000, octets: 4 * PAGE })]);
        assert_eq!(IovaTable::Virtual.pages(&region).len(), 4);
    }
}
