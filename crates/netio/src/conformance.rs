//! The suite that every backend passes: what [`TxQueue`] and [`RxQueue`] promise, and nothing of how.
//!
//! A backend writes a [`Harness`] and calls [`suite`]. Links must be free of loss and of faults, and hold at least
//! [`IN_FLIGHT`] packets.

mod bursts;
mod delivery;
mod forward;
mod leases;
mod refusals;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::{Burst, LeaseWatch, OwnedBytes, PacketBuf, PacketMeta, Path, PathId, RxQueue, TxQueue};

/// Most packets that the suite has on a link at a time.
pub const IN_FLIGHT: usize = 96;

/// How often the suite steps before it gives up waiting.
const STEPS: usize = 1_000;

/// A backend under test. All queues belong to one worker: this thread.
pub trait Harness {
    /// The transmit queue under test.
    type Tx: TxQueue<Lease = OwnedBytes, Received = <Self::Rx as RxQueue>::Buf>;
    /// The receive queue under test.
    type Rx: RxQueue;

    /// A fresh link.
    fn link(&mut self) -> Link<Self::Tx, Self::Rx>;

    /// Lets time pass until `rx` may have packets, or the device may have finished with some.
    fn step(&mut self, rx: &Self::Rx);

    /// Whether packets refer to the lease until they are sent. False where the device cannot gather, and the backend
    /// copies: the checks are then that it copies right, and counts.
    fn gathers_by_reference(&self) -> bool {
        true
    }
}

/// A transmit queue, a receive queue, and two ways from one to the other that differ in the packets' source.
pub struct Link<Tx, Rx> {
    /// With room for at least two leases and three paths.
    pub tx: Tx,
    /// Where both paths end.
    pub rx: Rx,
    /// Paths that are not open yet.
    pub paths: [Path; 2],
}

/// Runs every check on fresh links.
pub fn suite<H: Harness>(mut harness: impl FnMut() -> H) {
    bursts::a_burst_is_gathered_as_its_packets_are(&mut harness());
    bursts::a_burst_ends_at_the_packet_that_cannot_be_made(&mut harness());
    delivery::packets_arrive_whole_and_in_order(&mut harness());
    delivery::sizes_may_change_from_packet_to_packet(&mut harness());
    delivery::paths_of_one_burst_keep_apart(&mut harness());
    delivery::held_packets_keep_their_octets(&mut harness());
    delivery::a_payload_serves_two_queues(&mut harness());
    delivery::octets_are_read_when_the_packet_is_sent(&mut harness());
    forward::a_new_header_replaces_the_old_one(&mut harness());
    forward::one_packet_goes_to_several_paths(&mut harness());
    forward::bursts_are_forwarded_up_to_their_room(&mut harness());
    forward::what_cannot_be_forwarded_is_refused(&mut harness());
    leases::a_lease_lasts_until_its_packets_are_sent(&mut harness());
    leases::cancelled_packets_release_the_lease(&mut harness());
    leases::dropped_packets_and_payloads_release_the_lease(&mut harness());
    leases::packets_taken_back_release_the_lease(&mut harness());
    leases::a_full_table_returns_the_lease(&mut harness());
    leases::packets_of_a_closed_path_release_the_lease(&mut harness());
    refusals::gathers_outside_of_the_payload_are_refused(&mut harness());
    refusals::gathers_on_no_path_are_refused(&mut harness());
    refusals::paths_that_no_packet_can_take_are_refused(&mut harness());
    refusals::nothing_to_do_does_nothing(&mut harness());
}

/// A received packet, copied out.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    octets: Vec<u8>,
    meta: PacketMeta,
}

impl Received {
    fn copy<B: PacketBuf>(packet: &B) -> Self {
        let octets: Vec<u8> = packet.segments().flatten().copied().collect();
        assert_eq!(packet.octets(), octets.len(), "octets() is the sum of the segments");
        assert_eq!(packet.last_octet(), octets.last().copied().unwrap_or(0));
        assert!(octets.starts_with(packet.head()), "head() is the first segment");
        assert!(packet.head().len() >= octets.len().min(12), "the head holds an RTP header");
        assert!(packet.segments().all(|segment| !segment.is_empty()));
        runs_are_what_one_segment_has(packet, &octets);
        Self { octets, meta: *packet.meta() }
    }
}

fn runs_are_what_one_segment_has<B: PacketBuf>(packet: &B, octets: &[u8]) {
    let mut start = 0;
    for segment in packet.segments() {
        let end = start + segment.len();
        assert_eq!(packet.run(start, segment.len()), Some(segment));
        assert_eq!(packet.run(end - 1, 1), Some(&octets[end - 1..end]));
        // More would be of two segments, or of none.
        assert_eq!(packet.run(start, segment.len() + 1), None);
        start = end;
    }
    assert_eq!(packet.run(start, 1), None);
}

/// Octets that differ from packet to packet and from place to place.
fn pattern(octets: usize, salt: u64) -> Vec<u8> {
    let octet = |at: u64| ((at.wrapping_add(salt)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..octets as u64).map(octet).collect()
}

/// A header of a legal length that tells `number`.
fn header(number: u16) -> Vec<u8> {
    let mut header = pattern(12 + usize::from(number) % 21, u64::from(number) << 32);
    header[..2].copy_from_slice(&number.to_be_bytes());
    header
}

fn lease(octets: usize) -> (OwnedBytes, LeaseWatch, Vec<u8>) {
    let bytes = pattern(octets, 1);
    let lease = OwnedBytes::new(bytes.clone());
    let watch = lease.watch();
    (lease, watch, bytes)
}

fn attach<Tx: TxQueue<Lease = OwnedBytes>>(tx: &mut Tx, lease: OwnedBytes, packets: u32) -> Tx::Payload {
    match tx.attach(lease, packets) {
        Ok(payload) => payload,
        Err((full, _)) => panic!("attach: {full}"),
    }
}

fn gather<Tx: TxQueue>(tx: &mut Tx, path: PathId, header: &[u8], payload: &Tx::Payload, range: Range<u32>) -> Tx::Buf {
    match tx.gather(path, header, payload, range.clone()) {
        Ok(packet) => packet,
        Err(full) => panic!("gather {range:?}: {full}"),
    }
}

fn push<B>(burst: &mut Burst<B>, packet: B) {
    assert!(burst.push(packet).is_ok(), "the burst is full");
}

/// Sends the whole burst; steps while the device is full.
fn send<H: Harness>(harness: &mut H, tx: &mut H::Tx, rx: &H::Rx, burst: &mut Burst<<H::Tx as TxQueue>::Buf>) {
    for _ in 0..STEPS {
        let before = burst.len();
        let taken = tx.tx_burst(burst);
        assert_eq!(taken + burst.len(), before, "what was not taken stays");
        if burst.is_empty() {
            return;
        }
        harness.step(rx);
    }
    panic!("{} packets were never taken", burst.len());
}

/// Receives `count` packets, copies them out and lets go of them.
fn receive<H: Harness>(harness: &mut H, rx: &mut H::Rx, count: usize) -> Vec<Received> {
    let mut burst = Burst::new();
    let mut received = Vec::new();
    for _ in 0..STEPS {
        let before = burst.len();
        let taken = rx.rx_burst(&mut burst);
        assert_eq!(burst.len(), before + taken, "rx_burst appends and counts");
        received.extend(burst.drain().map(|packet| Received::copy(&packet)));
        if received.len() >= count {
            assert_eq!(received.len(), count, "more arrived than was sent");
            return received;
        }
        if taken == 0 {
            harness.step(rx);
        }
    }
    panic!("{} of {count} packets arrived", received.len());
}

/// Steps and reaps until the lease has ended.
fn assert_ends<H: Harness>(harness: &mut H, tx: &mut H::Tx, rx: &H::Rx, watch: &LeaseWatch) {
    for _ in 0..STEPS {
        tx.reap();
        if !watch.is_held() {
            return;
        }
        harness.step(rx);
    }
    panic!("the lease never ended");
}
