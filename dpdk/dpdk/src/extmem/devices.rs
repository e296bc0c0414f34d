//! Which devices know which memory. Both come and go; whichever is later meets what is there.
//!
//! Changed on EAL's thread only. Virtual devices need no mapping (their bus says so); a card behind an IOMMU does.

use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::io::Errno;

use super::iova::IovaTable;
use super::{ExternalMemoryError, Region};
use crate::eal::errno;
use crate::port::InEal;

#[derive(Debug, Default)]
struct Ledger {
    devices: Vec<InEal>,
    regions: Vec<(Region, IovaTable)>,
}

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger { devices: Vec::new(), regions: Vec::new() });

fn ledger() -> MutexGuard<'static, Ledger> {
    LEDGER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device is there: it is given all memory.
pub(crate) fn attached(device: InEal) -> Result<(), ExternalMemoryError> {
    let mut ledger = ledger();
    ledger.regions.iter().try_for_each(|(region, table)| map(device, region, table))?;
    ledger.devices.push(device);
    Ok(())
}

/// A device goes. Its mappings go with it: devices of one IOMMU group share them, so none is taken away here.
pub(crate) fn detached(device: InEal) {
    ledger().devices.retain(|known| *known != device);
}

/// Memory is there: all devices are given it, or none keeps it.
pub(super) fn remember(region: Region, table: &IovaTable) -> Result<(), ExternalMemoryError> {
    let mut ledger = ledger();
    if let Err(error) = ledger.devices.iter().try_for_each(|device| map(*device, &region, table)) {
        ledger.devices.iter().for_each(|device| unmap(*device, &region, table));
        return Err(error);
    }
    ledger.regions.push((region, table.clone()));
    Ok(())
}

/// Memory goes.
pub(super) fn forget(region: &Region, table: &IovaTable) {
    let mut ledger = ledger();
    ledger.regions.retain(|(known, _)| known != region);
    ledger.devices.iter().for_each(|device| unmap(*device, region, table));
}

/// What devices call memory that is registered. For workers: it does not wait, so what is just changing is not found.
pub(super) fn find(address: usize, octets: usize) -> Option<(Region, IovaTable)> {
    let ledger = match LEDGER.try_lock() {
        Ok(ledger) => ledger,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    ledger.regions.iter().find(|(region, _)| region.holds(address, octets)).cloned()
}

fn map(device: InEal, region: &Region, table: &IovaTable) -> Result<(), ExternalMemoryError> {
    table.runs(*region).try_for_each(|(offset, run)| {
        // SAFETY: the device is attached (the ledger knows it), and the memory registered for as long as it is mapped.
        let result = unsafe {
            let address = (region.address + offset) as *mut _;
            dpdk_sys::rte_dev_dma_map(device.as_ptr(), address, run.iova, run.octets)
        };
        let errno = errno();
        // A bus without DMA, and a card whose kernel driver has no IOMMU to fill.
        let needless = errno == Errno::NOTSUP.raw_os_error();
        if result == 0 || needless { Ok(()) } else { Err(ExternalMemoryError::Device { device: name(device), errno }) }
    })
}

/// Failures are left: a group's second device finds the mapping gone; and the kernel keeps pinned what it still maps.
fn unmap(device: InEal, region: &Region, table: &IovaTable) {
    for (offset, run) in table.runs(*region) {
        // SAFETY: as in `map`; the memory is still mapped and registered.
        unsafe {
            let address = (region.address + offset) as *mut _;
            dpdk_sys::rte_dev_dma_unmap(device.as_ptr(), address, run.iova, run.octets);
        }
    }
}

fn name(device: InEal) -> String {
    // SAFETY: the device is attached, and its name a string with its NUL.
    unsafe { CStr::from_ptr(dpdk_sys::rte_dev_name(device.as_ptr())) }.to_string_lossy().into_owned()
}
