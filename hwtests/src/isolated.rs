//! A test's body in a process of its own: DPDK initialises once per process, and some things can only be counted from
//! outside.
//!
//! The test runs its own binary again for this one test, with an environment variable that says so. Such a child has a
//! time limit, is killed when its parent ends in whatever way, and what it said is shown when it fails.
//!
//! ```no_run
//! use hwtests::isolated::{self, Isolated};
//! // #[test]
//! fn a_port_starts() {
//!     if isolated::is_inside("a_port_starts") {
//!         // The body.
//!         return;
//!     }
//!     Isolated::new("a_port_starts").run().unwrap();
//! }
//! ```

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::namespace::{self, Namespace};
use crate::process::Launch;
use crate::turn::take_turn;

const VARIABLE: &str = "FLYPACK_ISOLATED_TEST";
const LIMIT: Duration = Duration::from_secs(60);

/// Whether this process is the one in which the body of `test` shall run. `test` is the name by which `--exact` finds
/// it: with its modules, without its crate.
#[must_use]
pub fn is_inside(test: &str) -> bool {
    std::env::var_os(VARIABLE).is_some_and(|inside| inside == test)
}

/// Runs `body` in a process of its own where no more than that is wanted.
///
/// # Errors
/// As [`Isolated::run`].
pub fn run(test: &str, body: impl FnOnce()) -> Result<()> {
    if is_inside(test) {
        body();
        return Ok(());
    }
    Isolated::new(test).run().map(drop)
}

/// How the process of a test's body is started.
#[derive(Debug)]
pub struct Isolated<'a> {
    test: &'a str,
    limit: Duration,
    namespace: Option<&'a Namespace>,
    environment: Vec<(String, OsString)>,
    wrapper: Vec<String>,
}

impl<'a> Isolated<'a> {
    /// A process for the body of `test`, which has a minute.
    #[must_use]
    pub fn new(test: &'a str) -> Self {
        Self { test, limit: LIMIT, namespace: None, environment: Vec::new(), wrapper: Vec::new() }
    }

    /// Ends it after `limit`; the test has then failed.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it in `namespace`.
    #[must_use]
    pub fn inside(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((variable.to_owned(), value.into()));
        self
    }

    /// Runs it under a program, `strace -f` for example, that takes a command as its last arguments.
    #[must_use]
    pub fn under(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.wrapper = words.into_iter().map(Into::into).collect();
        self
    }

    /// Runs `body` there, in a network namespace that is its own and that `prepare` has wired; gives back what it said. Where
    /// there are no namespaces it says loudly that the test was skipped.
    ///
    /// # Errors
    /// As [`Self::run`]; when the namespace cannot be made or wired.
    pub fn in_namespace(
        self,
        name: &str,
        prepare: impl FnOnce(&Namespace) -> Result<()>,
        body: impl FnOnce(),
    ) -> Result<String> {
        if is_inside(self.test) {
            body();
            return Ok(String::new());
        }
        if let Some(reason) = namespace::unavailable() {
            eprintln!("SKIPPED: no network namespaces here: {reason}");
            return Ok(String::new());
        }
        let _turn = take_turn();
        let space = Namespace::create(name)?;
        prepare(&space)?;
        Isolated { namespace: Some(&space), ..self }.run()
    }

    /// Runs it to its end and gives back what it said. A failure is printed with all that it said; what it skipped is
    /// printed, too.
    ///
    /// # Errors
    /// When it cannot be started, fails, takes longer than its limit, or has no test of that name.
    pub fn run(self) -> Result<String> {
        let Self { test, limit, namespace, environment, mut wrapper } = self;
        ensure!(!is_inside(test), "{test} is isolated already: ask `isolated::is_inside` first");
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        wrapper.push(program.to_str().context("the test's path is no text")?.to_owned());
        let mut words = wrapper.into_iter();
        let mut launch = Launch::new(words.next().unwrap_or_default(), &folder.path().join("log")).inside(namespace);
        for word in words.chain(["--exact", test, "--nocapture", "--test-threads=1"].map(str::to_owned)) {
            launch = launch.arg(word);
        }
        for (variable, value) in environment {
            launch = launch.env(&variable, value);
        }
        let mut process = launch.env(VARIABLE, test).start()?;
        let ended = process.wait(limit);
        let said = process.log();
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("--- {test} said in its own process:\n{said}---");
                bail!("{test} ended with {status} in its own process");
            }
            Err(_) => {
                eprintln!("--- {test} said in its own process:\n{said}---");
                bail!("{test} still ran after {limit:?} in its own process");
            }
        }
        ensure!(said.contains("running 1 test\n"), "this binary has no test called {test:?}");
        said.lines().filter(|line| line.contains("SKIPPED")).for_each(|line| eprintln!("{line}"));
        Ok(said)
    }
}
