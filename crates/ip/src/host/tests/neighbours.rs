//! Neighbours: asked for, found, confirmed, lost, forged.

use super::*;
use crate::arp::{Arp, Operation};
use crate::golden::{ND_ADVERTISEMENT, ND_SOLICITATION};
use crate::host::neighbours::NEIGHBOURS_MAX;

const A: &str = "192.0.2.1";

/// Host B, which wants to know who `address` is.
fn asking(address: &str) -> Bench {
    let mut bench = Bench::ready(host_b());
    bench.host.resolve(ip(address), bench.now);
    bench.drain();
    bench
}

/// Host B that knows A.
fn knowing() -> Bench {
    let mut bench = asking(A);
    bench.receive(&reply(0x0a));
    assert_eq!(bench.take_events(), [resolved(0x0a)]);
    bench.take();
    bench
}

fn reply(by: u8) -> Vec<u8> {
    let arp = Arp {
        operation: Operation::Reply,
        sender_mac: mac(by),
        sender: A.parse().unwrap(),
        target_mac: mac(0x0b),
        target: "192.0.2.2".parse().unwrap(),
    };
    Link { mac: mac(by), vlan: None }.frame(mac(0x0b), ETHERTYPE_ARP, &arp.octets())
}

fn resolved(by: u8) -> Event {
    Event::Resolved { address: ip(A), mac: mac(by) }
}

fn unanswered() -> Event {
    Event::Unanswered { address: ip(A) }
}

/// Where the questions among the frames went.
fn asked(frames: &[Vec<u8>]) -> Vec<MacAddr> {
    frames.iter().map(|frame| MacAddr::new(frame[..6].try_into().unwrap())).collect()
}

#[test]
fn everybody_is_asked_and_the_answer_is_told() {
    let mut bench = asking(A);
    assert_eq!(asked(&bench.take()), [MacAddr::BROADCAST]);
    assert_eq!(bench.host.neighbour(ip(A)), None);
    bench.receive(&reply(0x0a));
    assert_eq!(bench.take_events(), [resolved(0x0a)]);
    assert_eq!(bench.host.neighbour(ip(A)), Some(mac(0x0a)));
    // Whoever asks next learns it at once.
    bench.host.resolve(ip(A), bench.now);
    bench.drain();
    assert_eq!(bench.take_events(), [resolved(0x0a)]);
    bench.host.forget(ip(A));
    assert_eq!((bench.host.neighbour(ip(A)), bench.host.next_deadline()), (None, None));
}

#[test]
fn linux_asks_over_ipv6_as_we_do_and_its_answer_is_read() {
    let mut bench = Bench::ready(config(0x0a, &["192.0.2.1/24", "2001:db8::1/64"]));
    bench.host.resolve(ip("2001:db8::2"), bench.now);
    bench.drain();
    assert_eq!(bench.take(), [ND_SOLICITATION.to_vec()]);
    bench.receive(&ND_ADVERTISEMENT);
    assert_eq!(bench.take_events(), [Event::Resolved { address: ip("2001:db8::2"), mac: mac(0x0b) }]);
}

#[test]
fn a_silent_neighbour_is_asked_less_and_less_told_once_and_found_later() {
    let mut bench = asking(A);
    let mut at = Vec::new();
    let begin = bench.now;
    for _ in 0..1_500 {
        bench.run(SECOND_NS / 10);
        at.extend(bench.take().iter().map(|_| bench.now.nanos_since(begin) / SECOND_NS));
    }
    // The first question went at once.
    assert_eq!(at, [0, 1, 2, 3, 5, 9, 17, 33, 63, 93, 123], "{at:?}");
    assert_eq!(bench.take_events(), [unanswered()]);
    bench.receive(&reply(0x0a));
    assert_eq!(bench.take_events(), [resolved(0x0a)]);
}

#[test]
fn a_known_neighbour_is_confirmed_from_time_to_time_by_asking_it_alone() {
    let mut bench = knowing();
    let mut questions = 0;
    for _ in 0..3_000 {
        bench.run(SECOND_NS / 10);
        for to in asked(&bench.take()) {
            assert_eq!(to, mac(0x0a));
            questions += 1;
            bench.receive(&reply(0x0a));
        }
    }
    assert!((6..=10).contains(&questions), "{questions} in 300 s");
    assert_eq!(bench.take_events(), []);
}

#[test]
fn a_neighbour_that_goes_away_is_given_up_after_three_questions_and_found_with_its_new_address() {
    let mut bench = knowing();
    bench.run(44 * SECOND_NS);
    // Known until the third question has gone unanswered.
    assert_eq!(asked(&bench.take())[0], mac(0x0a));
    bench.run(6 * SECOND_NS);
    assert_eq!(bench.take_events(), [unanswered()]);
    assert_eq!(bench.host.neighbour(ip(A)), None);
    assert_eq!(*asked(&bench.take()).last().unwrap(), MacAddr::BROADCAST);
    bench.receive(&reply(0x0c));
    assert_eq!(bench.take_events(), [resolved(0x0c)]);
}

#[test]
fn a_forged_claim_does_not_divert_a_neighbour_that_answers() {
    let mut bench = knowing();
    let mut questions = 0;
    for _ in 0..600 {
        (0..10).for_each(|_| bench.receive(&reply(0x0c)));
        bench.run(SECOND_NS / 10);
        for to in asked(&bench.take()) {
            assert_eq!(to, mac(0x0a));
            questions += 1;
            bench.receive(&reply(0x0a));
        }
        assert_eq!(bench.host.neighbour(ip(A)), Some(mac(0x0a)));
    }
    // A flood of claims does not become one of questions.
    assert!((10..=13).contains(&questions), "{questions} in 60 s");
    assert_eq!(bench.take_events(), []);
    assert_eq!(bench.ignored(Ignored::Poisoning), 6_000);
}

#[test]
fn a_forged_answer_that_comes_before_the_true_one_does_not_count() {
    let mut bench = knowing();
    bench.run(10 * SECOND_NS);
    bench.receive(&reply(0x0c));
    bench.run(SECOND_NS / 10);
    assert_eq!(asked(&bench.take()), [mac(0x0a)]);
    bench.receive(&reply(0x0c));
    bench.receive(&reply(0x0a));
    bench.run(5 * SECOND_NS);
    assert_eq!((bench.host.neighbour(ip(A)), bench.take_events()), (Some(mac(0x0a)), vec![]));
}

#[test]
fn a_claim_counts_when_the_old_neighbour_is_silent() {
    let mut bench = knowing();
    bench.run(10 * SECOND_NS);
    bench.receive(&reply(0x0c));
    let mut after = 0;
    while bench.host.neighbour(ip(A)) != Some(mac(0x0c)) {
        bench.run(SECOND_NS / 10);
        after += 1;
        assert!(after < 60, "not taken over in 6 s");
        for to in asked(&bench.take()) {
            if to == MacAddr::BROADCAST {
                bench.receive(&reply(0x0c));
            }
        }
    }
    assert_eq!(bench.take_events(), [unanswered(), resolved(0x0c)]);
}

#[test]
fn strangers_are_not_remembered() {
    let mut bench = Bench::ready(host_b());
    bench.receive(&reply(0x0a));
    assert_eq!(bench.host.neighbour(ip(A)), None);
    assert_eq!((bench.take_events(), bench.host.next_deadline()), (vec![], None));
}

#[test]
fn a_full_table_refuses_and_counts() {
    let mut bench = Bench::ready(config(0x0b, &["10.0.0.1/8"]));
    for host in 0..300_u32 {
        bench.host.resolve(IpAddr::V4((0x0a00_0100 + host).into()), bench.now);
        bench.drain();
    }
    assert_eq!(bench.take().len(), NEIGHBOURS_MAX);
    assert_eq!(bench.ignored(Ignored::NeighboursFull), 300 - NEIGHBOURS_MAX as u64);
}

#[test]
fn nobody_is_asked_and_nothing_told_before_we_have_an_address() {
    let mut bench = Bench::new(config(0x0b, &["192.0.2.2/24"]));
    bench.host.resolve(ip(A), bench.now);
    bench.drain();
    while bench.take_events().is_empty() {
        assert_eq!(bench.host.counters().questions, 0);
        bench.run(SECOND_NS / 10);
    }
    assert_eq!(bench.host.counters().questions, 1);
    assert_eq!(bench.take_events(), []);
}

#[test]
fn a_link_that_comes_up_has_neighbours_asked_at_once() {
    let mut bench = asking(A);
    bench.run(100 * SECOND_NS);
    bench.take();
    bench.host.link_up(bench.now);
    bench.drain();
    assert!(asked(&bench.take()).contains(&MacAddr::BROADCAST));
    let mut bench = knowing();
    bench.host.link_up(bench.now);
    bench.drain();
    assert!(asked(&bench.take()).contains(&mac(0x0a)));
    assert_eq!(bench.host.neighbour(ip(A)), Some(mac(0x0a)));
}
