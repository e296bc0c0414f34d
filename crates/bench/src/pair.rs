//! A sender with its receivers, and the rounds that they play.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::process::Process;
use crate::ring::slots_for;
use crate::role::{Answer, Command, Kind, Policy, Role};
use crate::{FrameSize, Percentiles};

/// Where the processes of a run are, and what they share.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// The run's folder; its broker listens there.
    pub folder: &'a Path,
    /// Cores: the sender has the first, receivers go round the others.
    pub cores: &'a [usize],
    /// Pages of rings.
    pub pages: Policy,
}

impl Place<'_> {
    /// A role of the pair `meeting`. Party 0 is the sender.
    pub(crate) fn role(&self, plan: &Plan, kind: Kind, party: usize) -> Role {
        let receivers = self.cores.get(1..).filter(|cores| !cores.is_empty());
        let core = match (party, receivers) {
            (_, None) => None,
            (0, Some(_)) => self.cores.first().copied(),
            (party, Some(cores)) => Some(cores[(party - 1) % cores.len()]),
        };
        Role {
            kind,
            meeting: plan.name.clone(),
            size: plan.size,
            core,
            folder: self.folder.to_owned(),
            acknowledgements: format!("{}-ack-{party}", plan.name),
            slots: slots_for(plan.receivers as u16),
            pages: self.pages,
        }
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What it is called in tables, and where the two meet.
    pub name: String,
    /// The sender.
    pub sender: Kind,
    /// Each receiver.
    pub receiver: Kind,
    /// How many of them.
    pub receivers: usize,
    /// Octets of a frame.
    pub size: FrameSize,
}

/// A sender and its receivers, connected and asleep.
#[derive(Debug)]
pub(crate) struct Pair {
    sender: Process,
    receivers: Vec<Process>,
}

/// The latencies of one round, over all receivers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    /// From the stamp (the message is open, its octets are written) until it is read.
    pub from_stamp: Percentiles,
    /// The same, with what it takes to open or loan the message.
    pub from_open: Percentiles,
    /// From the stamp until the last receiver has read it.
    pub last: Percentiles,
}

impl Pair {
    /// Starts all processes and has them meet.
    ///
    /// # Errors
    /// When one of them cannot.
    pub(crate) fn start(place: &Place<'_>, plan: &Plan) -> Result<Self> {
        let role = |kind, party| place.role(plan, kind, party);
        let mut sender = Process::start(&role(plan.sender, 0))?;
        let parties = 1..=plan.receivers;
        let mut receivers =
            parties.clone().map(|party| Process::start(&role(plan.receiver, party))).collect::<Result<Vec<_>>>()?;
        // Who is joined must look after those who join, so each side hosts while the other connects.
        sender.tell(&Command::Host)?;
        for receiver in &mut receivers {
            receiver.ask(&Command::Connect { acknowledgements: Vec::new() })?;
            receiver.tell(&Command::Host)?;
        }
        let acknowledgements = parties.map(|party| role(plan.receiver, party).acknowledgements).collect();
        sender.ask(&Command::Connect { acknowledgements })?;
        Ok(Self { sender, receivers })
    }

    /// Plays a round: `command` goes to everybody, the sender begins when all receivers wait.
    ///
    /// # Errors
    /// When one of them fails, or a message was not whole.
    pub(crate) fn play(&mut self, command: &Command) -> Result<Round> {
        for receiver in &mut self.receivers {
            receiver.ask(command)?;
        }
        let Answer::Sent { opening, stamps, sums } = self.sender.ask(command)? else { bail!("no round was sent") };
        let mut samples = Samples { last: vec![0; stamps.len()], ..Samples::default() };
        for receiver in &mut self.receivers {
            let Answer::Received { seen, stamps: read, sums: summed } = receiver.answer()? else {
                bail!("no round was received")
            };
            ensure!(seen.len() == stamps.len(), "{} of {} messages were received", seen.len(), stamps.len());
            ensure!(read.is_empty() || read == stamps, "stamps were read that were not written");
            ensure!(summed == sums, "frames were read that were not written");
            samples.add(&opening, &stamps, &seen);
        }
        Ok(samples.round())
    }
}

#[derive(Debug, Default)]
struct Samples {
    from_stamp: Vec<u64>,
    from_open: Vec<u64>,
    last: Vec<u64>,
}

impl Samples {
    fn add(&mut self, opening: &[u64], stamps: &[u64], seen: &[u64]) {
        let from_stamp: Vec<u64> = stamps.iter().zip(seen).map(|(stamp, seen)| seen.saturating_sub(*stamp)).collect();
        for (last, latency) in self.last.iter_mut().zip(&from_stamp) {
            *last = (*last).max(*latency);
        }
        self.from_open.extend(opening.iter().zip(&from_stamp).map(|(opening, latency)| opening + latency));
        self.from_stamp.extend(from_stamp);
    }

    fn round(mut self) -> Round {
        Round {
            from_stamp: Percentiles::of(&mut self.from_stamp),
            from_open: Percentiles::of(&mut self.from_open),
            last: Percentiles::of(&mut self.last),
        }
    }
}

/// Has each pair play a round, again and again, each time beginning with another; the first round warms up.
///
/// # Errors
/// When a pair fails.
pub(crate) fn alternate(pairs: &mut [(Pair, Command)], rounds: u32) -> Result<Vec<Vec<Round>>> {
    let mut played = vec![Vec::new(); pairs.len()];
    for round in 0..=rounds as usize {
        for turn in 0..pairs.len() {
            let at = (round + turn) % pairs.len();
            let (pair, command) = &mut pairs[at];
            let result = pair.play(command)?;
            if round > 0 {
                played[at].push(result);
            }
        }
    }
    Ok(played)
}
