//! A process of a measurement, as the one that leads it sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::role::{Answer, Command, Role};

/// How long a process may take to end by itself, so that it removes what it made.
const ENDING: Duration = Duration::from_secs(2);

/// A running process. When it is dropped it is asked to end, and killed if it does not.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    /// None once it is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program again in a role, and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up; it has said why on stderr.
    pub(crate) fn start(role: &Role) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = std::process::Command::new(program);
        command.arg("role").arg(serde_json::to_string(role)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("this program cannot start itself")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a process without pipes")
        };
        let name = format!("{:?} of {}", role.kind, role.meeting);
        let mut process = Self { name, child, input: Some(input), output: BufReader::new(output) };
        process.answer()?;
        Ok(process)
    }

    /// Tells it something.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn tell(&mut self, command: &Command) -> Result<()> {
        let line = serde_json::to_string(command)? + "\n";
        let input = self.input.as_mut().context("told to end")?;
        input.write_all(line.as_bytes()).with_context(|| format!("{} is gone", self.name))
    }

    /// Waits for its next answer.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} is gone: {}", self.name, self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("{} says {line}", self.name))
    }

    /// Tells it something and waits for the answer.
    ///
    /// # Errors
    /// As [`Self::tell`] and [`Self::answer`].
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Answer> {
        self.tell(command)?;
        self.answer()
    }

    /// Sends it SIGKILL.
    ///
    /// # Errors
    /// When it is gone already.
    pub(crate) fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }

    /// The pipe that hangs up when it is gone.
    #[must_use]
    pub(crate) fn pipe(&self) -> BorrowedFd<'_> {
        self.output.get_ref().as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let deadline = Instant::now() + ENDING;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may be gone already; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
