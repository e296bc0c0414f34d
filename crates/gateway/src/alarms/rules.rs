//! The rules: which growth of which counters is trouble, and what an operator can do about it.

use super::growth::Growth;
use super::kind::Kind;

/// Packets that do not fit what a receiver was told, by reason.
const MISFITS: [&str; 8] = [
    "rtp_malformed",
    "segment_row",
    "segment_offset",
    "segment_length",
    "segment_truncated",
    "segment_field",
    "payload_malformed",
    "payload_type_wrong",
];

/// One kind of trouble.
pub(super) struct Rule {
    kind: Kind,
    /// What is counted, as a plural.
    pub(super) what: &'static str,
    /// Fewer of them between two looks are not worth a line.
    least: u64,
    events: fn(&Growth<'_>) -> u64,
    remedy: fn(&Growth<'_>) -> &'static str,
}

impl Rule {
    /// How many there were between two looks; 0 for too few.
    pub(super) fn events(&self, growth: &Growth<'_>) -> u64 {
        let events = (self.events)(growth);
        if events < self.least { 0 } else { events }
    }

    /// What would help.
    pub(super) fn remedy(&self, growth: &Growth<'_>) -> &'static str {
        (self.remedy)(growth)
    }

    /// So many of them.
    pub(super) fn words(&self, events: u64) -> String {
        format!("{}: {events}", self.what)
    }
}

/// The rules for objects of one kind, with their places.
pub(super) fn of(kind: Kind) -> impl Iterator<Item = (usize, &'static Rule)> {
    RULES.iter().enumerate().filter(move |(_, rule)| rule.kind == kind)
}

/// The rule at a place.
pub(super) fn at(place: usize) -> Option<&'static Rule> {
    RULES.get(place)
}

static RULES: [Rule; 20] = [
    Rule {
        kind: Kind::Receiver,
        what: "packets that do not fit its SDP",
        least: 10,
        events: |growth| growth.sum(&MISFITS),
        remedy: |_| "has the sender changed its format? Give the receiver the sender's present SDP, or the sender its old format",
    },
    Rule {
        kind: Kind::Receiver,
        what: "frames that end without all their lines although no packet is missing",
        least: 2,
        events: small_frames,
        remedy: |_| "the sender's picture is smaller than the SDP says: give the receiver the sender's present SDP",
    },
    Rule {
        kind: Kind::Receiver,
        what: "frames sooner than its SDP's frame rate has them",
        least: 2,
        events: |growth| growth.sum(&["grains_too_soon", "grains_not_monotone"]),
        remedy: |_| "the sender has another rate, or a clock was set back: compare its SDP, and PTP",
    },
    Rule {
        kind: Kind::Receiver,
        what: "frames dropped because its ring had no free slot",
        least: 1,
        events: |growth| growth.of("grains_no_slot"),
        remedy: |_| "`flypack rings` shows who holds them; give the receiver more slots",
    },
    Rule {
        kind: Kind::Receiver,
        what: "packets lost",
        least: 1,
        events: |growth| growth.of("packets_lost"),
        remedy: |_| {
            "`flypack status` says where (LOST): on the wire (switch, cable, sender), in a full queue, by a late worker (its \
             core), or for want of buffers"
        },
    },
    Rule {
        kind: Kind::Receiver,
        what: "packets of another sender",
        least: 10,
        events: |growth| growth.sum(&["ssrc_foreign", "source_foreign"]),
        remedy: |_| "two send to its address: give one of them another",
    },
    Rule {
        kind: Kind::Sender,
        what: "packets skipped because their frame was late",
        least: 1,
        events: |growth| growth.of("packets_skipped_late"),
        remedy: |growth| match (growth.of("unresolved"), growth.of("queue_full")) {
            (0, 0) => "its worker or its source came late: look at the worker's core, and at the source's losses",
            (0, _) => "its port or socket did not take them: the link, its speed, a switch that pauses it",
            _ => "its next hop does not answer",
        },
    },
    Rule {
        kind: Kind::Sender,
        what: "frames missed",
        least: 2,
        events: |growth| growth.of("grains_missed"),
        remedy: |_| "it does not keep up with its ring, or its port is stopped: look at its worker, or give the ring more slots",
    },
    Rule {
        kind: Kind::Sender,
        what: "packets refused by its queue",
        least: 1,
        events: |growth| growth.of("packets_refused"),
        remedy: |_| "they are too long for its port, or the kernel does not route them: MTU, addresses, routes",
    },
    Rule {
        kind: Kind::Sender,
        what: "packets of its relay dropped because they waited too long",
        least: 1,
        events: |growth| growth.of("packets_dropped_backlog"),
        remedy: |growth| match growth.of("queue_full") {
            0 => "it was not served in time: look at the core of the relay's worker",
            _ => "its port or socket did not take them: the link, its speed, a switch that pauses it",
        },
    },
    Rule {
        kind: Kind::Sender,
        what: "packets of its relay dropped for want of a next hop",
        least: 1,
        events: |growth| growth.of("packets_dropped_unresolved"),
        remedy: |_| "its next hop does not answer: is the receiver there, and in the port's network?",
    },
    Rule {
        kind: Kind::Relay,
        what: "packets lost",
        least: 1,
        events: |growth| growth.of("packets_lost"),
        remedy: |growth| match growth.sum(&["socket_drops", "packets_without_buffer"]) {
            0 => {
                "`flypack relays` says where (LOST): on the wire (switch, cable, sender), in a full queue, by a late worker (its \
                 core), or for want of buffers"
            }
            _ => "its socket was full: a core of its own for its worker, or a larger receive_buffer_octets",
        },
    },
    Rule {
        kind: Kind::Relay,
        what: "datagrams that are no RTP",
        least: 10,
        events: |growth| growth.of("rtp_malformed"),
        remedy: |_| "something else is sent to its address: `flypack capture` or tcpdump shows what, and from where",
    },
    Rule {
        kind: Kind::Relay,
        what: "packets of another sender",
        least: 10,
        events: |growth| growth.sum(&["ssrc_foreign", "source_foreign"]),
        remedy: |_| "two send to its address: give one of them another, or name the right one in sources",
    },
    Rule {
        kind: Kind::Port,
        what: "packets for nobody",
        least: 100,
        events: |growth| {
            growth.sum(&["rx_unwanted_packets", "rx_unsteered_packets", "host_ignored_datagram_unwanted_frames"])
        },
        remedy: |_| "no receiver has their address and port: is one missing, or does the switch flood groups that nobody joined?",
    },
    Rule {
        kind: Kind::Port,
        what: "frames for its host dropped, ARP among them",
        least: 1,
        events: |growth| growth.of("rx_host_frames_full"),
        remedy: |_| "somebody floods it with what is not media: `tcpdump` behind a mirror port shows who",
    },
    Rule {
        kind: Kind::Port,
        what: "packets that its device had no room for",
        least: 1,
        events: |growth| growth.of("device_rx_missed_packets"),
        remedy: |_| "its worker came too late: an isolated core of its own, or fewer streams on this one",
    },
    Rule {
        kind: Kind::Port,
        what: "times without a free packet buffer to receive into",
        least: 1,
        events: |growth| growth.of("device_rx_no_buffers").max(growth.of("rx_no_mbufs")),
        remedy: |_| "what waits for missing packets holds them: larger packets_per_second or hold_ms, or shorter reorder windows",
    },
    Rule {
        kind: Kind::Port,
        what: "times without a free packet buffer to send from",
        least: 1,
        events: |growth| growth.of("tx_no_mbufs"),
        remedy: |_| "its device is slow to give them back: larger packets_per_second or hold_ms",
    },
    Rule {
        kind: Kind::Flow,
        what: "consumers evicted",
        least: 1,
        events: |growth| growth.of("consumers_evicted"),
        remedy: |_| "they held frames for longer than their class allows, and nobody waits for them: `flypack rings` shows who they are",
    },
];

/// Frames that stay incomplete while every packet of the sequence comes: there are no more lines.
fn small_frames(growth: &Growth<'_>) -> u64 {
    let is_explained = growth.sum(&["packets_lost", "grains_complete", "late", "grains_no_slot"]) > 0;
    if is_explained { 0 } else { growth.of("grains_incomplete") }
}
