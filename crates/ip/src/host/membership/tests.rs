//! What is said about groups, in simulated time.

use super::*;

const G: &str = "239.1.2.3";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

struct Bench {
    membership: Membership,
    random: Random,
    now: Tai,
}

impl Bench {
    fn new() -> Self {
        Self { membership: Membership::default(), random: Random::new(7), now: Tai::from_nanos(50 * SECOND_NS) }
    }

    fn join(&mut self, group: &str, sources: &[&str]) -> Vec<Say> {
        self.membership.join(ip(group), &ips(sources), self.now);
        self.membership.poll(self.now, &mut self.random)
    }

    fn leave(&mut self, group: &str) -> Vec<Say> {
        self.membership.leave(ip(group), self.now);
        self.membership.poll(self.now, &mut self.random)
    }

    fn query(&mut self, version: Version, subject: &Subject, response_ns: i64) {
        self.membership.query(version, subject, response_ns, self.now, &mut self.random);
    }

    /// Everything said within this time.
    fn run(&mut self, nanos: i64) -> Vec<Say> {
        let end = self.now.plus_nanos(nanos);
        let mut says = Vec::new();
        while let Some(at) = self.membership.next_deadline().filter(|at| *at <= end) {
            self.now = at;
            says.extend(self.membership.poll(at, &mut self.random));
        }
        self.now = end;
        says
    }
}

fn report(kind: RecordKind, group: &str, sources: &[&str]) -> Say {
    Say::Report(vec![Record { kind, group: ip(group), sources: ips(sources) }])
}

#[test]
fn a_join_and_a_leave_are_said_twice_within_a_second() {
    let mut bench = Bench::new();
    let join = report(RecordKind::ChangeToExclude, G, &[]);
    assert_eq!(bench.join(G, &[]), vec![join.clone()]);
    assert_eq!(bench.run(SECOND_NS), [join]);
    assert_eq!(bench.membership.next_deadline(), None);
    let leave = report(RecordKind::ChangeToInclude, G, &[]);
    assert_eq!(bench.leave(G), vec![leave.clone()]);
    assert_eq!(bench.run(SECOND_NS), [leave]);
    assert!(bench.membership.groups.is_empty());
}

#[test]
fn sources_that_come_and_go_are_named_each() {
    let mut bench = Bench::new();
    let allow = report(RecordKind::AllowNewSources, G, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(bench.join(G, &["192.0.2.1", "192.0.2.2"]), vec![allow.clone()]);
    assert_eq!(bench.run(SECOND_NS), [allow]);
    let records = |kind, source| Record { kind, group: ip(G), sources: ips(&[source]) };
    let changed = Say::Report(vec![
        records(RecordKind::AllowNewSources, "192.0.2.3"),
        records(RecordKind::BlockOldSources, "192.0.2.1"),
    ]);
    assert_eq!(bench.join(G, &["192.0.2.2", "192.0.2.3"]), vec![changed.clone()]);
    assert_eq!(bench.run(SECOND_NS), [changed]);
    let blocked = report(RecordKind::BlockOldSources, G, &["192.0.2.2", "192.0.2.3"]);
    assert_eq!(bench.leave(G), [blocked]);
}

#[test]
fn the_same_join_again_says_nothing() {
    let mut bench = Bench::new();
    for sources in [&[][..], &["192.0.2.1"]] {
        bench.join(G, sources);
        bench.run(SECOND_NS);
        assert_eq!(bench.join(G, sources), []);
        assert_eq!(bench.run(SECOND_NS), []);
    }
}

#[test]
fn changing_between_any_and_some_sources_names_the_new_filter() {
    let mut bench = Bench::new();
    bench.join(G, &[]);
    bench.run(SECOND_NS);
    assert_eq!(bench.join(G, &["192.0.2.1"]), [report(RecordKind::ChangeToInclude, G, &["192.0.2.1"])]);
    assert_eq!(bench.join(G, &[]), [report(RecordKind::ChangeToExclude, G, &[])]);
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ChangeToExclude, G, &[])]);
}

#[test]
fn a_change_while_another_is_repeated_is_merged() {
    let mut bench = Bench::new();
    bench.join(G, &["192.0.2.1"]);
    assert_eq!(
        bench.join(G, &["192.0.2.1", "192.0.2.2"]),
        [report(RecordKind::AllowNewSources, G, &["192.0.2.1", "192.0.2.2"])]
    );
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::AllowNewSources, G, &["192.0.2.2"])]);
    // Left and joined again before the leave was repeated.
    bench.leave(G);
    assert_eq!(
        bench.join(G, &["192.0.2.2"]),
        [Say::Report(vec![
            Record { kind: RecordKind::AllowNewSources, group: ip(G), sources: ips(&["192.0.2.2"]) },
            Record { kind: RecordKind::BlockOldSources, group: ip(G), sources: ips(&["192.0.2.1"]) },
        ])]
    );
}

/// A member of two groups, with nothing left to say.
fn member() -> Bench {
    let mut bench = Bench::new();
    bench.join(G, &[]);
    bench.join("232.1.2.3", &["192.0.2.1", "192.0.2.2"]);
    bench.run(SECOND_NS);
    bench.run(10 * SECOND_NS);
    bench
}

#[test]
fn a_general_query_is_answered_with_everything_in_the_time_it_allows() {
    let mut bench = member();
    let all = Say::Report(vec![
        Record { kind: RecordKind::ModeIsInclude, group: ip("232.1.2.3"), sources: ips(&["192.0.2.1", "192.0.2.2"]) },
        Record { kind: RecordKind::ModeIsExclude, group: ip(G), sources: vec![] },
    ]);
    let mut latest = 0;
    for _ in 0..50 {
        bench.query(Version::Three, &Subject::General, 10 * SECOND_NS);
        let at = bench.membership.next_deadline().unwrap().nanos_since(bench.now);
        latest = latest.max(at);
        assert!((0..=10 * SECOND_NS).contains(&at));
        assert_eq!(bench.run(10 * SECOND_NS), vec![all.clone()]);
    }
    assert!(latest > 5 * SECOND_NS, "spread over the whole time, not {latest} ns");
}

#[test]
fn a_query_about_a_group_or_its_sources_is_answered_for_those_only() {
    let mut bench = member();
    bench.query(Version::Three, &Subject::Group(ip(G)), SECOND_NS);
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsExclude, G, &[])]);
    bench.query(Version::Three, &Subject::Group(ip("239.9.9.9")), SECOND_NS);
    assert_eq!(bench.run(SECOND_NS), []);
    let sources = |texts: &[&str]| Subject::Sources(ip("232.1.2.3"), ips(texts));
    bench.query(Version::Three, &sources(&["192.0.2.2", "192.0.2.9"]), SECOND_NS);
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsInclude, "232.1.2.3", &["192.0.2.2"])]);
    bench.query(Version::Three, &sources(&["192.0.2.9"]), SECOND_NS);
    assert_eq!(bench.run(2 * SECOND_NS), []);
    // Of a group wanted from any source, the sources that were asked about are wanted.
    bench.query(Version::Three, &Subject::Sources(ip(G), ips(&["192.0.2.5"])), SECOND_NS);
    assert_eq!(bench.run(2 * SECOND_NS), [report(RecordKind::ModeIsInclude, G, &["192.0.2.5"])]);
}

#[test]
fn queries_for_sources_are_gathered_and_one_for_the_group_covers_them() {
    let mut bench = member();
    let sources = |text| Subject::Sources(ip("232.1.2.3"), ips(&[text]));
    bench.query(Version::Three, &sources("192.0.2.1"), SECOND_NS);
    bench.query(Version::Three, &sources("192.0.2.2"), SECOND_NS);
    let both = &["192.0.2.1", "192.0.2.2"];
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsInclude, "232.1.2.3", both)]);
    bench.run(SECOND_NS);
    bench.query(Version::Three, &sources("192.0.2.1"), SECOND_NS);
    bench.query(Version::Three, &Subject::Group(ip("232.1.2.3")), SECOND_NS);
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsInclude, "232.1.2.3", both)]);
}

#[test]
fn a_flood_of_queries_does_not_become_one_of_reports_and_none_is_lost() {
    let mut bench = member();
    let mut reports = 0;
    for _ in 0..10_000 {
        bench.query(Version::Three, &Subject::General, 0);
        bench.query(Version::Three, &Subject::Group(ip(G)), 0);
        reports += bench.run(SECOND_NS / 1_000).len();
    }
    // Ten seconds: one report about everything per second, and at most as many about the group.
    assert!((9..=22).contains(&reports), "{reports}");
    bench.run(2 * SECOND_NS);
    bench.query(Version::Three, &Subject::General, 0);
    assert_eq!(bench.run(SECOND_NS).len(), 1);
}

#[test]
fn an_endless_response_time_is_cut_to_half_a_minute_and_postpones_nothing() {
    let mut bench = member();
    bench.query(Version::Three, &Subject::General, i64::MAX);
    assert_eq!(bench.run(RESPONSE_NS_MAX).len(), 1);
    bench.query(Version::Three, &Subject::General, SECOND_NS);
    bench.query(Version::Three, &Subject::General, i64::MAX);
    bench.query(Version::Three, &Subject::Group(ip(G)), i64::MAX);
    assert_eq!(bench.run(SECOND_NS).len(), 1);
    bench.query(Version::Three, &Subject::General, -1);
    assert_eq!(bench.run(SECOND_NS).len(), 1);
}

#[test]
fn an_older_querier_is_spoken_to_in_its_version_until_it_has_gone() {
    let mut bench = member();
    bench.query(Version::Two, &Subject::General, SECOND_NS);
    let older = |group: &str| Say::OlderReport(Version::Two, ip(group));
    assert_eq!(bench.run(SECOND_NS), [older("232.1.2.3"), older(G)]);
    assert_eq!(bench.join("239.7.7.7", &["192.0.2.1"]), [older("239.7.7.7")]);
    assert_eq!(bench.run(SECOND_NS), [older("239.7.7.7")]);
    assert_eq!(bench.leave("239.7.7.7"), [Say::OlderLeave(ip("239.7.7.7"))]);
    assert_eq!(bench.run(SECOND_NS), []);
    bench.query(Version::Two, &Subject::Group(ip(G)), SECOND_NS);
    assert_eq!(bench.run(2 * SECOND_NS), [older(G)]);
    // Version 1 has no leaves.
    bench.query(Version::One, &Subject::General, SECOND_NS);
    assert_eq!(bench.run(SECOND_NS).len(), 2);
    assert_eq!(bench.leave("232.1.2.3"), []);
    bench.run(OLDER_QUERIER_NS);
    bench.query(Version::Three, &Subject::Group(ip(G)), SECOND_NS);
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsExclude, G, &[])]);
}

#[test]
fn what_waits_for_a_newer_querier_is_not_said_to_an_older_one() {
    let mut bench = member();
    bench.query(Version::Three, &Subject::Group(ip("232.1.2.3")), 10 * SECOND_NS);
    bench.query(Version::Three, &Subject::General, 10 * SECOND_NS);
    bench.query(Version::Two, &Subject::Group(ip("239.9.9.9")), SECOND_NS);
    assert_eq!(bench.run(20 * SECOND_NS), []);
}

#[test]
fn everything_is_said_again_when_nobody_may_have_heard_it() {
    let mut bench = member();
    bench.membership.restate(bench.now);
    let again = Say::Report(vec![
        Record { kind: RecordKind::AllowNewSources, group: ip("232.1.2.3"), sources: ips(&["192.0.2.1", "192.0.2.2"]) },
        Record { kind: RecordKind::ChangeToExclude, group: ip(G), sources: vec![] },
    ]);
    assert_eq!(bench.membership.poll(bench.now, &mut bench.random), [again]);
    assert!(!bench.run(SECOND_NS).is_empty());
    assert_eq!(bench.membership.next_deadline(), None);
}

#[test]
fn asked_sources_are_bounded_and_beyond_that_the_whole_group_is_answered_for() {
    let mut bench = member();
    for batch in 0..10_u32 {
        let sources = (0..50).map(|host| IpAddr::V4((0x0a00_0000 + batch * 50 + host).into())).collect();
        bench.query(Version::Three, &Subject::Sources(ip(G), sources), SECOND_NS);
    }
    assert_eq!(bench.run(SECOND_NS), [report(RecordKind::ModeIsExclude, G, &[])]);
}
