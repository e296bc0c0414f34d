//! Binds the installed libdpdk: finds it, generates the bindings and the C shims of inline functions, and tells
//! the linker which archives a program with DPDK needs.

mod bindings;
mod library;
mod linking;

use std::path::PathBuf;
use std::process::ExitCode;

use library::Library;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/wrapper.h");
    let library = match Library::find() {
        Ok(library) => library,
        Err(missing) => {
            // One `cargo::error` per line: cargo shows each as an error of this package, above the panic-free exit.
            missing.to_string().lines().for_each(|line| println!("cargo::error={line}"));
            return ExitCode::FAILURE;
        }
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_else(|| "target".into()));
    bindings::generate(&library, &out);
    if std::env::var_os("CARGO_FEATURE_SHARED").is_some() {
        linking::shared(&library);
    } else {
        linking::archives(&library);
    }
    ExitCode::SUCCESS
}
