//! Binds the installed libdpdk: finds it, generates the bindings and the C shims of inline functions, and tells
//! the linker which archives a program with DPDK needs.

mod bindings;
mod library;
mod linking;

use std::path::PathBuf;

use library::Library;

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/wrapper.h");
    let library = match Library::find() {
        Ok(library) => library,
        Err(missing) => {
            // cargo fails for these lines and shows them alone; a failing script would bury them in all of its output.
            missing.to_string().lines().for_each(|line| println!("cargo::error={line}"));
            return;
        }
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_else(|| "target".into()));
    bindings::generate(&library, &out);
    if std::env::var_os("CARGO_FEATURE_SHARED").is_some() {
        linking::shared(&library);
    } else {
        linking::archives(&library);
    }
}
