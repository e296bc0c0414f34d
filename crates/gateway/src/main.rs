//! `flypackd --config flypackd.toml`

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gateway::check::Findings;
use tracing_subscriber::EnvFilter;

/// The gateway: frames between packets and pods. One per node.
#[derive(Parser)]
#[command(name = "flypackd", version)]
struct Arguments {
    /// The configuration; deploy/flypackd.toml is a commented sample.
    #[arg(long, default_value = "/etc/flypack/flypackd.toml")]
    config: PathBuf,
    /// Read the configuration, say what it needs of this machine and what is missing, and end.
    #[arg(long)]
    check: bool,
    /// With --check: one JSON document.
    #[arg(long, requires = "check")]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("FLYPACK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).init();
    if arguments.check {
        let findings = Findings::of(&arguments.config);
        print!("{}", if arguments.json { findings.json() + "\n" } else { findings.text() });
        return if findings.would_work() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match gateway::daemon::run(&arguments.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flypackd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
