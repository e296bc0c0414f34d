//! What a worker serves, each at a place that it keeps until it leaves.
//!
//! Tables of other objects name it by its place. Places are taken again, the lowest first, so that those in use stay
//! together; all memory is taken at the start.

/// Up to a fixed number of objects.
#[derive(Debug)]
pub(crate) struct Roster<T> {
    places: Vec<Option<T>>,
    room: usize,
}

impl<T> Roster<T> {
    /// Nobody yet, and room for `room`.
    pub(crate) fn new(room: usize) -> Self {
        Self { places: Vec::with_capacity(room), room }
    }

    /// Takes one on; its place. Gives it back when there is no room.
    pub(crate) fn add(&mut self, one: T) -> Result<u16, T> {
        let vacant = self.places.iter().position(Option::is_none);
        match vacant {
            Some(at) => self.places[at] = Some(one),
            None if self.places.len() < self.room => self.places.push(Some(one)),
            None => return Err(one),
        }
        Ok(vacant.unwrap_or(self.places.len() - 1) as u16)
    }

    /// How many more it has room for.
    pub(crate) fn vacancies(&self) -> usize {
        self.room - self.iter().count()
    }

    /// Lets the one at `place` leave.
    pub(crate) fn remove(&mut self, place: u16) -> Option<T> {
        let left = self.places.get_mut(usize::from(place))?.take();
        while self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
        }
        left
    }

    /// All places from 0 to here have been taken; some may be vacant.
    #[inline]
    pub(crate) fn len(&self) -> u16 {
        self.places.len() as u16
    }

    /// The one at `place`.
    #[inline]
    pub(crate) fn at(&self, place: u16) -> Option<&T> {
        self.places.get(usize::from(place))?.as_ref()
    }

    /// The one at `place`.
    #[inline]
    pub(crate) fn at_mut(&mut self, place: u16) -> Option<&mut T> {
        self.places.get_mut(usize::from(place))?.as_mut()
    }

    /// The place of the first one that is wanted.
    pub(crate) fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<u16> {
        self.places.iter().position(|one| one.as_ref().is_some_and(&wanted)).map(|at| at as u16)
    }

    /// All places that have been taken, each once, from `first` on, which may be any number.
    #[inline]
    pub(crate) fn places_from(&self, first: u16) -> impl Iterator<Item = u16> + use<T> {
        let len = self.len();
        let first = first % len.max(1);
        (first..len).chain(0..first)
    }

    /// Everyone, in the order of the places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    /// Everyone, in the order of the places.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_and_taken_again() {
        let mut roster = Roster::new(3);
        assert_eq!(["a", "b", "c"].map(|one| roster.add(one).unwrap()), [0, 1, 2]);
        assert_eq!(roster.add("d"), Err("d"));
        assert_eq!(roster.remove(1), Some("b"));
        assert_eq!((roster.at(1), roster.at(2)), (None, Some(&"c")));
        assert_eq!(roster.add("e"), Ok(1));
        assert_eq!(roster.find(|one| *one == "e"), Some(1));
        assert_eq!([roster.remove(2), roster.remove(1), roster.remove(1)], [Some("c"), Some("e"), None]);
        assert_eq!(roster.places_from(0).collect::<Vec<_>>(), [0]);
        assert_eq!(roster.iter_mut().map(|one| *one).collect::<Vec<_>>(), ["a"]);
        assert_eq!(roster.places.len(), 1);
    }
}
