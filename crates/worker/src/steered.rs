//! A receiver as a worker serves it: under a key, heard on one or several inputs.

use std::net::SocketAddr;

use media::Tai;
use netio::PacketBuf;

use crate::key::{InputKey, ReceiverKey};
use crate::receiver::Receiver;

/// Where packets of a receiver come in. A receiver of several legs hears the same stream on each (ST 2022-7), and keeps
/// the first copy of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The queue.
    pub input: InputKey,
    /// The address and port that they are sent to; an unspecified address means all addresses.
    pub destination: SocketAddr,
}

/// A receiver and the legs that it hears.
pub struct SteeredReceiver<B> {
    key: ReceiverKey,
    legs: Box<[Leg]>,
    pub(crate) receiver: Receiver<B>,
    /// The places of the legs' inputs on the worker, in no order. As many as there are legs at most.
    inputs: Vec<u16>,
    /// Until when it knows that its inputs were heard.
    told: Tai,
}

impl<B: PacketBuf> SteeredReceiver<B> {
    /// `receiver` for what comes in by `legs`.
    #[must_use]
    pub fn new(key: ReceiverKey, legs: impl Into<Box<[Leg]>>, receiver: Receiver<B>) -> Self {
        let legs = legs.into();
        let receiver = receiver.on_legs(legs.len());
        let inputs = Vec::with_capacity(legs.len());
        Self { key, legs, receiver, inputs, told: Tai::EPOCH }
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> ReceiverKey {
        self.key
    }

    /// Where its packets come in.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// Hears the same stream by other inputs, as many: between two workers.
    pub fn set_legs(&mut self, legs: impl Into<Box<[Leg]>>) {
        let legs = legs.into();
        debug_assert_eq!(legs.len(), self.legs.len(), "a leg has come, or has gone");
        self.legs = legs;
    }

    /// The receiver.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<B> {
        &self.receiver
    }

    /// Passes time: its inputs were heard until `horizon`; `is_new`: this turn has told so.
    #[inline]
    pub(crate) fn pass(&mut self, horizon: Tai, is_new: bool, now: Tai, locked: bool) {
        if is_new || horizon != self.told {
            self.told = horizon;
            self.receiver.tick(horizon, now, locked);
        }
    }

    /// Hears none of its worker's inputs any more; what is open stays so.
    pub(crate) fn release(&mut self) {
        self.inputs.clear();
    }

    /// Closes what is open, before it leaves its worker.
    pub(crate) fn finish(&mut self) {
        self.receiver.finish();
    }

    /// The places of the inputs that it hears now.
    pub(crate) fn inputs(&self) -> &[u16] {
        &self.inputs
    }

    /// The input at `place` has a leg of it.
    pub(crate) fn hear(&mut self, place: u16) {
        if !self.inputs.contains(&place) {
            self.inputs.push(place);
        }
    }

    /// The input at `place` goes.
    pub(crate) fn lose(&mut self, place: u16) {
        self.inputs.retain(|input| *input != place);
    }
}
