//! Whether an IOMMU stands between a PCI device and memory.
//!
//! Without one, a device that was left running by a killed process goes on writing into pages that the kernel has
//! given to somebody else. Such a device is refused unless the operator takes that upon himself.

use std::fs;
use std::path::Path;

use thiserror::Error;

use crate::pci::PciAddress;

/// Where the kernel describes its devices.
pub const SYSFS: &str = "/sys";

/// Why a device may not be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoIommu {
    /// A uio driver maps registers into user space and knows no IOMMU.
    #[error(
        "{device} is bound to {driver}, which gives it all of memory: after a crash it keeps writing into freed pages. \
         Bind it to vfio-pci on a machine with its IOMMU on (intel_iommu=on or amd_iommu=on), or set allow_no_iommu"
    )]
    Uio {
        /// The device.
        device: PciAddress,
        /// Its kernel driver.
        driver: String,
    },
    /// vfio in its unsafe mode.
    #[error(
        "{device} is bound to vfio-pci without an IOMMU (enable_unsafe_noiommu_mode): after a crash it keeps writing \
         into freed pages. Turn the IOMMU on (intel_iommu=on or amd_iommu=on), or set allow_no_iommu"
    )]
    Vfio {
        /// The device.
        device: PciAddress,
    },
}

/// Refuses the first of `devices` whose driver works without an IOMMU. A device that is absent, without driver or
/// with a kernel driver of its own (mlx5 shares it) is let pass: what else is wrong with it, its probe will tell.
///
/// `sysfs` is [`SYSFS`], or a copy of it.
///
/// # Errors
/// [`NoIommu`] names the device and the two ways out.
pub fn check(sysfs: &Path, devices: &[PciAddress]) -> Result<(), NoIommu> {
    devices.iter().try_for_each(|device| check_one(sysfs, *device))
}

fn check_one(sysfs: &Path, device: PciAddress) -> Result<(), NoIommu> {
    let folder = sysfs.join("bus/pci/devices").join(device.to_string());
    match link_name(&folder.join("driver")) {
        Some(driver) if driver == "uio_pci_generic" || driver == "igb_uio" => Err(NoIommu::Uio { device, driver }),
        Some(driver) if driver == "vfio-pci" && !has_real_group(&folder) => Err(NoIommu::Vfio { device }),
        _ => Ok(()),
    }
}

/// In its unsafe mode vfio makes a group up, and calls it so.
fn has_real_group(device: &Path) -> bool {
    let group = device.join("iommu_group");
    group.exists() && fs::read_to_string(group.join("name")).map_or(true, |name| name.trim() != "vfio-noiommu")
}

/// The last part of where a symbolic link points.
fn link_name(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const DEVICE: &str = "0000:3b:00.0";

    fn sysfs(driver: Option<&str>, group: Option<Option<&str>>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("bus/pci/devices").join(DEVICE);
        fs::create_dir_all(&device).unwrap();
        if let Some(driver) = driver {
            symlink(format!("../../../../bus/pci/drivers/{driver}"), device.join("driver")).unwrap();
        }
        if let Some(name) = group {
            let group = root.path().join("kernel/iommu_groups/7");
            fs::create_dir_all(&group).unwrap();
            symlink("../../../../kernel/iommu_groups/7", device.join("iommu_group")).unwrap();
            if let Some(name) = name {
                fs::write(group.join("name"), format!("{name}\n")).unwrap();
            }
        }
        root
    }

    fn verdict(driver: Option<&str>, group: Option<Option<&str>>) -> Result<(), NoIommu> {
        check(sysfs(driver, group).path(), &[DEVICE.parse().unwrap()])
    }

    #[test]
    fn uio_is_refused_whatever_the_machine_has() {
        for driver in ["uio_pci_generic", "igb_uio"] {
            let refusal = verdict(Some(driver), Some(None)).unwrap_err();
            assert!(refusal.to_string().contains(driver) && refusal.to_string().contains("allow_no_iommu"));
        }
    }

    #[test]
    fn vfio_needs_a_real_group() {
        let device = DEVICE.parse().unwrap();
        assert_eq!(verdict(Some("vfio-pci"), None), Err(NoIommu::Vfio { device }));
        assert_eq!(verdict(Some("vfio-pci"), Some(Some("vfio-noiommu"))), Err(NoIommu::Vfio { device }));
        assert_eq!(verdict(Some("vfio-pci"), Some(None)), Ok(()));
        assert_eq!(verdict(Some("vfio-pci"), Some(Some("default"))), Ok(()));
    }

    #[test]
    fn kernel_drivers_and_absent_devices_are_not_judged() {
        assert_eq!(verdict(Some("mlx5_core"), None), Ok(()));
        assert_eq!(verdict(None, None), Ok(()));
        assert_eq!(check(Path::new("/nonexistent"), &[DEVICE.parse().unwrap()]), Ok(()));
    }
}
