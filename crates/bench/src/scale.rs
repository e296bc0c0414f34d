//! `flypack bench scale`: memory and time of a core for some numbers of flows.
//!
//! Each number is a process of its own, which runs `local loop`: a ring, a sender, a receiver, a ring and a consumer for each
//! flow, all on two workers. What a worker spends is the part of the time that its turns take which do
//! something; the rest it spins.

mod plot;

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::arguments::Scale;
use crate::{Machine, Verdict};
use plot::{Line, Panel};

/// What some flows take.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// How many there were.
    pub flows: u16,
    /// Memory of the process, MiB: what it has in pages of its own and in its rings.
    pub memory_mib: f64,
    /// Of a core: the worker that sends.
    pub tx_cores: f64,
    /// Of a core: the worker that receives.
    pub rx_cores: f64,
    /// Packets a second that were received.
    pub packets_per_second: f64,
    /// Packets that were lost, also those that the sender did not get to.
    pub packets_lost: u64,
    /// Whether everything arrived as it was sent.
    pub is_whole: bool,
    /// Pages of the rings.
    pub ring_pages: String,
    /// The loop's own sums, which say what was amiss.
    pub total: Value,
}

/// A run.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    command: String,
    format: String,
    device: String,
    points: Vec<Point>,
}

/// Measures, prints and plots.
///
/// # Errors
/// What could not be measured or written.
pub fn run(arguments: &Scale) -> Result<Verdict> {
    let machine = Machine::look();
    let mut points = Vec::new();
    for flows in &arguments.flows {
        let point = measure(arguments, *flows).with_context(|| format!("{flows} flows"))?;
        if !arguments.json {
            println!("{}", point.text());
        }
        points.push(point);
    }
    if let Some(file) = &arguments.svg {
        std::fs::write(file, plot(arguments, &points)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let is_whole = points.iter().all(|point| point.is_whole);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("flypack bench {}", words.join(" "));
    let (format, device) = (String::from(arguments.format), arguments.device.to_string());
    let report = Report { machine, command, format, device, points };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", report.machine.text());
    }
    Ok(if is_whole { Verdict::Whole } else { Verdict::Lossy })
}

fn measure(arguments: &Scale, flows: u16) -> Result<Point> {
    let (flows_word, seconds) = (flows.to_string(), arguments.seconds.to_string());
    let (format, device) = (String::from(arguments.format), arguments.device.to_string());
    let (check, pages) = (word(&arguments.check), word(&arguments.pages));
    let output = Command::new(std::env::current_exe()?)
        .args(["local", "loop", "--json", "--quiet", "--lateness-ms", "100", "--streams", &flows_word])
        .args(["--seconds", &seconds, "--format", &format, "--device", &device, "--check", &check, "--pages", &pages])
        .output()
        .context("this program cannot start itself")?;
    // Lost packets are a result, and say so by the exit status; no report is none.
    if output.stdout.is_empty() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    Point::of(flows, &report, output.status.success())
}

/// As the command line has it.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

impl Point {
    /// What one of these processes has reported; a figure that is not there is no 0.
    fn of(flows: u16, report: &Value, is_whole: bool) -> Result<Self> {
        let number = |name: &str| {
            let value = report.pointer(&format!("/rounds/0/{name}")).and_then(Value::as_f64);
            value.with_context(|| format!("the report of the loop has no {name}"))
        };
        Ok(Self {
            flows,
            memory_mib: number("memory_octets")? / f64::from(1 << 20),
            tx_cores: number("whole/tx_busy")?,
            rx_cores: number("whole/rx_busy")?,
            packets_per_second: number("whole/rx_packets_per_second")?,
            packets_lost: number("packets_lost")? as u64,
            is_whole,
            ring_pages: report["rounds"][0]["ring_pages"].as_str().unwrap_or_default().to_owned(),
            total: report["rounds"][0]["total"].clone(),
        })
    }

    fn text(&self) -> String {
        format!(
            "{:>3} flows: {:>6.0} MiB ({}), {:.3} cores to send, {:.3} to receive and place; {:.3} Mpps, lost {}",
            self.flows,
            self.memory_mib,
            self.ring_pages,
            self.tx_cores,
            self.rx_cores,
            self.packets_per_second / 1e6,
            self.packets_lost
        )
    }
}

fn plot(arguments: &Scale, points: &[Point]) -> String {
    let series = |name: &'static str, value: fn(&Point) -> f64| Line {
        name,
        points: points.iter().map(|point| (f64::from(point.flows), value(point))).collect(),
    };
    let memory = Panel { title: "memory, MiB", lines: vec![series("process", |point| point.memory_mib)] };
    let cores = Panel {
        title: "time of a core",
        lines: vec![series("send", |point| point.tx_cores), series("receive", |point| point.rx_cores)],
    };
    plot::svg(&format!("flows of {} over {}", String::from(arguments.format), arguments.device), &[memory, cores])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_that_is_missing_is_no_zero() {
        let whole = json!({"tx_busy": 0.1, "rx_busy": 0.2, "rx_packets_per_second": 3e5});
        let report = json!({"rounds": [{"memory_octets": 1 << 20, "packets_lost": 7, "whole": whole}]});
        let point = Point::of(8, &report, false).unwrap();
        assert_eq!((point.memory_mib, point.packets_lost, point.is_whole), (1.0, 7, false));
        for name in ["memory_octets", "packets_lost", "whole"] {
            let mut other = report.clone();
            other["rounds"][0].as_object_mut().unwrap().remove(name);
            assert!(Point::of(8, &other, true).unwrap_err().to_string().contains(name), "{name}");
        }
    }
}
