//! A ring within this process, without a broker: a writer, and readers that have joined it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use media::{FlowFormat, FlowId, Name, Tai};
use shm::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, LeasePage, Mail, Mailbox, Notice, PagePolicy, Pages,
    PlacementHooks, ReaderParts, Region, SealedRegion, Start, Trust,
};

/// A ring, beside its writer.
#[derive(Debug)]
pub struct Flow {
    ring: SealedRegion,
    mailbox: Arc<Mailbox>,
    seats: u8,
}

impl Flow {
    /// A ring of `slots` grains; `hooks` see its memory.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create(
        name: &str,
        format: impl Into<FlowFormat>,
        slots: u16,
        policy: PagePolicy,
        hooks: &dyn PlacementHooks,
    ) -> Result<(Self, FrameWriter)> {
        let name: Name = name.parse()?;
        let geometry = Geometry::new(FlowId::from_name(&name), format, slots, 1, Pages::Plain)?;
        let region = Region::create(geometry, policy, hooks)?;
        let (control, data) = region.map_for_writing()?;
        let ring = region.seal()?;
        let mailbox = Arc::new(Mailbox::new());
        let writer = FrameWriter::new(*ring.geometry(), control, data, Arc::clone(&mailbox))?;
        Ok((Self { ring, mailbox, seats: 0 }, writer))
    }

    /// The pages that it has.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.ring.geometry().pages
    }

    /// Takes the next seat; the writer lets the reader in.
    ///
    /// # Errors
    /// When there is no seat.
    pub fn join(&mut self, writer: &mut FrameWriter, class: ConsumerClass) -> Result<FrameReader> {
        let (page, consumer) = (LeasePage::create()?, self.seats);
        let nonce = u64::from(consumer) + 1;
        let lease = Arc::new(page.map(Access::ReadOnly)?);
        let mail = Mail::Join { consumer, class, start: Start::Live, lease, nonce };
        ensure!(self.mailbox.post(mail).is_ok(), "the mailbox is full");
        writer.poll(Tai::from_nanos(0));
        let notice = self.mailbox.take_notice();
        ensure!(matches!(notice, Some(Notice::Joined { .. })), "seat {consumer} was not given: {notice:?}");
        self.seats += 1;
        let (control, data) = self.ring.map_for_reading()?;
        let lease = page.map(Access::ReadWrite)?;
        let (geometry, trust) = (*self.ring.geometry(), Trust::Gateway);
        Ok(FrameReader::new(ReaderParts { geometry, control, data, lease, consumer, class, nonce, trust, life: None })?)
    }
}
