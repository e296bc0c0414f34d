//! The gateway under test: its configuration, its start, its counters as `flypack` tells them, its end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::namespace::Namespace;
use crate::process::{Launch, Process};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Which processes a gateway's kernel tells it of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidSpace {
    /// Those of this machine.
    Shared,
    /// Its own: it cannot tell one pod's process from another's, as in a container. Needs root.
    Own,
}

/// Where a gateway runs.
#[derive(Clone, Copy)]
pub enum Spot<'a> {
    /// Where the caller does.
    Here,
    /// There, with all of its threads on one core, its workers too.
    OnCore(usize),
    /// In a network namespace.
    In(&'a Namespace),
}

/// A running `flypackd`.
pub struct Gateway {
    process: Process,
    /// How it was started, to start another.
    config: PathBuf,
    log: PathBuf,
    pids: PidSpace,
    starts: u32,
    /// `flypack`, copied to where every user may run it.
    pub flypack: PathBuf,
    /// The broker's socket.
    pub broker: PathBuf,
    endpoint: String,
}

impl Gateway {
    /// Starts it with its sockets in `folder`, which every user must be able to enter, and with `objects` (receivers,
    /// senders, crosspoints) in its configuration; waits until it answers.
    ///
    /// # Errors
    /// When it is not built, or does not answer in time.
    pub fn start(folder: &Path, objects: &str, namespace: Option<&Namespace>, log: &Path) -> Result<Self> {
        let users = format!("uids = [{}, 65534]\n", rustix::process::geteuid().as_raw());
        Self::launch(folder, &(users, objects), (namespace, PidSpace::Shared), log)
    }

    /// As [`Self::start`], for pods of any user.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_for_all(folder: &Path, pids: PidSpace, log: &Path) -> Result<Self> {
        Self::launch(folder, &(String::new(), ""), (None, pids), log)
    }

    /// As [`Self::start`], at `spot`, with more keys of `[broker]` (`spares_mb = [96]`).
    ///
    /// # Errors
    /// As [`Self::start`]; without `taskset`, where it is to have one core.
    pub fn start_at(spot: Spot<'_>, folder: &Path, broker: &str, objects: &str, log: &Path) -> Result<Self> {
        let users = format!("uids = [{}]\n{broker}\n", rustix::process::geteuid().as_raw());
        Self::run(folder, &(users, objects), PidSpace::Shared, log, |daemon| match spot {
            Spot::Here => daemon,
            Spot::OnCore(core) => daemon.under(&format!("taskset -c {core}")),
            Spot::In(namespace) => daemon.inside(Some(namespace)),
        })
    }

    fn launch(
        folder: &Path,
        texts: &(String, &str),
        (namespace, pids): (Option<&Namespace>, PidSpace),
        log: &Path,
    ) -> Result<Self> {
        Self::run(folder, texts, pids, log, |daemon| daemon.inside(namespace))
    }

    fn run<'a>(
        folder: &Path,
        (users, objects): &(String, &str),
        pids: PidSpace,
        log: &Path,
        place: impl FnOnce(Launch<'a>) -> Launch<'a>,
    ) -> Result<Self> {
        let (broker, api) = (folder.join("broker.sock"), folder.join("flypack.sock"));
        let config = folder.join("flypackd.toml");
        let text = configuration(&broker, &api, users, objects);
        std::fs::write(&config, text).context("cannot write the configuration")?;
        let flypack = folder.join("flypack");
        std::fs::copy(program("flypack")?, &flypack).context("cannot copy flypack")?;
        let process = place(daemon(&config, log, pids)?).start()?;
        let endpoint = format!("unix:{}", api.display());
        let log = log.to_owned();
        let mut gateway = Self { process, config, log, pids, starts: 1, flypack, broker, endpoint };
        gateway.wait_for_answer()?;
        Ok(gateway)
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let Self { process, flypack, endpoint, .. } = self;
        process.until(START_LIMIT, "it answered", |_| ask(flypack, endpoint, "status").is_ok())
    }

    /// SIGKILL, and its end.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&mut self) -> Result<()> {
        match self.pids {
            PidSpace::Shared => self.process.signal(Signal::KILL)?,
            // The one that made the namespace waits for it.
            PidSpace::Own => kill_process(child_of(self.process.id())?, Signal::KILL).context("flypackd has ended")?,
        }
        self.process.wait(STOP_LIMIT).map(drop)
    }

    /// Starts another in the place of one that was killed, and waits until it answers. It logs to a file of its own, as
    /// [`Self::process`] shows.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let log = self.log.with_extension(format!("{}.log", self.starts));
        self.process = daemon(&self.config, &log, self.pids)?.start()?;
        self.starts += 1;
        self.wait_for_answer()
    }

    /// What `flypack status` says of the node.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn node(&self) -> Result<Value> {
        Ok(self.ask("status")?["node"].take())
    }

    /// `flypackd`'s own process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until the process `pid` reads the flow `name`.
    ///
    /// # Errors
    /// When it does not come to that in time.
    pub fn wait_for_consumer(&mut self, name: &str, pid: u32) -> Result<()> {
        let Self { process, flypack, endpoint, .. } = self;
        let joined = |flows: Value| {
            let flows = flows["flows"].as_array().cloned().unwrap_or_default();
            let flow = flows.into_iter().find(|flow| flow["name"] == name);
            let consumers = flow.and_then(|flow| flow["consumers"].as_array().cloned()).unwrap_or_default();
            consumers.iter().any(|consumer| consumer["pid"] == pid && consumer["state"] == "live")
        };
        process.until(START_LIMIT, "the viewer had joined", |_| ask(flypack, endpoint, "flows").is_ok_and(joined))
    }

    /// Writes all counters to a file, for whoever wants to know more than the table tells.
    ///
    /// # Errors
    /// When the gateway does not answer or the file cannot be written.
    pub fn save_statistics(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.ask("statistics")?).context("cannot write JSON")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Waits until `enough` of its counters say yes, or `limit` has passed; the counters then.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn settle(&self, limit: Duration, enough: impl Fn(&Statistics) -> bool) -> Result<Statistics> {
        let deadline = Instant::now() + limit;
        loop {
            let statistics = self.statistics()?;
            if enough(&statistics) || Instant::now() > deadline {
                return Ok(statistics);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All counters now.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn statistics(&self) -> Result<Statistics> {
        let answer = self.ask("statistics")?;
        let objects = answer["statistics"].as_array().context("flypack statistics shows none")?;
        let mut counters = HashMap::new();
        for object in objects {
            let (kind, name) = (text(&object["kind"]), text(&object["name"]));
            for (counter, value) in object["counters"].as_object().into_iter().flatten() {
                let key = (kind.clone(), name.clone(), counter.clone());
                counters.insert(key, value.as_u64().context("a counter that is no number")?);
            }
        }
        Ok(Statistics(counters))
    }

    /// SIGTERM: it must drain and exit with 0.
    ///
    /// # Errors
    /// When it does not, in time.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        self.process.finish(STOP_LIMIT)
    }

    /// What `flypack` answers to these words, as JSON.
    ///
    /// # Errors
    /// What it said, when it refused or failed.
    pub fn ask(&self, words: &str) -> Result<Value> {
        ask(&self.flypack, &self.endpoint, words)
    }
}

/// The counters of every object.
pub struct Statistics(HashMap<(String, String, String), u64>);

impl Statistics {
    /// What one object has counted, without what is 0.
    #[must_use]
    pub fn all(&self, kind: &str, name: &str) -> Vec<(&str, u64)> {
        let is_its = |key: &&(String, String, String)| key.0 == kind && key.1 == name;
        let mut counters: Vec<_> = self.0.keys().filter(is_its).map(|key| (&*key.2, self.0[key])).collect();
        counters.retain(|(_, count)| *count > 0);
        counters.sort_unstable();
        counters
    }

    /// A counter of one object; one that does not exist is an error of this demo's, not a 0.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn of(&self, kind: &str, name: &str, counter: &str) -> Result<u64> {
        let key = (kind.to_owned(), name.to_owned(), counter.to_owned());
        self.0.get(&key).copied().with_context(|| format!("flypack shows no {counter} of the {kind} {name}"))
    }

    /// A counter summed over all objects of a kind.
    pub fn sum(&self, kind: &str, counter: &str) -> u64 {
        self.0.iter().filter(|((k, _, c), _)| k == kind && c == counter).map(|(_, value)| value).sum()
    }
}

/// `flypackd`, ready to be started.
fn daemon<'a>(config: &Path, log: &Path, pids: PidSpace) -> Result<Launch<'a>> {
    let program = program("flypackd")?;
    let launch = match pids {
        PidSpace::Shared => Launch::new(program, log),
        PidSpace::Own => {
            let unshare = Launch::new(PathBuf::from("unshare"), log);
            unshare.arg("--pid").arg("--fork").arg("--kill-child").arg(program.to_string_lossy())
        }
    };
    Ok(launch.arg("--config").arg(config.to_string_lossy()))
}

/// The only child of a process of one thread.
fn child_of(pid: u32) -> Result<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).context("it has ended")?;
    let child = children.split_whitespace().next().and_then(|child| child.parse().ok()).and_then(Pid::from_raw);
    child.with_context(|| format!("process {pid} has no child"))
}

fn configuration(broker: &Path, api: &Path, users: &str, objects: &str) -> String {
    let (broker, api) = (broker.display(), api.display());
    format!(
        "[broker]\nsocket = \"{broker}\"\nmode = \"0666\"\n{users}pages = \"prefer-huge\"\n\n\
         [api]\nlisten = \"unix:{api}\"\n\n[metrics]\nlisten = \"\"\n{objects}"
    )
}

/// A program that cargo built beside this one, or beside the folder of this test.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("this program does not know where it is")?;
    let folders = here.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: cargo build -p flypack-gateway -p flypack-cli"))
}

fn ask(flypack: &Path, endpoint: &str, words: &str) -> Result<Value> {
    let mut command = Command::new(flypack);
    let output = command.args(["--json", "--endpoint", endpoint]).args(words.split_whitespace()).output()?;
    if !output.status.success() {
        bail!("flypack {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("flypack {words} printed no JSON"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
