//! Rows of a whole gateway: everything on one core, and what recording costs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hwtests::Statistics;
use hwtests::gateway::Spot;
use serde_json::{Value, json};

use crate::place::Place;
use crate::row::{Found, Row};
use crate::stage::{Show, Stage, free_address, receiver, sender};

const HD: Show = Show { width: 1_920, rows: 1_080, frames_per_second: 25 };
const SMALL: Show = Show { width: 1_280, rows: 720, frames_per_second: 50 };

pub(crate) fn rows() -> [Row; 2] {
    let row = |name, what, target, measure| Row { name, what, target, measure };
    [
        row(
            "one-core-gateway",
            "720p50 out and in by a gateway that has one core",
            "real time, nothing lost",
            one_core,
        ),
        row("record", "1080p25 recorded, beside the same without", "nothing lost, turns as long", record),
    ]
}

/// What of it was lost, in words; empty where nothing was.
fn amiss(before: &Statistics, after: &Statistics) -> Result<String> {
    const WHAT: [(&str, &str, &str); 7] = [
        ("sender", "out", "packets_skipped_late"),
        ("sender", "out", "packets_refused"),
        ("sender", "out", "grains_missed"),
        ("receiver", "cam", "packets_lost"),
        ("receiver", "cam", "grains_incomplete"),
        ("receiver", "cam", "late"),
        ("receiver", "cam", "grains_no_slot"),
    ];
    let mut words = Vec::new();
    for (kind, name, counter) in WHAT {
        let Ok(after) = after.of(kind, name, counter) else { continue };
        let count = after - before.of(kind, name, counter)?;
        if count > 0 {
            words.push(format!("{name}: {counter} {count}"));
        }
    }
    Ok(words.join(", "))
}

fn complete(statistics: &Statistics) -> Result<u64> {
    statistics.of("receiver", "cam", "grains_complete")
}

fn one_core(place: &Place) -> Result<Found> {
    let address = free_address()?;
    let objects = format!("[workers]\ncores = [0]\n{}{}", receiver(SMALL, address), sender("out", address));
    let stage = Stage::start(place, SMALL, Spot::OnCore(0), ("", &objects))?;
    stage.until_playing()?;
    let seconds = place.seconds(20);
    let (before, began, ran) = (stage.gateway.statistics()?, Instant::now(), stage.ran_ns(""));
    std::thread::sleep(Duration::from_secs(seconds.into()));
    let (after, took) = (stage.gateway.statistics()?, began.elapsed().as_secs_f64());
    let (frames, amiss) = (complete(&after)? - complete(&before)?, amiss(&before, &after)?);
    let times = frames as f64 / took / f64::from(SMALL.frames_per_second);
    let core = (stage.ran_ns("") - ran) as f64 / 1e9 / took;
    let word = if amiss.is_empty() { "nothing lost" } else { &amiss };
    let measured = format!(
        "{times:.3} × real time for {took:.0} s, {word}; {core:.2} of the core for sender, receiver, control and broker"
    );
    let details = json!({"frames": frames, "seconds": took, "core": core, "amiss": amiss});
    stage.gateway.stop()?;
    // A frame may be on its way at either look.
    let is_met = amiss.is_empty() && frames as f64 + 2.0 >= took * f64::from(SMALL.frames_per_second);
    Ok(Found::met(is_met, measured, details))
}

/// What a stretch of time cost the workers.
struct Stretch {
    /// Mean of a turn, ns.
    turn_ns: f64,
    /// Of a core, all workers.
    cores: f64,
    frames: u64,
    amiss: String,
}

fn stretch(stage: &Stage, work: impl FnOnce() -> Result<()>) -> Result<Stretch> {
    let turns = || -> Result<(u64, u64)> {
        let (mut sum, mut count) = (0, 0);
        for worker in stage.workers()? {
            let turns = &worker["turns"];
            sum += turns["sum_ns"].as_u64().context("no sum of turns")?;
            count += turns["by_power_of_two"].as_array().into_iter().flatten().filter_map(Value::as_u64).sum::<u64>();
        }
        Ok((sum, count))
    };
    let (before, (sum, count), ran, began) =
        (stage.gateway.statistics()?, turns()?, stage.ran_ns("worker"), Instant::now());
    work()?;
    let (after, (sum_after, count_after), ran_after) = (stage.gateway.statistics()?, turns()?, stage.ran_ns("worker"));
    ensure!(count_after > count && ran_after > ran, "the workers do not turn");
    Ok(Stretch {
        turn_ns: (sum_after - sum) as f64 / (count_after - count) as f64,
        cores: (ran_after - ran) as f64 / began.elapsed().as_nanos() as f64,
        frames: complete(&after)? - complete(&before)?,
        amiss: amiss(&before, &after)?,
    })
}

fn record(place: &Place) -> Result<Found> {
    let (address, folder) = (free_address()?, place.out.join("recordings"));
    let objects = format!(
        "[workers]\ncores = [0]\n[record]\nfolder = \"{}\"\ntrial_ms = 200\n{}{}",
        std::path::absolute(&folder)?.display(),
        receiver(HD, address),
        sender("out", address)
    );
    let stage = Stage::start(place, HD, Spot::Here, ("", &objects))?;
    stage.until_playing()?;
    let (seconds, rounds) = (place.seconds(4), place.rounds(10));
    let (mut turns, mut cores, mut words, mut details) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let without = stretch(&stage, || {
            std::thread::sleep(Duration::from_secs(seconds.into()));
            Ok(())
        })?;
        let mut grains = [0.0; 2];
        let with = stretch(&stage, || {
            let file = format!("round-{round}.fpk");
            let recording = stage.flypack(&format!("record cam {file} --seconds {seconds}"))?;
            grains = [recording.number("/grains")?, recording.number("/grains_lost")?];
            Ok(())
        })?;
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        turns.push(with.turn_ns / without.turn_ns);
        cores.push(with.cores / without.cores);
        let amiss = [without.amiss, with.amiss].join("");
        if !amiss.is_empty() || grains[1] > 0.0 {
            words.push(format!("round {round}: {amiss} recording lost {}", grains[1]));
        }
        details.push(json!({
            "turn_ns": [without.turn_ns, with.turn_ns], "cores": [without.cores, with.cores],
            "frames": [without.frames, with.frames], "recorded": grains[0], "recording_lost": grains[1],
        }));
    }
    stage.gateway.stop()?;
    let _ = std::fs::remove_dir_all(&folder);
    let (turn, core) = (median(&mut turns), median(&mut cores));
    let word = if words.is_empty() { "nothing lost".to_owned() } else { words.join("; ") };
    let measured = format!(
        "{word}; turns with recording {turn:.3} of those without, the workers' cores {core:.3}, {rounds} rounds"
    );
    // Turns vary by some per cent from round to round.
    Ok(Found::met(words.is_empty() && turn <= 1.05 && core <= 1.05, measured, details.into()))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
