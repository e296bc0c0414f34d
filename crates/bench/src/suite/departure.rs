//! From `kill -9` of a consumer that holds grains to its slots being free: through its life pipe, the broker and the
//! writer's mailbox.

use std::os::fd::BorrowedFd;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use media::GrainIndex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shm::{Broker, FrameWriter, GrainEnd, GrainStamp};

use super::report::Departure;
use crate::arguments::Shm;
use crate::pair::{Place, Plan};
use crate::process::Process;
use crate::ring::{name_of, own_socket, start_broker, tai_now};
use crate::role::{Command, Kind, Policy, Role};
use crate::{FrameSize, PATIENCE_NS, Spread, clock};

/// A ring of 512 MiB, every page of which the consumer has touched.
const SIZE: FrameSize = FrameSize::MIB_32;
const SLOTS: u16 = 16;
/// Grains that it holds when it dies.
const HELD: u16 = 2;

pub(super) fn measure(arguments: &Shm, place: &Place<'_>) -> Result<Vec<Departure>> {
    let mut found = Vec::new();
    for pages in [Policy::Huge, Policy::Plain] {
        let unwanted = match arguments.pages {
            Policy::Prefer => false,
            only => only != pages,
        };
        if unwanted {
            continue;
        }
        match measure_on(pages, arguments.rounds, place) {
            Ok(departure) => found.push(departure),
            Err(error) if pages == Policy::Huge && arguments.pages == Policy::Prefer => {
                eprintln!("departure on 2 MiB pages is left out: {error:#}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn measure_on(pages: Policy, rounds: u32, place: &Place<'_>) -> Result<Departure> {
    let meeting = format!("departure-{pages:?}").to_lowercase();
    let broker = start_broker(&own_socket(place.folder, &meeting), pages.into())?;
    let mut stage = Stage { writer: create(&broker, &meeting)?, next: 0 };
    let plan = Plan { name: meeting, sender: Kind::GatewayRing, receiver: Kind::Holder, receivers: 1, size: SIZE };
    let (lead, holder) = (place.role(&plan, plan.sender, 0), place.role(&plan, plan.receiver, 1));
    // A thread that polls all the time leaves the holder's core alone.
    let played = std::thread::scope(|scope| {
        let polling = scope.spawn(|| {
            lead.pin()?;
            (0..rounds).map(|_| stage.round(&holder)).collect::<Result<Vec<_>>>()
        });
        polling.join().map_err(|_| anyhow!("the polling thread panicked"))?
    })?;
    drop(stage);
    broker.stop();
    let nanos = |of: fn(&(u64, u64)) -> u64| Spread::of(played.iter().map(|round| of(round) as f64));
    Ok(Departure {
        pages: format!("{pages:?}"),
        mapped_octets: SIZE.octets() as u64 * u64::from(SLOTS),
        gone_ns: nanos(|round| round.0),
        free_ns: nanos(|round| round.1),
    })
}

fn create(broker: &Broker, meeting: &str) -> Result<FrameWriter> {
    broker.create_flow(&name_of(meeting)?, SIZE.format(), Some(SLOTS)).context("no ring of 512 MiB")
}

struct Stage {
    writer: FrameWriter,
    next: u64,
}

impl Stage {
    /// From the signal to the end of the process's pipes, and to its slots being free, ns.
    fn round(&mut self, role: &Role) -> Result<(u64, u64)> {
        let mut holder = Process::start(role)?;
        holder.tell(&Command::Connect { acknowledgements: Vec::new() })?;
        self.host_until_answered(&mut holder)?;
        // Every slot once, so that the consumer has every page mapped.
        for _ in 0..SLOTS / HELD {
            holder.tell(&Command::Hold { grains: 0 })?;
            self.host_until_answered(&mut holder)?;
            holder.tell(&Command::Hold { grains: HELD })?;
            (0..HELD).try_for_each(|_| self.commit_one())?;
            self.host_until_answered(&mut holder)?;
        }
        let held = self.writer.slot_accounts().leased;
        ensure!(held == HELD, "{held} slots are held, not {HELD}");
        let killed = clock::now();
        holder.kill()?;
        let mut gone = None;
        loop {
            self.writer.poll(tai_now());
            let now = clock::now();
            if gone.is_none() && has_hung_up(holder.pipe())? {
                gone = Some(now);
            }
            if let (Some(gone), 0) = (gone, self.writer.slot_accounts().leased) {
                return Ok((gone - killed, now - killed));
            }
            ensure!(now < killed + PATIENCE_NS, "the slots of a dead consumer stay held");
        }
    }

    fn commit_one(&mut self) -> Result<()> {
        let grain = self.writer.open(GrainIndex(self.next), GrainStamp::default(), tai_now())?;
        self.writer.commit(grain, GrainEnd::default());
        self.next += 1;
        Ok(())
    }

    fn host_until_answered(&mut self, holder: &mut Process) -> Result<()> {
        let deadline = clock::now() + PATIENCE_NS;
        while !is_readable(holder.pipe())? {
            self.writer.poll(tai_now());
            if clock::now() > deadline {
                bail!("the holder does not answer");
            }
        }
        holder.answer().map(drop)
    }
}

fn is_readable(pipe: BorrowedFd<'_>) -> Result<bool> {
    Ok(events(pipe)?.intersects(PollFlags::IN | PollFlags::HUP))
}

fn has_hung_up(pipe: BorrowedFd<'_>) -> Result<bool> {
    Ok(events(pipe)?.contains(PollFlags::HUP))
}

fn events(pipe: BorrowedFd<'_>) -> Result<PollFlags> {
    let mut watched = [PollFd::from_borrowed_fd(pipe, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(watched[0].revents())
}
