//! What client and server tell each other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::net::sockopt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plane::Outcome;
use crate::traffic::Traffic;

/// Longest line: an outcome of a day has one for each second.
const LINE_OCTETS_MAX: u64 = 64 << 20;

/// How long the other end is silent before it is asked whether it is there, between two such questions, and how often.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;
/// How long a client may take until it says what it wants.
const AT_ONCE: Duration = Duration::from_secs(10);

/// From the client, first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Offer {
    /// Of the program: both have one.
    pub(super) version: String,
    pub(super) traffic: Traffic,
}

/// From the server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Where the packets of each stream go, by each leg.
    Ready(Vec<Vec<SocketAddr>>),
    /// Why it will not.
    Refused(String),
}

/// From the client, last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Packets that its devices took, on all legs.
    pub(super) packets: u64,
    /// Grains of which every packet was made.
    pub(super) grains: u64,
}

/// From the server, last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Heard {
    /// Where it runs.
    pub(super) machine: serde_json::Value,
    pub(super) outcome: Outcome,
}

/// One end of the connection.
pub(super) struct Control {
    reader: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Control {
    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        // A host that is gone without a word is found out: it would keep the only server from all others.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEPALIVE)?;
        sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_TRIES)?;
        Ok(Self { reader: BufReader::new(stream.try_clone()?), stream })
    }

    pub(super) fn tell(&mut self, message: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(message)? + "\n";
        self.stream.write_all(line.as_bytes()).context("the other end is gone")
    }

    /// As [`Self::hear`], from one that has something to say at once.
    pub(super) fn hear_at_once<M: DeserializeOwned>(&mut self) -> Result<M> {
        self.stream.set_read_timeout(Some(AT_ONCE))?;
        let heard = self.hear();
        self.stream.set_read_timeout(None)?;
        heard.with_context(|| format!("nothing was heard within {} s", AT_ONCE.as_secs()))
    }

    pub(super) fn hear<M: DeserializeOwned>(&mut self) -> Result<M> {
        let mut line = String::new();
        let octets = std::io::Read::take(&mut self.reader, LINE_OCTETS_MAX).read_line(&mut line)?;
        if octets == 0 {
            bail!("the other end is gone");
        }
        serde_json::from_str(&line)
            .context("the other end says what this one does not understand: are both of one version?")
    }

    /// Whether something was said, or the other end is gone; does not wait.
    pub(super) fn has_spoken(&self) -> Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }
}
