//! Whose turn it is of many that need little: some of them between two turns of a worker, so that looking at all of them does not
//! take the worker's time.

/// How many turns go by until all had one.
const TURNS: usize = 8;
/// How many go by between two rounds that are made of all for what is seldom.
const TURNS_PER_ROUND: u32 = 1 << 12;

/// See the file's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rota {
    next: usize,
    share: usize,
    turns: u32,
}

impl Rota {
    /// All of so many in each turn: each has as much to do as a worker.
    pub(crate) const fn of_all(count: usize) -> Self {
        Self { next: 0, share: count, turns: 0 }
    }

    /// Some of them in each turn.
    pub(crate) const fn of_some(count: usize) -> Self {
        Self { next: 0, share: count.div_ceil(TURNS), turns: 0 }
    }

    /// Those whose turn it is now.
    #[inline]
    pub(crate) fn now<'a, T>(&mut self, all: &'a mut [T]) -> impl Iterator<Item = &'a mut T> + use<'a, T> {
        let first = if self.next < all.len() { self.next } else { 0 };
        self.next = first + self.share;
        self.turns = self.turns.wrapping_add(1);
        all.iter_mut().skip(first).take(self.share)
    }

    /// Whether all are to be looked at for what is seldom.
    #[inline]
    pub(crate) const fn is_at_a_round(&self) -> bool {
        self.turns.is_multiple_of(TURNS_PER_ROUND)
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

    #[test]
    fn rounds_come_again() {
        let mut rota = Rota::of_all(1);
        let mut turn = || {
            rota.now(&mut [0]).for_each(drop);
            rota.is_at_a_round()
        };
        assert_eq!((0..3 * TURNS_PER_ROUND).filter(|_| turn()).count(), 3);
    }
}
