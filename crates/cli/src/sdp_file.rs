//! An SDP that is given by a file, or on stdin.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::Path;

use crate::Failure;

/// The largest one that is read, octets: one more than the gateway takes, so that it can say so.
const READ_OCTETS: u64 = 65_537;

/// The text of the file at `path`, or of stdin for "-". Names in another character set than UTF-8 (RFC 8866 §6.10) lose
/// what is not ASCII, and nothing else.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let mut octets = Vec::new();
    let read = if path.as_os_str() == "-" {
        stdin().lock().take(READ_OCTETS).read_to_end(&mut octets)
    } else {
        File::open(path).and_then(|file| file.take(READ_OCTETS).read_to_end(&mut octets))
    };
    match read {
        Ok(_) => Ok(String::from_utf8_lossy(&octets).into_owned()),
        Err(cause) => Err(Failure::File { action: "cannot read the SDP", path: path.into(), cause }),
    }
}
