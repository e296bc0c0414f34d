//! Child processes that cannot outlive their guard: in a namespace, as another user, logging to a file.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::namespace::Namespace;
use crate::reaper::Undo;

/// Under whose rights a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The caller's own.
    Own,
    /// `nobody`, without supplementary groups; needs root to become.
    Nobody,
}

/// What to start, and how.
#[derive(Debug)]
pub struct Launch<'a> {
    program: PathBuf,
    arguments: Vec<String>,
    namespace: Option<&'a Namespace>,
    user: User,
    environment: Vec<(String, OsString)>,
    log: PathBuf,
}

impl<'a> Launch<'a> {
    /// Starts `program` in this namespace under the caller's rights; what it prints goes to the file `log`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, log: &Path) -> Self {
        let (arguments, namespace, environment) = (Vec::new(), None, Vec::new());
        let (program, log) = (program.into(), log.to_owned());
        Self { program, arguments, namespace, user: User::Own, environment, log }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments separated by white space.
    #[must_use]
    pub fn words(mut self, words: &str) -> Self {
        self.arguments.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    /// Runs it by another program, which replaces itself by it: `taskset -c 0`.
    #[must_use]
    pub fn under(mut self, words: &str) -> Self {
        let mut words = words.split_whitespace().map(str::to_owned);
        let Some(first) = words.next() else { return self };
        let program = std::mem::replace(&mut self.program, first.into());
        let arguments = words.chain([program.to_string_lossy().into_owned()]).chain(self.arguments.drain(..));
        self.arguments = arguments.collect();
        self
    }

    /// Runs it in `namespace`; `None` is where the caller is.
    #[must_use]
    pub fn inside(mut self, namespace: Option<&'a Namespace>) -> Self {
        self.namespace = namespace;
        self
    }

    /// Runs it as `user`.
    #[must_use]
    pub fn by(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Sets an environment variable, for the program only and not for what puts it into its namespace.
    #[must_use]
    pub fn env(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((variable.to_owned(), value.into()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the log cannot be made or the program cannot be started.
    pub fn start(self) -> Result<Process> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = File::create(&self.log).with_context(|| format!("cannot make {}", self.log.display()))?;
        let mut command = self.command();
        // A group of its own: a Ctrl-C at the terminal reaches only us, and we end it in order.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().context("cannot share the log")?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let undo = Undo::push(&format!("kill -KILL -{}", child.id()))?;
        Ok(Process { name, child, log: self.log, _undo: undo })
    }

    /// `ip netns exec`, `setpriv` and `env` replace themselves by the program: one process, whose id we know.
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(namespace) = self.namespace {
            words.extend(["ip", "netns", "exec", namespace.name()].map(OsString::from));
        }
        if self.user == User::Nobody {
            words.extend(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"].map(OsString::from));
        }
        if !self.environment.is_empty() {
            words.push("env".into());
            words.extend(self.environment.iter().map(|(variable, value)| {
                let mut assignment = OsString::from(format!("{variable}="));
                assignment.push(value);
                assignment
            }));
        }
        words.push(self.program.clone().into());
        words.extend(self.arguments.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }
}

/// A running process; dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    _undo: Undo,
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
    }

    /// Sends it `signal`.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Waits for its end; fails, with the end of its log, when it still runs after `limit`.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pidfd = pidfd_open(self.pid()?, PidfdFlags::empty()).context("cannot watch a process")?;
        let deadline = Instant::now() + limit;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
            // An interrupted poll is tried again; the deadline bounds the tries.
            let _ = poll(&mut fds, Some(&left.try_into().context("the limit is too long")?));
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
        }
        bail!("{} still runs after {limit:?}; it said:\n{}", self.name, self.last_words());
    }

    /// Waits for its end and demands that it went well.
    ///
    /// # Errors
    /// When it still runs after `limit` or ended with another status than 0.
    pub fn finish(&mut self, limit: Duration) -> Result<()> {
        let status = self.wait(limit)?;
        if !status.success() {
            bail!("{} ended with {status}; it said:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Asks it to end (SIGINT, as by Ctrl-C) and waits.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub fn interrupt(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.child.try_wait()?.is_none() {
            self.signal(Signal::INT)?;
        }
        self.wait(limit)
    }

    /// Asks again and again until `ready` says yes; fails early when the process has ended.
    ///
    /// # Errors
    /// When the process ended, or is not ready after `limit`.
    pub fn until(&mut self, limit: Duration, what: &str, mut ready: impl FnMut(u32) -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !ready(self.id()) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before {what}; it said:\n{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                bail!("{} took more than {limit:?} until {what}; it said:\n{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id that is none")
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
