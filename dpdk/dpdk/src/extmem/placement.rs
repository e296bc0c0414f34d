//! The frame rings of a broker, given to devices as they are made.

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shm::{DmaMapping, Mapping, Pages, PlacementHooks};

use super::{ExternalMemoryError, Registration};
use crate::eal::Eal;

const HUGE_PAGE_OCTETS: usize = 2 << 20;
const PLAIN_PAGE_OCTETS: usize = 4_096;

impl DmaMapping for Registration {}

impl Registration {
    /// Registers a mapping, which then lives as long as the registration.
    ///
    /// # Errors
    /// [`ExternalMemoryError`], as [`Registration::new`].
    pub fn of_mapping(eal: &Eal, mapping: Arc<Mapping>, pages: Pages) -> Result<Self, ExternalMemoryError> {
        // SAFETY: the mapping is kept with the registration, and dropped after it; it does not move.
        let mut registration = unsafe { Self::over(eal, &mapping, pages) }?;
        registration.mapping = Some(mapping);
        Ok(registration)
    }

    /// # Safety
    /// The mapping outlives the registration.
    unsafe fn over(eal: &Eal, mapping: &Mapping, pages: Pages) -> Result<Self, ExternalMemoryError> {
        // The kernel maps whole pages, of which the last one may be used in part.
        let page_octets = page_octets(pages);
        let octets = mapping.octets().next_multiple_of(page_octets);
        let address = NonNull::new(mapping.as_ptr().cast_mut()).expect("no mapping is at 0");
        if eal.addresses_are_physical() && pages == Pages::Plain {
            return Err(ExternalMemoryError::PagesMove);
        }
        // SAFETY: whole pages of a live mapping; the caller keeps it. With physical addresses they are hugepages, which
        // the kernel does not move.
        unsafe { Self::new(eal, address, octets, page_octets) }
    }
}

/// What is done with a broker's regions: those worth it are registered.
#[derive(Clone, Debug)]
pub struct DmaPlacement {
    eal: Eal,
    octets_min: u64,
    left_to_cpu: Arc<AtomicU64>,
}

impl DmaPlacement {
    /// Registers regions of at least `octets_min` octets. Smaller ones (audio, ancillary data) are copied when they are
    /// sent: registrations are few.
    #[must_use]
    pub fn new(eal: &Eal, octets_min: u64) -> Self {
        Self { eal: eal.clone(), octets_min, left_to_cpu: Arc::new(AtomicU64::new(0)) }
    }

    /// How many large regions no device reaches, because EAL can register no more or the kernel may move their pages. Their
    /// frames are copied when they are sent.
    #[must_use]
    pub fn left_to_cpu(&self) -> u64 {
        self.left_to_cpu.load(Ordering::Relaxed)
    }
}

impl PlacementHooks for DmaPlacement {
    fn map_for_dma(&self, data: &Mapping, pages: Pages) -> io::Result<Option<Box<dyn DmaMapping>>> {
        if (data.octets() as u64) < self.octets_min {
            return Ok(None);
        }
        // SAFETY: the broker keeps `data` mapped at its address until what is returned has dropped (PlacementHooks).
        match unsafe { Registration::over(&self.eal, data, pages) } {
            Ok(registration) => Ok(Some(Box::new(registration))),
            Err(ExternalMemoryError::Full { .. } | ExternalMemoryError::PagesMove) => {
                self.left_to_cpu.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn page_octets(pages: Pages) -> usize {
    match pages {
        Pages::Huge2M => HUGE_PAGE_OCTETS,
        Pages::Plain => PLAIN_PAGE_OCTETS,
    }
}
