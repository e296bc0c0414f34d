//! Alarms in invented time, with invented counters.

use super::*;

const LOOK: Duration = Duration::from_millis(500);

/// Looks at one receiver with these counters, look after look.
struct Looks {
    alarms: Alarms,
    now: Instant,
}

impl Looks {
    fn new() -> Self {
        Self { alarms: Alarms::default(), now: Instant::now() }
    }

    fn look(&mut self, kind: Kind, counters: &[(&'static str, u64)]) -> Vec<Line> {
        self.now += LOOK;
        let lines = self.alarms.look(kind, "cam", counters.to_vec(), self.now);
        self.alarms.end_round();
        lines
    }

    fn present(&self) -> Vec<String> {
        self.alarms.present(self.now)
    }
}

#[test]
fn an_alarm_begins_is_counted_and_ends() {
    let mut looks = Looks::new();
    let no_slot = |count| [("grains_no_slot", count)];
    assert_eq!(looks.look(Kind::Receiver, &no_slot(7)), [], "what was before the first look is not of now");
    let begun = looks.look(Kind::Receiver, &no_slot(9));
    let words =
        "receiver cam: frames dropped because its ring had no free slot: 2; `flypack rings` shows who holds them";
    assert!(matches!(&begun[..], [Line::Begun(line)] if line.starts_with(words)), "{begun:?}");
    assert_eq!(looks.look(Kind::Receiver, &no_slot(12)), [], "one line is enough");
    assert!(
        looks.present()[0].starts_with("receiver cam: frames dropped because its ring had no free slot: 5 in the last")
    );
    for _ in 0..9 {
        assert_eq!(looks.look(Kind::Receiver, &no_slot(12)), []);
    }
    let over = looks.look(Kind::Receiver, &no_slot(12));
    let words = "receiver cam: over after 0 s, frames dropped because its ring had no free slot: 5";
    assert_eq!(over, [Line::Over(words.to_owned())]);
    assert_eq!(looks.present(), [""; 0]);
}

#[test]
fn few_packets_for_nobody_are_no_trouble() {
    let mut looks = Looks::new();
    for count in (0..1_000).step_by(99) {
        assert_eq!(looks.look(Kind::Port, &[("rx_unsteered_packets", count)]), []);
    }
    assert_eq!(looks.look(Kind::Port, &[("rx_unsteered_packets", 1_090)]).len(), 1);
}

#[test]
fn a_smaller_picture_is_told_from_loss() {
    let mut looks = Looks::new();
    let counters = |incomplete, lost| [("grains_incomplete", incomplete), ("packets_lost", lost)];
    looks.look(Kind::Receiver, &counters(0, 0));
    let lost = looks.look(Kind::Receiver, &counters(5, 5));
    assert!(
        matches!(&lost[..], [Line::Begun(line)] if line.contains("packets lost: 5; `flypack status` says where")),
        "{lost:?}"
    );
    let small = looks.look(Kind::Receiver, &counters(10, 5));
    assert!(matches!(&small[..], [Line::Begun(line)] if line.contains("smaller than the SDP says")), "{small:?}");
}

#[test]
fn the_remedy_fits_the_reason() {
    for (reason, remedy) in [("unresolved", "next hop"), ("queue_full", "did not take them"), ("packets", "core")] {
        let mut looks = Looks::new();
        looks.look(Kind::Sender, &[("packets_skipped_late", 0), (reason, 0)]);
        let lines = looks.look(Kind::Sender, &[("packets_skipped_late", 3), (reason, 3)]);
        assert!(matches!(&lines[..], [Line::Begun(line)] if line.contains(remedy)), "{reason}: {lines:?}");
    }
}

#[test]
fn a_relays_losses_and_those_of_its_senders_are_told() {
    for (kind, counters, words) in [
        (
            Kind::Relay,
            [("packets_lost", 3), ("socket_drops", 0)],
            "relay cam: packets lost: 3; `flypack relays` says where",
        ),
        (Kind::Relay, [("packets_lost", 3), ("socket_drops", 3)], "relay cam: packets lost: 3; its socket was full"),
        (Kind::Sender, [("packets_dropped_backlog", 2), ("queue_full", 1)], "waited too long: 2; its port or socket"),
        (Kind::Sender, [("packets_dropped_unresolved", 4), ("queue_full", 0)], "next hop: 4; its next hop"),
    ] {
        let mut looks = Looks::new();
        looks.look(kind, &counters.map(|(name, _)| (name, 0)));
        let lines = looks.look(kind, &counters);
        assert!(matches!(&lines[..], [Line::Begun(line)] if line.contains(words)), "{words}: {lines:?}");
    }
}

#[test]
fn what_is_gone_has_no_alarm_and_what_comes_again_begins_anew() {
    let mut looks = Looks::new();
    looks.look(Kind::Flow, &[("consumers_evicted", 0)]);
    looks.look(Kind::Flow, &[("consumers_evicted", 2)]);
    assert_eq!(looks.present().len(), 1);
    looks.alarms.end_round();
    assert_eq!(looks.present(), [""; 0]);
    assert_eq!(looks.look(Kind::Flow, &[("consumers_evicted", 1)]), []);
}

#[test]
fn a_hundred_objects_in_trouble_are_a_few_lines_and_all_in_status() {
    let (mut alarms, now) = (Alarms::default(), Instant::now());
    let mut look = |count: u64| {
        let names = (0..100).map(|number| format!("cam-{number}"));
        names.map(|name| alarms.look(Kind::Receiver, &name, vec![("packets_lost", count)], now).len()).sum::<usize>()
    };
    assert_eq!((look(0), look(1)), (0, 4));
    assert_eq!(alarms.present(now).len(), 100);
}
