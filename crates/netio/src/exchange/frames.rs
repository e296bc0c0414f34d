//! Frames in one direction: buffers that are allocated once and go round.

use std::fmt;
use std::ops::Deref;

use crossbeam_queue::ArrayQueue;

/// A buffer and how much of it is the frame.
struct Frame {
    storage: Box<[u8]>,
    octets: usize,
}

/// A fixed number of frames, free or full.
pub(super) struct Frames {
    free: ArrayQueue<Frame>,
    full: ArrayQueue<Frame>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    Full,
    TooLong,
}

impl Frames {
    /// Room for `count` frames of up to `octets` each.
    pub(super) fn new(count: usize, octets: usize) -> Self {
        let frames = Self { free: ArrayQueue::new(count), full: ArrayQueue::new(count) };
        for _ in 0..count {
            frames.recycle(Frame { storage: vec![0; octets].into_boxed_slice(), octets: 0 });
        }
        frames
    }

    /// Copies a frame in.
    pub(super) fn put<'a>(&self, segments: impl Iterator<Item = &'a [u8]>) -> Put {
        let Some(mut frame) = self.free.pop() else { return Put::Full };
        frame.octets = 0;
        for segment in segments {
            let end = frame.octets + segment.len();
            let Some(room) = frame.storage.get_mut(frame.octets..end) else {
                self.recycle(frame);
                return Put::TooLong;
            };
            room.copy_from_slice(segment);
            frame.octets = end;
        }
        let pushed = self.full.push(frame);
        debug_assert!(pushed.is_ok(), "there is room for every frame");
        Put::Taken
    }

    /// The oldest frame.
    pub(super) fn next(&self) -> Option<ExchangedFrame<'_>> {
        self.full.pop().map(|frame| ExchangedFrame { frames: self, frame: Some(frame) })
    }

    fn recycle(&self, frame: Frame) {
        let pushed = self.free.push(frame);
        debug_assert!(pushed.is_ok(), "there is room for every frame");
    }
}

/// A frame from the other end, from the destination's link address on. Its buffer goes back when it drops.
pub struct ExchangedFrame<'a> {
    frames: &'a Frames,
    /// Some until it drops.
    frame: Option<Frame>,
}

impl Deref for ExchangedFrame<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.frame.as_ref().map_or(&[], |frame| &frame.storage[..frame.octets])
    }
}

impl Drop for ExchangedFrame<'_> {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            self.frames.recycle(frame);
        }
    }
}

impl fmt::Debug for ExchangedFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangedFrame({} octets)", self.len())
    }
}
