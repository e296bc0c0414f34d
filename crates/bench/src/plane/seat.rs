//! A reader's place at a ring, taken anew when the ring goes on without a reader that was too slow: a run counts that and goes on,
//! as a gateway does.

use anyhow::Result;
use shm::{ConsumerClass, FrameReader};

use crate::flow::Flow;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Seat {
    flow: Flow,
    class: ConsumerClass,
    /// Evictions that were answered.
    seen: u64,
    is_waiting: bool,
}

impl Seat {
    /// At `flow`, whose reader of `class` has joined.
    pub(crate) const fn new(flow: Flow, class: ConsumerClass) -> Self {
        Self { flow, class, seen: 0, is_waiting: false }
    }

    /// Another reader, some time after the one that there was had been evicted for the `evictions`-th time. The ring's writer is to be
    /// polled meanwhile.
    ///
    /// # Errors
    /// When there is no seat, or no memory for it.
    pub(crate) fn renewed(&mut self, evictions: u64) -> Result<Option<FrameReader>> {
        if evictions > self.seen {
            self.seen = evictions;
            self.flow.ask(self.class)?;
            self.is_waiting = true;
        }
        if !self.is_waiting {
            return Ok(None);
        }
        let reader = self.flow.seated()?;
        self.is_waiting = reader.is_none();
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use media::{Depth, GrainIndex, Tai};
    use shm::{GrainEnd, GrainStamp, IdentityPlacement, PagePolicy, SeatStatus};

    use super::*;
    use crate::frame_format::FrameFormat;

    #[test]
    fn a_reader_that_was_too_slow_gets_another_seat() {
        let class = ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX };
        let format = "720p25".parse::<FrameFormat>().unwrap().video(Depth::Bits10).unwrap();
        let (mut flow, mut writer) = Flow::create("seat", format, 6, PagePolicy::Prefer, &IdentityPlacement).unwrap();
        let mut reader = flow.join(&mut writer, class).unwrap();
        let mut seat = Seat::new(flow, class);
        let mut index = 0;
        let mut write = |count: u64| {
            for _ in 0..count {
                let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::from_nanos(0)).unwrap();
                writer.commit(key, GrainEnd::default());
                index += 1;
            }
        };
        for evictions in 1..=100 {
            write(4);
            assert!(matches!(reader.status(), SeatStatus::Evicted { .. }), "{:?}", reader.status());
            assert!(seat.renewed(evictions).unwrap().is_none(), "the writer was not asked yet");
            reader.acknowledge_eviction().unwrap();
            write(1);
            reader = seat.renewed(evictions).unwrap().expect("a seat");
            assert!(matches!(reader.status(), SeatStatus::Live { .. }), "{:?}", reader.status());
            assert!(seat.renewed(evictions).unwrap().is_none(), "one is enough");
        }
    }
}
