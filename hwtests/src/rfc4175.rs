//! Packets of RFC 4175 written from the RFC alone: nothing of Flypack's own packetiser is used, so that an error of
//! that one cannot hide here.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use media::VideoFormat;

use crate::namespace::Namespace;

/// The payload type of these packets.
pub const PAYLOAD_TYPE: u8 = 96;

/// A run of pgroups of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Row of the picture.
    pub row: u16,
    /// First pgroup of the row.
    pub first: u16,
    /// Pgroups.
    pub pgroups: u16,
}

/// What the RTP header of a packet may carry beside the necessary.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Contributing sources, at most 15.
    pub csrcs: Vec<u32>,
    /// Words of a header extension.
    pub extension: Option<Vec<u32>>,
    /// Octets of padding, the last of which says how many they are.
    pub padding: u8,
}

/// The whole picture in runs that fill packets of `pgroups` and go over the ends of rows.
#[must_use]
pub fn straddling(format: &VideoFormat, pgroups: u16) -> Vec<Vec<Run>> {
    let (mut packets, mut packet, mut room) = (Vec::new(), Vec::new(), pgroups);
    for row in 0..format.height() {
        let mut first = 0;
        while first < format.row_pgroups() {
            let run = Run { row, first, pgroups: room.min(format.row_pgroups() - first) };
            packet.push(run);
            first += run.pgroups;
            room -= run.pgroups;
            if room == 0 {
                packets.push(std::mem::take(&mut packet));
                room = pgroups;
            }
        }
    }
    packets.extend((!packet.is_empty()).then_some(packet));
    packets
}

/// A stream of frames with its numbers.
#[derive(Debug)]
pub struct Stream {
    /// The picture.
    pub format: VideoFormat,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The next packet's number, all 32 bits.
    pub sequence: u32,
    /// In every header.
    pub extras: Extras,
}

impl Stream {
    /// The datagrams of one frame, in order; the last has the marker.
    #[must_use]
    pub fn datagrams(&mut self, frame: &[u8], timestamp: u32, packets: &[Vec<Run>]) -> Vec<Vec<u8>> {
        let last = packets.len().saturating_sub(1);
        let mut datagrams = Vec::with_capacity(packets.len());
        for (index, runs) in packets.iter().enumerate() {
            let payload = self.payload(frame, runs);
            datagrams.push(self.datagram(&payload, timestamp, index == last));
        }
        datagrams
    }

    // RFC 4175 §4.1 and §4.2
    fn payload(&self, frame: &[u8], runs: &[Run]) -> Vec<u8> {
        let pgroup = self.format.pgroup();
        let mut payload = ((self.sequence >> 16) as u16).to_be_bytes().to_vec();
        for (index, run) in runs.iter().enumerate() {
            let more = if index + 1 < runs.len() { 0x8000 } else { 0 };
            for word in [run.pgroups * pgroup.octets, run.row, (run.first * pgroup.pixels) | more] {
                payload.extend(word.to_be_bytes());
            }
        }
        for run in runs {
            let start =
                usize::from(run.row) * self.format.row_octets() as usize + usize::from(run.first * pgroup.octets);
            payload.extend(&frame[start..start + usize::from(run.pgroups * pgroup.octets)]);
        }
        payload
    }

    /// A datagram of any payload with the next number.
    // RFC 3550 §5.1
    #[must_use]
    pub fn datagram(&mut self, payload: &[u8], timestamp: u32, marker: bool) -> Vec<u8> {
        let Extras { csrcs, extension, padding } = &self.extras;
        let flags = 0x80 | u8::from(*padding > 0) << 5 | u8::from(extension.is_some()) << 4 | csrcs.len() as u8;
        let mut datagram = vec![flags, u8::from(marker) << 7 | PAYLOAD_TYPE];
        datagram.extend((self.sequence as u16).to_be_bytes());
        for word in [timestamp, self.ssrc].iter().chain(csrcs) {
            datagram.extend(word.to_be_bytes());
        }
        if let Some(words) = extension {
            datagram.extend([0xbe, 0xde]);
            datagram.extend((words.len() as u16).to_be_bytes());
            words.iter().for_each(|word| datagram.extend(word.to_be_bytes()));
        }
        datagram.extend(payload);
        if *padding > 0 {
            datagram.extend(vec![0; usize::from(padding - 1)]);
            datagram.push(*padding);
        }
        self.sequence = self.sequence.wrapping_add(1);
        datagram
    }
}

/// Sends each frame's datagrams at once, and frames `period` apart.
///
/// # Errors
/// What the socket says.
pub fn send(socket: &UdpSocket, to: SocketAddr, frames: &[Vec<Vec<u8>>], period: Duration) -> io::Result<()> {
    for datagrams in frames {
        for datagram in datagrams {
            socket.send_to(datagram, to)?;
        }
        std::thread::sleep(period);
    }
    Ok(())
}

/// A socket inside `namespace`, bound to `from`. A socket stays where it was made.
///
/// # Errors
/// When the namespace cannot be entered, or the address is not there.
pub fn socket_in(namespace: &Namespace, from: SocketAddr) -> io::Result<UdpSocket> {
    let file = std::fs::File::open(std::path::Path::new("/run/netns").join(namespace.name()))?;
    let made = std::thread::spawn(move || {
        // Only this thread goes there, and it ends at once.
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(kind))?;
        UdpSocket::bind(from)
    });
    made.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
}

/// `count` frames of octets that look random and are the same at every run.
#[must_use]
pub fn noise(format: &VideoFormat, count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut state = seed | 1;
    let mut octet = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| (0..format.frame_octets()).map(|_| octet()).collect()).collect()
}
