//! Memory for direct disk access: whole pages, aligned as any disk wants it.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

use media::recording::Header;
use shm::StableBytes;

/// Zeroed at first; a multiple of [`Header::ALIGNMENT_OCTETS`], and aligned to it.
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// At least `octets` octets, more than none.
    pub(crate) fn new(octets: usize) -> Self {
        let alignment = Header::ALIGNMENT_OCTETS as usize;
        let rounded = octets.max(1).next_multiple_of(alignment);
        let Ok(layout) = Layout::from_size_align(rounded, alignment) else {
            panic!("a block of {octets} octets is larger than any memory");
        };
        // SAFETY: the layout has a size above 0.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        Self { start, layout }
    }

    /// What it holds. No transfer is under way: whoever has the block can see it.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: allocated with this size, initialised (zeroed), and nobody writes it while it is borrowed: a transfer owns
        // its block.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) }
    }

    /// What it holds, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }
}

// SAFETY: the memory belongs to the block alone.
unsafe impl Send for Block {}

// SAFETY: allocated memory does not move, and is freed when the block drops.
unsafe impl StableBytes for Block {
    fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn octets(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and dropped once.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}
