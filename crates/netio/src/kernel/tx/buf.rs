//! A packet on its way to a socket.

use crate::kernel::referred::Referred;
use crate::{MAX_HEADER_OCTETS, PathId, PathTable, TxFull};

/// A packet to be sent: a copied header and a payload by reference.
#[derive(Debug)]
pub struct KernelTxBuf<L> {
    pub(super) path: PathId,
    header: [u8; MAX_HEADER_OCTETS],
    header_octets: u8,
    payload: Referred<L>,
}

impl<L> KernelTxBuf<L> {
    /// Octets of the UDP payload.
    pub(crate) const fn octets(&self) -> usize {
        self.header_octets as usize + self.payload.octets()
    }

    /// A packet on an open path. The payload is only asked for when all else is right.
    pub(super) fn new<K>(
        paths: &PathTable<K>,
        path: PathId,
        header: &[u8],
        payload: impl FnOnce() -> Result<Referred<L>, TxFull>,
    ) -> Result<Self, TxFull> {
        if paths.at(path).is_none() {
            return Err(TxFull::Path);
        }
        let mut room = [0; MAX_HEADER_OCTETS];
        room.get_mut(..header.len()).ok_or(TxFull::Header)?.copy_from_slice(header);
        Ok(Self { path, header: room, header_octets: header.len() as u8, payload: payload()? })
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_octets)]
    }

    pub(crate) const fn payload(&self) -> &Referred<L> {
        &self.payload
    }
}
