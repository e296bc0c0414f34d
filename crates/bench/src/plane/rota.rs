//! Whose turn it is of many that need little: some of them between two turns of a worker, so that looking at all of them does not
//! take the worker's time.

/// How many turns go by until all had one.
const TURNS: usize = 8;

/// See the file's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rota {
    next: usize,
    share: usize,
}

impl Rota {
    /// All of so many in each turn: each has as much to do as a worker.
    pub(crate) const fn of_all(count: usize) -> Self {
        Self { next: 0, share: count }
    }

    /// Some of them in each turn.
    pub(crate) const fn of_some(count: usize) -> Self {
        Self { next: 0, share: count.div_ceil(TURNS) }
    }

    /// Those whose turn it is now.
    #[inline]
    pub(crate) fn now<'a, T>(&mut self, all: &'a mut [T]) -> impl Iterator<Item = &'a mut T> + use<'a, T> {
        let first = if self.next < all.len() { self.next } else { 0 };
        self.next = first + self.share;
        all.iter_mut().skip(first).take(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(mut rota: Rota, count: usize) -> Vec<u32> {
        let mut all = vec![0; count];
        (0..TURNS).for_each(|_| rota.now(&mut all).for_each(|one| *one += 1));
        all
    }

    #[test]
    fn everyone_has_a_turn() {
        for count in [1, 2, 7, 8, 9, 64] {
            assert!(looks(Rota::of_some(count), count).iter().all(|turns| *turns >= 1), "{count}");
            assert!(looks(Rota::of_all(count), count).iter().all(|turns| *turns == TURNS as u32), "{count}");
        }
        assert!(looks(Rota::of_some(64), 64).iter().all(|turns| *turns == 1), "and not more than one");
        assert!(looks(Rota::of_some(0), 0).is_empty());
    }
}
