//! What goes wrong with streams, ports and rings, told from their counters: a line in the log when it begins and one when it
//! is over, with the numbers, and status in between.
//!
//! [`Alarms::look`] is given the counters of one object twice a second or so. What a [`Rule`] finds in their growth begins
//! an alarm, which ends when there was no more of it for [`QUIET`]. Time and counters are arguments.

mod growth;
mod kind;
mod rules;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use control::Counters;

use crate::gate::{Gate, held_back};
use growth::Growth;
pub(crate) use kind::Kind;
use rules::Rule;

/// Without anything new for so long an alarm is over.
const QUIET: Duration = Duration::from_secs(5);

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It has begun.
    Begun(String),
    /// It is over.
    Over(String),
}

impl Line {
    /// Writes it.
    pub(crate) fn log(&self) {
        match self {
            Self::Begun(words) => tracing::warn!("{words}"),
            Self::Over(words) => tracing::info!("{words}"),
        }
    }
}

/// One rule's alarm about one object.
#[derive(Debug)]
struct Alarm {
    since: Instant,
    moved: Instant,
    events: u64,
    remedy: &'static str,
    /// Whether its beginning was logged: then its end is, too.
    is_told: bool,
}

#[derive(Debug, Default)]
struct Object {
    counters: Counters,
    /// By the place of its rule.
    alarms: BTreeMap<usize, Alarm>,
    is_there: bool,
}

/// All that is wrong now.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    objects: BTreeMap<(Kind, String), Object>,
    gates: BTreeMap<usize, Gate>,
    looked: Option<Instant>,
}

impl Alarms {
    /// Whether the last round was `pause` ago; then the next one is now.
    pub(crate) fn is_due(&mut self, now: Instant, pause: Duration) -> bool {
        let is_due = self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= pause);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Looks at the counters of one object; what there is to tell.
    pub(crate) fn look(&mut self, kind: Kind, name: &str, counters: Counters, now: Instant) -> Vec<Line> {
        let Self { objects, gates, .. } = self;
        let object = objects.entry((kind, name.to_owned())).or_insert_with(|| Object {
            // What was counted before the first look is not of now.
            counters: counters.clone(),
            ..Object::default()
        });
        object.is_there = true;
        let growth = Growth { before: &object.counters, now: &counters };
        let mut lines = Vec::new();
        for (place, rule) in rules::of(kind) {
            let subject = format!("{kind} {name}");
            let gate = gates.entry(place).or_default();
            lines.extend(judge(rule, &growth, object.alarms.entry(place), &subject, gate, now));
        }
        object.counters = counters;
        lines
    }

    /// Ends a round of looks: what was not looked at is gone, and its alarms with it.
    pub(crate) fn end_round(&mut self) {
        self.objects.retain(|_, object| std::mem::take(&mut object.is_there));
    }

    /// What is wrong now, for status.
    pub(crate) fn present(&self, now: Instant) -> Vec<String> {
        let mut words = Vec::new();
        for ((kind, name), object) in &self.objects {
            for (place, alarm) in &object.alarms {
                let Some(rule) = rules::at(*place) else { continue };
                let seconds = now.saturating_duration_since(alarm.since).as_secs();
                let what = rule.words(alarm.events);
                words.push(format!("{kind} {name}: {what} in the last {seconds} s; {}", alarm.remedy));
            }
        }
        words
    }
}

/// Begins, continues or ends the alarm of one rule.
fn judge(
    rule: &Rule,
    growth: &Growth<'_>,
    entry: Entry<'_, usize, Alarm>,
    subject: &str,
    gate: &mut Gate,
    now: Instant,
) -> Option<Line> {
    let events = rule.events(growth);
    match entry {
        Entry::Vacant(_) if events == 0 => None,
        Entry::Vacant(place) => {
            let remedy = rule.remedy(growth);
            let passed = gate.pass(now);
            place.insert(Alarm { since: now, moved: now, events, remedy, is_told: passed.is_some() });
            let lines = held_back(passed?);
            Some(Line::Begun(format!("{subject}: {}; {remedy}{lines}", rule.words(events))))
        }
        Entry::Occupied(mut alarm) if events > 0 => {
            let alarm = alarm.get_mut();
            (alarm.moved, alarm.events) = (now, alarm.events + events);
            None
        }
        Entry::Occupied(alarm) if now.saturating_duration_since(alarm.get().moved) < QUIET => None,
        Entry::Occupied(alarm) => {
            let Alarm { since, moved, events, is_told, .. } = alarm.remove();
            let seconds = moved.saturating_duration_since(since).as_secs();
            is_told.then(|| Line::Over(format!("{subject}: over after {seconds} s, {}", rule.words(events))))
        }
    }
}

#[cfg(test)]
mod tests;
