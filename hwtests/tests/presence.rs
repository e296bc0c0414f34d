//! Ports on which the kernel answers, through a TAP each: TCP works between them, groups are joined, next hops found,
//! and a TAP that is removed comes back. The wire is an exchange of frames in memory. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gateway::port_plan::Exception;
use gateway::presence::{PortPresence, Presence, PresenceHandle};
use hwtests::{Namespace, namespace, take_turn};
use media::Name;
use netio::exchange::{ExchangeConfig, HostEnd, NeighbourCell, RxEnd, TxEnd, exchange};

const LIMIT: Duration = Duration::from_secs(30);

fn is_unavailable(test: &str) -> bool {
    let reason = namespace::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED {test}: {reason}");
    }
    reason.is_some()
}

/// Waits until `done`; the reports of the ports say what was there when it never was.
fn wait(what: &str, ports: &[&Port], mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(
            Instant::now() < deadline,
            "no {what} after {LIMIT:?}: {:#?}",
            ports.iter().map(|p| p.report()).collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A port with its presence thread, in a namespace of its own.
struct Port {
    name: Name,
    handle: PresenceHandle,
    // The namespace last: the thread ends in it.
    _presence: Presence,
    namespace: Namespace,
}

impl Port {
    fn start(role: &str, last: u8, vlan: Option<u16>, host: HostEnd) -> Self {
        let namespace = Namespace::create(role).unwrap();
        let name: Name = role.parse().unwrap();
        let presence = namespace.within(Presence::start).unwrap().unwrap();
        let handle = presence.handle();
        let addresses = [format!("10.99.0.{last}/24"), format!("fd99::{last}/64")];
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let network = ip::Network::new(addresses, None, None).unwrap();
        let port = PortPresence {
            name: name.clone(),
            mac: [2, 0, 0, 0, 0, last],
            network,
            gateways: Vec::new(),
            vlan,
            mtu: 1500,
            exception: Exception::Tap(format!("fp-{role}")),
            netdev: None,
            kernel_sees: false,
            probe_interval: Duration::from_secs(1),
        };
        handle.attach(port, host).unwrap();
        Self { name, handle, _presence: presence, namespace }
    }

    fn report(&self) -> gateway::presence::PresenceReport {
        self.handle.report(&self.name).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.report().counters.iter().find(|(counter, _)| *counter == name).unwrap().1
    }

    fn ip(&self, words: &str) -> String {
        let output = self.namespace.command("ip").args(words.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }
}

/// Carries frames both ways until it is dropped, as two workers and a cable would.
struct Cable {
    is_cut: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<(TxEnd, TxEnd)>>,
}

impl Cable {
    fn lay(mut a: (RxEnd, TxEnd), mut b: (RxEnd, TxEnd)) -> Self {
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let thread = std::thread::spawn(move || {
            while !cut.load(Ordering::Relaxed) {
                let moved = carry(&mut a.1, &mut b.0) | carry(&mut b.1, &mut a.0);
                if !moved {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
            (a.1, b.1)
        });
        Self { is_cut, thread: Some(thread) }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.is_cut.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

fn carry(from: &mut TxEnd, to: &mut RxEnd) -> bool {
    let Some(frame) = from.next() else { return false };
    to.offer(std::iter::once(&frame[..]));
    true
}

/// Two ports, and what a cable and a worker have of them.
fn pair(roles: [&str; 2], vlans: [Option<u16>; 2]) -> ([Port; 2], [(RxEnd, TxEnd); 2]) {
    let (a_rx, a_tx, a_host) = exchange(ExchangeConfig::default());
    let (b_rx, b_tx, b_host) = exchange(ExchangeConfig::default());
    let a = Port::start(roles[0], 1, vlans[0], a_host);
    let b = Port::start(roles[1], 2, vlans[1], b_host);
    ([a, b], [(a_rx, a_tx), (b_rx, b_tx)])
}

/// A connection from `a` to `b` that carries octets both ways.
fn talk(a: &Port, b: &Port, to: &str, octets: usize) {
    let to: SocketAddr = to.parse().unwrap();
    let (mut bound, mut tried) = (None, None);
    // An IPv6 address that is being checked for duplicates cannot be used, at either end; a connection that is begun
    // meanwhile goes out from ::1, and to nowhere.
    let own: IpAddr = if to.is_ipv4() { "10.99.0.1" } else { "fd99::1" }.parse().unwrap();
    wait("address", &[a, b], || a.namespace.within(|| TcpListener::bind((own, 0)).is_ok()).unwrap());
    wait("address", &[a, b], || {
        bound = b.namespace.within(|| TcpListener::bind(to)).unwrap().ok();
        bound.is_some()
    });
    let listener = bound.unwrap();
    wait("connection", &[a, b], || {
        tried = a.namespace.within(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap().ok();
        tried.is_some()
    });
    let mut connection = tried.unwrap();
    let sent: Vec<u8> = (0..octets).map(|octet| (octet * 7) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut connection, from) = listener.accept().unwrap();
            assert!(from.ip().to_string().ends_with('1') && from.is_ipv4() == to.is_ipv4(), "{from}");
            connection.set_read_timeout(Some(LIMIT)).unwrap();
            let mut received = vec![0; octets];
            connection.read_exact(&mut received).unwrap();
            connection.write_all(&received).unwrap();
        });
        connection.set_read_timeout(Some(LIMIT)).unwrap();
        let mut writer = connection.try_clone().unwrap();
        scope.spawn({
            let sent = sent.clone();
            move || writer.write_all(&sent).unwrap()
        });
        let mut back = vec![0; octets];
        connection.read_exact(&mut back).unwrap();
        assert!(back == sent, "{octets} octets came back changed");
    });
}

#[test]
fn tcp_works_between_two_ports_with_a_tap_each() {
    if is_unavailable("tcp_works_between_two_ports_with_a_tap_each") {
        return;
    }
    let _turn = take_turn();
    for vlan in [None, Some(7)] {
        let ([a, b], [of_a, of_b]) = pair(["ta", "tb"], [vlan; 2]);
        let _cable = Cable::lay(of_a, of_b);
        talk(&a, &b, "10.99.0.2:7000", 300_000);
        talk(&a, &b, "[fd99::2]:7000", 300_000);
        wait("count of frames", &[&a, &b], || a.count("tap_sent_frames") > 100 && b.count("tap_received_frames") > 100);
        assert_eq!(a.count("foreign_vlan_frames"), 0);
        assert!(a.ip("link show fp-ta").contains("02:00:00:00:00:01"));
    }
}

#[test]
fn a_next_hop_is_found_by_the_kernel_and_its_silence_is_told() {
    if is_unavailable("a_next_hop_is_found_by_the_kernel_and_its_silence_is_told") {
        return;
    }
    let _turn = take_turn();
    let ([a, b], [mut of_a, of_b]) = pair(["ra", "rb"], [None; 2]);
    let (known, silent) = (Arc::new(NeighbourCell::new()), Arc::new(NeighbourCell::new()));
    assert!(of_a.1.resolve("10.99.0.2".parse().unwrap(), Arc::clone(&known)));
    assert!(of_a.1.resolve("10.99.0.3".parse().unwrap(), Arc::clone(&silent)));
    let six = Arc::new(NeighbourCell::new());
    assert!(of_a.1.resolve("fd99::2".parse().unwrap(), Arc::clone(&six)));
    let _cable = Cable::lay(of_a, of_b);
    wait("answer", &[&a, &b], || known.load() == Some([2, 0, 0, 0, 0, 2]));
    wait("word of the silence", &[&a], || {
        a.report().troubles.iter().any(|words| words.contains("10.99.0.3") && words.contains("ARP"))
    });
    assert_eq!((silent.load(), a.count("neighbours_silent")), (None, 1));
    wait("IPv6 answer", &[&a, &b], || six.load() == Some([2, 0, 0, 0, 0, 2]));
    // Another station takes over the address: the cell follows.
    b.ip("link set fp-rb address 02:00:00:00:00:77");
    b.namespace
        .within(|| std::net::UdpSocket::bind("10.99.0.2:0").unwrap().send_to(b"x", "10.99.0.1:9"))
        .unwrap()
        .unwrap();
    a.ip("neigh change 10.99.0.2 lladdr 02:00:00:00:00:77 nud reachable dev fp-ra");
    wait("new address", &[&a, &b], || known.load() == Some([2, 0, 0, 0, 0, 0x77]));
    wait("count of the move", &[&a], || a.count("neighbours_moved") == 1);
    // The silent one comes up.
    b.ip("addr add 10.99.0.3/24 dev fp-rb");
    wait("answer of the silent one", &[&a, &b], || silent.load() == Some([2, 0, 0, 0, 0, 0x77]));
    wait("end of the trouble", &[&a], || a.report().troubles.is_empty());
}

#[test]
fn groups_are_joined_on_the_tap_with_their_sources() {
    if is_unavailable("groups_are_joined_on_the_tap_with_their_sources") {
        return;
    }
    let _turn = take_turn();
    let ([a, _b], [mut of_a, of_b]) = pair(["ga", "gb"], [None; 2]);
    let _keep = of_b;
    let (group, source): (SocketAddr, IpAddr) = ("239.99.1.1:5004".parse().unwrap(), "10.99.0.9".parse().unwrap());
    let is_joined = || a.ip("maddr show dev fp-ga").contains("239.99.1.1");
    let filter = || {
        let output = a.namespace.command("cat").arg("/proc/net/mcfilter").output().unwrap();
        String::from_utf8(output.stdout).unwrap().to_lowercase()
    };
    a.handle.listen(&a.name, group, &[source]).unwrap();
    assert!(is_joined() && filter().contains("0x0a630009"), "{} {}", a.ip("maddr show dev fp-ga"), filter());
    assert!(of_a.0.media().contains(group));
    wait("IGMPv3 report", &[&a], || of_a.1.next().is_some_and(|frame| frame.windows(4).any(|w| w == [239, 99, 1, 1])));
    // A second receiver of the group that takes any source.
    a.handle.listen(&a.name, group, &[]).unwrap();
    assert!(is_joined() && !filter().contains("0x0a630009"), "{}", filter());
    a.handle.unlisten(&a.name, group, &[]).unwrap();
    assert!(is_joined() && filter().contains("0x0a630009"));
    a.handle.unlisten(&a.name, group, &[source]).unwrap();
    assert!(!is_joined() && of_a.0.media().is_empty());
    assert!(a.handle.unlisten(&a.name, group, &[source]).is_err());
    wait("count of tables", &[&a], || a.count("media_tables") == 5);
    assert_eq!(a.count("join_failures"), 0);
}

#[test]
fn a_tap_that_is_removed_comes_back_with_its_groups_and_neighbours() {
    if is_unavailable("a_tap_that_is_removed_comes_back_with_its_groups_and_neighbours") {
        return;
    }
    let _turn = take_turn();
    let ([a, b], [mut of_a, of_b]) = pair(["da", "db"], [None; 2]);
    let hop = Arc::new(NeighbourCell::new());
    assert!(of_a.1.resolve("10.99.0.2".parse().unwrap(), Arc::clone(&hop)));
    let _cable = Cable::lay(of_a, of_b);
    a.handle.listen(&a.name, "239.99.1.2:5004".parse().unwrap(), &[]).unwrap();
    wait("answer", &[&a, &b], || hop.load().is_some());
    assert_eq!(a.ip("link del fp-da"), "");
    wait("word of the loss", &[&a], || a.count("tap_removals") == 1);
    wait("TAP", &[&a], || a.ip("maddr show dev fp-da").contains("239.99.1.2"));
    wait("answer again", &[&a, &b], || hop.load().is_some());
    wait("end of the trouble", &[&a], || a.report().troubles.is_empty());
    talk(&a, &b, "10.99.0.2:7000", 10_000);
    assert_eq!(a.count("tap_removals"), 1);
}

#[test]
fn a_tap_whose_name_is_taken_is_refused_and_everything_goes_with_the_port() {
    if is_unavailable("a_tap_whose_name_is_taken_is_refused_and_everything_goes_with_the_port") {
        return;
    }
    let _turn = take_turn();
    let ([a, _b], _ends) = pair(["na", "nb"], [None; 2]);
    let (_, _, host) = exchange(ExchangeConfig::default());
    let network = ip::Network::new(vec!["10.99.1.1/24".parse().unwrap()], None, None).unwrap();
    let second = |name: &str, tap: &str| PortPresence {
        name: name.parse().unwrap(),
        mac: [2, 0, 0, 0, 0, 9],
        network: network.clone(),
        gateways: vec!["10.99.1.254".parse().unwrap()],
        vlan: None,
        mtu: 9000,
        exception: Exception::Tap(tap.to_owned()),
        netdev: None,
        kernel_sees: false,
        probe_interval: Duration::from_secs(1),
    };
    let refused = a.handle.attach(second("second", "fp-na"), host).unwrap_err().to_string();
    assert!(refused.contains("ip link del fp-na") && refused.contains("second"), "{refused}");
    let (_, _, host) = exchange(ExchangeConfig::default());
    let refused = a.handle.attach(second("na", "fp-other"), host).unwrap_err().to_string();
    assert!(refused.contains("present already"), "{refused}");
    let (_, _, host) = exchange(ExchangeConfig::default());
    a.handle.attach(second("second", "fp-second"), host).unwrap();
    let routes = a.ip("route show default");
    assert!(routes.contains("via 10.99.1.254 dev fp-second") && routes.contains("metric 10000"), "{routes}");
    assert!(a.ip("link show fp-second").contains("mtu 9000"));
    let name: Name = "second".parse().unwrap();
    drop(a.handle.detach(&name).unwrap());
    assert!(a.handle.report(&name).is_none());
    assert!(a.ip("link show fp-second").contains("does not exist"));
    let unknown = a.handle.listen(&name, "239.1.1.1:5004".parse().unwrap(), &[]).unwrap_err().to_string();
    assert!(unknown.contains("there are: na"), "{unknown}");
}

#[test]
fn an_address_that_somebody_else_claims_is_told() {
    if is_unavailable("an_address_that_somebody_else_claims_is_told") {
        return;
    }
    let _turn = take_turn();
    let ([a, _b], [mut of_a, _of_b]) = pair(["ca", "cb"], [None; 2]);
    // An ARP announcement (RFC 5227 §3) of 10.99.0.1 by another station.
    let arp = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x66, 10, 99, 0, 1, 0, 0, 0, 0, 0, 0, 10, 99, 0, 1];
    let claim = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 0x66, 8, 6], &arp].concat();
    for _ in 0..3 {
        of_a.0.offer(std::iter::once(&claim[..]));
    }
    let is_told = |words: &String| words.contains("10.99.0.1") && words.contains("02:00:00:00:00:66");
    wait("word of the conflict", &[&a], || a.report().troubles.iter().any(is_told));
    assert_eq!(a.count("address_conflicts"), 1);
}

#[test]
fn a_netdev_of_the_same_hardware_joins_and_finds_for_the_port() {
    if is_unavailable("a_netdev_of_the_same_hardware_joins_and_finds_for_the_port") {
        return;
    }
    let _turn = take_turn();
    let (studio, rack) = (Namespace::create("ns").unwrap(), Namespace::create("nr").unwrap());
    let plug = |rack: &Namespace| {
        let end = |namespace, addresses| namespace::Link { namespace, interface: "hw0", addresses };
        namespace::join(end(rack, &["10.98.0.1/24"]), end(&studio, &["10.98.0.2/24"]), 1500).unwrap();
    };
    plug(&rack);
    let presence = rack.within(Presence::start).unwrap().unwrap();
    let handle = presence.handle();
    let name: Name = "hardware".parse().unwrap();
    let port = |netdev: &str| PortPresence {
        name: name.clone(),
        mac: [2, 0, 0, 0, 0, 1],
        network: ip::Network::new(vec!["10.98.0.1/24".parse().unwrap()], None, None).unwrap(),
        gateways: Vec::new(),
        vlan: None,
        mtu: 1500,
        exception: Exception::Netdev(netdev.to_owned()),
        netdev: Some(netdev.to_owned()),
        kernel_sees: false,
        probe_interval: Duration::from_secs(1),
    };
    let (_rx, _tx, host) = exchange(ExchangeConfig::default());
    let refused = handle.attach(port("hw9"), host).unwrap_err().to_string();
    assert!(refused.contains("no network interface hw9") && refused.contains("hw0"), "{refused}");
    let (mut rx, mut tx, host) = exchange(ExchangeConfig::default());
    handle.attach(port("hw0"), host).unwrap();
    let port = Port { name, handle, _presence: presence, namespace: rack };
    let group: SocketAddr = "239.98.1.1:5004".parse().unwrap();
    port.handle.listen(&port.name, group, &[]).unwrap();
    let is_joined = || port.ip("maddr show dev hw0").contains("239.98.1.1");
    assert!(is_joined() && rx.media().contains(group));
    let hop = Arc::new(NeighbourCell::new());
    assert!(tx.resolve("10.98.0.2".parse().unwrap(), Arc::clone(&hop)));
    wait("answer", &[&port], || hop.load().is_some());
    rx.offer(std::iter::once(&[0xff; 60][..]));
    wait("count of the frame", &[&port], || port.count("ignored_frames") == 1);
    wait("link", &[&port], || port.report().link_up == Some(true));
    // The peer goes down: the link does, and comes back.
    let switch = |state: &str| studio.command("ip").args(["link", "set", "hw0", state]).status().unwrap();
    assert!(switch("down").success());
    wait("loss of the link", &[&port], || port.report().link_up == Some(false));
    assert!(switch("up").success());
    wait("return of the link", &[&port], || port.report().link_up == Some(true));
    // The card is taken out and put back: another interface of the same name.
    assert_eq!(port.ip("link del hw0"), "");
    wait("word of the loss", &[&port], || port.report().troubles.iter().any(|words| words.contains("hw0 is gone")));
    plug(&port.namespace);
    wait("group", &[&port], is_joined);
    wait("answer of the new card's neighbour", &[&port], || hop.load().is_some());
}
