//! Pictures and packets that RFC 4175 allows and nobody sends every day, from a sender that was written from the RFC:
//! each frame comes out of the ring bit by bit. On loopback; needs the built programs, not root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::time::Duration;

use hwtests::rfc4175::{self, Extras, Run, Stream};
use hwtests::{Gateway, Launch, Scratch};
use media::{Depth, Rate, Sampling, VideoFormat};

const FRAMES: usize = 6;
const PERIOD: Duration = Duration::from_millis(20);
const TICKS: u32 = 1800;
const LIMIT: Duration = Duration::from_secs(30);

/// A stream and what is odd about it.
struct Case {
    what: String,
    stream: Stream,
    first_timestamp: u32,
    packets: Vec<Vec<Run>>,
    spoil: fn(&[Vec<u8>]) -> Vec<Vec<u8>>,
}

impl Case {
    fn new(what: &str, width: u32, height: u32, depth: Depth, pgroups: u16) -> Self {
        let format = VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(50, 1).unwrap()).unwrap();
        let stream = Stream { format, ssrc: 0, sequence: 7, extras: Extras::default() };
        let packets = rfc4175::straddling(&format, pgroups);
        Self { what: format!("{what}, {format}"), stream, first_timestamp: 0, packets, spoil: <[_]>::to_vec }
    }

    fn datagrams(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
        let timestamps = (0_u32..).map(|number| self.first_timestamp.wrapping_add(number * TICKS));
        let mut all = Vec::new();
        for (frame, timestamp) in frames.iter().zip(timestamps) {
            let sound = self.stream.datagrams(frame, timestamp, &self.packets);
            all.push((self.spoil)(&sound));
        }
        all
    }
}

/// The same in no order, the same no order every time.
fn scattered<T: Clone>(all: &[T]) -> Vec<T> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| index * 7919 % 1021);
    order.into_iter().map(|index| all[index].clone()).collect()
}

/// Each sound packet after one of its number that carries nothing, whose timestamp is no frame's.
fn behind_empty_ones(sound: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let empty = |packet: &Vec<u8>| {
        let mut empty = packet[..12].to_vec();
        empty[4] ^= 0x55;
        empty
    };
    sound.iter().flat_map(|packet| [empty(packet), packet.clone()]).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [Depth::Bits8, Depth::Bits10] {
        for (width, height) in [(1, 1), (2, 2), (3, 5), (63, 17), (641, 7)] {
            cases.push(Case::new("odd size", width, height, depth, 270));
        }
    }
    let plain = |what: &str| Case::new(what, 64, 32, Depth::Bits10, 37);
    let mut singles = plain("a hundred headers in a packet, in no order");
    let runs: Vec<Run> = singles
        .packets
        .concat()
        .iter()
        .flat_map(|run| (0..run.pgroups).map(|at| Run { first: run.first + at, pgroups: 1, ..*run }))
        .collect();
    singles.packets = scattered(&runs).chunks(100).map(<[Run]>::to_vec).collect();
    cases.push(singles);
    cases.push(Case { spoil: scattered, ..plain("packets in no order") });
    cases.push(Case { spoil: |sound| sound.iter().flat_map(|p| [p.clone(), p.clone()]).collect(), ..plain("twice") });
    cases.push(Case { spoil: behind_empty_ones, ..plain("behind empty packets") });
    cases.push(Case { first_timestamp: u32::MAX - 2 * TICKS, ..plain("timestamps wrap") });
    let mut wraps = plain("all 32 bits of the sequence wrap");
    wraps.stream.sequence = u32::MAX - 50;
    cases.push(wraps);
    let mut extras = plain("sources, an extension and padding");
    extras.stream.extras = Extras { csrcs: (0..15).collect(), extension: Some(vec![1, 2, 3]), padding: 255 };
    cases.push(extras);
    cases.push(Case::new("jumbo frames", 1920, 40, Depth::Bits10, 1784));
    cases
}

#[test]
fn every_legal_stream_arrives_bit_exact() {
    let scratch = Scratch::create().unwrap();
    let mut cases = cases();
    let mut objects = String::new();
    let mut ports = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sdp = hwtests::peer::sdp(&case.stream.format, ([127, 0, 0, 1], port).into());
        objects += &format!("[[receiver]]\nname = \"case-{index}\"\nsdp_text = \"\"\"\n{sdp}\"\"\"\n");
        ports.push(port);
    }
    let log = scratch.path().join("flypackd.log");
    let mut gateway = Gateway::start(scratch.path(), &objects, None, &log).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (index, (case, port)) in cases.iter_mut().zip(ports).enumerate() {
        let flow = format!("case-{index}");
        let output = scratch.path().join(format!("{flow}.raw"));
        let mut recv = Launch::new(&gateway.flypack, &scratch.path().join("recv.log"))
            .words(&format!("recv {flow} --frames {FRAMES} --output {}", output.display()))
            .words(&format!("--broker {}", gateway.broker.display()))
            .start()
            .unwrap();
        gateway.wait_for_consumer(&flow, recv.id()).unwrap();
        let frames = rfc4175::noise(&case.stream.format, FRAMES, index as u64 + 1);
        let datagrams = case.datagrams(&frames);
        rfc4175::send(&socket, ([127, 0, 0, 1], port).into(), &datagrams, PERIOD).unwrap();
        recv.finish(LIMIT).unwrap_or_else(|error| panic!("{}: {error:#}", case.what));
        assert!(std::fs::read(&output).unwrap() == frames.concat(), "{}: other octets", case.what);
    }
    gateway.stop().unwrap();
}
