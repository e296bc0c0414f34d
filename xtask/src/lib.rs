//! The rules of `cargo xtask tidy`, each a function from the source tree to findings.
#![forbid(unsafe_code)]

mod code;
mod finding;
mod manifest;
mod purity;
mod text;
pub mod tidy;
mod tree;
mod unsafety;

pub use finding::Finding;
pub use tree::Tree;
