//! The reaper: a small shell that holds the commands that put the machine back as it was.
//!
//! Whoever changes the machine first leaves the undoing command here and keeps the [`Undo`]; its drop has
//! the reaper run the command. The reaper reads from a pipe. When the pipe closes, because this process
//! ended in whatever way (`kill -9` included), it runs all commands that are left, the last one first.
//! SIGINT, SIGTERM and SIGHUP are caught so that the process goes on only until that has been done.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Reads `push N COMMAND` and `undo N` lines; answers each with a line. At the end of its input it runs what
/// is left. It ignores the signals that a terminal or a supervisor sends to end the whole group.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT PIPE
last=0
run() { eval "c=\${c$1-}"; eval "c$1="; if [ -n "$c" ]; then sh -c "$c" >/dev/null 2>&1 </dev/null; fi; }
while IFS= read -r line; do
    case $line in
    'push '*) rest=${line#push }; last=${rest%% *}; eval "c$last=\${rest#* }" ;;
    'undo '*) run "${line#undo }" ;;
    esac
    echo ok
done
while [ "$last" -gt 0 ]; do run "$last"; last=$((last - 1)); done
"#;

/// An undoing command that waits in the reaper; dropping it runs the command and waits for its end.
#[derive(Debug)]
#[must_use = "dropping this undoes the change at once"]
pub struct Undo {
    number: u32,
}

impl Undo {
    /// Leaves `command` (one line of `sh`) with the reaper, before the change that it undoes is made.
    ///
    /// # Errors
    /// When the reaper cannot be started or has ended.
    pub fn push(command: &str) -> Result<Self> {
        ensure!(!command.contains('\n'), "an undoing command is one line: {command:?}");
        let mut slot = slot().lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            catch_signals()?;
            *slot = Some(Reaper::start()?);
        }
        let reaper = slot.as_mut().ok_or_else(|| anyhow!("the reaper is gone"))?;
        reaper.pushed += 1;
        let number = reaper.pushed;
        reaper.say(&format!("push {number} {command}"))?;
        Ok(Self { number })
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let mut slot = slot().lock().unwrap_or_else(PoisonError::into_inner);
        let said = slot.as_mut().map(|reaper| reaper.say(&format!("undo {}", self.number)));
        if let Some(Err(error)) = said {
            eprintln!("cannot undo a change of this machine: {error:#}");
        }
    }
}

#[derive(Debug)]
struct Reaper {
    shell: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
    pushed: u32,
}

fn slot() -> &'static Mutex<Option<Reaper>> {
    static SLOT: OnceLock<Mutex<Option<Reaper>>> = OnceLock::new();
    SLOT.get_or_init(|| Mutex::new(None))
}

impl Reaper {
    fn start() -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "flypack-reaper"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start sh, which undoes changes of this machine")?;
        let input = shell.stdin.take().context("the reaper has no input")?;
        let answers = BufReader::new(shell.stdout.take().context("the reaper has no output")?);
        Ok(Self { shell, input, answers, pushed: 0 })
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").context("the reaper does not listen")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("the reaper does not answer")?;
        ensure!(answer == "ok\n", "the reaper answered {answer:?} to {line:?}");
        Ok(())
    }

    /// Closes the pipe and waits until everything is undone.
    fn finish(self) {
        let Self { mut shell, input, .. } = self;
        drop(input);
        // Its status says nothing: it is the last command's.
        let _ = shell.wait();
    }
}

/// Undoes everything that is still to be undone and ends the process with `status`.
pub fn exit(status: i32) -> ! {
    // The lock is kept so that no other thread changes the machine in the meantime.
    let mut slot = slot().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reaper) = slot.take() {
        reaper.finish();
    }
    std::process::exit(status)
}

fn catch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                eprintln!("interrupted: putting the machine back as it was");
                exit(128 + signal);
            }
        })
        .context("cannot start the signal thread")?;
    Ok(())
}
