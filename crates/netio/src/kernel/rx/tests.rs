//! What only kernel sockets do on receive: coalescing, drops, groups, and saying why not.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use media::ManualClock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::{KernelTx, KernelTxConfig, OwnedBytes, Path, PathError, TxQueue};

type Rx = KernelRx<ManualClock>;

fn config(destination: &str) -> KernelRxConfig {
    KernelRxConfig { buffers: 40, ..KernelRxConfig::of(destination.parse().unwrap()) }
}

fn open(config: &KernelRxConfig) -> Rx {
    KernelRx::open(config, ManualClock::at(Tai::from_nanos(77))).unwrap()
}

/// Waits until something has arrived; fails after five seconds.
fn wait(rx: &Rx) {
    let mut fds = [PollFd::from_borrowed_fd(rx.as_fd(), PollFlags::IN)];
    let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
    assert!(poll(&mut fds, Some(&limit)).unwrap() > 0, "nothing arrived");
}

/// Receives until `count` packets are there, or nothing has come for five seconds.
fn receive(rx: &mut Rx, count: usize) -> Vec<KernelBuf> {
    let (mut packets, mut burst) = (Vec::new(), Burst::new());
    while packets.len() < count {
        if rx.rx_burst(&mut burst) == 0 {
            wait(rx);
        }
        packets.extend(burst.drain());
    }
    packets
}

/// Sends one packet of `octets` along a path; the error, when the path does not open.
fn send(path: &Path, octets: &[u8]) -> Result<(), PathError> {
    let mut tx = KernelTx::new(KernelTxConfig::default());
    let id = tx.open_path(path)?;
    let payload = tx.attach(OwnedBytes::new(octets.to_vec()), 1).unwrap();
    let mut burst = Burst::new();
    burst.push(tx.gather(id, &[], &payload, 0..octets.len() as u32).unwrap()).unwrap();
    assert_eq!(tx.tx_burst(&mut burst), 1);
    assert_eq!(tx.counters().errors, 0, "{path:?}");
    Ok(())
}

#[test]
fn a_socket_may_be_left_alone_for_as_long_as_it_is_told() {
    let rx = open(&config("127.0.0.1:0"));
    assert_eq!(rx.patience(), Duration::MAX);
    assert_eq!(rx.left_alone_for(Duration::from_millis(3)).patience(), Duration::from_millis(3));
}

#[test]
fn merged_packets_cross_the_loopback_in_one_buffer() {
    let mut rx = open(&config("127.0.0.1:0"));
    let mut tx = KernelTx::new(KernelTxConfig { max_gso_segments: 32, ..KernelTxConfig::default() });
    let path = tx.open_path(&Path::to(rx.local_addr())).unwrap();
    let bytes: Vec<u8> = (0..32 * 1200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let payload = tx.attach(OwnedBytes::new(bytes.clone()), 32).unwrap();
    let mut burst = Burst::new();
    for n in 0..32u32 {
        burst.push(tx.gather(path, &[n as u8; 20], &payload, n * 1200..(n + 1) * 1200).unwrap()).unwrap();
    }
    assert_eq!(tx.tx_burst(&mut burst), 32);
    let packets = receive(&mut rx, 32);
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(packet.head(), [&[n as u8; 20][..], &bytes[n * 1200..(n + 1) * 1200]].concat(), "packet {n}");
        assert!(packet.meta().arrival <= Tai::from_nanos(77), "{:?}", packet.meta());
    }
    assert_eq!(tx.counters().octets_copied_by_kernel, 32 * 1220);
    assert_eq!(tx.counters().octets_copied_by_us, 0);
    assert_eq!(rx.counters().octets_copied_by_kernel, 32 * 1220);
    if tx.counters().gso_refused > 0 || !rx.is_coalescing() {
        eprintln!("SKIPPED: this kernel does not segment or coalesce UDP; bytes were checked, merging was not");
        return;
    }
    let is_shared = |packet: &KernelBuf| Arc::ptr_eq(&packet.buffer, &packets[0].buffer);
    assert!(packets.iter().all(is_shared), "32 packets of 1220 octets fit one message");
    assert_eq!(rx.counters().bursts, 1);
}

#[test]
fn a_full_burst_leaves_the_rest_of_a_buffer_for_the_next() {
    let mut rx = open(&config("127.0.0.1:0"));
    let mut tx = KernelTx::new(KernelTxConfig { max_gso_segments: 32, ..KernelTxConfig::default() });
    let path = tx.open_path(&Path::to(rx.local_addr())).unwrap();
    let payload = tx.attach(OwnedBytes::new(vec![5; 100]), 32).unwrap();
    let mut burst = Burst::new();
    for n in 0..32u8 {
        burst.push(tx.gather(path, &[n], &payload, 0..100).unwrap()).unwrap();
    }
    assert_eq!(tx.tx_burst(&mut burst), 32);
    wait(&rx);
    let mut seen = Vec::new();
    // Seven bursts with room for five packets each.
    for _ in 0..7 {
        let mut narrow = Burst::new();
        receive_into(&mut rx, &mut narrow, BURST - 5);
        assert!(narrow.len() <= 5);
        seen.extend(narrow.drain().map(|packet| packet.head()[0]));
    }
    assert_eq!(seen, (0..32).collect::<Vec<u8>>());
}

/// One burst whose first `used` places are taken by other packets.
fn receive_into(rx: &mut Rx, burst: &mut Burst<KernelBuf>, used: usize) {
    let blank = Pool::new(1, 1);
    for _ in 0..used {
        let meta = PacketMeta {
            source: rx.local_addr(),
            destination: rx.local_addr(),
            arrival: Tai::EPOCH,
            timed_by: TimeSource::Burst,
        };
        burst.push(KernelBuf { buffer: blank.share(0), start: 0, octets: 0, meta }).unwrap();
    }
    rx.rx_burst(burst);
    assert_eq!(burst.drain_front(used).len(), used);
}

#[test]
fn an_exhausted_pool_is_counted_and_heals() {
    let mut rx = open(&KernelRxConfig { buffers: 2, ..config("127.0.0.1:0") });
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..3u8 {
        sender.send_to(&[n], rx.local_addr()).unwrap();
    }
    let held = receive(&mut rx, 2);
    let mut burst = Burst::new();
    assert_eq!(rx.rx_burst(&mut burst), 0);
    assert_eq!(rx.counters().no_buffers, 1);
    drop(held);
    assert_eq!(receive(&mut rx, 1)[0].head(), [2]);
    assert_eq!(rx.counters().socket_drops, 0);
}

#[test]
fn every_packet_is_received_or_counted_as_dropped() {
    let mut rx = open(&KernelRxConfig { receive_buffer_octets: 8 * 1024, ..config("127.0.0.1:0") });
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..200 {
        sender.send_to(&[1; 1400], rx.local_addr()).unwrap();
    }
    let mut burst = Burst::new();
    // The socket is asked for its drops after some empty turns.
    for _ in 0..200 + IDLE_TURNS {
        rx.rx_burst(&mut burst);
        burst.clear();
    }
    let counters = rx.counters();
    assert!(counters.packets > 0 && counters.socket_drops > 0, "{counters:?}");
    assert_eq!(counters.packets + counters.socket_drops, 200);
}

#[test]
fn a_wildcard_socket_tells_the_real_destination_and_the_source() {
    let mut rx = open(&config("0.0.0.0:0"));
    let sender = UdpSocket::bind("127.0.0.2:0").unwrap();
    let to = SocketAddr::new("127.0.0.3".parse().unwrap(), rx.local_addr().port());
    sender.send_to(b"x", to).unwrap();
    let packet = &receive(&mut rx, 1)[0];
    assert_eq!(packet.meta().destination, to);
    assert_eq!(packet.meta().source, sender.local_addr().unwrap());
}

#[test]
fn an_empty_datagram_is_a_packet() {
    let mut rx = open(&config("127.0.0.1:0"));
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&[], rx.local_addr()).unwrap();
    sender.send_to(&[9], rx.local_addr()).unwrap();
    let packets = receive(&mut rx, 2);
    assert_eq!((packets[0].octets(), packets[0].last_octet(), packets[0].segments().count()), (0, 0, 0));
    assert_eq!(packets[1].last_octet(), 9);
}

#[test]
fn the_receive_buffer_tells_what_was_granted() {
    let rx = open(&KernelRxConfig { receive_buffer_octets: 100_000, ..config("127.0.0.1:0") });
    assert_eq!(rx.receive_buffer().granted_octets, 100_000);
    let huge = open(&KernelRxConfig { receive_buffer_octets: usize::MAX, ..config("127.0.0.1:0") });
    assert!(huge.receive_buffer().is_short());
    assert!(huge.receive_buffer().to_string().contains("net.core.rmem_max"));
}

mod groups {
    use super::*;

    /// A receiver of a group on the loopback, or a loud skip.
    fn join(group: &str, sources: &[&str]) -> Option<Rx> {
        let sources = sources.iter().map(|source| source.parse().unwrap()).collect();
        let config = KernelRxConfig { interface: Some("lo".into()), sources, ..config(group) };
        match KernelRx::open(&config, ManualClock::default()) {
            Ok(rx) => Some(rx),
            Err(error) => {
                eprintln!("SKIPPED: no multicast on the loopback here: {error}");
                None
            }
        }
    }

    fn path(rx: &Rx, source: Option<&str>) -> Path {
        let source = source.map(|source| source.parse().unwrap());
        Path { source, interface: Some("lo".into()), ttl: 1, ..Path::to(rx.local_addr()) }
    }

    #[test]
    fn ipv4_from_any_source_by_the_named_interface() {
        let Some(mut rx) = join("239.255.77.1:0", &[]) else { return };
        send(&path(&rx, None), b"group").unwrap();
        let packet = &receive(&mut rx, 1)[0];
        assert_eq!(packet.head(), b"group");
        assert_eq!(packet.meta().destination, rx.local_addr());
    }

    #[test]
    fn ipv4_source_specific_ignores_other_sources() {
        let Some(mut rx) = join("232.255.77.1:0", &["127.0.0.2"]) else { return };
        // The unwanted comes first: had it been accepted, it would be received first.
        send(&path(&rx, Some("127.0.0.1:0")), b"unwanted").unwrap();
        send(&path(&rx, Some("127.0.0.2:0")), b"wanted").unwrap();
        let packet = &receive(&mut rx, 1)[0];
        assert_eq!(packet.head(), b"wanted");
        assert_eq!(packet.meta().source.ip().to_string(), "127.0.0.2");
        assert_eq!(rx.counters().packets, 1);
    }

    #[test]
    fn several_sources_and_several_receivers_of_one_group() {
        let Some(mut both) = join("232.255.77.2:0", &["127.0.0.2", "127.0.0.3"]) else { return };
        let port = both.local_addr().port();
        let Some(mut one) = join(&format!("232.255.77.2:{port}"), &["127.0.0.3"]) else { return };
        send(&path(&both, Some("127.0.0.2:0")), b"2").unwrap();
        send(&path(&both, Some("127.0.0.3:0")), b"3").unwrap();
        let heard: Vec<u8> = receive(&mut both, 2).iter().map(KernelBuf::last_octet).collect();
        assert_eq!(heard, b"23");
        assert_eq!(receive(&mut one, 1)[0].head(), b"3");
    }

    /// The loopback has no route for IPv6 groups. A group of scope 1 does not leave the interface (RFC 4291 §2.7), so any
    /// that does multicast serves.
    fn ipv6_group() -> Option<(String, Rx, PacketMeta)> {
        for name in crate::kernel::interface::names() {
            let interface = Some(name.clone());
            let config = KernelRxConfig { interface: interface.clone(), ..config("[ff01::77:1]:0") };
            let Ok(mut rx) = KernelRx::open(&config, ManualClock::default()) else { continue };
            let mut path = Path { interface, ttl: 1, ..Path::to("[ff01::77:1]:1".parse().unwrap()) };
            path.destination.set_port(rx.local_addr().port());
            if send(&path, b"six").is_ok() {
                let packet = &receive(&mut rx, 1)[0];
                assert_eq!(packet.head(), b"six");
                assert_eq!(packet.meta().destination, path.destination);
                return Some((name, rx, *packet.meta()));
            }
        }
        eprintln!("SKIPPED: no interface here does IPv6 multicast");
        None
    }

    #[test]
    fn ipv6_from_any_source_and_from_one() {
        let Some((name, _any, meta)) = ipv6_group() else { return };
        let open_from = |source: IpAddr| {
            let config = KernelRxConfig { interface: Some(name.clone()), ..config(&meta.destination.to_string()) };
            open(&KernelRxConfig { sources: vec![source], ..config })
        };
        let (mut one, mut none) = (open_from(meta.source.ip()), open_from("2001:db8::9".parse().unwrap()));
        send(&Path { interface: Some(name.clone()), ..Path::to(meta.destination) }, b"one").unwrap();
        assert_eq!(receive(&mut one, 1)[0].head(), b"one");
        assert_eq!(none.rx_burst(&mut Burst::new()), 0);
    }
}

mod refusals {
    use super::*;

    fn refused(config: &KernelRxConfig) -> (OpenError, String) {
        let Err(error) = KernelRx::open(config, ManualClock::default()) else { panic!("opened {config:?}") };
        let text = error.to_string();
        (error, text)
    }

    #[test]
    fn an_unknown_interface_is_answered_with_those_there_are() {
        for destination in ["239.1.2.3:0", "127.0.0.1:0", "[ff02::1]:0"] {
            let (error, text) = refused(&KernelRxConfig { interface: Some("nosuch0".into()), ..config(destination) });
            assert!(matches!(error, OpenError::NoInterface { .. }), "{text}");
            assert!(text.contains("nosuch0") && text.contains("lo"), "{text}");
        }
    }

    #[test]
    fn an_address_of_another_host_is_answered_with_ours() {
        let (error, text) = refused(&config("203.0.113.77:0"));
        assert!(matches!(error, OpenError::NoSuchAddress { .. }), "{text}");
        assert!(text.contains("203.0.113.77") && text.contains("127.0.0.1"), "{text}");
    }

    #[test]
    fn a_taken_port_is_told() {
        let rx = open(&config("127.0.0.1:0"));
        let (error, text) = refused(&config(&rx.local_addr().to_string()));
        assert!(matches!(error, OpenError::InUse { .. }), "{text}");
    }

    #[test]
    fn what_means_nothing_is_refused_before_any_socket() {
        let sources = vec!["::1".parse().unwrap()];
        let (error, _) = refused(&KernelRxConfig { sources, ..config("239.1.2.3:0") });
        assert!(matches!(error, OpenError::Family { .. }));
        let (error, text) = refused(&config("[ff02::77:1]:0"));
        assert!(matches!(error, OpenError::LinkLocal { .. }), "{text}");
    }

    #[test]
    fn a_privileged_port_needs_a_privilege() {
        match KernelRx::open(&config("127.0.0.1:1"), ManualClock::default()) {
            Err(OpenError::Permission { .. }) => {}
            Ok(_) => eprintln!("SKIPPED: this user may bind port 1"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_socket_that_was_polled_dry_wakes_who_sleeps_on_it() {
    let mut rx = open(&config("127.0.0.1:0"));
    let mut bed = crate::Bed::new(crate::Doorbell::new().unwrap()).unwrap();
    bed.set(rx.alarm().unwrap()).unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(rx.rx_burst(&mut Burst::new()), 0);
    for octet in 0..3_u8 {
        assert!(rx.arm());
        far.send_to(&[octet], rx.local_addr()).unwrap();
        // It would hang without the alarm.
        assert!(bed.sleep(std::time::Duration::from_secs(1_000)));
        let mut burst = Burst::new();
        assert_eq!(rx.rx_burst(&mut burst), 1);
        assert_eq!(burst.as_slice()[0].head(), [octet]);
        burst.clear();
        assert_eq!(rx.rx_burst(&mut burst), 0);
        rx.disarm();
    }
    bed.clear().unwrap();
}

#[test]
fn a_socket_with_packets_in_hand_or_no_buffer_is_not_slept_on() {
    let mut rx = open(&KernelRxConfig { buffers: 1, ..config("127.0.0.1:0") });
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    for octet in 0..2_u8 {
        far.send_to(&[octet], rx.local_addr()).unwrap();
    }
    wait(&rx);
    let held = receive(&mut rx, 1);
    let mut burst = Burst::new();
    assert_eq!((rx.rx_burst(&mut burst), rx.arm()), (0, false), "one waits, and the only buffer is out");
    drop(held);
    assert!(!rx.arm(), "it has not been looked for since");
    assert_eq!((rx.rx_burst(&mut burst), rx.arm()), (1, false));
    burst.clear();
    assert_eq!((rx.rx_burst(&mut burst), rx.arm()), (0, true));
}

#[test]
fn a_packet_arrives_when_the_kernel_says_and_not_when_it_is_taken() {
    let mut rx = open(&config("127.0.0.1:0"));
    let path = Path::to(rx.local_addr());
    for octet in 0..2 {
        send(&path, &[octet; 40]).unwrap();
    }
    let packets = receive(&mut rx, 2);
    let metas = [packets[0].meta(), packets[1].meta()];
    assert!(metas.iter().all(|meta| meta.timed_by == TimeSource::Kernel), "{metas:?}");
    // Virtual time stands still, and both waited in the socket.
    assert!(metas[0].arrival < metas[1].arrival && metas[1].arrival < rx.clock.now(), "{metas:?}");
}

#[test]
fn a_time_that_cannot_be_is_not_believed() {
    let at = Tai::from_nanos(50_000_000_000);
    let taken = Taken { at, wall_nanos: 20_000_000_000 };
    assert_eq!(taken.arrival(Some(19_999_999_000)), (at.plus_nanos(-1_000), TimeSource::Kernel));
    for noted in [None, Some(20_000_000_001), Some(9_000_000_000), Some(i64::MIN)] {
        assert_eq!(taken.arrival(noted), (at, TimeSource::Burst), "{noted:?}");
    }
}
