//! Processes that play a part in a test under users of their own: the test's binary again, told what to do by an
//! environment variable and by lines on its standard input, heard by lines on its standard output.
//!
//! A test binary that has actors holds one test called [`ENTRANCE`], which asks [`part`] and returns when there is none.
//! The binary is copied to where every user may run it: what cargo builds may stand in a private folder.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::reaper::Undo;
use crate::scratch::Scratch;

/// The name of the test by which actors come in.
pub const ENTRANCE: &str = "actor";

const PART: &str = "FLYPACK_ACTOR_PART";
const WORDS: &str = "FLYPACK_ACTOR_WORDS";
/// In front of what an actor says: the test harness writes lines of its own.
const SAYS: &str = "actor: ";

/// In an actor: the part that it plays, and the words that it was given. None in the test itself.
#[must_use]
pub fn part() -> Option<(String, Vec<String>)> {
    let part = std::env::var(PART).ok()?;
    let words = std::env::var(WORDS).unwrap_or_default();
    Some((part, words.split_whitespace().map(str::to_owned).collect()))
}

/// In an actor: says a line to whoever started it.
pub fn say(line: &str) {
    println!("{SAYS}{line}");
}

/// Starts actors.
#[derive(Debug)]
pub struct Actors {
    scratch: Scratch,
    program: PathBuf,
}

impl Actors {
    /// Copies this binary to where every user may run it.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::create()?;
        let program = scratch.path().join("actor");
        let here = std::env::current_exe().context("cannot tell which program this is")?;
        std::fs::copy(here, &program).context("cannot copy the test's program")?;
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).context("cannot open the copy to all")?;
        Ok(Self { scratch, program })
    }

    /// A folder that every user can enter, which goes with this value.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts an actor: `user` none leaves it the caller's; another user needs root, and has no group but its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, part: &str, words: &str, user: Option<u32>) -> Result<Actor> {
        let mut command = self.command(part, words, user);
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start an actor")?;
        let orders = child.stdin.take();
        Actor::of(child, orders)
    }

    /// Starts an actor that takes no orders: `given` is its standard input.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(&self, part: &str, words: &str, user: Option<u32>, given: OwnedFd) -> Result<Actor> {
        let mut command = self.command(part, words, user);
        let child = command.stdin(Stdio::from(given)).spawn().context("cannot start an actor")?;
        Actor::of(child, None)
    }

    fn command(&self, part: &str, words: &str, user: Option<u32>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--exact", ENTRANCE, "--nocapture", "--test-threads=1"]);
        command.env(PART, part).env(WORDS, OsString::from(words)).current_dir("/");
        command.process_group(0).stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    }
}

/// A running actor; killed when dropped, or when the test ends in whatever way.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    ears: Option<Ears>,
    _undo: Undo,
}

/// What an actor says.
#[derive(Debug)]
pub struct Ears(BufReader<ChildStdout>);

impl Ears {
    /// As [`Actor::hear`].
    pub fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(octets) if octets > 0 => {}
                _ => return None,
            }
            // The harness may have begun the line.
            if let Some((_, said)) = line.trim_end().split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
    }
}

impl Actor {
    fn of(mut child: Child, orders: Option<ChildStdin>) -> Result<Self> {
        let undo = Undo::push(&format!("kill -KILL -{}", child.id()))?;
        let ears = Ears(BufReader::new(child.stdout.take().context("the actor has no output")?));
        Ok(Self { child, orders, ears: Some(ears), _undo: undo })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order; it may be dead, and is not waited for.
    pub fn tell(&mut self, order: &str) {
        if let Some(orders) = &mut self.orders {
            let _ = writeln!(orders, "{order}");
        }
    }

    /// The next line that it says; none when it has ended, or somebody else has its [`Ears`].
    pub fn hear(&mut self) -> Option<String> {
        self.ears.as_mut()?.hear()
    }

    /// For a thread that does nothing but listen.
    pub fn take_ears(&mut self) -> Option<Ears> {
        self.ears.take()
    }

    /// Sends a signal; it may be dead.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.orders = None;
        self.child.wait().context("cannot wait for an actor")
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.kill();
    }
}
