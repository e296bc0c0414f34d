//! From a producer to its consumers: the ring, and what others have, in rounds that alternate.

use anyhow::Result;

use super::report::{Comparison, Copies, Handover};
use crate::arguments::{Mode, Shm};
use crate::pair::{Pair, Place, Plan, Round, alternate};
use crate::peer::{ICEORYX2, copy_ns};
use crate::role::{Command, Kind};
use crate::{FrameSize, Percentiles, Spread};

/// From one message's acknowledgement to the next: a spinner is back at its loop by then.
const SPIN_GAP_NS: u64 = 2_000;
/// The same for sleepers: all are asleep again.
const SLEEP_GAP_NS: u64 = 150_000;
/// A round of sleepers has fewer messages: each takes a hundred times longer.
const SLEEP_SHARE: u32 = 20;
/// Octets that go through a socket in a round, at most.
const SOCKET_OCTETS: usize = 256 << 20;
/// Octets that memcpy moves for a figure.
const COPIED_OCTETS: usize = 2 << 30;

/// One that is measured, and what it is compared with.
struct Candidate {
    plan: Plan,
    messages: u32,
    gap_ns: u64,
    mode: Mode,
    rival: Option<String>,
}

pub(super) fn measure(arguments: &Shm, place: &Place<'_>) -> Result<Vec<Handover>> {
    let mut found = Vec::new();
    for mode in [Mode::Spin, Mode::Inline, Mode::Housekeeping] {
        let candidates = if arguments.modes.contains(&mode) { candidates(arguments, mode) } else { Vec::new() };
        found.extend(compare(&candidates, arguments.rounds, place)?);
    }
    Ok(found)
}

fn candidates(arguments: &Shm, mode: Mode) -> Vec<Candidate> {
    match mode {
        Mode::Spin => arguments.frames.iter().flat_map(|size| spinning(arguments, *size)).collect(),
        Mode::Inline | Mode::Housekeeping => {
            arguments.consumers.iter().flat_map(|consumers| sleeping(arguments, mode, *consumers)).collect()
        }
    }
}

fn spinning(arguments: &Shm, size: FrameSize) -> Vec<Candidate> {
    let octets = size.octets();
    let candidate = |what: &str, sender, receiver, messages, rival: Option<&str>| Candidate {
        plan: Plan { name: format!("{what}-{octets}"), sender, receiver, receivers: 1, size },
        messages,
        gap_ns: SPIN_GAP_NS,
        mode: Mode::Spin,
        rival: rival.map(|rival| format!("{rival}-{octets}")),
    };
    let rival = (arguments.peers && ICEORYX2.is_some()).then_some("iceoryx2");
    let mut all = vec![
        candidate("ring", Kind::GatewayRing, Kind::GatewayReader, arguments.messages, rival),
        candidate("pod-ring", Kind::PodRing, Kind::PodReader, arguments.messages, rival),
    ];
    if rival.is_some() {
        let (sender, receiver) = (Kind::IceoryxSender, Kind::IceoryxReceiver);
        all.push(candidate("iceoryx2", sender, receiver, arguments.messages, None));
    }
    if arguments.peers {
        let messages = ((SOCKET_OCTETS / octets) as u32).clamp(1, arguments.messages);
        all.push(candidate("unix-socket", Kind::SocketSender, Kind::SocketReceiver, messages, None));
    }
    all
}

fn sleeping(arguments: &Shm, mode: Mode, consumers: u16) -> Vec<Candidate> {
    let candidate = |what: &str, sender, receiver, rival: Option<&str>| Candidate {
        plan: Plan {
            name: format!("{what}-{consumers}"),
            sender,
            receiver,
            receivers: usize::from(consumers),
            size: arguments.frames.first().copied().unwrap_or(FrameSize::SMALLEST),
        },
        messages: (arguments.messages / SLEEP_SHARE).max(10),
        gap_ns: SLEEP_GAP_NS,
        mode,
        rival: rival.map(|rival| format!("{rival}-{consumers}")),
    };
    let rival = (arguments.peers && ICEORYX2.is_some()).then_some("iceoryx2-event");
    match mode {
        Mode::Housekeeping => vec![candidate("ring-housekeeping", Kind::GatewayRing, Kind::GatewaySleeper, None)],
        _ => {
            let ours = candidate("pod-ring-inline", Kind::PodRing, Kind::PodSleeper, rival);
            let theirs = rival.map(|what| candidate(what, Kind::IceoryxNotifier, Kind::IceoryxListener, None));
            [ours].into_iter().chain(theirs).collect()
        }
    }
}

fn compare(candidates: &[Candidate], rounds: u32, place: &Place<'_>) -> Result<Vec<Handover>> {
    let start = |candidate: &Candidate| {
        let command = Command::Round { messages: candidate.messages, gap_ns: candidate.gap_ns };
        Ok((Pair::start(place, &candidate.plan)?, command))
    };
    let mut pairs = candidates.iter().map(start).collect::<Result<Vec<_>>>()?;
    let played = alternate(&mut pairs, rounds)?;
    let rounds_of = |name: &String| candidates.iter().position(|other| other.plan.name == *name).map(|at| &played[at]);
    let rows = candidates.iter().zip(&played).map(|(candidate, rounds)| {
        let rival = candidate.rival.as_ref().and_then(|name| rounds_of(name).map(|theirs| (name.clone(), theirs)));
        row(candidate, rounds, rival)
    });
    Ok(rows.collect())
}

fn row(candidate: &Candidate, rounds: &[Round], rival: Option<(String, &Vec<Round>)>) -> Handover {
    let over = |of: fn(&Round) -> Percentiles| Percentiles::over(&rounds.iter().map(of).collect::<Vec<_>>());
    let medians = |rounds: &[Round], of: fn(&Round) -> Percentiles| -> Vec<f64> {
        rounds.iter().map(|round| of(round).p50).collect()
    };
    let ratio = |theirs: &[Round], of| Spread::of_ratios(&medians(rounds, of), &medians(theirs, of));
    Handover {
        name: candidate.plan.name.clone(),
        mode: candidate.mode,
        frame_octets: candidate.plan.size.octets(),
        receivers: candidate.plan.receivers,
        rounds: rounds.len(),
        messages: candidate.messages,
        from_stamp: over(|round| round.from_stamp),
        from_open: over(|round| round.from_open),
        last: over(|round| round.last),
        p50_spread: Spread::of(medians(rounds, |round| round.from_stamp)),
        compared: rival.map(|(with, theirs)| Comparison {
            with,
            from_stamp: ratio(theirs, |round| round.from_stamp),
            from_open: ratio(theirs, |round| round.from_open),
            last: ratio(theirs, |round| round.last),
        }),
    }
}

/// memcpy of the same frames.
pub(super) fn copies(arguments: &Shm) -> Vec<Copies> {
    let of = |size: &FrameSize| {
        let copies = (COPIED_OCTETS / size.octets()).clamp(10, 5_000) as u32;
        Copies { frame_octets: size.octets(), copies, ns: Percentiles::of(&mut copy_ns(*size, copies)) }
    };
    arguments.frames.iter().map(of).collect()
}
