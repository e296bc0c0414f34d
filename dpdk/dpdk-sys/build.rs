//! Finds the installed libdpdk.
fn main() {}
