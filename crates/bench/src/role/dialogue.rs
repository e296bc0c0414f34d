//! What is said between a measurement and its processes.

use serde::{Deserialize, Serialize};

/// To a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Meet the others; a sender: wait for acknowledgements by these flows.
    Connect {
        /// Empty for a receiver.
        acknowledgements: Vec<String>,
    },
    /// Let others connect, until the next command.
    Host,
    /// So many messages, each `gap_ns` after the one before was acknowledged.
    Round {
        /// Messages.
        messages: u32,
        /// Pause between them, ns.
        gap_ns: u64,
    },
    /// So many frames, line by line.
    Frames {
        /// Frames.
        frames: u32,
        /// From line to line, ns.
        line_ns: u64,
        /// Whether each line is published at once, or the frame as a whole.
        publish: Publish,
    },
    /// Hold so many grains from now on.
    Hold {
        /// Grains.
        grains: u16,
    },
}

/// When lines are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publish {
    /// Each as soon as it is written.
    Lines,
    /// All with the last one.
    Frame,
}

/// From a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Up, or done.
    Done,
    /// A receiver waits for the first message of a round.
    Armed,
    /// What a sender did, message by message, ns.
    Sent {
        /// How long it took to open or loan it and to write its number.
        opening: Vec<u64>,
        /// As written into the message, before it was published.
        stamps: Vec<u64>,
        /// The sums of the frames, where the whole of them was written.
        sums: Vec<u64>,
    },
    /// What a receiver saw, message by message.
    Received {
        /// When it had read and validated it, ns.
        seen: Vec<u64>,
        /// What the messages carried; empty where they carry nothing.
        stamps: Vec<u64>,
        /// The sums of the frames, where the whole of them was read.
        sums: Vec<u64>,
    },
}
