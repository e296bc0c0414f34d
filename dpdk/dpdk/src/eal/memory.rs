//! Whether the kernel has the hugepages that are asked for. EAL would find out too, but then could not start again.

use std::fs;
use std::path::Path;

use super::{EalError, Memory};

/// Compares what is asked with what `sysfs` says is free, over all sizes.
pub(super) fn check(memory: &Memory, sysfs: &Path) -> Result<(), EalError> {
    let Memory::Huge { mib: asked_mib } = *memory else { return Ok(()) };
    let free_mib = free_mib(sysfs);
    if free_mib == 0 {
        return Err(EalError::NoHugepages { asked_mib, pages: asked_mib.div_ceil(2) });
    }
    if free_mib < u64::from(asked_mib) {
        return Err(EalError::TooFewHugepages {
            asked_mib,
            free_mib,
            pages: (u64::from(asked_mib) - free_mib).div_ceil(2),
        });
    }
    Ok(())
}

/// Free hugepages in MiB; none when the kernel has none at all.
fn free_mib(sysfs: &Path) -> u64 {
    let folders = fs::read_dir(sysfs.join("kernel/mm/hugepages")).into_iter().flatten().flatten();
    let sizes = folders.filter_map(|folder| {
        let name = folder.file_name();
        let kib: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let free: u64 = fs::read_to_string(folder.path().join("free_hugepages")).ok()?.trim().parse().ok()?;
        Some(kib * free)
    });
    sizes.sum::<u64>() / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(asked_mib: u32, sizes: &[(&str, &str)]) -> Result<(), String> {
        let root = tempfile::tempdir().unwrap();
        for (size, free) in sizes {
            let folder = root.path().join("kernel/mm/hugepages").join(format!("hugepages-{size}kB"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("free_hugepages"), format!("{free}\n")).unwrap();
        }
        check(&Memory::Huge { mib: asked_mib }, root.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_sizes_count() {
        assert_eq!(outcome(1_024, &[("1048576", "1"), ("2048", "0")]), Ok(()));
        assert_eq!(outcome(1_026, &[("1048576", "1"), ("2048", "1")]), Ok(()));
        let refusal = outcome(1_027, &[("1048576", "1"), ("2048", "1")]).unwrap_err();
        assert!(refusal.contains("1026 MiB are free") && refusal.contains("reserve 1 more"), "{refusal}");
    }

    #[test]
    fn none_at_all_names_the_command() {
        let refusal = outcome(65, &[]).unwrap_err();
        assert!(refusal.contains("sysctl vm.nr_hugepages=33"), "{refusal}");
    }

    #[test]
    fn ordinary_pages_are_not_counted() {
        assert!(check(&Memory::NoHuge { mib: 64 }, Path::new("/nonexistent")).is_ok());
    }
}
