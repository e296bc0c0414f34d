//! The rounds of a housekeeping waker: which of its rings it polls, and when it stops.
//!
//! `tick` in a ring's control region tells its consumers that they are looked after already and need not ring. Both ways
//! are Dekker's: a consumer posts what it wants, and then looks at `tick`; the waker clears `tick`, and then looks once
//! more at what they want.

use std::time::{Duration, Instant};

use super::reached::Reached;
use super::sleeper::{Found, Sleeper};
use super::waker::WatchId;
use crate::atomics::{Ordering, fence};
use crate::layout;
use crate::mapping::Mapping;
use crate::seed::sound;

/// Looks without a sleeper before the polling ends: who waits for one slice after the other does not ring each time.
/// None in a model, which is to see it rest.
const LINGER: u32 = if cfg!(loom) { 0 } else { 20 };
/// The longest pause, in periods, while a grain or a slice is due. A grain that comes all at once is found so late.
const LONGEST_PAUSE: u32 = 6;
/// A ring without a new grain for so long is silent, and is looked at so much more seldom.
const SILENT_AFTER: Duration = Duration::from_millis(300);
const SILENT_PAUSE: u32 = 20;

/// One ring and its sleepers.
#[derive(Debug)]
pub(crate) struct Rounds {
    control: Mapping,
    reached: Reached,
    sleepers: Vec<(WatchId, Sleeper)>,
    /// Looks that are left without a sleeper; none while the ring is not polled.
    left: Option<u32>,
    /// The newest grain, and when it was found; or since when there is none newer, if nobody saw it come.
    opened: u64,
    opened_at: Instant,
    saw_it_come: bool,
    /// How long the first of the sleepers should have to wait.
    guess: Duration,
}

impl Rounds {
    /// The control region is mapped for writing.
    pub(crate) fn new(control: Mapping, reached: Reached) -> Self {
        let (opened_at, guess) = (Instant::now(), Duration::ZERO);
        Self { control, reached, sleepers: Vec::new(), left: None, opened: 0, opened_at, saw_it_come: false, guess }
    }

    pub(crate) fn add(&mut self, id: WatchId, sleeper: Sleeper) {
        self.sleepers.push((id, sleeper));
        // It may have seen the tick, and sleep.
        self.begin();
    }

    /// Lets go of a consumer, which may have seen the tick, and sleep.
    pub(crate) fn remove(&mut self, id: WatchId) {
        if let Some(at) = self.sleepers.iter().position(|(of, _)| *of == id) {
            let (_, sleeper) = self.sleepers.swap_remove(at);
            sleeper.let_go(&self.control);
        }
    }

    /// Somebody rang: looks at all from now on.
    pub(crate) fn begin(&mut self) {
        if self.left.is_none() {
            self.control.store(layout::TICK, 1);
            (self.opened_at, self.saw_it_come) = (Instant::now(), false);
            self.guess = Duration::ZERO;
        }
        self.left = Some(LINGER);
    }

    /// How soon to look again: half-way to what is due, again and again. None while nobody sleeps.
    pub(crate) fn pace(&self, period: Duration) -> Option<Duration> {
        self.left?;
        let is_silent = self.opened_at.elapsed() >= SILENT_AFTER;
        let pause = (self.guess / 2).clamp(period, period * LONGEST_PAUSE);
        Some(if is_silent { period * SILENT_PAUSE } else { pause })
    }

    /// Whether its consumers need not ring now.
    pub(crate) fn is_polled(&self) -> bool {
        self.left.is_some()
    }

    /// Looks at every sleeper.
    pub(crate) fn look(&mut self) {
        let Some(left) = self.left else { return };
        self.listen_to_the_ring();
        if self.is_anyone_asleep() {
            self.left = Some(LINGER);
        } else if left > 0 {
            self.left = Some(left - 1);
        } else {
            self.rest();
        }
    }

    /// Stops polling, unless somebody has gone to sleep meanwhile.
    fn rest(&mut self) {
        self.control.store(layout::TICK, 0);
        // Dekker: pairs with the fence in `lease_page::post_want`.
        sound!(fence(Ordering::SeqCst), unless RestUnfenced);
        self.left = None;
        if self.is_anyone_asleep() {
            self.begin();
        }
    }

    fn is_anyone_asleep(&mut self) -> bool {
        let (reached, control) = (&self.reached, &self.control);
        // The next one may be due any moment.
        let since_opened = if self.saw_it_come { self.opened_at.elapsed() } else { Duration::MAX };
        let mut guess = None;
        // Each is looked at, whatever the others do.
        for (_, sleeper) in &mut self.sleepers {
            let due = match sleeper.look(reached, control) {
                Found::Awake => continue,
                Found::Asleep(want) => reached.guess(control, want, since_opened),
                // It may well want the next slice.
                Found::Woken => Duration::ZERO,
            };
            guess = Some(guess.map_or(due, |guess: Duration| guess.min(due)));
        }
        self.guess = guess.unwrap_or(Duration::ZERO);
        guess.is_some()
    }

    fn listen_to_the_ring(&mut self) {
        let opened = self.control.load(layout::OPENED);
        if opened != self.opened {
            (self.opened, self.opened_at, self.saw_it_come) = (opened, Instant::now(), true);
        }
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.control.store(layout::TICK, 0);
    }
}
