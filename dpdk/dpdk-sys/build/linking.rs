//! What a program with DPDK is linked with.

use crate::library::{Library, is_installed};

/// An archive whose constructors register a driver: it must be linked whole.
struct Driver {
    archive: &'static str,
    /// Packages, as pkg-config calls them, whose shared libraries it needs.
    packages: &'static [&'static str],
    /// The shared libraries themselves.
    libraries: &'static [&'static str],
}

const fn driver(archive: &'static str) -> Driver {
    Driver { archive, packages: &[], libraries: &[] }
}

/// Buses, the ring under every pool, and the virtual devices.
const VIRTUAL: [Driver; 9] = [
    driver("bus_vdev"),
    driver("bus_pci"),
    driver("mempool_ring"),
    driver("net_null"),
    driver("net_ring"),
    driver("net_af_packet"),
    driver("net_tap"),
    Driver { archive: "net_af_xdp", packages: &["libxdp", "libbpf"], libraries: &["xdp", "bpf"] },
    Driver { archive: "net_pcap", packages: &["libpcap"], libraries: &["pcap"] },
];

/// Network cards of 10 Gb/s and more, and what virtual machines have. Together they make a stripped program of 1.8 MB one
/// of 7.7 MB, mlx5 with 2.5 MB most; and they need libibverbs where it runs.
const PHYSICAL: [Driver; 12] = [
    driver("bus_auxiliary"),
    driver("common_iavf"),
    driver("net_iavf"),
    driver("net_ice"),
    driver("net_i40e"),
    driver("net_ixgbe"),
    driver("net_e1000"),
    driver("net_igc"),
    driver("net_virtio"),
    driver("net_vmxnet3"),
    Driver { archive: "common_mlx5", packages: &["libmlx5", "libibverbs"], libraries: &["mlx5", "ibverbs"] },
    Driver { archive: "net_mlx5", packages: &["libmlx5", "libibverbs"], libraries: &["mlx5", "ibverbs"] },
];

/// What the drivers and our shims call, in the order in which a linker that reads archives once needs them.
const CORE: [&str; 16] = [
    "security",
    "cryptodev",
    "gso",
    "hash",
    "rcu",
    "ethdev",
    "net",
    "mbuf",
    "mempool",
    "ring",
    "meter",
    "pci",
    "eal",
    "telemetry",
    "kvargs",
    "log",
];

/// Shared libraries that the core may ask for, when the installed one does.
const SYSTEM: [&str; 7] = ["numa", "fdt", "bsd", "archive", "m", "dl", "pthread"];

/// Archives, whole where constructors matter. Neither is bundled: the linker reads them where they are installed.
pub(crate) fn archives(library: &Library) {
    println!("cargo::rustc-link-search=native={}", library.folder.display());
    for driver in VIRTUAL.iter().chain(&PHYSICAL) {
        match left_out_because(library, driver) {
            None => println!("cargo::rustc-link-lib=static:+whole-archive,-bundle=rte_{}", driver.archive),
            Some(reason) => println!("cargo::warning=DPDK's {} is left out: {reason}", driver.archive),
        }
    }
    for core in CORE.into_iter().filter(|core| library.has_archive(core)) {
        println!("cargo::rustc-link-lib=static:+whole-archive,-bundle=rte_{core}");
    }
    let drivers = VIRTUAL.iter().chain(&PHYSICAL).filter(|driver| left_out_because(library, driver).is_none());
    for name in drivers.flat_map(|driver| driver.libraries) {
        println!("cargo::rustc-link-lib=dylib={name}");
    }
    system_libraries(library);
}

/// The core's shared libraries; EAL opens the drivers from its plugin folder by itself.
pub(crate) fn shared(library: &Library) {
    println!("cargo::rustc-link-search=native={}", library.folder.display());
    for core in ["ethdev", "mbuf", "mempool", "ring", "eal", "kvargs", "telemetry"] {
        println!("cargo::rustc-link-lib=dylib=rte_{core}");
    }
}

fn left_out_because(library: &Library, driver: &Driver) -> Option<String> {
    if !library.has_archive(driver.archive) {
        return Some(format!("there is no librte_{}.a in {}", driver.archive, library.folder.display()));
    }
    let absent = driver.packages.iter().find(|package| !is_installed(package))?;
    Some(format!("{absent} is not installed"))
}

fn system_libraries(library: &Library) {
    for name in SYSTEM.into_iter().filter(|name| library.system_libraries.iter().any(|asked| asked == name)) {
        println!("cargo::rustc-link-lib=dylib={name}");
    }
}
