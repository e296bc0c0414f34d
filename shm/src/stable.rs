//! The one unsafe contract between rings and packet I/O: bytes that stay where they are.

/// Bytes that a device or the kernel may read until the value drops. The value *is* the lease.
///
/// # Safety
/// From the moment the value exists until it has dropped, `octets()` octets from `as_ptr()` on stay mapped
/// and readable at the same address, whichever thread the value is moved to. They need not be unchanging:
/// another process may still write them, so nobody may form a `&[u8]` over them on the strength of this
/// trait alone.
pub unsafe trait StableBytes: Send + 'static {
    /// Address of the first octet.
    fn as_ptr(&self) -> *const u8;

    /// Number of octets.
    fn octets(&self) -> usize;
}
