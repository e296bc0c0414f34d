//! Ports for which the gateway answers, joined by an exchange of frames in memory. The TAP's tests are in `hwtests`.

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netio::exchange::{ExchangeConfig, NeighbourCell, Offer, RxEnd, TxEnd, exchange};

use super::*;
use crate::port_plan::Exception;

const LIMIT: Duration = Duration::from_secs(30);
const GROUP: [u8; 4] = [239, 7, 7, 7];

/// A port and the worker's ends of its exchange.
struct Station {
    name: Name,
    handle: PresenceHandle,
    rx: RxEnd,
    tx: TxEnd,
    /// Frames for which the thread had no room.
    refused: u64,
}

impl Station {
    fn attach(handle: &PresenceHandle, name: &str, mac: u8, address: &str) -> Self {
        let (rx, tx, host) = exchange(ExchangeConfig::default());
        let port = PortPresence {
            name: name.parse().unwrap(),
            mac: [2, 0, 0, 0, 0, mac],
            network: ip::Network::new(vec![address.parse().unwrap()], None, None).unwrap(),
            gateways: Vec::new(),
            vlan: Some(7),
            mtu: 1500,
            exception: Exception::None,
            netdev: None,
            kernel_sees: false,
            probe_interval: Duration::from_millis(5),
        };
        handle.attach(port, host).unwrap();
        Self { name: name.parse().unwrap(), handle: handle.clone(), rx, tx, refused: 0 }
    }

    fn receive(&mut self, frame: &[u8]) {
        self.refused += u64::from(self.rx.offer(iter::once(frame)) == Offer::Full);
    }

    fn report(&self) -> PresenceReport {
        self.handle.report(&self.name).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.report().counters;
        counters.iter().find(|(counter, _)| *counter == name).unwrap_or_else(|| panic!("{name} in {counters:?}")).1
    }

    /// Asks for a neighbour as a path does.
    fn ask(&mut self, next_hop: &str) -> Arc<NeighbourCell> {
        let cell = Arc::new(NeighbourCell::new());
        assert!(self.tx.resolve(next_hop.parse().unwrap(), Arc::clone(&cell)));
        cell
    }
}

/// Carries frames between two stations until `done`.
fn carry(a: &mut Station, b: &mut Station, what: &str, mut done: impl FnMut(&Station, &Station) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done(a, b) {
        assert!(Instant::now() < deadline, "no {what} after {LIMIT:?}: {:#?} {:#?}", a.report(), b.report());
        let frames = (a.tx.next().map(|frame| frame.to_vec()), b.tx.next().map(|frame| frame.to_vec()));
        if let Some(frame) = &frames.0 {
            b.receive(frame);
        }
        if let Some(frame) = &frames.1 {
            a.receive(frame);
        }
        if frames == (None, None) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn two(address_of_b: &str) -> (Presence, Station, Station) {
    let presence = Presence::start().unwrap();
    let handle = presence.handle();
    let a = Station::attach(&handle, "a", 1, "192.0.2.1/24");
    let b = Station::attach(&handle, "b", 2, address_of_b);
    (presence, a, b)
}

#[test]
fn two_ports_find_each_other_and_silence_is_told_and_ends() {
    let (presence, mut a, mut b) = two("192.0.2.2/24");
    let (known, silent) = (a.ask("192.0.2.2"), a.ask("192.0.2.3"));
    carry(&mut a, &mut b, "answer", |_, _| known.load() == Some([2, 0, 0, 0, 0, 2]));
    let is_told = |a: &Station| a.report().troubles.iter().any(|words| words.contains("192.0.2.3"));
    carry(&mut a, &mut b, "word of the silence", |a, _| is_told(a));
    assert_eq!((silent.load(), a.count("neighbours_silent"), a.count("neighbours_found")), (None, 1, 1));
    // The silent one comes up in place of b, which goes away.
    drop(b.handle.detach(&b.name).unwrap());
    let mut c = Station::attach(&presence.handle(), "c", 3, "192.0.2.3/24");
    carry(&mut a, &mut c, "answer of the silent one", |_, _| silent.load() == Some([2, 0, 0, 0, 0, 3]));
    carry(&mut a, &mut c, "end of the first trouble", |a, _| !is_told(a));
    carry(&mut a, &mut c, "count of questions", |a, _| a.count("host_questions") > 0);
}

#[test]
fn an_address_that_two_ports_have_is_told_with_the_others_mac() {
    let (_presence, mut a, mut b) = two("192.0.2.1/24");
    let tells = |of: &Station, mac: &str| {
        of.report().troubles.iter().any(|words| words.contains(mac) && words.contains("192.0.2.1"))
    };
    carry(&mut a, &mut b, "word of the conflict", |a, b| {
        tells(a, "02:00:00:00:00:02") || tells(b, "02:00:00:00:00:01")
    });
    assert!(a.count("address_conflicts") + b.count("address_conflicts") > 0);
}

#[test]
fn what_is_listened_to_is_media_and_joined() {
    let (_presence, mut a, mut b) = two("192.0.2.2/24");
    let group = SocketAddr::from((GROUP, 5004));
    let report = |a: &mut Station| {
        let deadline = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < deadline, "no membership report after {LIMIT:?}");
            match a.tx.next() {
                // IGMPv3 reports go to 224.0.0.22 (RFC 3376 §4.2.14).
                Some(frame) if frame[..6] == [1, 0, 0x5e, 0, 0, 22] => return frame.to_vec(),
                Some(_) => {}
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    };
    a.handle.listen(&a.name, group, &["192.0.2.9".parse().unwrap()]).unwrap();
    assert!(a.rx.media().contains(group));
    let said = report(&mut a);
    assert!(said.windows(4).any(|octets| octets == GROUP) && said.windows(4).any(|octets| octets == [192, 0, 2, 9]));
    assert_eq!(said[12..16], [0x81, 0, 0, 7], "everything is on the port's VLAN");
    a.handle.unlisten(&a.name, group, &["192.0.2.9".parse().unwrap()]).unwrap();
    assert!(a.rx.media().is_empty());
    let six: SocketAddr = "[ff3e::7]:5004".parse().unwrap();
    a.handle.listen(&a.name, six, &[]).unwrap();
    carry(&mut a, &mut b, "word of the group that cannot be joined", |a, _| {
        a.report().troubles.iter().any(|words| words.contains("ff3e::7"))
    });
    assert_eq!(a.count("join_failures"), 1);
    assert!(a.rx.media().contains(six), "what comes all the same is media");
}

#[test]
fn what_the_thread_cannot_hold_is_counted_and_the_rest_goes_on() {
    let (_presence, mut a, mut b) = two("192.0.2.2/24");
    let junk = [0xff_u8; 60];
    for _ in 0..100_000 {
        a.receive(&junk);
    }
    assert!(a.refused > 0, "a hundred thousand frames at once are more than are held");
    let known = a.ask("192.0.2.2");
    carry(&mut a, &mut b, "answer after the flood", |_, _| known.load().is_some());
    carry(&mut a, &mut b, "count of the flood", |a, _| a.count("exception_received_full_frames") == a.refused);
}

#[test]
fn the_link_is_what_the_device_says() {
    let (_presence, mut a, mut b) = two("192.0.2.2/24");
    carry(&mut a, &mut b, "report", |a, _| a.report().link_up.is_none());
    for (is_up, changes) in [(true, 0), (false, 1), (false, 1), (true, 2)] {
        a.handle.link(&a.name, is_up);
        carry(&mut a, &mut b, "link", |a, _| a.report().link_up == Some(is_up));
        assert_eq!(a.count("link_changes"), changes);
        assert_eq!(a.report().troubles.iter().any(|words| words.contains("link is down")), !is_up);
    }
}

#[test]
fn whoever_asks_after_the_end_is_told_so() {
    let (presence, a, b) = two("192.0.2.2/24");
    let again = Station::attach(&presence.handle(), "c", 3, "192.0.2.3/24");
    let (_rx, _tx, host) = exchange(ExchangeConfig::default());
    let unknown = "nobody".parse().unwrap();
    let refused = presence.handle().detach(&unknown).unwrap_err().to_string();
    assert!(refused.contains("there are: a, b, c"), "{refused}");
    drop(presence);
    assert!(matches!(a.handle.listen(&a.name, "192.0.2.1:5004".parse().unwrap(), &[]), Err(PresenceError::Ended)));
    assert!(matches!(b.handle.detach(&b.name), Err(PresenceError::Ended)));
    drop((again, host));
}
