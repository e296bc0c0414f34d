//! One round: a camera plays, receivers and viewers take what comes, then it is compared.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hwtests::{
    Camera, Clip, Gateway, Launch, Layout, Pattern, Planes, Process, Receiver, Statistics, Tally, Verifier, picture,
};

use crate::plan::{Flow, Output, Round};
use crate::stage::Stage;
use crate::table::{Copied, Judged, Lost, Row};

/// What a camera may take longer than its clip: start, first picture, end.
const CAMERA_MARGIN: Duration = Duration::from_secs(30);
/// What the last frames may take from the cameras' end to the receivers.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
const VIEWER_LIMIT: Duration = Duration::from_secs(10);

/// A flow with everybody who takes part in it.
struct Act<'a> {
    flow: &'a Flow,
    clip: Clip,
    viewer: Process,
    snapshot: Process,
    receivers: Vec<(&'a Output, Receiver)>,
}

/// Plays the round and compares.
pub(crate) fn play(round: &Round, stage: &Stage, gateway: &mut Gateway) -> Result<Vec<Row>> {
    let Round { format, frames, flow } = round;
    println!("{format}: {frames} frames from {} …", flow.camera.name());
    let files = stage.scratch.folder_for_all(&flow.name)?;
    let clip = Clip::make(&Pattern::new(*format, u64::from(flow.at.port())), *frames, &files, "clip")?;
    let before = (gateway.statistics()?, stage.wire_drops()?);
    let act = prepare(flow, clip, stage, gateway, &files)?;
    film(&act, stage)?;
    let sent = before.0.sum("sender", "grains_sent") + u64::from(*frames) * flow.outputs.len() as u64;
    let after = gateway.settle(DRAIN_LIMIT, |now| now.sum("sender", "grains_sent") >= sent)?;
    let wire_drops = stage.wire_drops()? - before.1;
    if wire_drops > 0 {
        println!("{format}: the veth pair dropped {wire_drops} packets");
    }
    let copies = Copies::between(&before.0, &after, *frames);
    let rows = compare(act, &after, copies, stage, &files)?;
    gateway.save_statistics(&stage.out.join(format!("{}-statistics.json", flow.name)))?;
    std::fs::remove_dir_all(&files).context("cannot remove the frames of a round")?;
    Ok(rows)
}

/// Starts the viewers and the receivers of a flow and waits until they are in place.
fn prepare<'a>(flow: &'a Flow, clip: Clip, stage: &Stage, gateway: &mut Gateway, files: &Path) -> Result<Act<'a>> {
    let frames = clip.numbers().len();
    let raw = format!("recv {} --format raw --frames {frames} --hold 8 --output", flow.name);
    let viewer =
        start_viewer(stage, gateway, (&raw, &viewer_file(files, flow, "raw")), &format!("{}-viewer", flow.name))?;
    let png = format!("recv {} --format png --frames 1 --newest --output", flow.name);
    let snapshot =
        start_viewer(stage, gateway, (&png, &viewer_file(files, flow, "png")), &format!("{}-snapshot", flow.name))?;
    for process in [&viewer, &snapshot] {
        gateway.wait_for_consumer(&flow.name, process.id())?;
    }
    let mut receivers = Vec::new();
    for output in &flow.outputs {
        let place = (files, &*output.name);
        let receiver = Receiver::start(output.receiver, clip.format(), output.to, stage.studio(), place)?;
        receivers.push((output, receiver));
    }
    Ok(Act { flow, clip, viewer, snapshot, receivers })
}

fn viewer_file(files: &Path, flow: &Flow, extension: &str) -> PathBuf {
    files.join(format!("{}-viewer.{extension}", flow.name))
}

/// An ordinary pod: another user in a namespace without a network.
fn start_viewer(stage: &Stage, gateway: &Gateway, (words, file): (&str, &Path), log: &str) -> Result<Process> {
    Launch::new(&gateway.flypack, &stage.out.join(format!("{log}.log")))
        .words(words)
        .arg(file.to_string_lossy())
        .arg("--broker")
        .arg(gateway.broker.to_string_lossy())
        .inside(stage.viewer_space())
        .by(stage.viewer)
        .start()
}

/// The camera plays its clip to the end.
fn film(act: &Act<'_>, stage: &Stage) -> Result<()> {
    let Act { flow, clip, .. } = act;
    let frames = clip.numbers().end - clip.numbers().start;
    let length = Duration::from_nanos(clip.format().rate().period_nanos().unsigned_abs()) * frames;
    let camera = Camera { peer: flow.camera, clip, destination: flow.at };
    let mut process = camera.start(stage.studio(), &stage.out, &format!("{}-camera", flow.name))?;
    process.finish(length + CAMERA_MARGIN)
}

/// Ends everybody of a flow and compares what they took.
fn compare(act: Act<'_>, after: &Statistics, copies: Copies, stage: &Stage, files: &Path) -> Result<Vec<Row>> {
    let Act { flow, clip, mut viewer, mut snapshot, receivers } = act;
    for process in [&mut viewer, &mut snapshot] {
        if process.wait(VIEWER_LIMIT).is_err() {
            process.interrupt(VIEWER_LIMIT)?;
        }
    }
    let png = stage.out.join(format!("{}-viewer.png", flow.name));
    std::fs::copy(viewer_file(files, flow, "png"), &png).context("the viewer saved no picture")?;
    let tally = Verifier::new(&clip, Layout::Wire).check_file(&viewer_file(files, flow, "raw"))?;
    let mut rows = vec![viewer_row(flow, &clip, &tally, (after, copies.received_by_driver))?];
    for (output, receiver) in receivers {
        let drops = receiver.stop()?;
        let layout = output.receiver.layout(clip.format());
        let raw = files.join(format!("{}.raw", output.name));
        let tally = Verifier::new(&clip, layout).check_file(&raw)?;
        save_middle(&raw, &clip, (layout, tally.verdicts.len()), &stage.out.join(format!("{}.png", output.name)))?;
        rows.push(output_row((flow, output), &clip, &tally, (after, copies.sent, drops))?);
    }
    Ok(rows)
}

fn viewer_row(flow: &Flow, clip: &Clip, tally: &Tally, (after, by_driver): (&Statistics, u64)) -> Result<Row> {
    let of = |counter| after.of("receiver", &flow.name, counter);
    let (lost, socket, grains) = (of("packets_lost")?, of("socket_drops")?, of("grains_opened")?.max(1));
    Ok(Row {
        from: flow.camera.name(),
        to: "viewer in place",
        format: *clip.format(),
        tally: Judged::whole(tally),
        repeated: 0,
        dropped: 0,
        lost: Lost { wire: lost.saturating_sub(socket), socket, ring: of("packets_dropped_with_grain")? },
        copied: Copied {
            by_us: of("octets_copied_by_us")? / grains,
            by_kernel: of("octets_copied_by_kernel")? / grains + by_driver,
        },
    })
}

fn output_row(
    (flow, output): (&Flow, &Output),
    clip: &Clip,
    tally: &Tally,
    (after, copied, socket): (&Statistics, Copied, u64),
) -> Result<Row> {
    let of = |counter| after.of("sender", &output.name, counter);
    let skipped = of("packets_skipped_late")? + of("packets_skipped_lost")? + of("packets_skipped_gone")?;
    let skipped = skipped + of("packets_taken_back")?;
    Ok(Row {
        from: flow.camera.name(),
        to: output.receiver.name(),
        format: *clip.format(),
        tally: Judged::inner(tally),
        repeated: of("grains_repeated")?,
        dropped: of("grains_dropped")?,
        lost: Lost { wire: of("packets_refused")?, socket, ring: skipped },
        copied,
    })
}

/// What was copied in one round, octets for each frame; all its senders have one format.
#[derive(Clone, Copy)]
struct Copies {
    sent: Copied,
    /// By the driver of a port, on the way in: a port is many receivers', so its receivers do not count it.
    received_by_driver: u64,
}

impl Copies {
    fn between(before: &Statistics, after: &Statistics, received: u32) -> Self {
        let grown = |kind, counter| after.sum(kind, counter) - before.sum(kind, counter);
        let sent = grown("sender", "grains_sent").max(1);
        let sent = Copied {
            by_us: grown("worker", "tx_octets_copied_by_us") / sent,
            by_kernel: grown("worker", "tx_octets_copied_by_kernel") / sent,
        };
        Self { sent, received_by_driver: grown("port", "rx_octets_copied_by_driver") / u64::from(received.max(1)) }
    }
}

/// Keeps the frame in the middle of what a peer received, for eyes.
fn save_middle(raw: &Path, clip: &Clip, (layout, frames): (Layout, usize), png: &Path) -> Result<()> {
    let octets = layout.frame_octets(clip.format());
    let received = std::fs::read(raw).with_context(|| format!("cannot read {}", raw.display()))?;
    let frame = received.chunks_exact(octets).nth(frames / 2);
    match frame.and_then(|frame| Planes::from_octets(*clip.format(), layout, frame)) {
        Some(planes) => picture::save_png(&planes, png),
        None => Ok(()),
    }
}
