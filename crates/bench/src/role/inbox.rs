//! Commands as they come in, and answers to them.

use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::dialogue::{Answer, Command};

/// How often a writer looks for consumers that want to join, while nothing is measured.
const HOSTING: Duration = Duration::from_micros(200);

/// The lines of stdin.
#[derive(Debug)]
pub struct Inbox {
    lines: Receiver<String>,
}

impl Inbox {
    /// Begins to read.
    #[must_use]
    pub fn open() -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                if line.map(|line| sender.send(line)).is_err() {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// The next command; none at the end. Sleeps.
    ///
    /// # Errors
    /// A line that is no command.
    pub fn next(&self) -> Result<Option<Command>> {
        self.lines.recv().ok().map(|line| parse(&line)).transpose()
    }

    /// Calls `host` now and then until a command is there.
    pub fn host(&self, mut host: impl FnMut()) -> Result<Option<Command>> {
        loop {
            host();
            match self.lines.try_recv() {
                Ok(line) => return parse(&line).map(Some),
                Err(TryRecvError::Empty) => thread::sleep(HOSTING),
                Err(TryRecvError::Disconnected) => return Ok(None),
            }
        }
    }
}

fn parse(line: &str) -> Result<Command> {
    serde_json::from_str(line).with_context(|| format!("no command: {line}"))
}

/// Writes a line to stdout.
pub(crate) fn answer(answer: &Answer) -> Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
