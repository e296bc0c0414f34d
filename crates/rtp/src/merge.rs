//! One stream on several legs (ST 2022-7): the same packets come twice, and the first copy of each counts.
//!
//! Every leg goes through the sequence at its own pace, so each extends its numbers by itself, and only where it comes in
//! (at its first packet, after a silence) it is placed among the numbers of the others. So a leg may lag by any number of
//! packets that [`Reception`] remembers, more than half a turn of the 16 bits among them, and nothing that it brings is
//! taken for loss or for a restart of the leg that is ahead.
//!
//! ```text
//!           first packet ┌───────────┐ jumps, another leg follows  ┌────────┐
//!  silent ─────────────► │ following │ ──────────────────────────► │ parted │ its packets are strays
//!           is placed    └───────────┘ ◄────────────────────────── └────────┘
//!                          jumps, and no other leg follows: the sender began anew
//! ```
//! A leg that jumps says nothing about the sender while another goes on as before: it may have been switched to another
//! path. When all have jumped, or those that have not are silent, the sender began anew.

use media::{ExtSeqNum, RtpTimestamp, SeqNum, Tai};

use crate::reception::{Arrival, Reception, ReceptionCounters};
use crate::sequence::{SequenceExtender, Step};

/// After so long without a packet a leg is silent: it is placed anew when it comes back.
const SILENT_NANOS: i64 = 250_000_000;

/// A leg that has parted is placed anew after so long, more than the other may lag behind it: it was no restart.
const PARTED_NANOS: i64 = 500_000_000;

/// Time stamps of a leg are no further than this from those of another that it may be placed by: two seconds of video, some
/// more of audio. What is further is another stream.
const APART_TICKS: u32 = 180_000;

/// Beginnings of pictures that are remembered, to place a leg that lags: half a second at 60 pictures a second.
const PICTURES: usize = 32;

/// A packet, as far as its place goes.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Its sequence number.
    pub sequence: SeqNum,
    /// Its time stamp.
    pub timestamp: RtpTimestamp,
    /// When it came.
    pub arrival: Tai,
}

/// What came by one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegReception {
    /// Packets taken in.
    pub packets: u64,
    /// Numbers that the leg has passed.
    pub expected: u64,
    /// Packets among them; those that this leg brings twice count twice.
    pub received: u64,
    /// How much later than the first copy it brought the beginning of a picture last, nanoseconds; 0 where it was first.
    pub behind_nanos: u64,
}

impl LegReception {
    /// Packets that did not come by this leg, or have not yet.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

/// What a leg is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its next packet has to be placed.
    Fresh,
    /// Its numbers are the stream's.
    Following,
    /// Its numbers have jumped, at this time, and those of another leg have not.
    Parted(Tai),
}

/// One leg.
#[derive(Clone, Debug)]
struct Leg {
    standing: Standing,
    extender: SequenceExtender,
    heard_at: Tai,
    timestamp: Option<RtpTimestamp>,
    reception: LegReception,
}

impl Leg {
    fn new() -> Self {
        Self {
            standing: Standing::Fresh,
            extender: SequenceExtender::new(),
            heard_at: Tai::EPOCH,
            timestamp: None,
            reception: LegReception::default(),
        }
    }

    /// A clock that has stepped says nothing about the silence: then it is placed anew as well.
    #[inline]
    fn is_silent(&self, now: Tai) -> bool {
        now.nanos_since(self.heard_at).saturating_abs() > SILENT_NANOS
    }

    fn follows(&self, now: Tai) -> bool {
        self.standing == Standing::Following && !self.is_silent(now)
    }

    /// Goes on from `number`, which was placed.
    fn follow_from(&mut self, number: ExtSeqNum) {
        let before = self.extender.highest().filter(|before| self.reception.expected > 0 && *before < number);
        // A silence is a gap as well, but for one in which the sender may have begun anew.
        let passed = before.map_or(1, |before| number.0 - before.0);
        self.reception.expected += if passed <= u64::from(u16::MAX) { passed } else { 1 };
        self.reception.received += 1;
        self.extender = SequenceExtender::from(number);
        self.standing = Standing::Following;
    }
}

/// The beginning of a picture: the first packet of its time stamp that came.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    timestamp: RtpTimestamp,
    number: ExtSeqNum,
    arrival: Tai,
}

/// One stream on its legs.
#[derive(Clone, Debug)]
pub struct Merge {
    legs: Box<[Leg]>,
    reception: Reception,
    /// The last beginnings, in no order; `newest` is the last one's place.
    pictures: [Option<Beginning>; PICTURES],
    newest: usize,
}

impl Merge {
    /// A stream on so many legs, before its first packet. What it needs is allocated here.
    #[must_use]
    pub fn new(legs: usize) -> Self {
        let reception = if legs > 1 { Reception::wide() } else { Reception::new() };
        let legs = (0..legs.max(1)).map(|_| Leg::new()).collect();
        Self { legs, reception, pictures: [None; PICTURES], newest: 0 }
    }

    /// What came so far, by all legs together.
    #[must_use]
    pub const fn counters(&self) -> &ReceptionCounters {
        self.reception.counters()
    }

    /// What came by one leg. Of a stream with a single leg nothing is told: [`Self::counters`] has it all.
    #[must_use]
    pub fn leg(&self, leg: usize) -> Option<&LegReception> {
        self.legs.get(leg).filter(|_| self.legs.len() > 1).map(|leg| &leg.reception)
    }

    /// Legs that bring the stream now.
    #[must_use]
    pub fn following(&self, now: Tai) -> usize {
        self.legs.iter().filter(|leg| leg.follows(now)).count()
    }

    /// Forgets the stream: another SSRC begins. What the legs have counted stays. Allocates nothing.
    pub fn reset(&mut self) {
        self.reception.reset();
        self.forget_places();
    }

    /// Takes in one packet of `leg`, which is one of those that there are; bounded work, no allocation. `now` tells silence
    /// from lag.
    #[inline]
    pub fn observe(&mut self, leg: usize, heard: Heard, now: Tai) -> (ExtSeqNum, Arrival) {
        if self.legs.len() == 1 {
            return self.reception.observe(heard.sequence);
        }
        self.observe_leg(leg, heard, now)
    }

    /// As [`Self::observe`], of one leg of several.
    #[inline(never)]
    fn observe_leg(&mut self, leg: usize, heard: Heard, now: Tai) -> (ExtSeqNum, Arrival) {
        let me = &mut self.legs[leg];
        me.reception.packets += 1;
        if me.is_silent(now) {
            me.standing = Standing::Fresh;
        }
        me.heard_at = now;
        if me.standing != Standing::Following {
            return self.place(leg, heard, now);
        }
        let (number, step) = me.extender.extend(heard.sequence);
        let passed = match step {
            Step::Ahead(numbers) => numbers,
            Step::Behind(_) | Step::First => 0,
            Step::Doubtful => return (number, self.reception.stray()),
            Step::Restart => return self.jump(leg, heard, now),
        };
        me.reception.expected += u64::from(passed);
        me.reception.received += 1;
        let arrival = self.reception.take(number);
        if me.timestamp != Some(heard.timestamp) {
            self.begin_picture(leg, number, heard, arrival);
        }
        (number, arrival)
    }

    /// The numbers of a leg have jumped.
    #[cold]
    fn jump(&mut self, leg: usize, heard: Heard, now: Tai) -> (ExtSeqNum, Arrival) {
        if self.another_follows(leg, now) {
            self.legs[leg].standing = Standing::Parted(now);
            return (ExtSeqNum(0), self.reception.stray());
        }
        // The packet before this one was doubted.
        self.restart(leg, heard, 2)
    }

    /// A packet of a leg that does not follow.
    #[cold]
    fn place(&mut self, leg: usize, heard: Heard, now: Tai) -> (ExtSeqNum, Arrival) {
        let another_follows = self.another_follows(leg, now);
        match self.legs[leg].standing {
            Standing::Parted(_) if !another_follows => return self.restart(leg, heard, 1),
            Standing::Parted(since) if now.nanos_since(since).saturating_abs() <= PARTED_NANOS => {
                return (ExtSeqNum(0), self.reception.stray());
            }
            _ if !another_follows => return self.observe_alone(leg, heard),
            _ => {}
        }
        let Some(number) = self.find_place(heard) else {
            self.legs[leg].standing = Standing::Parted(now);
            return (ExtSeqNum(0), self.reception.stray());
        };
        self.legs[leg].follow_from(number);
        let arrival = self.reception.take(number);
        self.begin_picture(leg, number, heard, arrival);
        (number, arrival)
    }

    /// A packet while nothing else comes: the stream's own numbers tell, as on a single leg.
    fn observe_alone(&mut self, leg: usize, heard: Heard) -> (ExtSeqNum, Arrival) {
        let (number, arrival) = self.reception.observe(heard.sequence);
        match arrival {
            Arrival::Doubtful => return (number, arrival),
            Arrival::Restarted => self.forget_places(),
            _ => {}
        }
        self.legs[leg].follow_from(number);
        self.begin_picture(leg, number, heard, arrival);
        (number, arrival)
    }

    /// The sender began anew; so many of its packets have come, this one the last of them.
    fn restart(&mut self, leg: usize, heard: Heard, packets: u64) -> (ExtSeqNum, Arrival) {
        let number = self.reception.take_anew(heard.sequence, packets);
        self.forget_places();
        self.legs[leg].follow_from(number);
        self.begin_picture(leg, number, heard, Arrival::Restarted);
        (number, Arrival::Restarted)
    }

    fn forget_places(&mut self) {
        self.pictures = [None; PICTURES];
        for leg in &mut self.legs {
            leg.standing = Standing::Fresh;
            leg.timestamp = None;
        }
    }

    fn another_follows(&self, leg: usize, now: Tai) -> bool {
        self.legs.iter().enumerate().any(|(at, other)| at != leg && other.follows(now))
    }

    /// The number of the first packet of a leg, among those that the others brought. Its picture may have come already, by a
    /// leg that is far ahead; or it is newer than all that came: then it is this leg that is ahead. `None`: it is of another
    /// time.
    fn find_place(&self, heard: Heard) -> Option<ExtSeqNum> {
        let highest = self.reception.highest()?;
        if let Some(began) = self.find_picture(heard.timestamp) {
            return Some(nearest(began.number, heard.sequence));
        }
        let Some(newest) = self.pictures[self.newest] else { return Some(nearest(highest, heard.sequence)) };
        match heard.timestamp.ticks_since(newest.timestamp) {
            ticks if ticks.unsigned_abs() > APART_TICKS => None,
            ticks if ticks > 0 => {
                Some(ExtSeqNum(highest.0 + u64::from(heard.sequence.0.wrapping_sub(highest.0 as u16))))
            }
            _ => Some(nearest(highest, heard.sequence)),
        }
    }

    fn find_picture(&self, timestamp: RtpTimestamp) -> Option<&Beginning> {
        self.pictures.iter().flatten().find(|began| began.timestamp == timestamp)
    }

    /// A leg goes on to another picture: the first one to do so is remembered, the others tell how far they are behind it.
    #[cold]
    fn begin_picture(&mut self, leg: usize, number: ExtSeqNum, heard: Heard, arrival: Arrival) {
        self.legs[leg].timestamp = Some(heard.timestamp);
        match self.find_picture(heard.timestamp) {
            Some(began) if began.number == number => {
                let behind = heard.arrival.nanos_since(began.arrival).max(0).unsigned_abs();
                self.legs[leg].reception.behind_nanos = behind;
            }
            Some(_) => {}
            None if arrival == Arrival::Duplicate || self.reception.highest() != Some(number) => {}
            None => {
                self.newest = (self.newest + 1) % PICTURES;
                let Heard { timestamp, arrival, .. } = heard;
                self.pictures[self.newest] = Some(Beginning { timestamp, number, arrival });
                self.legs[leg].reception.behind_nanos = 0;
            }
        }
    }
}

/// The number with these low 16 bits that is nearest to `reference`.
fn nearest(reference: ExtSeqNum, sequence: SeqNum) -> ExtSeqNum {
    let ahead = sequence.0.wrapping_sub(reference.0 as u16) as i16;
    ExtSeqNum(reference.0.saturating_add_signed(i64::from(ahead)))
}

#[cfg(test)]
mod tests;
