//! A kernel that would answer twice.
//!
//! net_af_packet takes copies: the kernel goes on to see every frame of the port on the netdev itself. With a TAP the
//! port's addresses are the kernel's, and Linux takes packets to its addresses from any interface: it would answer pings
//! and ARP once for the netdev and once for the TAP, and media that no socket of its own waits for with "port
//! unreachable", so that cameras stop. Three settings of the netdev make it deaf there, and go back when the port goes.

use std::io;
use std::path::{Path, PathBuf};

/// Packets are dropped whose sender is not reached by way of the netdev, and ARP is not answered; nothing of IPv6 is.
const SETTINGS: [(&str, &str, &str); 3] =
    [("ipv4", "rp_filter", "1"), ("ipv4", "arp_ignore", "8"), ("ipv6", "disable_ipv6", "1")];

/// Settings of the kernel's that are put back when this drops.
#[derive(Debug)]
pub(super) struct Hush {
    before: Vec<(PathBuf, String)>,
}

impl Hush {
    /// Makes the kernel of this thread's network namespace deaf on `netdev`.
    ///
    /// # Errors
    /// What the kernel says: `/proc/sys` may not be writable. What was set is put back.
    pub(super) fn on(netdev: &str) -> io::Result<Self> {
        Self::in_folder(Path::new("/proc/sys/net"), netdev)
    }

    fn in_folder(folder: &Path, netdev: &str) -> io::Result<Self> {
        let mut hush = Self { before: Vec::new() };
        for (family, setting, value) in SETTINGS {
            let file = folder.join(family).join("conf").join(netdev).join(setting);
            if family == "ipv6" && !folder.join(family).exists() {
                // A kernel without IPv6.
                continue;
            }
            let before = std::fs::read_to_string(&file)?;
            std::fs::write(&file, value)?;
            hush.before.push((file, before));
        }
        Ok(hush)
    }

    /// What an operator would set by hand.
    pub(super) fn words(netdev: &str) -> String {
        SETTINGS.map(|(family, setting, value)| format!("net.{family}.conf.{netdev}.{setting}={value}")).join(", ")
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        for (file, before) in &self.before {
            // The netdev may be gone, and its settings with it.
            let _ = std::fs::write(file, before.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &Path) -> String {
        std::fs::read_to_string(file).unwrap()
    }

    #[test]
    fn settings_go_back_to_what_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let file = |family: &str, setting: &str| folder.path().join(family).join("conf/eth1").join(setting);
        for (family, setting, _) in SETTINGS {
            std::fs::create_dir_all(file(family, setting).parent().unwrap()).unwrap();
            std::fs::write(file(family, setting), "2\n").unwrap();
        }
        let hush = Hush::in_folder(folder.path(), "eth1").unwrap();
        for (family, setting, value) in SETTINGS {
            assert_eq!(read(&file(family, setting)), value);
        }
        drop(hush);
        assert!(SETTINGS.iter().all(|(family, setting, _)| read(&file(family, setting)) == "2"));
        std::fs::remove_file(file("ipv4", "arp_ignore")).unwrap();
        assert!(Hush::in_folder(folder.path(), "eth1").is_err());
        assert_eq!(read(&file("ipv4", "rp_filter")), "2", "what was set is put back");
    }
}
