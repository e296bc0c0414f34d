//! The housekeeping thread: sleeps in epoll, serves pods and life pipes, hears the gateway's writers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::listener::Listener;
use super::snapshot::FlowEvent;
use super::{Shared, porter};
use crate::poll::Token;

/// How long nobody is accepted after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs until the broker stops, then removes the socket.
pub(super) fn run(shared: &Arc<Shared>, listener: &Listener, on_event: &(impl Fn(FlowEvent) + ?Sized)) {
    let mut tokens = Vec::new();
    let mut paused: Option<Instant> = None;
    // Acquire: pairs with the Release in Broker::stop.
    while !shared.stopping.load(Ordering::Acquire) {
        let patience = shared.lock().patience();
        let timeout =
            if paused.is_some() { Some(patience.map_or(ACCEPT_PAUSE, |p| p.min(ACCEPT_PAUSE))) } else { patience };
        if shared.poll.wait(timeout, &mut tokens).is_err() {
            // Only a bug of ours gets here; without a pause it would spin.
            std::thread::sleep(ACCEPT_PAUSE);
        }
        if paused.is_some_and(|since| since.elapsed() >= ACCEPT_PAUSE) {
            paused = shared.poll.watch_input(listener, Token::Listener).err().map(|_| Instant::now());
        }
        for token in tokens.drain(..) {
            let mut state = shared.lock();
            match token {
                Token::Wake | Token::Bell(_) => {}
                Token::Listener => {
                    if !state.accept(listener) {
                        shared.poll.forget(listener);
                        paused = Some(Instant::now());
                    }
                }
                Token::Connection(id) => state.serve(id),
                Token::Consumer(id) => state.consumer_gone(id),
                Token::Producer(id) => state.producer_gone(id),
            }
        }
        shared.lock().tick(Instant::now());
        porter::dispatch(shared);
        deliver(shared, on_event);
    }
}

/// Hands events out without the lock: whoever hears them may ask the broker back.
fn deliver(shared: &Shared, on_event: &(impl Fn(FlowEvent) + ?Sized)) {
    let events = std::mem::take(&mut shared.lock().events);
    events.into_iter().for_each(on_event);
}
