//! Frames that wait to be sent.

use std::collections::VecDeque;

/// Most frames that wait; later ones are dropped and counted.
const FRAMES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Vec<u8>>,
    dropped: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Vec<u8>) {
        if self.frames.len() < FRAMES_MAX {
            self.frames.push_back(frame);
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}
