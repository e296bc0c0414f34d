//! The installed libdpdk: its version, its compiler flags, its folder, as pkg-config tells them.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// The oldest release whose names the bindings use.
const OLDEST: (u32, u32) = (22, 11);
/// The release that the tests ran with.
const TESTED: (u32, u32) = (22, 11);
/// What moves where pkg-config looks, and which pkg-config it is.
const ENVIRONMENT: [&str; 5] =
    ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR", "LIBCLANG_PATH"];

/// A libdpdk that the bindings can be made for.
pub(crate) struct Library {
    /// Flags for every C file that includes its headers (`-include rte_config.h -march=…` among them).
    pub(crate) cflags: Vec<String>,
    /// Where its archives are.
    pub(crate) folder: PathBuf,
    /// The system libraries that its archives ask for, by name.
    pub(crate) system_libraries: Vec<String>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Missing {
    /// pkg-config itself could not be run.
    PkgConfig(std::io::Error),
    /// pkg-config does not know libdpdk; what it said.
    Libdpdk(String),
    /// An older release.
    TooOld(String),
}

impl Library {
    /// Asks pkg-config, and judges the version.
    pub(crate) fn find() -> Result<Self, Missing> {
        ENVIRONMENT.iter().for_each(|name| println!("cargo::rerun-if-env-changed={name}"));
        let version = pkg_config(&["--modversion", "libdpdk"])?;
        match number(&version) {
            Some(TESTED) => {}
            Some(found) if found > OLDEST => println!("cargo::warning=libdpdk {version} is untested; 22.11 is tested"),
            _ => return Err(Missing::TooOld(version)),
        }
        let list = |argument: &str| pkg_config(&[argument, "libdpdk"]);
        let folder = PathBuf::from(list("--variable=libdir")?);
        println!("cargo::rerun-if-changed={}", folder.join("pkgconfig/libdpdk.pc").display());
        let cflags = list("--cflags")?.split_whitespace().map(str::to_owned).collect();
        let libraries = pkg_config(&["--static", "--libs-only-l", "libdpdk"])?;
        let names = libraries.split_whitespace().filter_map(|flag| flag.strip_prefix("-l"));
        Ok(Self { cflags, folder, system_libraries: names.map(str::to_owned).collect() })
    }

    /// Whether the linker will find the archive `librte_NAME.a`.
    pub(crate) fn has_archive(&self, name: &str) -> bool {
        self.folder.join(format!("librte_{name}.a")).is_file()
    }
}

/// Whether pkg-config knows a package.
pub(crate) fn is_installed(package: &str) -> bool {
    pkg_config(&["--exists", package]).is_ok()
}

fn pkg_config(arguments: &[&str]) -> Result<String, Missing> {
    let program = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program).args(arguments).output().map_err(Missing::PkgConfig)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(Missing::Libdpdk(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// "22.11.11" is (22, 11).
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PkgConfig(error) => {
                writeln!(f, "DPDK was asked for, but pkg-config, which tells where it is, cannot be run: {error}.")?;
            }
            Self::Libdpdk(said) => {
                // Its first line says it; the others only say how pkg-config was asked.
                let said = said.lines().next().unwrap_or("no reason given");
                writeln!(f, "DPDK was asked for, but pkg-config finds no libdpdk: {said}")?;
            }
            Self::TooOld(version) => {
                let (year, month) = OLDEST;
                writeln!(f, "DPDK was asked for, but libdpdk is {version}; {year}.{month} is the oldest that works.")?;
            }
        }
        writeln!(f, "Either install it: `scripts/install dpdk` does so on Debian 12 (libdpdk-dev and what it needs);")?;
        writeln!(f, "a libdpdk built by hand is found through PKG_CONFIG_PATH.")?;
        write!(
            f,
            "Or build the gateway without its feature `dpdk`: plain `cargo build` does, ports are then kernel ones."
        )
    }
}
