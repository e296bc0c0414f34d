//! Echo requests, beside Linux's own answers.

use super::*;
use crate::golden::{ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_UNREACHABLE, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST};

#[test]
fn a_ping_gets_the_answer_that_linux_gives() {
    let mut bench = Bench::ready(host_b());
    bench.receive(&ICMP_ECHO_REQUEST);
    bench.receive(&ICMPV6_ECHO_REQUEST);
    let frames = bench.take();
    // But for what Linux puts into identification and flow label, and whether it may be fragmented.
    let mut v4 = ICMP_ECHO_REPLY;
    v4[18..22].copy_from_slice(&[0, 0, 0x40, 0]);
    v4[24..26].copy_from_slice(&frames[0][24..26]);
    let mut v6 = ICMPV6_ECHO_REPLY;
    v6[15..18].fill(0);
    assert_eq!(frames, [v4.to_vec(), v6.to_vec()]);
}

#[test]
fn a_flood_is_answered_at_a_bounded_rate() {
    let mut bench = Bench::ready(host_b());
    for _ in 0..10_000 {
        bench.receive(&ICMP_ECHO_REQUEST);
    }
    assert_eq!(bench.take().len() as i64, ECHOES_PER_SECOND);
    assert_eq!(bench.ignored(Ignored::EchoRate), 10_000 - ECHOES_PER_SECOND as u64);
    bench.run(SECOND_NS / 2);
    for _ in 0..10_000 {
        bench.receive(&ICMPV6_ECHO_REQUEST);
    }
    assert_eq!(bench.take().len() as i64, ECHOES_PER_SECOND / 2);
    assert_eq!(bench.host.counters().echo_replies as i64, ECHOES_PER_SECOND * 3 / 2);
}

#[test]
fn echoes_that_could_be_amplified_are_not_answered() {
    let mut bench = Bench::ready(host_b());
    let send = |bench: &mut Bench, at: usize, octets: &[u8]| {
        let mut frame = ICMP_ECHO_REQUEST;
        frame[at..at + octets.len()].copy_from_slice(octets);
        frame[24..26].fill(0);
        let sum = crate::checksum::of(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        bench.receive(&frame);
    };
    send(&mut bench, 30, &[224, 0, 0, 1]);
    send(&mut bench, 26, &[192, 0, 2, 2]);
    send(&mut bench, 26, &[0, 0, 0, 0]);
    assert_eq!(bench.ignored(Ignored::EchoToGroup), 3);
    send(&mut bench, 6, &[0xff; 6]);
    send(&mut bench, 6, &[0; 6]);
    assert_eq!(bench.ignored(Ignored::Sender), 2);
    send(&mut bench, 30, &[192, 0, 2, 255]);
    send(&mut bench, 30, &[192, 0, 2, 3]);
    assert_eq!(bench.ignored(Ignored::Destination), 2);
    send(&mut bench, 40, &[0xff]);
    assert_eq!(bench.ignored(Ignored::Icmp), 1);
    bench.receive(&{
        let mut to_b = ICMP_UNREACHABLE;
        to_b[..6].copy_from_slice(&mac(0x0b).octets());
        to_b[6..12].copy_from_slice(&mac(0x0c).octets());
        to_b
    });
    assert_eq!(bench.ignored(Ignored::IcmpOther), 1);
    assert_eq!(bench.take(), Vec::<Vec<u8>>::new());
}
