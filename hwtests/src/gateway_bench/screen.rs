//! What arrives in the studio, put together by the RFC alone.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{LIMIT, format};
use crate::namespace::Namespace;
use crate::rfc4175;

/// Frames that a watching screen remembers.
const REMEMBERED: usize = 8;

/// A screen in the studio.
#[derive(Debug)]
pub struct Screen {
    socket: UdpSocket,
    frames: BTreeMap<u32, Vec<u8>>,
    order: Vec<u32>,
    finished: usize,
}

/// A screen that compares what comes with what was played, until this drops.
#[derive(Debug)]
pub struct Watching {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    whole: AtomicU64,
    damaged: AtomicU64,
    end: AtomicBool,
}

impl Screen {
    /// A screen at this address.
    ///
    /// # Errors
    /// When the address is taken, or not there.
    pub fn new(studio: &Namespace, address: SocketAddr) -> Result<Self> {
        let socket = rfc4175::socket_in(studio, address).with_context(|| format!("no screen at {address}"))?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(Self { socket, frames: BTreeMap::new(), order: Vec::new(), finished: 0 })
    }

    /// Receives until so many frames have had their last packet; all frames then, in order.
    ///
    /// # Panics
    /// When they do not come.
    pub fn watch(&mut self, frames: usize) -> Vec<&Vec<u8>> {
        let mut datagram = [0; 2_048];
        while self.finished < frames {
            let octets = self.socket.recv(&mut datagram).expect("a frame has not arrived");
            self.take(&datagram[..octets]);
        }
        self.order.iter().map(|timestamp| &self.frames[timestamp]).collect()
    }

    /// Compares what comes from now on with `pictures`.
    ///
    /// # Errors
    /// What the socket says.
    pub fn keep_watching(mut self, pictures: Vec<Vec<u8>>) -> Result<Watching> {
        self.socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let seen = Arc::<Seen>::default();
        let into = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while !into.end.load(Ordering::Relaxed) {
                // A time-out, or the kernel's word that the link is down: it comes back.
                let Ok(octets) = self.socket.recv(&mut datagram) else { continue };
                if let Some(frame) = self.take(&datagram[..octets]) {
                    let count = if pictures.contains(&self.frames[&frame]) { &into.whole } else { &into.damaged };
                    count.fetch_add(1, Ordering::Relaxed);
                }
                if self.order.len() > REMEMBERED {
                    self.frames.remove(&self.order.remove(0));
                }
            }
        });
        Ok(Watching { seen, thread: Some(thread) })
    }

    /// Takes one packet; the frame that it was the last of.
    // RFC 4175 §4.1 and §4.2, without padding, extensions or contributing sources.
    fn take(&mut self, datagram: &[u8]) -> Option<u32> {
        let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
        assert_eq!(datagram[0], 0x80);
        let timestamp = u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]);
        if !self.frames.contains_key(&timestamp) {
            self.order.push(timestamp);
        }
        let frame = self.frames.entry(timestamp).or_insert_with(|| vec![0; format().frame_octets() as usize]);
        let (mut runs, mut at) = (Vec::new(), 14);
        loop {
            runs.push((usize::from(word(at)), usize::from(word(at + 2)), usize::from(word(at + 4) & 0x7fff)));
            at += 6;
            if word(at - 2) & 0x8000 == 0 {
                break;
            }
        }
        let pgroup = format().pgroup();
        for (octets, row, pixel) in runs {
            let start =
                row * format().row_octets() as usize + pixel / usize::from(pgroup.pixels) * usize::from(pgroup.octets);
            frame[start..start + octets].copy_from_slice(&datagram[at..at + octets]);
            at += octets;
        }
        let is_last = datagram[1] & 0x80 != 0;
        self.finished += usize::from(is_last);
        is_last.then_some(timestamp)
    }
}

impl Watching {
    /// Frames that came as they were played.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.seen.whole.load(Ordering::Relaxed)
    }

    /// Frames that ended otherwise.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.seen.damaged.load(Ordering::Relaxed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.seen.end.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}
