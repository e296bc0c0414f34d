//! Memory that is not EAL's own (the frame rings), made known to EAL and to devices, so that they read from it.
//!
//! The order at the end is: nothing refers to the memory any more → the [`Registration`] drops (devices forget it, EAL
//! forgets it) → the memory is unmapped. Whoever holds a registration beside its mapping drops it first.

mod devices;
mod error;
mod iova;
mod placement;

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shm::Mapping;

use crate::eal::{Eal, errno};

pub(crate) use devices::{attached, detached};
pub use error::ExternalMemoryError;
pub use iova::IovaRun;
pub use placement::DmaPlacement;

use iova::IovaTable;

/// How many registrations live now. EAL keeps a list of memory segments for each, and has 128 in all. It was seen to
/// refuse the 123rd beside hugepages, and the 128th without.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// Memory that devices may read. Dropping it takes it away from them.
#[derive(Debug)]
pub struct Registration {
    eal: Eal,
    region: Region,
    iova: IovaTable,
    /// Where the registration keeps the memory itself; dropped after what `Drop` does.
    mapping: Option<Arc<Mapping>>,
}

/// Where the memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) address: usize,
    pub(crate) octets: usize,
    pub(crate) page_octets: usize,
}

impl Registration {
    /// Registers `octets` at `address`, which both are multiples of `page_octets`, the size of the pages below.
    ///
    /// # Errors
    /// [`ExternalMemoryError`]: most likely too many registrations; a ring is then copied from.
    ///
    /// # Safety
    /// The memory is mapped, readable and does not move until the registration has dropped. In PA mode it
    /// stays where it is physically, too (hugepages).
    pub unsafe fn new(
        eal: &Eal,
        address: NonNull<u8>,
        octets: usize,
        page_octets: usize,
    ) -> Result<Self, ExternalMemoryError> {
        let region = Region { address: address.as_ptr() as usize, octets, page_octets };
        region.check()?;
        let physical = eal.addresses_are_physical();
        // SAFETY: the caller's promise about the memory.
        let iova = eal.run(move || unsafe { register(region, physical) })?;
        Ok(Self { eal: eal.clone(), region, iova, mapping: None })
    }

    /// What devices call the octets from `offset` on, as far as their addresses follow one another, at most `octets`.
    ///
    /// # Panics
    /// When the octets are not within the registration.
    #[inline]
    #[must_use]
    pub fn iova(&self, offset: usize, octets: usize) -> IovaRun {
        let within = offset.checked_add(octets).is_some_and(|end| end <= self.region.octets);
        assert!(within, "{octets} octets from {offset} are not within {}", self.region.octets);
        self.iova.run(&self.region, offset, octets)
    }

    /// Where the memory begins.
    #[must_use]
    pub fn address(&self) -> usize {
        self.region.address
    }

    /// How much of it there is.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.region.octets
    }

    /// How many registrations there are in this process.
    #[must_use]
    pub fn living() -> usize {
        LIVING.load(Ordering::Acquire)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let (region, table) = (self.region, self.iova.clone());
        self.eal.run(move || {
            devices::forget(&region, &table);
            unregister(region);
        });
    }
}

/// Memory of a registration that outlives this, as devices see it.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    region: Region,
    iova: IovaTable,
}

impl Mapped {
    /// The registration that holds these octets; `None` when there is none, or registrations are just changing.
    pub(crate) fn find(address: usize, octets: usize) -> Option<Self> {
        devices::find(address, octets).map(|(region, iova)| Self { region, iova })
    }

    /// What devices call the octets from `address` on, as far as their addresses follow one another, at most `octets`.
    /// `None` when they are not all within.
    #[inline]
    pub(crate) fn run(&self, address: usize, octets: usize) -> Option<IovaRun> {
        self.region.holds(address, octets).then(|| self.iova.run(&self.region, address - self.region.address, octets))
    }
}

impl Region {
    /// Whether all of these octets are within.
    #[inline]
    fn holds(&self, address: usize, octets: usize) -> bool {
        let offset = address.checked_sub(self.address);
        offset.and_then(|offset| offset.checked_add(octets)).is_some_and(|end| end <= self.octets)
    }

    fn check(&self) -> Result<(), ExternalMemoryError> {
        let Self { address, octets, page_octets } = *self;
        let paged =
            page_octets.is_power_of_two() && address.is_multiple_of(page_octets) && octets.is_multiple_of(page_octets);
        if paged && octets > 0 { Ok(()) } else { Err(ExternalMemoryError::Unaligned { address, octets, page_octets }) }
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = usize> + use<> {
        (self.address..self.address + self.octets).step_by(self.page_octets)
    }
}

/// On EAL's thread.
///
/// # Safety
/// As for [`Registration::new`].
unsafe fn register(region: Region, physical: bool) -> Result<IovaTable, ExternalMemoryError> {
    // SAFETY: the caller's promise.
    let table = unsafe { IovaTable::of(&region, physical) }?;
    let mut pages = table.pages(&region);
    let count = u32::try_from(pages.len()).map_err(|_| ExternalMemoryError::TooManyPages { pages: pages.len() })?;
    // SAFETY: the memory is mapped (caller), aligned (`check`), and `pages` holds one address per page.
    let result = unsafe {
        let address = region.address as *mut _;
        dpdk_sys::rte_extmem_register(address, region.octets, pages.as_mut_ptr(), count, region.page_octets)
    };
    if result < 0 {
        return Err(ExternalMemoryError::refused(errno(), LIVING.load(Ordering::Acquire)));
    }
    LIVING.fetch_add(1, Ordering::AcqRel);
    if let Err(error) = devices::remember(region, &table) {
        unregister(region);
        return Err(error);
    }
    Ok(table)
}

/// On EAL's thread.
fn unregister(region: Region) {
    // SAFETY: exactly what was registered before; no device has it any more.
    unsafe { dpdk_sys::rte_extmem_unregister(region.address as *mut _, region.octets) };
    LIVING.fetch_sub(1, Ordering::AcqRel);
}
