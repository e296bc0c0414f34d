//! Regions: the pair of memfds behind one epoch of a ring, created in the order that makes them safe to share.
//!
//! 1 memfd with SHRINK and GROW sealed; 2 placement; 3 prefault; 4 the broker's own mapping, writable only
//! while it is mapped for DMA; 5 read-write descriptors to the producer, who acknowledges; 6 FUTURE_WRITE and
//! SEAL (an error refuses the flow: a pod may have sealed first); 7 prefault again (a pod may have punched
//! holes before the seal); 8 the seals as expected; 9 mode 0400; 10 read-only descriptors to consumers.
//! [`Region`] stands for 1 to 5, [`SealedRegion`] for 6 to 10: consumers cannot get descriptors before the seal.

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::geometry::{Geometry, GeometryError};
use crate::mapping::{Access, MapError, Mapping};
use crate::memfd::{self, RING_SEALS, SealError};
use crate::pages::{Fallback, HUGE_PAGE_OCTETS, PagePolicy, Pages};
use crate::view::{DataView, DmaMapping};

/// Where a data region shall lie and which devices shall reach it. `shm` knows no NIC: the gateway supplies
/// these; [`IdentityPlacement`] does nothing.
pub trait PlacementHooks {
    /// Step 2, before any page exists: bind the region to the NIC's NUMA node.
    ///
    /// # Errors
    /// Refuses the region.
    fn place(&self, data: BorrowedFd<'_>, octets: u64) -> io::Result<()> {
        let _ = (data, octets);
        Ok(())
    }

    /// Step 4: map the region, which `pages` back, for DMA. `data` is writable during this call only; it stays mapped
    /// at its address, read-only, until what this returns has dropped. None leaves the region to the CPU.
    ///
    /// # Errors
    /// Refuses the region; the text goes to who asked for the flow.
    fn map_for_dma(&self, data: &Mapping, pages: Pages) -> io::Result<Option<Box<dyn DmaMapping>>> {
        let _ = (data, pages);
        Ok(None)
    }
}

/// No placement and no device.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityPlacement;

impl PlacementHooks for IdentityPlacement {}

/// Why a region could not be made or sealed. The flow is then refused.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The geometry is impossible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// Hugepages were demanded and there are none.
    #[error("no {pages_wanted} hugepages of 2 MiB ({errno}): raise vm.nr_hugepages, or allow plain pages")]
    NoHugepages {
        /// What the kernel said.
        errno: Errno,
        /// 2 MiB pages needed.
        pages_wanted: u64,
    },
    /// The kernel gave no memory.
    #[error("no memory for {octets} octets ({errno})")]
    Memory {
        /// What the kernel said; `ENOSPC` after the seal means that the producer had punched holes.
        errno: Errno,
        /// Octets of the region.
        octets: u64,
    },
    /// A hook refused.
    #[error("the region cannot be placed or mapped for DMA: {0}")]
    Placement(io::Error),
    /// Mapping failed.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The seals could not be set: the producer may have sealed first.
    #[error("the region cannot be sealed ({0}): did its producer seal it first?")]
    Seal(Errno),
    /// The seals are not as expected.
    #[error(transparent)]
    Seals(#[from] SealError),
    /// A descriptor could not be duplicated or reopened.
    #[error("no descriptor for the region: {0}")]
    Descriptor(Errno),
}

/// Descriptors of A and B for one process.
#[derive(Debug)]
pub struct RegionFds {
    /// The control region (A).
    pub control: OwnedFd,
    /// The data region (B).
    pub data: OwnedFd,
}

/// A region whose producer may still get writable descriptors.
#[derive(Debug)]
pub struct Region {
    fds: RegionFds,
    geometry: Geometry,
    fallback: Option<Fallback>,
    /// The broker's own view of B.
    view: DataView,
}

/// A region that nobody can newly map for writing; its producer keeps the mappings that it has.
#[derive(Debug)]
pub struct SealedRegion {
    fds: RegionFds,
    geometry: Geometry,
    view: DataView,
}

impl Region {
    /// Steps 1 to 4. The region's [`Region::geometry`] says which pages it really got.
    ///
    /// # Errors
    /// [`RegionError`].
    pub fn create(geometry: Geometry, policy: PagePolicy, hooks: &dyn PlacementHooks) -> Result<Self, RegionError> {
        Self::create_from(&|_, _| None, geometry, policy, hooks)
    }

    /// As [`Self::create`]; where `spares` has data of that size and pages ([`spare_data`]), steps 1 to 3 are done.
    pub(crate) fn create_from(
        spares: &Spares<'_>,
        geometry: Geometry,
        policy: PagePolicy,
        hooks: &dyn PlacementHooks,
    ) -> Result<Self, RegionError> {
        geometry.check()?;
        let (data, geometry, fallback) = create_data(spares, geometry, policy, hooks)?;
        let control = allocated("flypack-control", geometry.control_octets(), Pages::Plain, &IdentityPlacement)
            .map_err(|refusal| refusal.into_error(geometry.control_octets()))?;
        let mapping = Mapping::map(data.as_fd(), geometry.data_octets(), Access::ReadWrite)?;
        let view = DataView::place(mapping, geometry.pages, hooks)?;
        Ok(Self { fds: RegionFds { control, data }, geometry, fallback, view })
    }

    /// The geometry, with the pages that the region has.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Set when hugepages were preferred and plain pages were taken.
    #[must_use]
    pub fn fallback(&self) -> Option<Fallback> {
        self.fallback
    }

    /// Step 5: read-write descriptors for the producer.
    ///
    /// # Errors
    /// [`RegionError::Descriptor`].
    pub fn producer_fds(&self) -> Result<RegionFds, RegionError> {
        // A description of its own: the kernel then knows whether the producer still has it.
        let reopen = |fd: &OwnedFd| memfd::read_write(fd.as_fd()).map_err(RegionError::Descriptor);
        Ok(RegionFds { control: reopen(&self.fds.control)?, data: reopen(&self.fds.data)? })
    }

    /// Step 5 when the producer is this process: control and data, mapped for writing.
    ///
    /// # Errors
    /// [`RegionError::Map`].
    pub fn map_for_writing(&self) -> Result<(Mapping, Mapping), RegionError> {
        let control = Mapping::map(self.fds.control.as_fd(), self.geometry.control_octets(), Access::ReadWrite)?;
        let data = Mapping::map(self.fds.data.as_fd(), self.geometry.data_octets(), Access::ReadWrite)?;
        Ok((control, data))
    }

    /// The control region once more, mapped for writing: for whoever wakes the consumers.
    pub(crate) fn map_control_for_waking(&self) -> Result<Mapping, RegionError> {
        Ok(Mapping::map(self.fds.control.as_fd(), self.geometry.control_octets(), Access::ReadWrite)?)
    }

    /// The region given up: its view, and its descriptors to tell who else has it.
    pub(crate) fn into_remains(self) -> (DataView, RegionFds) {
        (self.view, self.fds)
    }

    /// Steps 6 to 9, once the producer has mapped what it was given and said so.
    ///
    /// # Errors
    /// [`RegionError`]: whatever it is, the flow must be refused and the region dropped.
    pub fn seal(self) -> Result<SealedRegion, RegionError> {
        Box::new(self).seal_or_return().map_err(|(error, _)| error)
    }

    /// As [`Self::seal`]. What could not be sealed comes back: its producer has it still, and somebody must account for
    /// that.
    pub(crate) fn seal_or_return(self: Box<Self>) -> Result<SealedRegion, (RegionError, Box<Self>)> {
        match self.seal_both() {
            Ok(()) => {
                let Self { fds, geometry, view, .. } = *self;
                Ok(SealedRegion { fds, geometry, view })
            }
            Err(error) => Err((error, self)),
        }
    }

    fn seal_both(&self) -> Result<(), RegionError> {
        seal_one(self.fds.control.as_fd(), self.geometry.control_octets())?;
        seal_one(self.fds.data.as_fd(), self.geometry.data_octets())
    }
}

impl SealedRegion {
    /// A region that an earlier process made and sealed, which the caller has checked: it is read here, and no device
    /// reaches it, for nobody can map it for writing any more.
    ///
    /// # Errors
    /// [`RegionError`] when it is smaller than the geometry says, or cannot be opened or mapped.
    pub(crate) fn adopt(geometry: Geometry, control: &OwnedFd, data: &OwnedFd) -> Result<Self, RegionError> {
        let reopen = |fd: &OwnedFd| memfd::read_only(fd.as_fd()).map_err(RegionError::Descriptor);
        let fds = RegionFds { control: reopen(control)?, data: reopen(data)? };
        let data = Mapping::map(fds.data.as_fd(), geometry.data_octets(), Access::ReadOnly)?;
        // Only to see that it is as large as it should be.
        Mapping::map(fds.control.as_fd(), geometry.control_octets(), Access::ReadOnly)?;
        Ok(Self { fds, geometry, view: data.into() })
    }

    /// The descriptors of this process, to tell which files they are.
    pub(crate) const fn fds(&self) -> &RegionFds {
        &self.fds
    }

    /// The geometry, with the pages that the region has.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Step 10: read-only descriptors for a consumer.
    ///
    /// # Errors
    /// [`RegionError::Descriptor`].
    pub fn consumer_fds(&self) -> Result<RegionFds, RegionError> {
        let reopen = |fd: &OwnedFd| memfd::read_only(fd.as_fd()).map_err(RegionError::Descriptor);
        Ok(RegionFds { control: reopen(&self.fds.control)?, data: reopen(&self.fds.data)? })
    }

    /// Control mapped for reading and the shared view of the data, for a consumer in this process.
    ///
    /// # Errors
    /// [`RegionError::Map`].
    pub fn map_for_reading(&self) -> Result<(Mapping, DataView), RegionError> {
        let octets = self.geometry.control_octets();
        let control = Mapping::map(self.fds.control.as_fd(), octets, Access::ReadOnly)?;
        Ok((control, self.view.clone()))
    }

    /// The region given up: its view, and its descriptors to tell who else has it.
    pub(crate) fn into_remains(self) -> (DataView, RegionFds) {
        (self.view, self.fds)
    }
}

fn seal_one(fd: BorrowedFd<'_>, octets: u64) -> Result<(), RegionError> {
    rustix::fs::fcntl_add_seals(fd, RING_SEALS).map_err(RegionError::Seal)?;
    memfd::allocate(fd, octets).map_err(|errno| RegionError::Memory { errno, octets })?;
    memfd::check_seals(fd, RING_SEALS)?;
    memfd::make_read_only(fd).map_err(RegionError::Descriptor)
}

/// Where data of a size may lie ready.
pub(crate) type Spares<'a> = dyn Fn(u64, Pages) -> Option<OwnedFd> + 'a;

/// Steps 1 to 3 of a data region that nobody has asked for yet. It takes all of its pages or none: rings that are being made
/// meanwhile do not miss them.
pub(crate) fn spare_data(octets: u64, pages: Pages, hooks: &dyn PlacementHooks) -> Result<OwnedFd, RegionError> {
    let memory = |errno| RegionError::Memory { errno, octets };
    let fd = memfd::create(DATA, octets, pages).map_err(memory)?;
    hooks.place(fd.as_fd(), octets).map_err(RegionError::Placement)?;
    // Mapping reserves what faulting in will take.
    let reserved = Mapping::map(fd.as_fd(), octets, Access::ReadWrite)?;
    memfd::allocate(fd.as_fd(), octets).map_err(memory)?;
    drop(reserved);
    Ok(fd)
}

/// What data regions are called.
const DATA: &str = "flypack-data";

/// Steps 1 to 3 of the data region, with the pages that the policy and the machine allow.
fn create_data(
    spares: &Spares<'_>,
    geometry: Geometry,
    policy: PagePolicy,
    hooks: &dyn PlacementHooks,
) -> Result<(OwnedFd, Geometry, Option<Fallback>), RegionError> {
    let mut fallback = None;
    if policy != PagePolicy::PlainOnly {
        let huge = Geometry { pages: Pages::Huge2M, ..geometry };
        let pages_wanted = huge.data_octets() / HUGE_PAGE_OCTETS;
        match ready_or_allocated(spares, huge.data_octets(), Pages::Huge2M, hooks) {
            Ok(data) => return Ok((data, huge, None)),
            Err(Refusal::Kernel(errno)) if policy == PagePolicy::HugeOnly => {
                return Err(RegionError::NoHugepages { errno, pages_wanted });
            }
            Err(Refusal::Kernel(reason)) => fallback = Some(Fallback { reason, pages_wanted }),
            Err(Refusal::Hook(error)) => return Err(RegionError::Placement(error)),
        }
    }
    let plain = Geometry { pages: Pages::Plain, ..geometry };
    let data = ready_or_allocated(spares, plain.data_octets(), Pages::Plain, hooks)
        .map_err(|refusal| refusal.into_error(plain.data_octets()))?;
    Ok((data, plain, fallback))
}

enum Refusal {
    Kernel(Errno),
    Hook(io::Error),
}

impl Refusal {
    fn into_error(self, octets: u64) -> RegionError {
        match self {
            Self::Kernel(errno) => RegionError::Memory { errno, octets },
            Self::Hook(error) => RegionError::Placement(error),
        }
    }
}

fn ready_or_allocated(
    spares: &Spares<'_>,
    octets: u64,
    pages: Pages,
    hooks: &dyn PlacementHooks,
) -> Result<OwnedFd, Refusal> {
    spares(octets, pages).map_or_else(|| allocated(DATA, octets, pages, hooks), Ok)
}

fn allocated(name: &str, octets: u64, pages: Pages, hooks: &dyn PlacementHooks) -> Result<OwnedFd, Refusal> {
    let fd = memfd::create(name, octets, pages).map_err(Refusal::Kernel)?;
    hooks.place(fd.as_fd(), octets).map_err(Refusal::Hook)?;
    memfd::allocate(fd.as_fd(), octets).map_err(Refusal::Kernel)?;
    Ok(fd)
}
