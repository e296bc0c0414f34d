//! A Unix stream socket: the frame is copied into the kernel and out of it again. (SOCK_SEQPACKET takes no message as
//! large as a frame.)

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::message::Mark;
use crate::role::{Receiver, Role, Sender, Taken};

fn path_of(role: &Role) -> PathBuf {
    role.folder.join(format!("{}.stream.sock", role.meeting))
}

/// Writes frames.
#[derive(Debug)]
pub(crate) struct SocketSender {
    path: PathBuf,
    stream: Option<UnixStream>,
    frame: Vec<u8>,
}

impl SocketSender {
    /// To be connected.
    #[must_use]
    pub(crate) fn new(role: &Role) -> Self {
        Self { path: path_of(role), stream: None, frame: vec![1; role.size.octets()] }
    }
}

impl Sender for SocketSender {
    fn connect(&mut self) -> Result<()> {
        let stream = UnixStream::connect(&self.path)?;
        self.stream = Some(stream);
        Ok(())
    }

    fn prepare(&mut self, number: u64) -> Result<()> {
        Mark::number(&mut self.frame, number);
        Ok(())
    }

    fn send(&mut self, stamp: u64) -> Result<()> {
        Mark::stamp(&mut self.frame, stamp);
        Ok(self.stream.as_mut().context("not connected")?.write_all(&self.frame)?)
    }
}

/// Reads frames.
#[derive(Debug)]
pub(crate) struct SocketReceiver {
    listener: UnixListener,
    stream: Option<UnixStream>,
    frame: Vec<u8>,
}

impl SocketReceiver {
    /// Listens at the socket of a role.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn bind(role: &Role) -> Result<Self> {
        let listener = UnixListener::bind(path_of(role))?;
        Ok(Self { listener, stream: None, frame: vec![0; role.size.octets()] })
    }
}

impl Receiver for SocketReceiver {
    /// The sender need not have connected yet: it is taken with the first frame.
    fn connect(&mut self) -> Result<()> {
        Ok(())
    }

    fn take(&mut self) -> Result<Taken> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.listener.accept()?.0),
        };
        stream.read_exact(&mut self.frame)?;
        Ok(Taken::now(Some(Mark::read(&self.frame, &self.frame)?)))
    }

    fn release(&mut self) {}
}
