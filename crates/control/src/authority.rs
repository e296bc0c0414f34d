//! Clients on gRPC's C core (Python, C++, Ruby) send the path of a Unix socket as `:authority`. That is no authority
//! (RFC 9113 §8.3.1), and the HTTP/2 library under tonic ends such a connection. On a Unix socket the authority says
//! nothing, so it is replaced before the library sees it.
//!
//! Only `HEADERS` frames are looked at, and of these only the representations of HPACK (RFC 7541 §6), without
//! decoding a string. The replacement is shorter than any path: the server's dynamic table then evicts later than
//! the client thinks, so each index that the client may use still means the same.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::Connected;

/// What the authority becomes, as an HPACK string: its length, no Huffman code, the octets.
const REPLACEMENT: &[u8] = b"\x04unix";

/// `:authority` as an HPACK string, plain and in the Huffman code: some clients send the name too as a literal.
const NAMES: [&[u8]; 2] = [b"\x0a:authority", b"\x88\xb8\x3b\x53\x39\xec\x32\x7d\x7f"];

/// The client's connection preface (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The frame size that the server admits; a larger one is its to refuse.
const FRAME_OCTETS_MAX: usize = 16_384;

const FRAME_HEADER_OCTETS: usize = 9;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// A connection whose requests carry an authority that HTTP/2 allows.
pub(crate) struct UnixConnection {
    inner: UnixStream,
    rewriter: Rewriter,
    read: Vec<u8>,
    /// Octets of `read` that were given on.
    given: usize,
}

impl UnixConnection {
    pub(crate) fn new(inner: UnixStream) -> Self {
        Self { inner, rewriter: Rewriter::default(), read: Vec::new(), given: 0 }
    }
}

impl Connected for UnixConnection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for UnixConnection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.given == this.read.len() {
            let mut octets = [0; 4096];
            let mut raw = ReadBuf::new(&mut octets);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut raw))?;
            if raw.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.read.clear();
            this.given = 0;
            this.rewriter.feed(raw.filled(), &mut this.read);
        }
        let octets = (this.read.len() - this.given).min(out.remaining());
        out.put_slice(&this.read[this.given..this.given + octets]);
        this.given += octets;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UnixConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }
}

/// The client's octets with the authority replaced; all else as it came. Holds one frame at the most.
#[derive(Default)]
struct Rewriter {
    /// Octets of the preface that have passed.
    preface: usize,
    /// The frame's header, then all of a `HEADERS` frame.
    frame: Vec<u8>,
    /// Octets of another frame that are still to pass.
    passing: usize,
    /// It is not HTTP/2: nothing is looked at any more.
    is_foreign: bool,
}

impl Rewriter {
    fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for (at, &octet) in octets.iter().enumerate() {
            if self.is_foreign {
                return out.extend_from_slice(&octets[at..]);
            }
            self.feed_one(octet, out);
        }
    }

    fn feed_one(&mut self, octet: u8, out: &mut Vec<u8>) {
        if let Some(expected) = PREFACE.get(self.preface) {
            self.preface += 1;
            self.is_foreign = octet != *expected;
            return out.push(octet);
        }
        if self.passing > 0 {
            self.passing -= 1;
            return out.push(octet);
        }
        self.frame.push(octet);
        let Some((header, payload)) = self.frame.split_first_chunk::<FRAME_HEADER_OCTETS>() else { return };
        let announced = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        if header[3] != HEADERS || announced > FRAME_OCTETS_MAX {
            self.passing = announced;
        } else if payload.len() < announced {
            return;
        } else if let Some(rewritten) = rewrite(header, payload) {
            out.extend_from_slice(&rewritten);
            return self.frame.clear();
        }
        out.append(&mut self.frame);
    }
}

/// A `HEADERS` frame with its authority replaced; none when there is no literal one to be found.
fn rewrite(header: &[u8; FRAME_HEADER_OCTETS], payload: &[u8]) -> Option<Vec<u8>> {
    let flags = header[4];
    let padding = if flags & PADDED == 0 { 0 } else { usize::from(*payload.first()?) };
    let start = usize::from(flags & PADDED != 0) + if flags & PRIORITY == 0 { 0 } else { 5 };
    let block = payload.get(start..payload.len().checked_sub(padding)?)?;
    let value = authority(block)?;
    let (before, after) = (&payload[..start + value.start], &payload[start + value.end..]);
    let octets = before.len() + REPLACEMENT.len() + after.len();
    let length = u32::try_from(octets).ok()?.to_be_bytes();
    Some([&length[1..], &header[3..], before, REPLACEMENT, after].concat())
}

/// Where in a header block the value of a literal `:authority` stands, its length included (RFC 7541 §6, appendix A:
/// the name has index 1).
fn authority(block: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    loop {
        let first = *block.get(at)?;
        let prefix_bits = match first {
            0x80.. => 7,
            0x40..0x80 => 6,
            0x20..0x40 => 5,
            _ => 4,
        };
        let (index, after) = integer(block, at, prefix_bits)?;
        at = after;
        if first >= 0x80 || (0x20..0x40).contains(&first) {
            continue; // an indexed field, or a new size of the table
        }
        let mut is_authority = index == 1;
        if index == 0 {
            let name = at..string_end(block, at)?;
            at = name.end;
            is_authority = NAMES.contains(&&block[name]);
        }
        let end = string_end(block, at)?;
        if is_authority {
            return Some(at..end);
        }
        at = end;
    }
}

/// The end of the string that begins at `at`.
fn string_end(block: &[u8], at: usize) -> Option<usize> {
    let (octets, start) = integer(block, at, 7)?;
    start.checked_add(octets).filter(|end| *end <= block.len())
}

/// The integer that begins at `at` with a prefix of `bits`, and where it ends (RFC 7541 §5.1).
fn integer(block: &[u8], at: usize, bits: u32) -> Option<(usize, usize)> {
    let mask = (1_usize << bits) - 1;
    let mut value = usize::from(*block.get(at)?) & mask;
    if value < mask {
        return Some((value, at + 1));
    }
    // Four more octets are far above what a frame can hold.
    for (shift, position) in (0..28).step_by(7).zip(at + 1..) {
        let octet = usize::from(*block.get(position)?);
        value += (octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn rewritten(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut rewriter, mut out) = (Rewriter::default(), Vec::new());
        for piece in pieces {
            rewriter.feed(piece, &mut out);
        }
        out
    }

    /// `:method POST`, `:scheme http`, a new table size, `:path` and a new name as literals, then the authority.
    fn block(authority: &[u8]) -> Vec<u8> {
        let head = b"\x83\x86\x3f\xe1\x1f\x04\x02/x\x40\x02te\x08trailers";
        [&head[..], &[0x41, authority.len() as u8], authority, b"\x82"].concat()
    }

    #[test]
    fn a_path_becomes_an_authority_wherever_the_octets_are_split() {
        let flags = [(0, &b""[..], 0), (PADDED, &b"\x03"[..], 3), (PADDED | PRIORITY, &b"\x02\0\0\0\0\x10"[..], 2)];
        for (flags, front, padding) in flags {
            let payload = |authority: &[u8]| [front, &block(authority), &vec![0; padding]].concat();
            let around = |headers: Vec<u8>| [PREFACE, &frame(4, 0, b""), &headers, &frame(0, 1, b"\x41data")].concat();
            let sent = around(frame(HEADERS, 4 | flags, &payload(b"%2Frun%2Fflypack.sock")));
            let wanted = around(frame(HEADERS, 4 | flags, &payload(b"unix")));
            for split in 0..sent.len() {
                assert_eq!(rewritten(&[&sent[..split], &sent[split..]]), wanted, "split at {split}");
            }
        }
    }

    #[test]
    fn the_name_may_be_a_literal_too() {
        for name in NAMES {
            let head = [b"\x40\x05:path\x02/x\x40", name].concat();
            let sent = |value: &[u8]| [PREFACE, &frame(HEADERS, 4, &[&head, value, b"\x83"].concat())].concat();
            assert_eq!(rewritten(&[&sent(b"\x0etmp%2Fcap.sock")]), sent(b"\x04unix"));
        }
    }

    #[test]
    fn what_has_no_literal_authority_is_left_alone() {
        for payload in [&b""[..], b"\x83", b"\x41", b"\x41\x7f", b"\x41\xff\xff\xff\xff\xff\xff", b"\x83\xbe\x84"] {
            let sent = [PREFACE, &frame(HEADERS, 4, payload)].concat();
            assert_eq!(rewritten(&[&sent]), sent);
        }
    }

    proptest! {
        #[test]
        fn other_octets_pass_as_they_are(octets in prop::collection::vec(any::<u8>(), 0..300), is_http in any::<bool>()) {
            let sent = if is_http { [PREFACE, &frame(0, 0, &octets)].concat() } else { octets };
            prop_assert_eq!(rewritten(&[&sent]), sent);
        }

        #[test]
        fn random_header_frames_never_panic(payload in prop::collection::vec(any::<u8>(), 0..64), flags in any::<u8>()) {
            rewritten(&[PREFACE, &frame(HEADERS, flags, &payload)]);
        }
    }
}
