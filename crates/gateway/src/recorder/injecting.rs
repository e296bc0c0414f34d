//! One injection: a capture file into a port, as if its frames came by the wire again, as far apart as they did.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control::{ArchiveError, ArchiveState, InjectSpec, InjectionPace, InjectionStatus, ReplayEnding};
use media::{Clock as _, Name, Tai};
use netio::injection::{InjectionConfig, InjectionRing};

use super::ending::Ending;
use super::folder::Folder;
use super::pcap::{Packet, PcapError, PcapReader};
use crate::clock::TaiClock;
use crate::engine::Inlet;

/// Frames under way from the file to the worker: some milliseconds of a port at line rate.
const FRAMES: u32 = 8192;
/// From the start to the first frame: the file is read ahead meanwhile.
const LEAD_NANOS: i64 = 50_000_000;
/// Between the last frame of a round and the first of the next, where one frame alone has no distance to take.
const GAP_NANOS: i64 = 1_000_000;
/// Between two looks for room.
const TURN: Duration = Duration::from_millis(1);
/// Destination and source of a frame, octets (IEEE 802.3 §3.1).
const ADDRESS_OCTETS: usize = 6;
/// With the type that follows them.
const HEADER_OCTETS: usize = 14;

/// What an injection says of itself. The counters say nothing about one another, so all of them are relaxed.
#[derive(Debug)]
pub(super) struct Injected {
    port: Name,
    path: String,
    /// While it runs: a ring that is held keeps others out.
    ring: Mutex<Option<Arc<InjectionRing>>>,
    ending: Mutex<Option<Ending>>,
    packets: AtomicU64,
    dropped: AtomicU64,
    skipped: AtomicU64,
    latest_nanos: AtomicU64,
    rounds: AtomicU64,
}

impl Injected {
    pub(super) fn new(port: Name, path: String, ring: Arc<InjectionRing>) -> Self {
        let (packets, dropped, skipped, latest_nanos, rounds) = Default::default();
        let (ring, ending) = (Mutex::new(Some(ring)), Mutex::default());
        Self { port, path, ring, ending, packets, dropped, skipped, latest_nanos, rounds }
    }

    pub(super) fn status(&self) -> InjectionStatus {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ring) = &*self.ring.lock().unwrap_or_else(PoisonError::into_inner) {
            self.note(ring);
        }
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InjectionStatus {
            port: self.port.clone(),
            path: self.path.clone(),
            state: ending.as_ref().map_or(ArchiveState::Running, |ending| ending.state),
            trouble: ending.and_then(|ending| ending.trouble),
            packets: value(&self.packets),
            packets_dropped: value(&self.dropped),
            packets_skipped: value(&self.skipped),
            longest_late_us: value(&self.latest_nanos).div_ceil(1_000),
            rounds: value(&self.rounds),
        }
    }

    fn note(&self, ring: &InjectionRing) {
        self.packets.store(ring.injected(), Ordering::Relaxed);
        self.dropped.store(ring.dropped(), Ordering::Relaxed);
        self.latest_nanos.store(ring.latest_nanos(), Ordering::Relaxed);
    }

    fn end(&self, ending: Ending) {
        if let Some(ring) = self.ring.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.note(&ring);
        }
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }
}

/// See the module. The inlet is shut when it drops.
pub(super) struct Injecting {
    inlet: Inlet,
    ring: Arc<InjectionRing>,
    file: File,
    clock: TaiClock,
    ending: ReplayEnding,
    pace: InjectionPace,
}

/// Where a round of the file stands in time.
struct Round {
    /// Of the first frame that was put: its time in the file, and its own.
    first: Option<(i64, Tai)>,
    /// The next round's first frame: as far behind the last one as that was behind the one before it.
    next: Tai,
    last: Option<Tai>,
}

/// Opens the file and the inlet.
///
/// # Errors
/// [`ArchiveError`].
pub(super) fn prepare(
    folder: &Folder,
    inlet: Inlet,
    spec: &InjectSpec,
    clock: &TaiClock,
) -> Result<Injecting, ArchiveError> {
    let file = folder.open_plain(&spec.file)?;
    let refused =
        |cause: PcapError| ArchiveError::NoCaptureFile { path: folder.shown(&spec.file), cause: Box::new(cause) };
    let (mut reader, mut kept) = (reader(&file).map_err(refused)?, Vec::new());
    if reader.next(&mut kept).map_err(refused)?.is_none() {
        return Err(ArchiveError::Empty { path: folder.shown(&spec.file) });
    }
    let config = InjectionConfig { frames: FRAMES, frame_octets: inlet.frame_octets };
    let ring = inlet.tap.start(config).map_err(|busy| ArchiveError::Refused(Box::new(busy)))?;
    Ok(Injecting { inlet, ring, file, clock: clock.clone(), ending: spec.ending, pace: spec.pace })
}

/// The file from its beginning.
fn reader(mut file: &File) -> Result<PcapReader<BufReader<&File>>, PcapError> {
    file.rewind()?;
    PcapReader::new(BufReader::with_capacity(1 << 20, file))
}

impl Injecting {
    /// What counts.
    pub(super) fn ring(&self) -> Arc<InjectionRing> {
        Arc::clone(&self.ring)
    }

    /// Injects until it ends.
    pub(super) fn run(self, injected: &Injected, stop: &AtomicBool) {
        let failed = |error: PcapError| Ending::because(ArchiveState::Failed, format!("{}: {error}", injected.path));
        let ending = self.inject(injected, stop).unwrap_or_else(failed);
        drop(self);
        injected.end(ending);
        let InjectionStatus { port, path, packets, packets_dropped, longest_late_us, trouble, .. } = injected.status();
        tracing::info!(
            "port {port}: {packets} packets of {path} were injected, {packets_dropped} found no buffer, none later than \
             {longest_late_us} us"
        );
        trouble.iter().for_each(|trouble| tracing::warn!("port {port}: {trouble}"));
    }

    fn inject(&self, injected: &Injected, stop: &AtomicBool) -> Result<Ending, PcapError> {
        let mut round = Round { first: None, next: self.after(LEAD_NANOS), last: None };
        loop {
            if !self.play(&mut round, injected, stop)? {
                return Ok(Ending::of(ArchiveState::Stopped));
            }
            injected.rounds.fetch_add(1, Ordering::Relaxed);
            // A file of which nothing is played would be read for ever.
            if self.ending == ReplayEnding::Stop || round.first.is_none() {
                break;
            }
            round.first = None;
        }
        while !self.ring.is_empty() {
            if !wait(stop) {
                return Ok(Ending::of(ArchiveState::Stopped));
            }
        }
        Ok(Ending::of(ArchiveState::Done))
    }

    fn after(&self, nanos: i64) -> Tai {
        Tai::from_nanos(self.clock.now().as_nanos() + nanos)
    }

    /// One round of the file; whether nobody stopped it.
    fn play(&self, round: &mut Round, injected: &Injected, stop: &AtomicBool) -> Result<bool, PcapError> {
        let (mut reader, mut frame) = (reader(&self.file)?, Vec::new());
        while let Some(packet) = reader.next(&mut frame)? {
            if !self.is_received(&packet, &frame) {
                injected.skipped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.readdress(&mut frame);
            let placed = round.place(packet.nanos);
            let due = match self.pace {
                InjectionPace::Recorded => placed,
                InjectionPace::Unpaced => self.after(0),
            };
            while !self.ring.put(due, &frame) {
                if !wait(stop) {
                    return Ok(false);
                }
            }
            // A flag alone: see Job::end.
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a port could have received it: whole, no longer than its frames, and not its own.
    fn is_received(&self, packet: &Packet, frame: &[u8]) -> bool {
        frame.len() == packet.octets as usize
            && (HEADER_OCTETS..=usize::from(self.inlet.frame_octets)).contains(&frame.len())
            && frame[ADDRESS_OCTETS..2 * ADDRESS_OCTETS] != self.inlet.mac.octets()
    }

    /// What went to a station goes to this port: a capture may be another's, and a virtual port has another address each time.
    fn readdress(&self, frame: &mut [u8]) {
        let (destination, _) = frame.split_at_mut(ADDRESS_OCTETS);
        // IEEE 802.3 §3.2.3: the lowest bit of the first octet is set for groups.
        if destination[0] & 1 == 0 {
            destination.copy_from_slice(&self.inlet.mac.octets());
        }
    }
}

impl Round {
    /// When a frame is due that stands at `nanos` in the file.
    fn place(&mut self, nanos: i64) -> Tai {
        let (first, begun) = *self.first.get_or_insert((nanos, self.next));
        let due = Tai::from_nanos(begun.as_nanos().saturating_add(nanos.saturating_sub(first)));
        let apart = self.last.map_or(0, |last| due.nanos_since(last)).max(GAP_NANOS);
        self.last = Some(due);
        self.next = Tai::from_nanos(due.as_nanos().saturating_add(apart));
        due
    }
}

impl Drop for Injecting {
    fn drop(&mut self) {
        self.inlet.tap.stop();
    }
}

/// Waits a moment; whether nobody stops it.
fn wait(stop: &AtomicBool) -> bool {
    std::thread::sleep(TURN);
    // A flag alone: see Job::end.
    !stop.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_as_far_apart_as_in_the_file_round_after_round() {
        let mut round = Round { first: None, next: Tai::from_nanos(1_000_000_000), last: None };
        let places = [70, 75, 95].map(|ms| round.place(ms * 1_000_000).as_nanos() / 1_000_000);
        assert_eq!(places, [1_000, 1_005, 1_025]);
        round.first = None;
        let places = [70, 75].map(|ms| round.place(ms * 1_000_000).as_nanos() / 1_000_000);
        assert_eq!(places, [1_045, 1_050], "the next round is as far behind as its last frames were apart");
    }
}
