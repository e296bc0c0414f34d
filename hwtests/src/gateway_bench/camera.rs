//! A camera that knows when its stream began.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};

use super::{MEDIA, PERIOD, PORT, STUDIO, format};
use crate::namespace::Namespace;
use crate::rfc4175::{self, Extras, Run, Stream};

/// Of the RTP clock, in one period.
const TICKS: u32 = 1_800;
/// In one packet.
const PGROUPS: u16 = 200;

/// A camera in the studio.
#[derive(Debug)]
pub struct Camera {
    stream: Stream,
    began: Instant,
    socket: UdpSocket,
}

/// A camera that plays its pictures again and again until this drops.
#[derive(Debug)]
pub struct Playing {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Camera {
    /// A camera that sends to the port.
    ///
    /// # Errors
    /// When it has no socket there.
    pub fn new(studio: &Namespace) -> Result<Self> {
        let stream = Stream { format: format(), ssrc: 9, sequence: 0, extras: Extras::default() };
        let socket = rfc4175::socket_in(studio, format!("{STUDIO}:0").parse()?)?;
        socket.connect(format!("{PORT}:{MEDIA}")).context("no way to the port")?;
        Ok(Self { stream, began: Instant::now(), socket })
    }

    /// The packets of each frame.
    #[must_use]
    pub fn packets() -> Vec<Vec<Run>> {
        rfc4175::straddling(&format(), PGROUPS)
    }

    /// Plays these frames from now on. What the wire does not take is lost: cameras do not wait.
    pub fn play(&mut self, frames: &[Vec<u8>]) {
        let packets = Self::packets();
        let periods = (self.began.elapsed().as_millis() / PERIOD.as_millis()) as u32;
        for (frame, period) in frames.iter().zip(periods..) {
            for datagram in self.stream.datagrams(frame, period * TICKS, &packets) {
                // The kernel's word on an earlier packet, or a link that is down.
                let _ = self.socket.send(&datagram);
            }
            std::thread::sleep(PERIOD);
        }
    }

    /// Plays the pictures again and again.
    #[must_use]
    pub fn keep_playing(mut self, pictures: Vec<Vec<u8>>) -> Playing {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut frames = 0;
            while !ended.load(Ordering::Relaxed) {
                self.play(&pictures);
                frames += pictures.len() as u64;
            }
            frames
        });
        Playing { end, thread: Some(thread) }
    }
}

impl Playing {
    /// Ends with the last picture; the number of frames that were played.
    pub fn stop(mut self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}
