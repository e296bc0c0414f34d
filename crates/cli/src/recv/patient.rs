//! Writing to a pipe that may be slow, without losing sight of signals.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stop::Stop;

/// What a pipe that is ready takes without blocking (POSIX `PIPE_BUF` on Linux).
const PIPE_OCTETS: usize = 4096;
/// How long a frame that is half written may block once the command shall end.
const GRACE: Duration = Duration::from_secs(1);
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A writer that gives up, with [`io::ErrorKind::TimedOut`], when nobody reads and the command shall end.
#[derive(Debug)]
pub(super) struct PatientWriter {
    file: File,
    stop: Stop,
}

impl PatientWriter {
    pub(super) fn new(file: File, stop: &Stop) -> Self {
        Self { file, stop: stop.clone() }
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let mut stopping_since: Option<Instant> = None;
        loop {
            let mut ready = [PollFd::new(&self.file, PollFlags::OUT)];
            match poll(&mut ready, Some(&TURN)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if self.stop.is_raised() && stopping_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Write for PatientWriter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.wait_until_ready()?;
        let is_plain = rustix::fs::fstat(self.file.as_fd())
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file());
        let octets = if is_plain { octets } else { &octets[..octets.len().min(PIPE_OCTETS)] };
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_reader_gets_everything_and_a_closed_one_is_noticed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut patient = PatientWriter::new(File::from(std::os::fd::OwnedFd::from(writer)), &Stop::default());
        let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writing = std::thread::spawn(move || {
            patient.write_all(&sent).unwrap();
            patient
        });
        let mut got = vec![0; expected.len()];
        reader.read_exact(&mut got).unwrap();
        assert!(got == expected);
        drop(reader);
        let error = writing.join().unwrap().write_all(&[1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_stalled_reader_does_not_hold_up_the_end() {
        let (_reader, writer) = io::pipe().unwrap();
        let stop = Stop::default();
        let mut patient = PatientWriter::new(File::from(std::os::fd::OwnedFd::from(writer)), &stop);
        stop.raise();
        let error = patient.write_all(&vec![0; 10 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
