//! The command line.

mod local;
mod network;
mod scale;
mod shm;

use clap::{Parser, Subcommand};

pub use local::{Kind, Local, Rival};
pub use network::{Client, Server};
pub use scale::Scale;
pub use shm::{Instructions, Mode, Part, Shm};

/// Measures Flypack on this machine. Figures are medians over rounds; a machine that does other work gives other ones.
#[derive(Debug, Parser)]
#[command(name = "flypack-bench", bin_name = "flypack bench", version)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The frame ring: hand-over, wakes, lines, a dead consumer, publication.
    Shm(Shm),
    /// The data plane without a network: real workers, rings and queues, every packet accounted for.
    Local(Local),
    /// Memory and time of a core for some numbers of flows.
    Scale(Scale),
    /// Receives what clients on other hosts, or in other namespaces, send, and checks it.
    Server(Server),
    /// Sends to a server, which says what has arrived.
    Client(Client),
    /// What this machine is, as reports have it.
    Machine {
        /// As everywhere; it is always one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// One party of a measurement.
    #[command(hide = true)]
    Role {
        /// A role, in JSON.
        role: String,
    },
    /// Grains by the ring's writer, again and again, for callgrind to count.
    #[command(hide = true)]
    Instructions(Instructions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
