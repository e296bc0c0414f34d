//! Gives the shared library the name under which programs ask the loader for it.
#![forbid(unsafe_code)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libflypack.so.0");
    // Threads of the library may outlive the last handle: dlclose must not take their code away.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
