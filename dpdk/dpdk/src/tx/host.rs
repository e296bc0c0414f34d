//! Frames of the port's host, sent beside the media.

use arrayvec::ArrayVec;
use media::Clock;
use netio::exchange::TxEnd;

use super::buffers::Buffers;
use super::captured::Captured;
use crate::counters::TxPortCounters;
use crate::mbuf::{BURST, Mbuf};
use crate::port::TxHandle;
use crate::stash::Stash;

/// Frames of the host that are sent in one turn: a flood of them delays media by no more than that.
const FRAMES_PER_TURN: usize = 8;

/// Frames that the device has not taken yet.
#[derive(Debug, Default)]
pub(super) struct HostFrames {
    waiting: ArrayVec<Mbuf, BURST>,
}

impl HostFrames {
    /// Sends what has come from the host, as far as the device takes it: frames of up to `octets_max` octets.
    #[inline]
    pub(super) fn send<C: Clock>(
        &mut self,
        (exchange, octets_max): (&mut TxEnd, usize),
        buffers: &mut Buffers,
        device: &mut TxHandle,
        counters: &TxPortCounters,
        mut capture: Option<&mut Captured<C>>,
    ) {
        while self.waiting.len() < FRAMES_PER_TURN {
            let Some(frame) = exchange.next() else { break };
            let fits = frame.len() <= octets_max;
            match fits.then(|| copied(&mut buffers.headers, &frame, buffers.gathers)).flatten() {
                Some(mbuf) => {
                    if let Some(capture) = capture.as_deref_mut()
                        && capture.is_on()
                    {
                        capture.take(&mbuf);
                    }
                    self.waiting.push(mbuf);
                }
                None => counters.host_frames_dropped.add(1),
            }
        }
        if !self.waiting.is_empty() {
            let taken = device.burst(&mut self.waiting);
            counters.host_frames.add(taken as u64);
        }
    }

    /// Forgets what has not been sent: the port stops.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// The frame in buffers of the pool, in one where the driver takes no chains.
#[cold]
fn copied(stash: &mut Stash, frame: &[u8], gathers: bool) -> Option<Mbuf> {
    let room = usize::from(stash.pool().config().data_octets).max(1);
    if frame.is_empty() || (frame.len() > room && !gathers) {
        return None;
    }
    let mut pieces = frame.chunks(room);
    let mut head = one(stash, pieces.next()?)?;
    for piece in pieces {
        let next = one(stash, piece)?;
        head.chain(next).ok()?;
    }
    Some(head)
}

fn one(stash: &mut Stash, octets: &[u8]) -> Option<Mbuf> {
    let mut mbuf = stash.take()?;
    mbuf.append(octets.len() as u16)?.copy_from_slice(octets);
    Some(mbuf)
}
