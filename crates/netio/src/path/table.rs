//! Open paths by id. A closed id stays closed when its slot is used again.

/// An open path of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId {
    slot: u16,
    generation: u32,
}

impl PathId {
    /// Both halves in 48 bits: for backends that note the path in a packet.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.slot as u64) << 32 | self.generation as u64
    }

    /// What [`Self::to_bits`] made; of other bits, a path that is not open.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: (bits >> 32) as u16, generation: bits as u32 }
    }
}

/// A table of up to a fixed number of open paths.
#[derive(Debug)]
pub struct PathTable<T> {
    slots: Box<[Slot<T>]>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    path: Option<T>,
}

impl<T> PathTable<T> {
    /// A table with room for `limit` paths.
    #[must_use]
    pub fn new(limit: u16) -> Self {
        Self { slots: (0..limit).map(|_| Slot { generation: 0, path: None }).collect() }
    }

    /// How many paths there may be.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.slots.len()
    }

    /// Opens a path; `None` when all are open.
    pub fn insert(&mut self, path: T) -> Option<PathId> {
        let (index, slot) = self.slots.iter_mut().enumerate().find(|(_, slot)| slot.path.is_none())?;
        slot.path = Some(path);
        Some(PathId { slot: index as u16, generation: slot.generation })
    }

    /// The path, when it is open.
    #[inline]
    #[must_use]
    pub fn at(&self, id: PathId) -> Option<&T> {
        self.slots.get(usize::from(id.slot)).filter(|slot| slot.generation == id.generation)?.path.as_ref()
    }

    /// The path, when it is open.
    #[inline]
    #[must_use]
    pub fn at_mut(&mut self, id: PathId) -> Option<&mut T> {
        self.slots.get_mut(usize::from(id.slot)).filter(|slot| slot.generation == id.generation)?.path.as_mut()
    }

    /// Closes a path and returns what was kept for it.
    pub fn remove(&mut self, id: PathId) -> Option<T> {
        let slot = self.slots.get_mut(usize::from(id.slot)).filter(|slot| slot.generation == id.generation)?;
        let path = slot.path.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_id_never_means_the_next_path() {
        let mut table = PathTable::new(1);
        let first = table.insert('a').unwrap();
        assert_eq!(table.insert('b'), None);
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        let second = table.insert('b').unwrap();
        assert_eq!((table.at(first), table.at(second)), (None, Some(&'b')));
        assert_eq!(table.at_mut(first), None);
        assert_eq!(PathId::from_bits(second.to_bits()), second);
        assert_ne!(PathId::from_bits(first.to_bits()), second);
    }
}
