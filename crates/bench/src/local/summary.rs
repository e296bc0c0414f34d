//! What a run found, for people and for programs.

use anyhow::Result;
use serde::Serialize;

use crate::arguments::{Kind, Local};
use crate::plan::Plan;
use crate::plane::Outcome;
use crate::traffic::Check;
use crate::{Machine, Spread, Verdict};

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
    /// What the packets carry.
    pub content: &'static str,
    /// Rounds on the worker.
    pub rounds: Vec<Outcome>,
    /// Rounds of bare packets beside them.
    pub bare: Vec<Bare>,
    /// Packets of dpdk-testpmd in a second in which the kernel let it run.
    pub testpmd: Vec<f64>,
    /// What the rounds have in common.
    pub figures: Figures,
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
    /// The same in a second in which the kernel let the thread run.
    pub tx_packets_per_core_second: Option<Spread>,
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
    /// Whole frames by memcpy, GB/s.
    pub memcpy_gigaoctets_per_second: Option<Spread>,
    /// Packets of dpdk-testpmd in a second on its core.
    pub testpmd_packets_per_second: Option<Spread>,
    /// The worker's packets in a second on its core over those of testpmd, round by round.
    pub to_testpmd: Option<Spread>,
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
            plan: Plan::of(&arguments.traffic)?,
            content: match arguments.kind {
                Kind::Tx => "the same octets again and again",
                Kind::Relay => "forwarded unread",
                Kind::Loop => arguments.traffic.check.text(),
                Kind::Rx | Kind::Copy => Check::Octets.text(),
            },
            device: arguments.device.to_string(),
            rounds: Vec::new(),
            bare: Vec::new(),
            testpmd: Vec::new(),
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
            tx_packets_per_core_second: whole(|round| {
                round.whole.tx_on_core.map(|_| round.whole.tx_packets_per_core_second())
            }),
            rx_packets_per_second: whole(|round| Some(round.whole.rx_packets_per_second).filter(|rate| *rate > 0.0)),
            tx_cycles_per_packet: whole(|round| round.whole.tx_cycles_per_packet),
            rx_cycles_per_packet: whole(|round| round.whole.rx_cycles_per_packet),
            times_real_time: whole(|round| Some(round.times_real_time)),
            bare_packets_per_second: bare(|bare| bare.packets_per_second),
            bare_checked_packets_per_second: bare(|bare| bare.checked_packets_per_second),
            to_bare: ratio(|bare| bare.packets_per_second),
            to_bare_checked: ratio(|bare| bare.checked_packets_per_second),
            memcpy_gigaoctets_per_second: bare(|bare| bare.memcpy_gigaoctets_per_second),
            testpmd_packets_per_second: spread(self.testpmd.iter().copied()),
            to_testpmd: spread(
                self.rounds
                    .iter()
                    .zip(&self.testpmd)
                    .map(|(round, theirs)| round.whole.tx_packets_per_core_second() / theirs),
            ),
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
        let version = self.dpdk.as_ref().map_or(String::new(), |version| format!("; {version}"));
        let Self { machine, plan, content, device, .. } = self;
        let mut text = format!("\n{}{version}\n{}; {content}; on {device}\n", machine.text(), plan.text());
        for round in &self.rounds {
            text += &round.text();
        }
        text + &self.figures.text()
    }
}

impl Figures {
    fn text(&self) -> String {
        let rows = [
            ("tx Mpps", self.tx_packets_per_second, 1e6),
            ("tx Mpps while on core", self.tx_packets_per_core_second, 1e6),
            ("rx Mpps", self.rx_packets_per_second, 1e6),
            ("tx cycles/packet", self.tx_cycles_per_packet, 1.0),
            ("rx cycles/packet", self.rx_cycles_per_packet, 1.0),
            ("times real time", self.times_real_time, 1.0),
            ("bare Mpps", self.bare_packets_per_second, 1e6),
            ("bare, checked, Mpps", self.bare_checked_packets_per_second, 1e6),
            ("worker to bare", self.to_bare, 1.0),
            ("worker to bare, checked", self.to_bare_checked, 1.0),
            ("memcpy of frames GB/s", self.memcpy_gigaoctets_per_second, 1.0),
            ("testpmd Mpps on core", self.testpmd_packets_per_second, 1e6),
            ("worker to testpmd", self.to_testpmd, 1.0),
        ];
        let rows = rows.into_iter().filter_map(|(name, spread, unit)| Some((name, spread?, unit)));
        let mut text = String::from("medians over rounds (quartiles)\n");
        for (name, Spread { low, median, high }, unit) in rows {
            text += &format!("  {name:<26} {:.3} ({:.3} … {:.3})\n", median / unit, low / unit, high / unit);
        }
        text
    }
}

/// Medians over rounds of something that not every round has.
fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| Spread::of(values))
}
