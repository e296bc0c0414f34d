//! Where words go: results to stdout, everything else to stderr, each as text or as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::Failure;

/// Prints as `--json` asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
}

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// As every result.
    Stdout,
    /// Stdout carries pictures.
    Stderr,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The result of a command: `document` as JSON, or `text`, which ends with a line feed.
    ///
    /// # Errors
    /// [`Failure::File`] when stdout cannot take it, a full disk behind it perhaps.
    pub(crate) fn result(self, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        self.result_on(Stream::Stdout, document, text)
    }

    /// A result on the stream that is free for it.
    ///
    /// # Errors
    /// As [`Self::result`].
    pub(crate) fn result_on(
        self,
        stream: Stream,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let printed = if self.json { pretty(document) } else { text() };
        match stream {
            Stream::Stdout => write_result(io::stdout().lock(), &printed),
            Stream::Stderr => {
                write_quietly(io::stderr().lock(), &printed);
                Ok(())
            }
        }
    }

    /// Something to know that is no result: on stderr, one line.
    pub(crate) fn note(self, text: &str) {
        let line = if self.json { format!("{}\n", json!({ "note": text })) } else { format!("flypack: {text}\n") };
        write_quietly(io::stderr().lock(), &line);
    }

    /// Why the command failed, on stderr.
    pub(crate) fn failure(self, failure: &Failure) {
        let line = if self.json {
            format!("{}\n", json!({ "error": { "code": failure.code(), "message": failure.to_string() } }))
        } else if let Failure::Usage(text) = failure {
            format!("{}\n", text.trim_end())
        } else {
            format!("flypack: {failure}\n")
        };
        write_quietly(io::stderr().lock(), &line);
    }
}

fn pretty(document: &impl Serialize) -> String {
    match serde_json::to_string_pretty(document) {
        Ok(text) => text + "\n",
        // Our own types have text keys only and cannot fail.
        Err(error) => json!({ "error": { "code": "internal", "message": error.to_string() } }).to_string(),
    }
}

/// Writes all of it; whoever closed the other end did not want it.
fn write_result(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::File { action: "cannot write to", path: "stdout".into(), cause })
        }
        _ => Ok(()),
    }
}

/// Writes all of it; when stderr takes nothing, there is nobody to tell.
fn write_quietly(mut out: impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
