//! What a broker writes down of a ring that a pod produces, for the broker that comes after it.
//!
//! One message of a kind of its own, never sent: fixed fields, so that a record that was cut short or written by somebody
//! else is refused as a message would be.

use media::Name;

use super::wire::{DecodeError, Decoder, Encoder};
use super::{Blocking, Version};
use crate::{Geometry, WakeMode};

/// A file as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// A ring that a pod produces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingRecord {
    pub(crate) name: Name,
    /// Who produces it.
    pub(crate) uid: u32,
    pub(crate) control: FileId,
    pub(crate) data: FileId,
    pub(crate) blocking: Blocking,
    pub(crate) wake: WakeMode,
    /// With its epoch. The seals are those of every ring.
    pub(crate) geometry: Geometry,
}

const RECORD: u16 = 0x5246;
/// The form of a record; another is nobody's.
const FORM: u32 = 1;

impl RingRecord {
    /// `name, uid u32, control: device u64, inode u64, data: the same, blocking u8, wake u8, geometry`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new(RECORD, FORM, Version::NEWEST);
        out.name(Some(&self.name));
        out.u32(self.uid);
        for file in [self.control, self.data] {
            out.u64(file.device);
            out.u64(file.inode);
        }
        out.u8(u8::from(self.blocking == Blocking::Allowed));
        out.wake(self.wake);
        out.geometry(&self.geometry);
        // The newest version says everything.
        out.finish().unwrap_or_default()
    }

    pub(crate) fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let (kind, form, mut body) = Decoder::open(octets, Version::NEWEST)?;
        if (kind, form) != (RECORD, FORM) {
            return Err(DecodeError::Kind(kind));
        }
        let (name, uid) = (body.named()?, body.u32("uid")?);
        let mut file = || Ok::<_, DecodeError>(FileId { device: body.u64("device")?, inode: body.u64("inode")? });
        let (control, data) = (file()?, file()?);
        let blocking = if body.flag("blocking")? { Blocking::Allowed } else { Blocking::Refused };
        let wake = body.wake()?;
        let geometry = body.geometry()?;
        body.close(Self { name, uid, control, data, blocking, wake, geometry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn record() -> RingRecord {
        let (control, data) = (FileId { device: 1, inode: 2 }, FileId { device: 3, inode: 1 << 40 });
        let geometry = fixture::geometry(4, 3);
        let name = "gfx".parse().unwrap();
        RingRecord { name, uid: 1000, control, data, blocking: Blocking::Allowed, wake: WakeMode::Inline, geometry }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record();
        assert_eq!(RingRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn a_record_that_was_cut_or_changed_is_none() {
        let whole = record().encode();
        for octets in 0..whole.len() {
            assert!(RingRecord::decode(&whole[..octets]).is_err(), "{octets} octets");
        }
        assert!(RingRecord::decode(&[whole.as_slice(), &[0]].concat()).is_err());
        for at in [0, 2, 4, 8, 9] {
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            assert!(RingRecord::decode(&changed).is_err(), "octet {at}");
        }
    }
}
