//! The next hops that a port's paths ask for, and the cells that hold the answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use netio::exchange::{NeighbourCell, Resolve};

/// Next hops of one port.
const LIMIT: usize = 1_024;
/// The kernel gives up after three seconds; until then it is asking already.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A neighbour that answered is used again so that the kernel keeps it; it forgets what is not used.
const USE_AGAIN: Duration = Duration::from_secs(10);

/// The next hops of one port.
#[derive(Debug, Default)]
pub(super) struct Hops {
    hops: BTreeMap<IpAddr, Hop>,
}

#[derive(Debug, Default)]
struct Hop {
    cells: Vec<Weak<NeighbourCell>>,
    mac: Option<[u8; 6]>,
    is_silent: bool,
    asked: Option<Instant>,
}

/// What an answer, or its absence, changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// It answers for the first time.
    Found,
    /// It answers again.
    Back,
    /// It has another link address than before.
    Moved([u8; 6]),
    /// It does not answer.
    Silent,
}

/// Whether a question is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody asked for this next hop before.
    First,
    /// It is being asked for, or known.
    Again,
    /// There are too many next hops.
    Full,
}

impl Hops {
    /// Takes a path's question.
    pub(super) fn ask(&mut self, question: &Resolve) -> Asked {
        let is_full = self.hops.len() >= LIMIT;
        let is_first = !self.hops.contains_key(&question.next_hop);
        if is_first && is_full {
            return Asked::Full;
        }
        let hop = self.hops.entry(question.next_hop).or_default();
        if let Some(mac) = hop.mac {
            question.cell.store(mac);
        }
        let cell = Arc::downgrade(&question.cell);
        if !hop.cells.iter().any(|known| known.ptr_eq(&cell)) {
            hop.cells.push(cell);
        }
        if is_first { Asked::First } else { Asked::Again }
    }

    /// A neighbour has this link address.
    pub(super) fn found(&mut self, address: IpAddr, mac: [u8; 6]) -> Change {
        let Some(hop) = self.hops.get_mut(&address) else { return Change::None };
        let before = hop.mac.replace(mac);
        if before == Some(mac) {
            return Change::None;
        }
        for cell in hop.cells.iter().filter_map(Weak::upgrade) {
            cell.store(mac);
        }
        match (before, std::mem::take(&mut hop.is_silent)) {
            (Some(before), _) => Change::Moved(before),
            (None, true) => Change::Back,
            (None, false) => Change::Found,
        }
    }

    /// A neighbour does not answer.
    pub(super) fn silent(&mut self, address: IpAddr) -> Change {
        let Some(hop) = self.hops.get_mut(&address) else { return Change::None };
        hop.clear();
        if std::mem::replace(&mut hop.is_silent, true) { Change::None } else { Change::Silent }
    }

    /// The kernel has dropped what it knew; until it is asked again, that holds.
    pub(super) fn ask_soon(&mut self, address: IpAddr) {
        if let Some(hop) = self.hops.get_mut(&address) {
            hop.asked = None;
        }
    }

    /// Whoever was asked is gone; everything is to be asked for again. What is known holds until then: the neighbours
    /// are where they were.
    pub(super) fn ask_all_soon(&mut self) {
        self.hops.values_mut().for_each(|hop| hop.asked = None);
    }

    /// Drops the next hops that no path has any more, and names them.
    pub(super) fn sweep(&mut self) -> Vec<IpAddr> {
        for hop in self.hops.values_mut() {
            hop.cells.retain(|cell| cell.strong_count() > 0);
        }
        let gone: Vec<IpAddr> = self.hops.iter().filter(|(_, hop)| hop.cells.is_empty()).map(|(hop, _)| *hop).collect();
        self.hops.retain(|_, hop| !hop.cells.is_empty());
        gone
    }

    /// The next hops for which the kernel is to be asked now, at most `limit`.
    pub(super) fn due(&mut self, now: Instant, limit: usize) -> Vec<IpAddr> {
        let is_due = |hop: &Hop| {
            let pause = if hop.mac.is_some() { USE_AGAIN } else { ASK_AGAIN };
            hop.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= pause)
        };
        let due = self.hops.iter_mut().filter(|(_, hop)| is_due(hop)).take(limit);
        due.map(|(address, hop)| {
            hop.asked = Some(now);
            *address
        })
        .collect()
    }

    /// Those that do not answer.
    pub(super) fn silent_ones(&self) -> impl Iterator<Item = IpAddr> {
        self.hops.iter().filter(|(_, hop)| hop.is_silent).map(|(address, _)| *address)
    }
}

impl Hop {
    fn clear(&mut self) {
        self.mac = None;
        for cell in self.cells.iter().filter_map(Weak::upgrade) {
            cell.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn question(next_hop: IpAddr) -> (Resolve, Arc<NeighbourCell>) {
        let cell = Arc::new(NeighbourCell::new());
        (Resolve { next_hop, cell: Arc::clone(&cell) }, cell)
    }

    #[test]
    fn a_neighbour_comes_moves_goes_and_comes_back() {
        let mut hops = Hops::default();
        let (first, cell) = question(HOP);
        assert_eq!(hops.ask(&first), Asked::First);
        assert_eq!(hops.found(HOP, [1; 6]), Change::Found);
        assert_eq!(cell.load(), Some([1; 6]));
        assert_eq!(hops.found(HOP, [1; 6]), Change::None);
        assert_eq!(hops.found(HOP, [2; 6]), Change::Moved([1; 6]));
        let (second, late) = question(HOP);
        assert_eq!(hops.ask(&second), Asked::Again);
        assert_eq!(late.load(), Some([2; 6]), "whoever asks later has the answer at once");
        assert_eq!((hops.silent(HOP), hops.silent(HOP)), (Change::Silent, Change::None));
        assert_eq!((cell.load(), late.load()), (None, None));
        assert_eq!(hops.silent_ones().collect::<Vec<_>>(), [HOP]);
        assert_eq!(hops.found(HOP, [2; 6]), Change::Back);
        assert_eq!(hops.silent_ones().count(), 0);
    }

    #[test]
    fn strangers_are_not_learnt_and_the_number_of_hops_is_bounded() {
        let mut hops = Hops::default();
        assert_eq!((hops.found(HOP, [1; 6]), hops.silent(HOP)), (Change::None, Change::None));
        let held: Vec<_> = (0..LIMIT as u32 + 1)
            .map(|number| {
                let (question, cell) = question(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into());
                (hops.ask(&question), cell)
            })
            .collect();
        assert_eq!(held.iter().filter(|(asked, _)| *asked == Asked::First).count(), LIMIT);
        assert_eq!(held.last().unwrap().0, Asked::Full);
    }

    #[test]
    fn a_closed_path_is_no_question() {
        let mut hops = Hops::default();
        let (first, cell) = question(HOP);
        hops.ask(&first);
        hops.ask(&first);
        assert_eq!(hops.hops[&HOP].cells.len(), 1, "the same path twice is one question");
        drop(first);
        assert!(hops.sweep().is_empty());
        drop(cell);
        assert_eq!(hops.sweep(), [HOP]);
        assert!(hops.hops.is_empty());
    }

    #[test]
    fn the_kernel_is_asked_again_sooner_while_it_does_not_know() {
        let mut hops = Hops::default();
        let (first, cell) = question(HOP);
        hops.ask(&first);
        let now = Instant::now();
        assert_eq!(hops.due(now, 8), [HOP]);
        assert!(hops.due(now, 8).is_empty());
        assert_eq!(hops.due(now + ASK_AGAIN, 8), [HOP]);
        hops.found(HOP, [1; 6]);
        assert!(hops.due(now + 2 * ASK_AGAIN, 8).is_empty());
        assert_eq!(hops.due(now + USE_AGAIN + ASK_AGAIN, 8), [HOP]);
        hops.ask_all_soon();
        assert_eq!(hops.due(now + USE_AGAIN + ASK_AGAIN, 8), [HOP]);
        assert_eq!(cell.load(), Some([1; 6]), "packets go there meanwhile");
    }
}
