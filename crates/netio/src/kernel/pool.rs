//! Receive buffers: allocated once, shared by reference count.
//!
//! A buffer is free when only the pool refers to it. One buffer may hold many packets (a coalesced datagram);
//! the last of them to drop frees it, without a word to the pool.

use std::sync::Arc;

/// A fixed number of buffers.
pub(crate) struct Pool {
    buffers: Box<[Arc<[u8]>]>,
}

impl Pool {
    /// `count` buffers of `octets` each, faulted in.
    pub(crate) fn new(count: usize, octets: usize) -> Self {
        let blank = vec![0; octets];
        Self { buffers: (0..count).map(|_| Arc::from(blank.as_slice())).collect() }
    }

    /// Number of buffers.
    pub(crate) const fn len(&self) -> usize {
        self.buffers.len()
    }

    /// The buffer, to write into, if nobody else holds it.
    pub(crate) fn writable(&mut self, index: usize) -> Option<&mut [u8]> {
        // get_mut acquires; pairs with the release of the last packet's Arc drop.
        self.buffers.get_mut(index).and_then(Arc::get_mut)
    }

    /// The buffer, to read, for as long as the caller wants.
    pub(crate) fn share(&self, index: usize) -> Arc<[u8]> {
        Arc::clone(&self.buffers[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_writable_again_when_its_last_packet_drops() {
        let mut pool = Pool::new(2, 8);
        let first = pool.share(0);
        let second = pool.share(0);
        assert!(pool.writable(0).is_none());
        assert!(pool.writable(1).is_some());
        drop(first);
        assert!(pool.writable(0).is_none());
        drop(second);
        assert_eq!(pool.writable(0).map(|buffer| buffer.len()), Some(8));
        assert!(pool.writable(2).is_none());
    }
}
