//! Raw bindings to the installed libdpdk. No logic.
