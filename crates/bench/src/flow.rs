//! A ring within this process, without a broker: a writer, and readers that have joined it.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use media::{FlowFormat, FlowId, Name, Tai};
use shm::{
    Access, CONSUMERS_MAX, ConsumerClass, FrameReader, FrameWriter, Geometry, LeasePage, Mail, Mailbox, Notice,
    PagePolicy, Pages, PlacementHooks, ReaderParts, Region, SealedRegion, Start, Trust,
};

/// A ring, beside its writer.
#[derive(Debug)]
pub struct Flow {
    ring: SealedRegion,
    mailbox: Arc<Mailbox>,
    /// Seats that are taken, a bit for each.
    taken: u64,
    memberships: u64,
    asked: Option<Asked>,
}

/// A seat that the writer has not given yet.
#[derive(Debug)]
struct Asked {
    page: LeasePage,
    consumer: u8,
    class: ConsumerClass,
    nonce: u64,
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
        Ok((Self { ring, mailbox, taken: 0, memberships: 0, asked: None }, writer))
    }

    /// The pages that it has.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.ring.geometry().pages
    }

    /// Takes a seat; the writer lets the reader in.
    ///
    /// # Errors
    /// When there is no seat.
    pub fn join(&mut self, writer: &mut FrameWriter, class: ConsumerClass) -> Result<FrameReader> {
        self.ask(class)?;
        writer.poll(Tai::from_nanos(0));
        self.seated()?.context("no seat was given")
    }

    /// Asks for a seat, which the writer gives when it is polled the next time.
    ///
    /// # Errors
    /// When there is none, or no memory for it.
    pub fn ask(&mut self, class: ConsumerClass) -> Result<()> {
        let (page, consumer) = (LeasePage::create()?, (!self.taken).trailing_zeros() as u8);
        ensure!(consumer < CONSUMERS_MAX, "all seats are taken");
        self.memberships += 1;
        let nonce = self.memberships;
        let lease = Arc::new(page.map(Access::ReadOnly)?);
        let mail = Mail::Join { consumer, class, start: Start::Live, lease, nonce };
        ensure!(self.mailbox.post(mail).is_ok(), "the mailbox is full");
        self.taken |= 1 << consumer;
        self.asked = Some(Asked { page, consumer, class, nonce });
        Ok(())
    }

    /// The reader of the seat that was asked for, once the writer has given it.
    ///
    /// # Errors
    /// When the writer refuses it.
    pub fn seated(&mut self) -> Result<Option<FrameReader>> {
        while let Some(notice) = self.mailbox.take_notice() {
            match notice {
                Notice::Joined { .. } => return self.asked.take().map(|asked| self.reader(asked)).transpose(),
                Notice::Released { consumer, .. } => self.taken &= !(1 << consumer),
                Notice::Evicted { .. } => {}
                refused @ Notice::Refused { .. } => bail!("a seat was not given: {refused:?}"),
            }
        }
        Ok(None)
    }

    fn reader(&self, Asked { page, consumer, class, nonce }: Asked) -> Result<FrameReader> {
        let (control, data) = self.ring.map_for_reading()?;
        let lease = page.map(Access::ReadWrite)?;
        let (geometry, trust) = (*self.ring.geometry(), Trust::Gateway);
        Ok(FrameReader::new(ReaderParts { geometry, control, data, lease, consumer, class, nonce, trust, life: None })?)
    }
}
