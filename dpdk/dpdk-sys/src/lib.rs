//! Raw bindings to the installed libdpdk, generated when it is built. No logic.
//!
//! Known to work with 22.11 (Debian 12); 24.11 (Debian 13) is meant to compile and is untested; older ones are
//! refused. What differs between the two is evened out in `wrapper.h`, under names that begin with `flypack_`.
//!
//! bindgen loads libclang when this crate is built. Where several are installed side by side, set `LIBCLANG_PATH`
//! (the folder of `libclang.so`) and `CLANG_PATH` (the program) to the same version.
#![allow(unsafe_code, reason = "foreign functions are this crate's subject")]

mod generated {
    #![allow(missing_docs, reason = "generated: DPDK's own documentation describes these names")]
    #![allow(non_camel_case_types, non_upper_case_globals, non_snake_case, reason = "generated: the names are C's")]
    #![allow(unreachable_pub, unused_qualifications, reason = "generated: bindgen writes it so")]
    #![allow(clippy::all, clippy::pedantic, reason = "generated code")]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::allow_attributes_without_reason, reason = "generated code")]
    #![allow(rustdoc::all, reason = "generated: comments of C headers are no Markdown")]
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use generated::*;
