//! `flypackd` with a port that goes over to another worker, and back, again and again while pictures and relayed packets pass
//! through it. Needs root, two cores, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hwtests::gateway_bench::{
    self, Camera, GatewayBench, LIMIT, PORT, SCREEN, STUDIO, Screen, all_is_back, flypack, format, placed,
    port_counter, two_cores,
};
use hwtests::namespace::Namespace;
use hwtests::{Gateway, eventually, rfc4175, take_turn};
use serde_json::Value;

/// Times that the port goes over.
const MOVES: usize = 12;

/// Where the relayed stream comes in, and where it is sent to.
const RELAYED: u16 = 5020;
const FORWARDED: u16 = 5022;

/// Two ports without a wire: one has a worker for the port to go to, the other a stream in common with it.
fn others([first, second]: [usize; 2]) -> String {
    let port = |name: &str, at: u8, core: usize| {
        format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"net_ring\"\naddresses = [\"192.0.{at}.1/24\"]\ncore = {core}\n\
             packets_per_second = 20000\nhold_ms = 20\n"
        )
    };
    let relays = format!(
        "[[relay]]\nname = \"both\"\nlisten = \"{PORT}:5030\"\nsecond_listen = \"192.0.3.1:5030\"\n\
         [[relay]]\nname = \"wild\"\nlisten = \"{PORT}:{RELAYED}\"\n"
    );
    let sender = gateway_bench::sender_of("wild", "on", &format!("{STUDIO}:{FORWARDED}"));
    [port("spare", 2, second), port("bound", 3, first), relays, sender].concat()
}

fn gateway(bench: &GatewayBench, cores: [usize; 2]) -> Gateway {
    let port = gateway_bench::port("net_af_packet:near", &format!("core = {}", cores[0]));
    let sender = gateway_bench::sender("out", &format!("{STUDIO}:{SCREEN}"));
    bench.start(&[port, others(cores), gateway_bench::receiver(), sender].concat()).unwrap()
}

/// Sends a numbered packet a millisecond to the relay, and looks at what was forwarded as it arrives: a socket keeps some
/// hundreds of packets, and a busy machine takes longer for the moves.
struct Stream {
    end: Arc<AtomicBool>,
    sending: JoinHandle<u16>,
    sent: Arc<OnceLock<u16>>,
    arriving: JoinHandle<()>,
}

impl Stream {
    fn start(studio: &Namespace) -> Self {
        let socket = |port: u16| rfc4175::socket_in(studio, format!("{STUDIO}:{port}").parse().unwrap()).unwrap();
        let (from, arrived) = (socket(0), socket(FORWARDED));
        from.connect((PORT, RELAYED)).unwrap();
        let (end, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let ended = Arc::clone(&end);
        let sending = std::thread::spawn(move || {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                from.send(&packet(number)).unwrap();
                number += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            number
        });
        let wanted = Arc::clone(&sent);
        let arriving = std::thread::spawn(move || arrive(&arrived, &wanted));
        Self { end, sending, sent, arriving }
    }

    /// Every packet from the first that was forwarded on has arrived, once and in order.
    fn check(self) {
        self.end.store(true, Ordering::Relaxed);
        self.sent.set(self.sending.join().unwrap()).unwrap();
        self.arriving.join().unwrap();
    }
}

/// Looks at packets until all have come that were `sent`.
fn arrive(socket: &UdpSocket, sent: &OnceLock<u16>) {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut next, mut last, mut octets) = (None, Instant::now(), [0; 256]);
    while next.is_none() || next != sent.get().copied() {
        let Ok(length) = socket.recv(&mut octets) else {
            assert!(last.elapsed() < LIMIT, "nothing after {next:?} of {sent:?}");
            continue;
        };
        let number = u16::from_be_bytes([octets[12], octets[13]]);
        assert_eq!((length, number), (packet(0).len(), next.unwrap_or(number)), "a packet was lost, or came twice");
        (next, last) = (Some(number + 1), Instant::now());
    }
}

/// RTP; the payload begins with its number. Each is a picture of its own.
fn packet(number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    packet[2..4].copy_from_slice(&number.to_be_bytes());
    packet[4..8].copy_from_slice(&(u32::from(number) * 90).to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.resize(100, 0x55);
    packet
}

/// The receiving worker of a port.
fn worker_of(node: &Value, port: &str) -> String {
    let ports = node["ports"].as_array().unwrap();
    let found = ports.iter().find(|shown| shown["name"] == port).unwrap();
    found["worker"].as_str().unwrap().to_owned()
}

fn said(gateway: &Gateway, words: &str) -> String {
    let (said, went_well) = flypack(gateway, words).unwrap();
    assert!(went_well, "{words}: {said}");
    said
}

/// Back and forth; each time the port has the worker that was asked for, and the one that has a stream in common with it too,
/// and what new streams are placed by has gone along.
fn go_over(gateway: &Gateway) {
    let [all, none] = placed(gateway);
    assert!(all > 0 && none == 0, "{all} and {none} packets a second");
    for time in 1..=MOVES {
        let worker = format!("port-worker-{}", time % 2);
        let said = said(gateway, &format!("move --port media --worker {worker}"));
        assert!(said.contains("port media"), "{said}");
        let node = gateway.node().unwrap();
        let workers = ["media", "bound", "spare"].map(|port| worker_of(&node, port));
        assert_eq!(workers, [worker.clone(), worker, "port-worker-1".to_owned()], "time {time}");
        assert_eq!(placed(gateway), [[all, 0], [0, all]][time % 2], "packets a second, time {time}");
    }
    let (refusal, went_well) = flypack(gateway, "move --port medai --worker 1").unwrap();
    assert!(!went_well && refusal.contains("media"), "{refusal}");
    let (refusal, went_well) = flypack(gateway, "move --receiver cam --worker 1").unwrap();
    assert!(!went_well && refusal.contains("move --port"), "{refusal}");
}

/// Receivers, relays and senders of each worker.
fn served(gateway: &Gateway) -> Vec<(u64, u64)> {
    let node = gateway.node().unwrap();
    let workers = node["workers"].as_array().unwrap().iter();
    let ours = workers.filter(|worker| worker["name"].as_str().unwrap().starts_with("port-worker"));
    ours.map(|worker| (worker["receivers"].as_u64().unwrap(), worker["senders"].as_u64().unwrap())).collect()
}

#[test]
fn a_port_goes_over_under_its_streams_and_nothing_is_lost() {
    let cores = match two_cores() {
        Ok(cores) => cores,
        Err(reason) => return eprintln!("SKIPPED: {reason}"),
    };
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let gateway = gateway(&bench, cores);
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    eventually("the studio is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    let pictures = rfc4175::noise(&format(), 6, 7);
    let watching = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let watching = watching.keep_watching(pictures.clone()).unwrap();
    let stream = Stream::start(&bench.studio);
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures);
    eventually("pictures are seen", || watching.whole() > 0);
    go_over(&gateway);
    said(&gateway, "move --port media --worker port-worker-1");
    assert_eq!(served(&gateway), [(0, 0), (3, 2)]);
    let played = playing.stop();
    eventually("all pictures are seen", || watching.whole() == played);
    stream.check();
    let now = all_is_back(&gateway).unwrap();
    let count = |kind: &str, name: &str, counter: &str| now.of(kind, name, counter).unwrap();
    for counter in ["packets_lost", "grains_incomplete", "sequence_restarts"] {
        assert_eq!(count("receiver", "cam", counter), 0, "{counter}");
    }
    for counter in ["packets_taken_back", "packets_skipped_gone", "packets_skipped_late", "grains_missed"] {
        assert_eq!(count("sender", "out", counter), 0, "{counter}");
    }
    // Both have sent some of it, and what one has sent the other does not count.
    let by = ["port-worker-0", "port-worker-1"].map(|worker| count("worker", worker, "tx_packets"));
    assert!(by.iter().all(|sent| *sent > 0), "{by:?}");
    assert_eq!(by.iter().sum::<u64>(), count("sender", "out", "packets") + count("sender", "on", "packets"));
    assert_eq!(watching.damaged(), 0);
    restart_there(&gateway, &bench);
}

/// The port is restarted where it is now, takes what is new, and what is there is removed.
fn restart_there(gateway: &Gateway, bench: &GatewayBench) {
    said(gateway, "ports restart media");
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    let before = placed(gateway);
    said(gateway, &format!("senders add late --to {STUDIO}:5040"));
    assert_eq!(served(gateway), [(0, 0), (3, 3)]);
    // What forwards there is found there when it is to do something else.
    for words in ["take on --clear", "take on wild"] {
        said(gateway, words);
        assert_eq!(served(gateway), [(0, 0), (3, 3)], "{words}");
    }
    said(gateway, "move --port bound --worker port-worker-0");
    assert_eq!(served(gateway), [(3, 3), (0, 0)], "the ports that share a stream go together");
    said(gateway, "senders del late");
    assert_eq!((served(gateway), placed(gateway)), (vec![(3, 2), (0, 0)], [before[1], before[0]]));
}
