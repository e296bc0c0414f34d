//! Queries, and the answers that wait for their time (RFC 3376 §5.2, RFC 3810 §6.2).

use std::collections::BTreeSet;
use std::net::IpAddr;

use media::Tai;

use super::{
    Filter, Group, Membership, OLDER_QUERIER_NS, RESPONSE_NS_MAX, Record, RecordKind, SECOND_NS, SOURCES_MAX, Say,
    Version,
};
use crate::host::random::Random;

/// What a query asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) enum Subject {
    /// Every group.
    General,
    /// One group.
    Group(IpAddr),
    /// These sources of a group; never empty.
    Sources(IpAddr, Vec<IpAddr>),
}

/// An answer about one group that waits for its time.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) at: Tai,
    /// The sources that were asked about; empty: the whole group.
    sources: BTreeSet<IpAddr>,
}

impl Membership {
    /// Schedules the answer to a query that allows `response_ns`.
    pub(in crate::host) fn query(
        &mut self,
        version: Version,
        subject: &Subject,
        response_ns: i64,
        now: Tai,
        random: &mut Random,
    ) {
        self.note_querier(version, now);
        let at = now.plus_nanos(random.nanos(response_ns.clamp(0, RESPONSE_NS_MAX)));
        // RFC 3376 §5.2, rule 1: an answer about everything that comes sooner answers this too.
        if self.general.is_some_and(|general| general <= at) {
            return;
        }
        match subject {
            Subject::General => {
                let earliest = self.general_answered.map_or(now, |last| last.plus_nanos(SECOND_NS));
                self.general = Some(at.max(earliest));
            }
            Subject::Group(group) => self.query_group(*group, &[], at),
            Subject::Sources(group, sources) => self.query_group(*group, sources, at),
        }
    }

    /// RFC 3376 §5.2, rules 3 to 5.
    fn query_group(&mut self, group: IpAddr, sources: &[IpAddr], at: Tai) {
        let Some(group) = self.groups.get_mut(&group).filter(|group| !group.filter.is_nobody()) else { return };
        let at = group.answered.map_or(at, |last| at.max(last.plus_nanos(SECOND_NS)));
        let asked: BTreeSet<IpAddr> = sources.iter().copied().collect();
        let (at, sources) = match group.query.take() {
            None => (at, asked),
            Some(waiting) if asked.is_empty() || waiting.sources.is_empty() => (at.min(waiting.at), BTreeSet::new()),
            Some(waiting) => (at.min(waiting.at), waiting.sources.union(&asked).copied().collect()),
        };
        // Too many to remember: the answer is about the whole group.
        let sources = if sources.len() > SOURCES_MAX { BTreeSet::new() } else { sources };
        group.query = Some(Waiting { at, sources });
    }

    /// An older querier decides how we speak from now on.
    fn note_querier(&mut self, version: Version, now: Tai) {
        let before = self.version(now);
        let until = Some(now.plus_nanos(OLDER_QUERIER_NS));
        match version {
            Version::One => self.one_until = until,
            Version::Two => self.two_until = until,
            Version::Three => {}
        }
        if self.version(now) != before {
            // RFC 3376 §7.2.1: what was to be said in the other version is not said any more.
            self.general = None;
            for group in self.groups.values_mut() {
                group.query = None;
            }
        }
    }

    /// What is due.
    pub(super) fn answers(&mut self, now: Tai, version: Version) -> Vec<Say> {
        let mut records = Vec::new();
        let general = self.general.is_some_and(|at| at <= now);
        if general {
            self.general = None;
            self.general_answered = Some(now);
        }
        for (&address, group) in &mut self.groups {
            if group.filter.is_nobody() {
                continue;
            }
            let due = group.query.as_ref().is_some_and(|waiting| waiting.at <= now);
            if general {
                group.query = None;
                records.push(group.current(address));
            } else if due && let Some(waiting) = group.query.take() {
                group.answered = Some(now);
                records.extend(group.answer(address, &waiting.sources));
            }
        }
        if version != Version::Three {
            return records.into_iter().map(|record| Say::OlderReport(version, record.group)).collect();
        }
        if records.is_empty() { Vec::new() } else { vec![Say::Report(records)] }
    }
}

impl Group {
    /// RFC 3376 §5.2: of the sources that were asked about, those that are wanted.
    fn answer(&self, group: IpAddr, asked: &BTreeSet<IpAddr>) -> Option<Record> {
        if asked.is_empty() {
            return Some(self.current(group));
        }
        let sources: Vec<IpAddr> = match &self.filter {
            Filter::Any => asked.iter().copied().collect(),
            Filter::Only(wanted) => wanted.intersection(asked).copied().collect(),
        };
        (!sources.is_empty()).then_some(Record { kind: RecordKind::ModeIsInclude, group, sources })
    }
}
