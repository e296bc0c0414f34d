//! What a hostile user does to the broker's socket, each in a process of its own, again and again until it is told to
//! stop.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hwtests::stranger::{both, lingering};
use hwtests::{Dice, Stranger, actor};
use rustix::fs::{FallocateFlags, SealFlags};
use rustix::io::Errno;
use shm::protocol::{BrokerMessage, MAX_MESSAGE_OCTETS, PodMessage, RingRequest, Version};
use shm::{ConsumerClass, Start};

use super::{name, picture};

/// What it may keep at a time: less than its limit of open files.
const KEPT_MAX: usize = 800;

/// How long a descriptor that it could pass keeps whoever closes it.
const LINGERS: Duration = Duration::from_secs(5);

/// All parts.
pub(crate) const PARTS: [&str; 5] = ["noise", "flood", "passing", "joins", "rings"];

/// Plays a part until its standard input closes, then says how often.
pub(crate) fn play(part: &str, path: &Path) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    std::thread::spawn(move || {
        std::io::stdin().lines().for_each(drop);
        told.store(true, Ordering::Relaxed);
    });
    actor::say("begins");
    let (mut rounds, mut kept) = (0_u64, Vec::new());
    let mut dice = Dice::from_environment("FLYPACK_HOSTILE_SEED");
    while !stop.load(Ordering::Relaxed) {
        let done = match part {
            "noise" => noise(path, &mut dice),
            "flood" => flood(path),
            "passing" => passing(path),
            "joins" => joins(path, rounds, &mut kept),
            _ => rings(path, rounds, &mut kept),
        };
        // Refused, or the gateway has had enough: that is what it is for.
        rounds += u64::from(done.is_ok());
        kept.truncate(KEPT_MAX);
    }
    actor::say(&format!("{rounds}"));
    // It ends with all that it kept.
    drop(kept);
}

/// Octets that mean nothing, and messages with some octets changed.
fn noise(path: &Path, dice: &mut Dice) -> Result<(), Errno> {
    let stranger = if dice.below(2) == 0 { Stranger::connect(path)? } else { Stranger::greeted(path)? };
    let mut octets = PodMessage::Subscribe { name: name("cam"), class: ConsumerClass::Lossy, start: Start::Live }
        .encode(3, Version::NEWEST)
        .map_err(|_| Errno::INVAL)?;
    if dice.below(2) == 0 {
        octets = (0..dice.below(MAX_MESSAGE_OCTETS as u64 + 8)).map(|_| dice.any() as u8).collect();
    } else {
        let at = dice.below(octets.len() as u64) as usize;
        octets[at] = dice.any() as u8;
    }
    stranger.send(&octets, &[])
}

/// Questions whose answers are not read.
fn flood(path: &Path) -> Result<(), Errno> {
    let stranger = Stranger::greeted(path)?;
    let list = PodMessage::ListFlows { after: None };
    for _ in 0..5_000 {
        match stranger.say(&list) {
            Ok(()) | Err(Errno::AGAIN) => {}
            // It was closed.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Descriptors whose closing waits, before and after the greeting, received and not.
fn passing(path: &Path) -> Result<(), Errno> {
    let (socket, reader) = lingering().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let adopt = PodMessage::Adopt { epoch: 7, name: name("cam") };
    let adopt = adopt.encode(3, Version::NEWEST).map_err(|_| Errno::INVAL)?;
    let mut passed = false;
    for stranger in [Stranger::connect(path), Stranger::greeted(path)].into_iter().flatten() {
        // From Linux 6.16 on the kernel refuses for the gateway.
        passed |= [&adopt[..], b"x"].iter().filter(|octets| stranger.send(octets, &both(&socket)).is_ok()).count() > 0;
    }
    // Whoever closes the socket last waits for as long.
    std::thread::spawn(move || {
        std::thread::sleep(if passed { LINGERS } else { Duration::ZERO });
        drop(reader);
    });
    Ok(())
}

/// Subscriptions that are left half-way, and memberships that end while their lease page is kept.
fn joins(path: &Path, round: u64, kept: &mut Vec<OwnedFd>) -> Result<(), Errno> {
    let stranger = Stranger::greeted(path)?;
    let flow = if round.is_multiple_of(2) { "cam" } else { "far" };
    let class = ConsumerClass::Leased { k: 1, deadline_nanos: i64::MAX };
    stranger.say(&PodMessage::Subscribe { name: name(flow), class, start: Start::Live })?;
    if round.is_multiple_of(3) {
        return Ok(());
    }
    match stranger.hear()? {
        // The third is the lease page; with the life pipe closed it is gone.
        (BrokerMessage::Subscribed { .. }, mut fds) if fds.len() > 2 => kept.push(fds.swap_remove(2)),
        _ => return Err(Errno::CONNREFUSED),
    }
    Ok(())
}

/// Rings that never become flows, whose memory is kept.
fn rings(path: &Path, round: u64, kept: &mut Vec<OwnedFd>) -> Result<(), Errno> {
    let stranger = Stranger::greeted(path)?;
    let ring = RingRequest { slots: Some(2), ..RingRequest::new(name(&format!("mine-{}", round % 7)), picture()) };
    stranger.say(&PodMessage::Produce(ring))?;
    if round.is_multiple_of(4) {
        return Ok(());
    }
    let (BrokerMessage::Region { geometry }, mut fds) = stranger.hear()? else { return Err(Errno::CONNREFUSED) };
    let data = fds.swap_remove(1);
    match round % 4 {
        1 => rustix::fs::fcntl_add_seals(&data, SealFlags::SEAL)?,
        2 => {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&data, punch, 0, geometry.data_octets())?;
        }
        _ => {}
    }
    // Sealing takes time, in which it leaves; or it waits for the answer.
    stranger.say(&PodMessage::Mapped { epoch: geometry.epoch })?;
    if round.is_multiple_of(2) {
        let _ = stranger.hear();
    }
    kept.push(data);
    Ok(())
}
