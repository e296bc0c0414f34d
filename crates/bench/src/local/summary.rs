//! What a run found, for people and for programs.

use anyhow::Result;
use serde::Serialize;

use super::run::Outcome;
use super::{Verdict, spread};
use crate::arguments::Local;
use crate::{Machine, Spread};

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Where.
    pub machine: Machine,
    /// Version of DPDK, where it was used.
    pub dpdk: Option<String>,
    /// How it was called.
    pub command: String,
    /// What was sent.
    pub plan: Plan,
    /// The device.
    pub device: String,
    /// Rounds on the worker.
    pub rounds: Vec<Outcome>,
    /// Rounds of bare packets beside them.
    pub bare: Vec<Bare>,
    /// What the rounds have in common.
    pub figures: Figures,
}

/// What is sent.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The format.
    pub format: String,
    /// Streams of it.
    pub streams: u16,
    /// Packets of a frame.
    pub packets_per_frame: u32,
    /// Sample octets of its first packet.
    pub payload_octets: u16,
    /// Packets a second, all streams together, in real time.
    pub packets_per_second: f64,
    /// Octets of a frame.
    pub frame_octets: u32,
    /// What is new in each grain.
    pub content: &'static str,
    /// Who says when packets go.
    pub pacing: String,
}

/// A round of bare packets.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bare {
    /// Packets a second over the ring, copied out on the other core.
    pub packets_per_second: f64,
    /// Packets a second, when what was copied is checked too.
    pub checked_packets_per_second: f64,
    /// Of whole frames by memcpy, on one core, GB/s.
    pub memcpy_gigaoctets_per_second: f64,
}

/// Medians over rounds, with their quartiles.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Packets a second that the device took.
    pub tx_packets_per_second: Option<Spread>,
    /// Packets a second that receivers were given.
    pub rx_packets_per_second: Option<Spread>,
    /// Cycles a packet of the worker that sends.
    pub tx_cycles_per_packet: Option<Spread>,
    /// Cycles a packet of the worker that receives.
    pub rx_cycles_per_packet: Option<Spread>,
    /// See [`Outcome::times_real_time`].
    pub times_real_time: Option<Spread>,
    /// Packets a second of the bare loop.
    pub bare_packets_per_second: Option<Spread>,
    /// Packets a second of the bare loop that checks.
    pub bare_checked_packets_per_second: Option<Spread>,
    /// The worker's packets over the bare ones, round by round.
    pub to_bare: Option<Spread>,
    /// The same, over those that are checked.
    pub to_bare_checked: Option<Spread>,
}

impl Summary {
    /// Nothing found yet.
    ///
    /// # Errors
    /// When the format is none.
    pub fn new(machine: Machine, arguments: &Local) -> Result<Self> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        Ok(Self {
            machine,
            dpdk: None,
            command: format!("flypack bench {}", words.join(" ")),
            plan: Plan::of(arguments)?,
            device: arguments.device.to_string(),
            rounds: Vec::new(),
            bare: Vec::new(),
            figures: Figures::default(),
        })
    }

    /// Computes the figures, when all rounds are there.
    pub fn finish(&mut self) {
        let whole = |value: fn(&Outcome) -> Option<f64>| spread(self.rounds.iter().filter_map(value));
        let bare = |value: fn(&Bare) -> f64| spread(self.bare.iter().map(value));
        let ratio = |value: fn(&Bare) -> f64| {
            let pairs = self.rounds.iter().zip(&self.bare).filter(|(round, _)| round.whole.rx_packets_per_second > 0.0);
            spread(pairs.map(|(round, bare)| round.whole.rx_packets_per_second / value(bare)))
        };
        self.figures = Figures {
            tx_packets_per_second: whole(|round| Some(round.whole.tx_packets_per_second)),
            rx_packets_per_second: whole(|round| Some(round.whole.rx_packets_per_second).filter(|rate| *rate > 0.0)),
            tx_cycles_per_packet: whole(|round| round.whole.tx_cycles_per_packet),
            rx_cycles_per_packet: whole(|round| round.whole.rx_cycles_per_packet),
            times_real_time: whole(|round| Some(round.times_real_time)),
            bare_packets_per_second: bare(|bare| bare.packets_per_second),
            bare_checked_packets_per_second: bare(|bare| bare.checked_packets_per_second),
            to_bare: ratio(|bare| bare.packets_per_second),
            to_bare_checked: ratio(|bare| bare.checked_packets_per_second),
        };
    }

    /// Whether every round was whole.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.rounds.iter().all(Outcome::is_whole) { Verdict::Whole } else { Verdict::Lossy }
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Plan { format, streams, packets_per_frame, payload_octets, packets_per_second, content, pacing, .. } =
            &self.plan;
        let mut text = format!(
            "\n{}{}\n{} of {format}: {packets_per_frame} packets of {payload_octets} octets a frame, {:.3} Mpps in real \
             time, {pacing}; {content}; on {}\n",
            self.machine.text(),
            self.dpdk.as_ref().map_or(String::new(), |version| format!("; {version}")),
            if *streams == 1 { "one stream".to_owned() } else { format!("{streams} streams") },
            packets_per_second / 1e6,
            self.device,
        );
        for round in &self.rounds {
            text += &round.text();
        }
        text + &self.figures.text()
    }
}

impl Plan {
    fn of(arguments: &Local) -> Result<Self> {
        let traffic = &arguments.traffic;
        let plan = traffic.plan()?;
        let rate = plan.format().rate();
        let frames = f64::from(rate.num()) / f64::from(rate.den());
        let checks = arguments.kind != super::Kind::Tx;
        Ok(Self {
            format: plan.format().to_string(),
            streams: traffic.streams,
            packets_per_frame: plan.packets_per_frame(),
            payload_octets: plan.packets().first().map_or(0, |packet| packet.octets),
            packets_per_second: frames * f64::from(plan.packets_per_frame()) * f64::from(traffic.streams),
            frame_octets: plan.format().frame_octets(),
            content: if checks { "every octet checked" } else { "the same octets again and again" },
            pacing: if traffic.unpaced { "unpaced".to_owned() } else { format!("type {:?}", traffic.sender_type) },
        })
    }
}

impl Outcome {
    fn text(&self) -> String {
        let Self { total, whole, packets_lost, .. } = self;
        let word = if self.is_whole() { "whole" } else { "NOT WHOLE" };
        format!(
            "{word}: {}\n  {:.2} times real time; sent {}, received {}, lost {packets_lost}, late-skipped {}, not sent {}, \
             reordered {}, late {}, refused {}; grains complete {}, incomplete {}, missed by the source {}; {:.1} GiB \
             checked, wrong blocks {}; longest turn µs tx {:.0} rx {:.0}\n  rings on {} pages; {}\n",
            whole.text(),
            self.times_real_time,
            total.tx_packets,
            total.rx_packets,
            total.late_skipped,
            total.not_sent,
            total.reordered,
            total.late,
            total.refused,
            total.grains_complete,
            total.grains_incomplete,
            total.grains_missed,
            total.checked_octets as f64 / f64::from(1 << 30),
            total.wrong_blocks,
            self.longest_turn_us[0],
            self.longest_turn_us[1],
            self.ring_pages,
            self.memory,
        )
    }
}

impl Figures {
    fn text(&self) -> String {
        let rows = [
            ("tx Mpps", self.tx_packets_per_second, 1e6),
            ("rx Mpps", self.rx_packets_per_second, 1e6),
            ("tx cycles/packet", self.tx_cycles_per_packet, 1.0),
            ("rx cycles/packet", self.rx_cycles_per_packet, 1.0),
            ("times real time", self.times_real_time, 1.0),
            ("bare Mpps", self.bare_packets_per_second, 1e6),
            ("bare, checked, Mpps", self.bare_checked_packets_per_second, 1e6),
            ("worker to bare", self.to_bare, 1.0),
            ("worker to bare, checked", self.to_bare_checked, 1.0),
        ];
        let rows = rows.into_iter().filter_map(|(name, spread, unit)| Some((name, spread?, unit)));
        let mut text = String::from("medians over rounds (quartiles)\n");
        for (name, Spread { low, median, high }, unit) in rows {
            text += &format!("  {name:<26} {:.3} ({:.3} … {:.3})\n", median / unit, low / unit, high / unit);
        }
        text
    }
}
