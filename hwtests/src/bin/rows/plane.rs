//! Rows of the data plane without a network: `flypack bench local` and `scale`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::place::Place;
use crate::report::Report;
use crate::row::{Found, Row};

/// Packets a second of 2160p59.94, 10 bit.
const UHD_PACKETS: f64 = 1.036e6;

pub(crate) fn rows() -> [Row; 10] {
    let row = |name, what, target, measure| Row { name, what, target, measure };
    [
        row(
            "tx",
            "framed packets into net_null, one core, beside dpdk-testpmd",
            "≥ 1.0 × testpmd, ≥ 10 × 2160p59.94",
            tx,
        ),
        row("tx-ring", "the same into net_ring, freed on the other core", "≥ 6 Mpps", tx_ring),
        row("rx", "packets into rings, beside a bare loop with the best store", "≥ 0.8 × bare", rx),
        row("loop", "2160p59.94 over net_ring, two cores, unpaced, verified", "≥ 2 × real time, ≥ 0.75 × bare", looped),
        row("paced", "2160p59.94 paced, lateness bound 100 ms", "nothing lost or skipped, all verified", paced),
        row("paced-default", "the same with the default bound", "reported", paced_default),
        row("relay", "one stream to 64 destinations on net_null", "≥ 15 Mpps a core", relay),
        row("relay-ring", "the same over net_ring, each destination counted", "reported", relay_ring),
        row("one-core", "720p50, everything of a loop on one core", "real time, nothing lost", one_core),
        row("scale", "memory and cores of 1, 8, 64 flows of 720p25", "linear or better", scale),
    ]
}

/// Of 64 flows of 720p: the slots of a sender's and of a receiver's ring, two pages each, and DPDK's.
const SCALE_HUGEPAGES: u64 = 64 * (9 + 7) * 2 + 256;

fn tx(place: &Place) -> Result<Found> {
    let (seconds, rounds) = (place.seconds(2), place.rounds(10));
    let words =
        format!("local tx --unpaced --pages huge --seconds {seconds} --rounds {rounds} --quiet --against testpmd");
    let report = place.bench(&words)?;
    let (ratio, ours) = (report.spread("/figures/to_testpmd")?, report.spread("/figures/tx_packets_per_core_second")?);
    let (theirs, cycles) =
        (report.spread("/figures/testpmd_packets_per_second")?, report.spread("/figures/tx_cycles_per_packet")?);
    let times = ours.median / UHD_PACKETS;
    let measured = format!(
        "{} of testpmd; {} Mpps against {}; {:.0} cycles a packet; {times:.1} × 2160p59.94",
        ratio.text(1.0, 3),
        ours.text(1e6, 2),
        theirs.text(1e6, 2),
        cycles.median
    );
    Ok(Found::met(report.is_whole && ratio.median >= 1.0 && times >= 10.0, measured, report.without_seconds()))
}

fn tx_ring(place: &Place) -> Result<Found> {
    let (seconds, rounds) = (place.seconds(2), place.rounds(10));
    let words =
        format!("local tx --device net_ring --unpaced --pages huge --seconds {seconds} --rounds {rounds} --quiet");
    let report = place.bench(&words)?;
    let ours = report.spread("/figures/tx_packets_per_second")?;
    Ok(Found::met(ours.median >= 6e6, format!("{} Mpps", ours.text(1e6, 2)), report.without_seconds()))
}

fn rx(place: &Place) -> Result<Found> {
    let report = place.bench("local rx --pages huge")?;
    let payloads = report.json.pointer("/payloads").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(payloads > 0, "the report has no payloads");
    let (mut words, mut is_met) = (Vec::new(), true);
    for place in 0..payloads {
        let of = |what: &str| report.spread(&format!("/payloads/{place}/{what}"));
        let (of_bare, of_memcpy) = (of("of_bare")?, of("of_memcpy")?);
        is_met &= of_bare.median >= 0.8;
        words.push(format!(
            "{} octets {}: {} of bare, {:.2} of memcpy, {:.0} ns",
            report.number(&format!("/payloads/{place}/octets"))?,
            report.json.pointer(&format!("/payloads/{place}/store")).and_then(Value::as_str).unwrap_or_default(),
            of_bare.text(1.0, 3),
            of_memcpy.median,
            of("worker_ns")?.median
        ));
    }
    Ok(Found::met(is_met, words.join("; "), report.without_seconds()))
}

fn looped(place: &Place) -> Result<Found> {
    let (seconds, rounds) = (place.seconds(2), place.rounds(10));
    let report = place.bench(&format!(
        "local loop --format 2160p59.94 --unpaced --pages huge --seconds {seconds} --rounds {rounds} --quiet --against bare"
    ))?;
    let of = |what: &str| report.spread(&format!("/figures/{what}"));
    let (times, bare, checked) = (of("times_real_time")?, of("to_bare")?, of("to_bare_checked")?);
    let measured = format!(
        "{} × real time; {} of bare, {} of bare and checked; cycles a packet tx {:.0} rx {:.0}; {}",
        times.text(1.0, 2),
        bare.text(1.0, 3),
        checked.text(1.0, 3),
        of("tx_cycles_per_packet")?.median,
        of("rx_cycles_per_packet")?.median,
        whole(&report)
    );
    Ok(Found::met(report.is_whole && times.median >= 2.0 && bare.median >= 0.75, measured, report.without_seconds()))
}

fn paced(place: &Place) -> Result<Found> {
    let (report, measured) = paced_by(place, "--lateness-ms 100")?;
    Ok(Found::met(report.is_whole, measured, report.without_seconds()))
}

fn paced_default(place: &Place) -> Result<Found> {
    let (report, measured) = paced_by(place, "")?;
    Ok(Found { measured, is_met: None, details: report.without_seconds() })
}

fn paced_by(place: &Place, bound: &str) -> Result<(Report, String)> {
    let seconds = place.seconds(60);
    let words = format!("local loop --format 2160p59.94 --pages huge --seconds {seconds} --quiet {bound}");
    let report = place.bench(&words)?;
    let of = |what: &str| report.number(&format!("/rounds/0/{what}"));
    let late = |what: &str| Ok::<_, anyhow::Error>(of(&format!("lateness_ns/{what}"))? / 1e3);
    let measured = format!(
        "{seconds} s: {}; {} packets, {} frames whole and checked; late µs p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0}",
        whole(&report),
        of("total/rx_packets")?,
        of("total/grains_complete")?,
        late("p50")?,
        late("p99")?,
        late("p99_9")?,
        late("max")?
    );
    Ok((report, measured))
}

fn relay(place: &Place) -> Result<Found> {
    let (seconds, rounds) = (place.seconds(2), place.rounds(10));
    let words = format!("local relay --unpaced --pages huge --seconds {seconds} --rounds {rounds} --quiet");
    let report = place.bench(&words)?;
    let ours = report.spread("/figures/tx_packets_per_core_second")?;
    Ok(Found::met(ours.median >= 15e6, format!("{} Mpps a core", ours.text(1e6, 2)), report.without_seconds()))
}

fn relay_ring(place: &Place) -> Result<Found> {
    let program = hwtests::gateway::program("examples/relay")?;
    let rounds = 20_000 / place.rounds(10).max(1) * place.rounds(10);
    let mut command = std::process::Command::new(program);
    let said = crate::report::done(command.args(["net_ring", "64", &rounds.to_string(), "huge"]))?;
    let rates = |who: &str| {
        let lines = said.lines().filter(|line| line.contains(who));
        let mut rates: Vec<f64> =
            lines.filter_map(|line| line.split(": ").last()?.split(' ').next()?.parse().ok()).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().with_context(|| format!("it says nothing of the {who}: {said}"))
    };
    // It asserts that each destination got every packet.
    let counted = said.lines().rfind(|line| line.contains("each of")).context("nothing was counted")?;
    let measured = format!(
        "{} Mpps, all of which the other core takes, counts and frees (without a worker, the same copies: {}); {counted}",
        rates("worker")?,
        rates("backend alone")?
    );
    Ok(Found { measured, is_met: None, details: json!({ "said": said }) })
}

fn one_core(place: &Place) -> Result<Found> {
    let seconds = place.seconds(20);
    let words =
        format!("local loop --format 720p50 --pages huge --cores 0,0 --seconds {seconds} --lateness-ms 100 --quiet");
    let report = place.bench(&words)?;
    let times = report.number("/rounds/0/times_real_time")?;
    let measured = format!("{times:.3} × real time over net_ring, source and check there too: {}", whole(&report));
    Ok(Found::met(report.is_whole && times > 0.99, measured, report.without_seconds()))
}

fn scale(place: &Place) -> Result<Found> {
    let (seconds, svg) = (place.seconds(10), place.out.join("scale.svg"));
    let _pages = place.hugepages(SCALE_HUGEPAGES)?;
    let report = place.bench(&format!("scale --pages huge --seconds {seconds} --svg {}", svg.display()))?;
    let of = |at: usize, what: &str| report.number(&format!("/points/{at}/{what}"));
    let cores = |at| Ok::<_, anyhow::Error>(of(at, "tx_cores")? + of(at, "rx_cores")?);
    let flows = of(2, "flows")? / of(0, "flows")?;
    let memory = of(2, "memory_mib")? / of(0, "memory_mib")?;
    let time = cores(2)? / cores(0)?;
    let mut amiss = Vec::new();
    for at in 0..3 {
        let what = report.amiss(&format!("/points/{at}"))?;
        if !what.is_empty() {
            amiss.push(format!("{} flows: {what}", of(at, "flows")?));
        }
    }
    let measured = format!(
        "{flows} × the flows take {memory:.1} × the memory and {time:.1} × the time; {:.0}, {:.0}, {:.0} MiB; {:.4}, {:.4}, {:.4} cores; {}",
        of(0, "memory_mib")?,
        of(1, "memory_mib")?,
        of(2, "memory_mib")?,
        cores(0)?,
        cores(1)?,
        cores(2)?,
        if report.is_whole { "whole".to_owned() } else { format!("NOT WHOLE ({})", amiss.join("; ")) }
    );
    Ok(Found::met(report.is_whole && memory <= flows && time <= flows, measured, report.without_seconds()))
}

/// Whether the first round was whole, and what was amiss.
fn whole(report: &Report) -> String {
    match report.amiss("/rounds/0") {
        Ok(amiss) if report.is_whole && amiss.is_empty() => "whole".to_owned(),
        Ok(amiss) => format!("NOT WHOLE ({amiss})"),
        Err(error) => format!("{error:#}"),
    }
}
