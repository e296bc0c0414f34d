//! What was found, as tables that may go into a document as they are.

use std::fmt::Write as _;

use super::report::{Departure, Follow, Handover, Lines, Publication, Report};
use crate::arguments::Mode;
use crate::{Percentiles, Spread};

impl Report {
    /// Markdown.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n`{}`\n", self.machine.text(), self.command);
        if !self.handover.is_empty() {
            text += "\nHand-over: from the stamp in the open message to its being read; in brackets with its \
                     opening.\nMedians over rounds, [quartiles of the rounds' medians]; ratios round by round.\n\n";
            text += "| what | waits | consumers | p50 | p99 | p99.9 | max | last p50 | over | ratio of p50 |\n\
                     |---|---|---|---|---|---|---|---|---|---|\n";
            self.handover.iter().for_each(|row| text += &handover(row));
            text += &deltas(&self.handover);
        }
        for copies in &self.copies {
            let _ = writeln!(text, "\nmemcpy of {} octets: {}", copies.frame_octets, percentiles(&copies.ns));
        }
        text += &self.lines.as_ref().map(lines).unwrap_or_default();
        if !self.departures.is_empty() {
            text += "\n| dead consumer, pages | mapped | kill -9 to the end of its pipes | to its slots free |\n|---|---|---|---|\n";
            self.departures.iter().for_each(|row| text += &departure(row));
        }
        if !self.publication.is_empty() {
            text += "\n| consumers | open | publish (mean of 1,000) | commit |\n|---|---|---|---|\n";
            self.publication.iter().for_each(|row| text += &publication(row));
        }
        text
    }
}

fn handover(row: &Handover) -> String {
    let Percentiles { p50, p99, p99_9, max } = row.from_stamp;
    let mode = format!("{:?}", row.mode).to_lowercase();
    let (over, ratio) = row.compared.as_ref().map_or(("", String::new()), |compared| {
        let from_open = compared.from_open.median;
        (&*compared.with, format!("{} ({from_open:.2})", plain_spread(compared.from_stamp)))
    });
    format!(
        "| {} | {mode} | {} | {} [{}, {}] ({}) | {} | {} | {} | {} | {over} | {ratio} |\n",
        row.name,
        row.receivers,
        time(p50),
        time(row.p50_spread.low),
        time(row.p50_spread.high),
        time(row.from_open.p50),
        time(p99),
        time(p99_9),
        time(max),
        time(row.last.p50),
    )
}

/// How much the size of a frame matters to what is handed over in place.
fn deltas(rows: &[Handover]) -> String {
    let base = |row: &Handover| row.name.rsplit_once('-').map(|(base, _)| base.to_owned()).unwrap_or_default();
    let of = |wanted: &str| -> Vec<&Handover> {
        rows.iter().filter(|row| row.mode == Mode::Spin && base(row) == wanted).collect()
    };
    let delta = |wanted: &&str| match *of(wanted) {
        [first, .., last] => {
            let difference = last.from_stamp.p50 - first.from_stamp.p50;
            Some(format!(
                "\n{wanted}: p50 of {} octets less p50 of {} octets: {difference:.0} ns\n",
                last.frame_octets, first.frame_octets
            ))
        }
        _ => None,
    };
    ["ring", "iceoryx2"].iter().filter_map(delta).collect()
}

fn lines(lines: &Lines) -> String {
    let follow = |follow: &Follow| format!("{} {}", percentiles(&follow.ns), time_spread(follow.p50_spread));
    format!(
        "\nLast line written to all {} octets summed ({} lines, one every {} ns):\n\n- published line by line: {}\n- \
         published as a whole: {}\n- ratio of p50: {}\n",
        lines.frame_octets,
        lines.lines,
        lines.line_ns,
        follow(&lines.by_line),
        follow(&lines.by_frame),
        precise_spread(lines.ratio)
    )
}

fn departure(row: &Departure) -> String {
    let mib = row.mapped_octets >> 20;
    format!("| {} | {mib} MiB | {} | {} |\n", row.pages, time_spread(row.gone_ns), time_spread(row.free_ns))
}

fn publication(row: &Publication) -> String {
    let (open, publish, commit) = (row.open_ns, row.publish_ns, row.commit_ns);
    format!(
        "| {} | {} | {:.1} ns [{:.1}, {:.1}] | {} |\n",
        row.consumers,
        time_spread(open),
        publish.median,
        publish.low,
        publish.high,
        time_spread(commit)
    )
}

fn percentiles(all: &Percentiles) -> String {
    format!("p50 {}, p99 {}, p99.9 {}, max {}", time(all.p50), time(all.p99), time(all.p99_9), time(all.max))
}

fn time_spread(spread: Spread) -> String {
    format!("{} [{}, {}]", time(spread.median), time(spread.low), time(spread.high))
}

fn plain_spread(spread: Spread) -> String {
    format!("{:.2} [{:.2}, {:.2}]", spread.median, spread.low, spread.high)
}

fn precise_spread(spread: Spread) -> String {
    format!("{:.4} [{:.4}, {:.4}]", spread.median, spread.low, spread.high)
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns < 10_000_000.0 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.1} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_or_more() {
        let times = [0.0, 115.4, 9_999.0, 10_000.0, 622_000.0, 42_000_000.0].map(time);
        assert_eq!(times, ["0 ns", "115 ns", "9999 ns", "10.0 µs", "622.0 µs", "42.0 ms"]);
    }
}
