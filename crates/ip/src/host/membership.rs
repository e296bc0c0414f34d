//! Which groups we want from which sources, and what is to be said about it: the part that IGMPv3 (RFC 3376 §5) and
//! MLDv2 (RFC 3810 §6) have in common, with the older protocols for older queriers.
//!
//! A change is reported at once and once more within a second (robustness 2). A query is answered after a random part
//! of the time it allows. Answers about one subject are at least a second apart, so that a flood of queries does not
//! become one of reports; no query is lost by that.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use media::Tai;

pub(super) use self::answer::Subject;
use super::random::Random;

/// Most groups of a port and family.
pub const GROUPS_MAX: usize = 256;
/// Most sources of a group: one record fits any frame.
pub const SOURCES_MAX: usize = 64;

/// RFC 3376 §8.1, RFC 3810 §9.1.
const ROBUSTNESS: u8 = 2;
const SECOND_NS: i64 = 1_000_000_000;
/// RFC 3376 §8.11, RFC 3810 §9.11.
const UNSOLICITED_REPORT_NS: i64 = SECOND_NS;
/// Robustness × query interval + query response interval (RFC 3376 §8.12): so long an older querier counts as present.
const OLDER_QUERIER_NS: i64 = (2 * 125 + 10) * SECOND_NS;
/// No query may have us wait longer: the field can say 53 minutes.
const RESPONSE_NS_MAX: i64 = 30 * SECOND_NS;

/// Which protocol the querier speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// IGMPv1: no leaves.
    One,
    /// IGMPv2, MLDv1: reports per group, without sources.
    Two,
    /// IGMPv3, MLDv2.
    Three,
}

/// What a record says (RFC 3376 §4.2.12, RFC 3810 §5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecordKind {
    ModeIsInclude = 1,
    ModeIsExclude = 2,
    ChangeToInclude = 3,
    ChangeToExclude = 4,
    AllowNewSources = 5,
    BlockOldSources = 6,
}

/// One group record of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: RecordKind,
    pub(super) group: IpAddr,
    pub(super) sources: Vec<IpAddr>,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// One report, or as many as the frames' size demands.
    Report(Vec<Record>),
    /// An older report.
    OlderReport(Version, IpAddr),
    /// An older leave.
    OlderLeave(IpAddr),
}

/// From whom a group is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Any,
    /// From these only; from nobody: not a member.
    Only(BTreeSet<IpAddr>),
}

#[derive(Clone, Debug)]
struct Group {
    filter: Filter,
    /// Reports of a change between [`Filter::Any`] and [`Filter::Only`] still to be sent.
    mode_reports: u8,
    /// Reports of single sources still to be sent.
    source_reports: BTreeMap<IpAddr, u8>,
    /// When the next of them is due.
    report_at: Option<Tai>,
    /// A query for the group that waits for its answer.
    query: Option<answer::Waiting>,
    answered: Option<Tai>,
}

/// The memberships of one family.
#[derive(Debug, Default)]
pub(super) struct Membership {
    groups: BTreeMap<IpAddr, Group>,
    /// A general query that waits for its answer.
    general: Option<Tai>,
    general_answered: Option<Tai>,
    /// Until when a querier of version 1 or 2 counts as present.
    one_until: Option<Tai>,
    two_until: Option<Tai>,
}

impl Filter {
    fn of(sources: &[IpAddr]) -> Self {
        if sources.is_empty() { Self::Any } else { Self::Only(sources.iter().copied().collect()) }
    }

    fn sources(&self) -> Vec<IpAddr> {
        match self {
            Self::Any => Vec::new(),
            Self::Only(sources) => sources.iter().copied().collect(),
        }
    }

    fn is_nobody(&self) -> bool {
        matches!(self, Self::Only(sources) if sources.is_empty())
    }

    fn wants(&self, source: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Only(sources) => sources.contains(source),
        }
    }
}

impl Group {
    const fn new() -> Self {
        Self {
            filter: Filter::Only(BTreeSet::new()),
            mode_reports: 0,
            source_reports: BTreeMap::new(),
            report_at: None,
            query: None,
            answered: None,
        }
    }

    /// RFC 3376 §5.1: what differs is to be reported, `ROBUSTNESS` times.
    fn change(&mut self, filter: Filter, now: Tai) {
        match (&self.filter, &filter) {
            (Filter::Any, Filter::Any) => return,
            (Filter::Only(old), Filter::Only(new)) => {
                let differing: Vec<IpAddr> = old.symmetric_difference(new).copied().collect();
                if differing.is_empty() {
                    return;
                }
                self.source_reports.extend(differing.into_iter().map(|source| (source, ROBUSTNESS)));
            }
            _ => {
                self.mode_reports = ROBUSTNESS;
                // The report of the new mode holds every source.
                self.source_reports.clear();
            }
        }
        self.filter = filter;
        self.report_at = Some(now);
    }

    /// The records of a change that are due, one transmission's worth.
    fn changes(&mut self, group: IpAddr) -> Vec<Record> {
        let record = |kind, sources| Record { kind, group, sources };
        if self.mode_reports > 0 {
            self.mode_reports -= 1;
            return vec![match self.filter {
                Filter::Any => record(RecordKind::ChangeToExclude, Vec::new()),
                Filter::Only(_) => record(RecordKind::ChangeToInclude, self.filter.sources()),
            }];
        }
        let (allowed, blocked): (Vec<IpAddr>, Vec<IpAddr>) =
            self.source_reports.keys().partition(|source| self.filter.wants(source));
        self.source_reports.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        let records = [(RecordKind::AllowNewSources, allowed), (RecordKind::BlockOldSources, blocked)];
        let split = |(kind, sources): (RecordKind, Vec<IpAddr>)| {
            let parts: Vec<Record> = sources.chunks(SOURCES_MAX).map(|part| record(kind, part.to_vec())).collect();
            parts
        };
        records.into_iter().flat_map(split).collect()
    }

    fn has_changes(&self) -> bool {
        self.mode_reports > 0 || !self.source_reports.is_empty()
    }

    fn current(&self, group: IpAddr) -> Record {
        let kind = match self.filter {
            Filter::Any => RecordKind::ModeIsExclude,
            Filter::Only(_) => RecordKind::ModeIsInclude,
        };
        Record { kind, group, sources: self.filter.sources() }
    }
}

impl Membership {
    /// Whether there is room for `group`.
    pub(super) fn has_room_for(&self, group: IpAddr) -> bool {
        self.groups.contains_key(&group) || self.groups.len() < GROUPS_MAX
    }

    /// Whether packets to `group` are wanted.
    pub(super) fn is_member(&self, group: IpAddr) -> bool {
        self.groups.get(&group).is_some_and(|group| !group.filter.is_nobody())
    }

    pub(super) fn join(&mut self, group: IpAddr, sources: &[IpAddr], now: Tai) {
        self.groups.entry(group).or_insert_with(Group::new).change(Filter::of(sources), now);
    }

    pub(super) fn leave(&mut self, group: IpAddr, now: Tai) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.change(Filter::Only(BTreeSet::new()), now);
        }
    }

    /// Says everything again, as if newly joined: nobody may have heard it.
    pub(super) fn restate(&mut self, now: Tai) {
        for group in self.groups.values_mut().filter(|group| !group.filter.is_nobody()) {
            match &group.filter {
                Filter::Any => group.mode_reports = ROBUSTNESS,
                Filter::Only(sources) => {
                    group.source_reports.extend(sources.iter().map(|source| (*source, ROBUSTNESS)));
                }
            }
            group.report_at = Some(now);
        }
    }

    /// The protocol that all on the link understand (RFC 3376 §7.2.1, RFC 3810 §8.2.1).
    pub(super) fn version(&self, now: Tai) -> Version {
        let present = |until: Option<Tai>| until.is_some_and(|until| now < until);
        match (present(self.one_until), present(self.two_until)) {
            (true, _) => Version::One,
            (false, true) => Version::Two,
            (false, false) => Version::Three,
        }
    }

    pub(super) fn poll(&mut self, now: Tai, random: &mut Random) -> Vec<Say> {
        let version = self.version(now);
        let mut says = self.answers(now, version);
        says.extend(self.reports_of_changes(now, version, random));
        self.groups.retain(|_, group| !group.filter.is_nobody() || group.has_changes());
        says
    }

    fn reports_of_changes(&mut self, now: Tai, version: Version, random: &mut Random) -> Vec<Say> {
        let mut records = Vec::new();
        let mut older = Vec::new();
        for (&address, group) in &mut self.groups {
            if group.report_at.is_none_or(|at| now < at) {
                continue;
            }
            let changes = group.changes(address);
            if version == Version::Three {
                records.extend(changes);
            } else if group.filter.is_nobody() {
                // A leave is said once (RFC 2236 §3), and version 1 has none.
                group.mode_reports = 0;
                group.source_reports.clear();
                older.extend((version == Version::Two).then_some(Say::OlderLeave(address)));
            } else if !changes.is_empty() {
                older.push(Say::OlderReport(version, address));
            }
            let again = now.plus_nanos(random.nanos(UNSOLICITED_REPORT_NS));
            group.report_at = group.has_changes().then_some(again);
        }
        let report = (!records.is_empty()).then_some(Say::Report(records));
        report.into_iter().chain(older).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Tai> {
        let of_groups = self.groups.values().flat_map(|group| {
            let query = group.query.as_ref().map(|waiting| waiting.at);
            group.report_at.into_iter().chain(query)
        });
        of_groups.chain(self.general).min()
    }
}
