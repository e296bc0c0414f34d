//! A peer on the link layer: sends frames made by hand, and sees every frame that an interface of its namespace sends
//! or receives. For hostile input to our ports, and to see what they say.
//!
//! It is a packet socket in a child process (Python, whose source is beside this file), because safe Rust has none.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::netdev::Netdev;
use crate::reaper::Undo;

const SCRIPT: &str = include_str!("wire/peer.py");
const PATIENCE: Duration = Duration::from_secs(20);

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The interface received it.
    In,
    /// The interface sent it, by anybody's order but this socket's own.
    Out,
}

/// One frame as it was on the wire, from its destination address on, without its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which way it went.
    pub direction: Direction,
    /// The sending kernel left the transport's checksum to a device that is not there.
    pub partial_checksum: bool,
    /// The frame, with its VLAN tag if it had one.
    pub octets: Vec<u8>,
}

/// A packet socket on one interface. Dropping it ends the process that has it.
#[derive(Debug)]
pub struct Wire {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    frames: Receiver<Seen>,
    _undo: Undo,
}

/// Why there can be no such peer, or `None` when there can.
#[must_use]
pub fn unavailable() -> Option<String> {
    let python = Command::new("python3").args(["-c", "import socket; socket.AF_PACKET"]).output();
    match python {
        Err(error) => Some(format!("python3 cannot be started: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

impl Wire {
    /// Listens on `netdev` from now on.
    ///
    /// # Errors
    /// When there is no such interface, no Python, or no right to a packet socket.
    pub fn open(netdev: Netdev<'_>) -> Result<Self> {
        let mut command = netdev.namespace.command("python3");
        command.args(["-u", "-c", SCRIPT, netdev.name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start python3")?;
        let undo = Undo::push(&format!("kill -KILL {}", child.id()))?;
        let orders = child.stdin.take().context("the peer has no input")?;
        let said = child.stdout.take().context("the peer has no output")?;
        let ((answer, answers), (frame, frames)) = (channel(), channel());
        std::thread::Builder::new().name("wire".into()).spawn(move || listen(said, &answer, &frame))?;
        let wire = Self { child, orders, answers, frames, _undo: undo };
        let answer = wire.answer()?;
        ensure!(answer == "ready", "no packet socket on {}: {answer}", netdev.name);
        Ok(wire)
    }

    /// Sends one frame; it has left when this returns.
    ///
    /// # Errors
    /// What the kernel says: the link is down, or the frame is too long.
    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.flood(frame, 1)
    }

    /// Sends one frame `count` times, as fast as the peer can (some ten thousand a second).
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn flood(&mut self, frame: &[u8], count: u32) -> Result<()> {
        let hex: String = frame.iter().map(|octet| format!("{octet:02x}")).collect();
        writeln!(self.orders, "{count} {hex}").context("the peer does not listen")?;
        let answer = self.answer()?;
        match answer.split_once(' ') {
            Some(("sent", _)) => Ok(()),
            Some(("error", text)) => bail!("a frame of {} octets was not sent: {text}", frame.len()),
            _ => bail!("the peer answered {answer:?}"),
        }
    }

    /// The next frame that the interface sent or received, or none within `limit`.
    ///
    /// # Errors
    /// When the peer has ended.
    pub fn next(&self, limit: Duration) -> Result<Option<Seen>> {
        match self.frames.recv_timeout(limit) {
            Ok(seen) => Ok(Some(seen)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the peer has ended")),
        }
    }

    /// The next received frame that is `wanted`, within `limit`; others are passed over.
    ///
    /// # Errors
    /// When none came, or the peer has ended.
    pub fn receive(&self, limit: Duration, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let mut passed_over = 0;
        while let Some(seen) = self.next(deadline.saturating_duration_since(Instant::now()))? {
            if seen.direction == Direction::In && wanted(&seen.octets) {
                return Ok(seen.octets);
            }
            passed_over += 1;
        }
        bail!("no such frame within {limit:?}; {passed_over} others were seen");
    }

    /// All frames that were seen and not asked for yet.
    pub fn drain(&self) -> impl Iterator<Item = Seen> {
        self.frames.try_iter()
    }

    fn answer(&self) -> Result<String> {
        self.answers.recv_timeout(PATIENCE).context("the peer has ended, or does not answer")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes apart what the peer says, until it ends.
fn listen(said: ChildStdout, answer: &Sender<String>, frame: &Sender<Seen>) {
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        let sent = match parse(&line) {
            Some(seen) => frame.send(seen).is_ok(),
            None => answer.send(line).is_ok(),
        };
        if !sent {
            return;
        }
    }
}

/// `in whole 0123…`; none for anything that is no frame.
fn parse(line: &str) -> Option<Seen> {
    let mut words = line.split(' ');
    let direction = match words.next()? {
        "in" => Direction::In,
        "out" => Direction::Out,
        _ => return None,
    };
    let partial_checksum = words.next()? == "partial";
    let octets = words.next()?.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    Some(Seen { direction, partial_checksum, octets: octets.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_answers_are_told_apart() {
        let octets = vec![0x00, 0xff, 0x1a];
        let seen = Seen { direction: Direction::Out, partial_checksum: true, octets };
        assert_eq!(parse("out partial 00ff1a"), Some(seen));
        for line in ["sent 3", "ready", "error in error", "in whole 0g", ""] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
