//! The operator's command line: thin commands over the gateway's API, two pods (`send`, `recv`) and a
//! look at the machine (`doctor`).
//!
//! Results go to stdout, as a table or, with `--json`, as one JSON document whose shape is the `Serialize`
//! types of [`view`], [`recv::Summary`], [`send::Summary`] and [`doctor::Report`]. Everything else
//! (progress, warnings, errors) goes to stderr; errors too are JSON with `--json`. Exit codes: [`Exit`].
#![forbid(unsafe_code)]

pub mod arguments;
mod bench;
mod command;
pub mod doctor;
mod exit;
mod failure;
mod gateway;
mod picture;
mod png_file;
mod pod;
mod printer;
mod progress;
pub mod recv;
mod sdp_file;
pub mod send;
mod stop;
mod table;
pub mod view;

pub use exit::Exit;
pub use failure::Failure;

use std::ffi::OsString;

use clap::Parser as _;

use arguments::Arguments;
use printer::Printer;

/// Runs the command line `arguments`, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => {
            let printer = Printer::new(parsed.json);
            match command::run(parsed, &printer) {
                Ok(exit) => exit,
                Err(failure) => {
                    printer.failure(&failure);
                    failure.exit()
                }
            }
        }
        Err(refusal) if json && refusal.use_stderr() => {
            let failure = Failure::Usage(refusal.to_string());
            Printer::new(json).failure(&failure);
            failure.exit()
        }
        Err(refusal) => {
            // Help and version too come this way; there is nobody to tell when the terminal is gone.
            let _ = refusal.print();
            if refusal.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    }
}
