//! What takes more than two seconds says so on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::printer::Printer;

/// How long a command is given before it has to say something.
const AFTER: Duration = Duration::from_secs(2);

/// Says how far a command has come: every second on a terminal, every ten elsewhere.
pub(crate) struct Progress {
    printer: Printer,
    verb: &'static str,
    started: Instant,
    next: Instant,
    every: Duration,
    is_terminal: bool,
    has_line: bool,
}

impl Progress {
    /// Progress of what is `verb` ("received", "sent").
    pub(crate) fn new(printer: Printer, verb: &'static str) -> Self {
        let started = Instant::now();
        let is_terminal = io::stderr().is_terminal() && !printer.is_json();
        let every = Duration::from_secs(if is_terminal { 1 } else { 10 });
        Self { printer, verb, started, next: started + AFTER, every, is_terminal, has_line: false }
    }

    /// Says so if it is time. `frames` so far, of `of` if that is known, with what went wrong.
    pub(crate) fn update(&mut self, frames: u64, of: Option<u64>, remark: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        let seconds = now.duration_since(self.started).as_secs();
        let remark = remark();
        let mut stderr = io::stderr().lock();
        let total = of.map(|of| format!(" of {of}")).unwrap_or_default();
        // A terminal that is gone is no reason to stop.
        let _ = if self.printer.is_json() {
            let progress = json!({ "progress": { "frames": frames, "of": of, "seconds": seconds, "remark": remark } });
            writeln!(stderr, "{progress}")
        } else {
            let text = format!("flypack: {seconds} s, {frames}{total} frames {}{remark}", self.verb);
            if self.is_terminal { write!(stderr, "\r\x1b[K{text}") } else { writeln!(stderr, "{text}") }
        };
        let _ = stderr.flush();
        self.has_line = self.is_terminal;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_line {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// One call that blocks: a note is printed if this lives for two seconds.
pub(crate) struct Waiting {
    _ended: mpsc::Sender<()>,
}

impl Waiting {
    pub(crate) fn begin(printer: Printer, text: &'static str) -> Self {
        let (sender, ended) = mpsc::channel::<()>();
        let watch = move || {
            // Disconnected as soon as this drops.
            if ended.recv_timeout(AFTER) == Err(RecvTimeoutError::Timeout) {
                printer.note(text);
            }
        };
        // Without the thread there is no note, which is no reason to fail.
        let _ = thread::Builder::new().name("waiting".into()).spawn(watch);
        Self { _ended: sender }
    }
}
