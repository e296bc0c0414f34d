//! The index of a recording on disk: written grain by grain, read at once.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use media::recording::{Entry, Header, RecordingError};

/// The most octets of an index that are read: 100 hours of 2160p59.94.
const READ_MAX_OCTETS: u64 = 8 << 30;

/// An index that is being written.
#[derive(Debug)]
pub(super) struct IndexWriter {
    file: File,
    header: Header,
    octets: Vec<u8>,
}

impl IndexWriter {
    /// Writes the header into an empty file.
    pub(super) fn new(mut file: File, header: Header) -> io::Result<Self> {
        file.write_all(&header.encode())?;
        Ok(Self { file, header, octets: Vec::new() })
    }

    /// Writes one record behind the others.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.octets.clear();
        self.header.encode_entry(entry, &mut self.octets);
        self.file.write_all_at(&self.octets, self.header.entry_offset(entry.number))
    }

    /// Has all of it on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// An index that is read, record by record: long recordings have large ones.
#[derive(Debug)]
pub(super) struct IndexReader {
    file: File,
    header: Header,
    grains: u32,
}

impl IndexReader {
    /// Reads the header, and sees how many records there are.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the header.
    pub(super) fn open(file: File) -> io::Result<Result<Self, RecordingError>> {
        let octets = file.metadata()?.len().min(READ_MAX_OCTETS);
        let mut head = vec![0; Header::OCTETS.min(octets as usize)];
        file.read_exact_at(&mut head, 0)?;
        Ok(Header::decode(&head).map(|header| {
            let grains = header.entries_in(octets);
            Self { file, header, grains }
        }))
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Records, whole ones.
    pub(super) fn grains(&self) -> u32 {
        self.grains
    }

    /// Record `number`.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the record.
    pub(super) fn entry(&self, number: u32) -> io::Result<Result<Entry, RecordingError>> {
        let mut octets = vec![0; self.header.entry_octets()];
        self.file.read_exact_at(&mut octets, self.header.entry_offset(number))?;
        Ok(self.header.decode_entry(number, &octets))
    }
}
