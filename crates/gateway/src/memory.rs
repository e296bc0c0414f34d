//! Whether a ring fits into what memory is free: a gateway that takes more is killed by the kernel, with all its flows.

use control::DataplaneError;
use media::{Name, VideoFormat};

/// A ring may take so many quarters of what is free.
const QUARTERS: u64 = 3;

const MEGA: u64 = 1_000_000;

/// Refuses a ring of `slots` frames that would leave the machine too little of `free_octets`.
///
/// # Errors
/// [`DataplaneError::Exhausted`], with what would fit.
pub(crate) fn check_ring(
    name: &Name,
    format: &VideoFormat,
    slots: u16,
    free_octets: Option<u64>,
) -> Result<(), DataplaneError> {
    let Some(free) = free_octets else { return Ok(()) };
    let octets = u64::from(format.frame_octets()) * u64::from(slots);
    if octets <= free / 4 * QUARTERS {
        return Ok(());
    }
    let (needed, free) = (octets / MEGA, free / MEGA);
    Err(DataplaneError::Exhausted {
        resource: "the memory for rings".to_owned(),
        remedy: format!(
            "{slots} slots of {format} for flow {name} take {needed} MB, and of {free} MB that are free a ring may take \
             three quarters: use fewer slots, a smaller picture, or a machine with more memory"
        ),
    })
}

/// Octets that rings can still take: ordinary memory and free huge pages, or what is left to our control group where
/// that is less. None where the system does not tell.
pub(crate) fn free_octets() -> Option<u64> {
    let machine = of_machine(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(of_group().map_or(machine, |group| group.min(machine)))
}

/// Huge pages of the machine's default size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HugePages {
    pub(crate) total: u64,
    /// Neither used nor promised to anybody.
    pub(crate) free: u64,
}

/// None where the system does not tell.
pub(crate) fn huge_pages() -> Option<HugePages> {
    huge_pages_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn huge_pages_of(meminfo: &str) -> Option<HugePages> {
    let free = value(meminfo, "HugePages_Free")?.saturating_sub(value(meminfo, "HugePages_Rsvd").unwrap_or(0));
    Some(HugePages { total: value(meminfo, "HugePages_Total")?, free })
}

fn value(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let value = |key: &str| value(meminfo, key);
    let huge_kib = value("HugePages_Free").unwrap_or(0) * value("Hugepagesize").unwrap_or(0);
    Some((value("MemAvailable")? + huge_kib) * 1024)
}

/// What a limit of our control group leaves (cgroup v2); none without a limit.
fn of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let read = |file: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup{path}/{file}")).ok()?.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling};

    use super::*;

    const GIGA: u64 = 1_000_000_000;

    fn format(side: u32) -> VideoFormat {
        VideoFormat::new(side, side, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
    }

    #[test]
    fn the_largest_picture_does_not_fit_and_the_numbers_say_why() {
        let name = "wall".parse().unwrap();
        let error = check_ring(&name, &format(32_767), 16, Some(24 * GIGA)).unwrap_err().to_string();
        assert!(error.contains("42948 MB") && error.contains("24000 MB") && error.contains("fewer slots"), "{error}");
        assert!(check_ring(&name, &format(32_767), 4, Some(24 * GIGA)).is_ok());
        assert!(check_ring(&name, &format(1920), 16, Some(24 * GIGA)).is_ok());
        assert!(check_ring(&name, &format(32_767), 1024, None).is_ok());
    }

    #[test]
    fn free_memory_is_ordinary_memory_and_huge_pages() {
        let text = "MemTotal: 9 kB\nMemAvailable:    1000 kB\nHugePages_Free:       3\nHugepagesize:    2048 kB\n";
        assert_eq!(of_machine(text), Some((1000 + 3 * 2048) * 1024));
        assert_eq!(of_machine("MemFree: 1 kB\n"), None);
        let text = "HugePages_Total:     10\nHugePages_Free:       7\nHugePages_Rsvd:       2\n";
        assert_eq!(huge_pages_of(text), Some(HugePages { total: 10, free: 5 }));
        assert_eq!(huge_pages_of("MemFree: 1 kB\n"), None);
        assert!(free_octets().is_none_or(|free| free > 0));
    }
}
