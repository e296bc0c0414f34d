//! A source of pictures for a run: writes the grains of one stream into its ring, a few lines at a time, on the thread of the
//! worker that sends them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use media::{GrainIndex, Rate, Tai, VIDEO_CLOCK_HZ, grain_index_nearest, grain_start, rtp_timestamp};
use netio::counter_set;
use shm::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError};

use crate::pattern::{FRONT_OCTETS, Front, Pattern};

/// Octets that are written between two turns where grains come on time: some microseconds.
const PIECE_OCTETS: usize = 64 << 10;
/// The same where they come as fast as they are taken: more than a worker sends in a turn.
const HASTY_PIECE_OCTETS: usize = 512 << 10;
/// Turns between two tries to open a grain, where nobody waits for one.
const TURNS_PER_TRY: u8 = 8;

/// When grains come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// One each period, line by line.
    OnTime,
    /// As soon as a slot is free.
    AsTaken,
}

/// What is new in each grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its front and a tag in every block, so that every packet of it can be told from every other.
    EachAnew,
    /// Its front alone: for what is sent to nobody.
    FrontAlone,
}

counter_set! {
    /// What a source has done.
    ProducerCounters {
        /// Grains committed.
        grains,
        /// Grains for which no slot was free when they were due.
        grains_no_slot,
        /// Grains whose period passed before they could be opened.
        grains_skipped,
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct Producer {
    writer: FrameWriter,
    pattern: Pattern,
    rate: Rate,
    coming: Coming,
    content: Content,
    /// The next grain, and how many there were before it.
    next: GrainIndex,
    number: u64,
    /// Where the slots are, and their grounds.
    grounds: Vec<(usize, u64)>,
    open: Option<OpenGrain>,
    piece_lines: u16,
    turns: u8,
    counters: Arc<ProducerCounters>,
}

#[derive(Clone, Copy, Debug)]
struct OpenGrain {
    key: GrainKey,
    front: Front,
    written: u16,
}

impl Producer {
    /// A source for a ring that nobody reads yet: lays the ground in all of its slots. Its first grain is the one that is due when it
    /// has its first turn, after that of `now`.
    ///
    /// # Errors
    /// When the ring refuses a grain.
    pub fn new(mut writer: FrameWriter, pattern: Pattern, coming: Coming, content: Content, now: Tai) -> Result<Self> {
        let geometry = writer.geometry();
        let video = geometry.format.as_video().context("a ring of pictures")?;
        let (rate, slots, line_octets) = (video.rate(), geometry.slots, geometry.slice_octets as usize);
        let grounds = lay_grounds(&mut writer, pattern, usize::from(slots))?;
        let piece_octets = match coming {
            Coming::OnTime => PIECE_OCTETS,
            Coming::AsTaken => HASTY_PIECE_OCTETS,
        };
        // A first line that is cut in two would cut the front.
        debug_assert!(line_octets >= FRONT_OCTETS, "lines of {line_octets} octets");
        let piece_lines = u16::try_from((piece_octets / line_octets).max(1)).unwrap_or(u16::MAX);
        let next = GrainIndex(grain_index_nearest(now, rate).0 + 2);
        Ok(Self {
            writer,
            pattern,
            rate,
            coming,
            content,
            next,
            number: 0,
            grounds,
            open: None,
            piece_lines,
            turns: 0,
            counters: Arc::default(),
        })
    }

    /// The ring's writer, to let readers join.
    pub fn writer(&mut self) -> &mut FrameWriter {
        &mut self.writer
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Arc<ProducerCounters> {
        Arc::clone(&self.counters)
    }

    /// Writes the next piece, if it is time for one.
    pub fn turn(&mut self, now: Tai) {
        match self.open.take() {
            Some(open) => self.write(open),
            None => self.open_next(now),
        }
    }

    /// Writes the rest of the grain that is open.
    pub fn finish(&mut self) {
        while let Some(open) = self.open.take() {
            self.write(open);
        }
    }

    fn open_next(&mut self, now: Tai) {
        self.turns = self.turns.wrapping_add(1);
        let is_time = match self.coming {
            Coming::OnTime => now >= grain_start(self.next, self.rate),
            Coming::AsTaken => self.turns.is_multiple_of(TURNS_PER_TRY),
        };
        if !is_time {
            return self.writer.poll(now);
        }
        if self.coming == Coming::OnTime {
            self.skip_what_has_passed(now);
        }
        let stamp = GrainStamp { tai: now, rtp: rtp_timestamp(self.next, self.rate, VIDEO_CLOCK_HZ) };
        match self.writer.open(self.next, stamp, now) {
            Ok(key) => self.begin(key, now),
            // The reader has all of them: it is for it to go on.
            Err(OpenError::Held { .. }) if self.coming == Coming::AsTaken => {}
            Err(_) => {
                self.counters.grains_no_slot.add(1);
                self.next = self.next.next();
            }
        }
    }

    /// A source that was held up goes on with the grain that is due now, as a camera would. What passed before its first one, while
    /// the rings of others were made, is no part of the run.
    fn skip_what_has_passed(&mut self, now: Tai) {
        while now >= grain_start(self.next.next(), self.rate) {
            self.counters.grains_skipped.add(u64::from(self.number > 0));
            self.next = self.next.next();
        }
    }

    fn begin(&mut self, key: GrainKey, now: Tai) {
        self.next = self.next.next();
        let number = self.number;
        self.number += 1;
        let Ok(line) = self.writer.lines_mut(key, 0..1) else { return };
        let address = line.as_ptr().addr();
        let Some((_, ground)) = self.grounds.iter().find(|(slot, _)| *slot == address) else { return };
        let front = Front { number, sent: now.as_nanos(), ground: *ground };
        self.pattern.write_front(&front, line);
        match self.content {
            Content::EachAnew => self.open = Some(OpenGrain { key, front, written: 0 }),
            Content::FrontAlone => self.commit(key),
        }
    }

    fn write(&mut self, open: OpenGrain) {
        let geometry = self.writer.geometry();
        let (lines, line_octets) = (geometry.slices, geometry.slice_octets as usize);
        let end = lines.min(open.written + self.piece_lines);
        let Ok(piece) = self.writer.lines_mut(open.key, open.written..end) else { return };
        self.pattern.write_tags(open.front.number, usize::from(open.written) * line_octets, piece);
        if end == lines {
            return self.commit(open.key);
        }
        self.writer.publish(open.key, end);
        self.open = Some(OpenGrain { written: end, ..open });
    }

    fn commit(&mut self, key: GrainKey) {
        self.writer.commit(key, GrainEnd::default());
        self.counters.grains.add(1);
    }
}

/// Lays a ground in every slot, by grains that nobody sees: they are cancelled.
fn lay_grounds(writer: &mut FrameWriter, pattern: Pattern, slots: usize) -> Result<Vec<(usize, u64)>> {
    let (mut grounds, lines) = (Vec::with_capacity(slots), writer.geometry().slices);
    for index in 0.. {
        let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::from_nanos(0))?;
        let grain = writer.lines_mut(key, 0..lines)?;
        let address = grain.as_ptr().addr();
        if !grounds.iter().any(|(slot, _)| *slot == address) {
            let ground = pattern.ground(grounds.len() as u64);
            Pattern::lay(ground, grain);
            grounds.push((address, ground));
        }
        // Committed: a slot of a cancelled grain is free at once, and would be taken again.
        writer.commit(key, GrainEnd::default());
        if grounds.len() == slots {
            break;
        }
        anyhow::ensure!(index < 8 * slots as u64, "the ring of {slots} slots gives {} of them", grounds.len());
    }
    Ok(grounds)
}
