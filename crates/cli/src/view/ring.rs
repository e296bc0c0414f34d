//! Rings as printed: who holds what, and how far behind everyone is.

use control::v1;
use serde::Serialize;

use super::flow::class;
use super::{FlowFormatView, ProducerView};
use crate::table::Table;

/// How many of the 32 digits of an epoch a table shows.
const EPOCH_DIGITS: usize = 8;

/// One ring.
#[derive(Debug, Serialize)]
pub struct RingView {
    /// The flow that is in it.
    pub flow: String,
    /// Who writes it.
    pub origin: ProducerView,
    /// "video", "audio" or "ancillary".
    pub kind: &'static str,
    /// What its grains are, in the shape of its kind.
    pub format: FlowFormatView,
    /// Which ring it is, 32 hexadecimal digits.
    pub epoch: String,
    /// "current"; "waiting" to succeed the current one; "concluded": the flow has a later ring, this one is read to its end.
    pub standing: &'static str,
    /// Its pod brought it from an earlier gateway: senders copy from it.
    pub adopted: bool,
    /// Grains that it has room for.
    pub slots: u32,
    /// What its slots are used for; null where only the pod that writes it knows.
    pub slot_use: Option<SlotUseView>,
    /// The grain that was begun last.
    pub last_grain_index: Option<u64>,
    /// Consumers that its writer has evicted.
    pub consumers_evicted: u64,
    /// Who reads it, by seat.
    pub consumers: Vec<RingConsumerView>,
}

/// Slots by what they are used for: read one after the other while the writer goes on.
#[derive(Debug, Serialize)]
pub struct SlotUseView {
    /// Never used so far.
    pub free: u32,
    /// Being written.
    pub open: u32,
    /// Whole, and nobody's.
    pub done: u32,
    /// Kept for a consumer that keeps up.
    pub leased: u32,
    /// Kept since an eviction.
    pub quarantined: u32,
}

/// Who reads a ring.
#[derive(Debug, Serialize)]
pub struct RingConsumerView {
    /// Its number in the ring; `rings evict` takes it.
    pub seat: u32,
    /// "gateway", "pod", or "outlived": a pod that an earlier gateway let in, and nobody knows which.
    pub kind: &'static str,
    /// User id of the pod, where it is known.
    pub uid: Option<u32>,
    /// Process id of the pod; null across PID namespaces.
    pub pid: Option<u32>,
    /// "leased", "lossy" or "blocking".
    pub class: &'static str,
    /// Grains that it may hold; null for lossy.
    pub k: Option<u32>,
    /// "joining", "live", "evicted" or "leaving".
    pub state: String,
    /// Grains from its oldest unread one to the newest.
    pub lag_grains: u64,
    /// Slots that are kept for it while it reads.
    pub held_slots: u64,
    /// Slots that are kept since it was evicted.
    pub quarantined_slots: u64,
}

/// `rings`.
#[derive(Debug, Serialize)]
pub struct RingsView {
    /// By flow.
    pub rings: Vec<RingView>,
}

/// `rings evict`.
#[derive(Debug, Serialize)]
pub struct EvictedView {
    /// The flow.
    pub flow: String,
    /// Who is being evicted, as it was before.
    pub evicted: RingConsumerView,
}

fn standing(flow: &v1::Flow) -> &'static str {
    match flow {
        v1::Flow { succeeded: true, .. } => "concluded",
        v1::Flow { waiting: true, .. } => "waiting",
        _ => "current",
    }
}

impl From<v1::Flow> for RingView {
    fn from(mut flow: v1::Flow) -> Self {
        let format = FlowFormatView::of(&mut flow);
        let standing = standing(&flow);
        let slot_use = flow.slot_use.map(|slots| {
            let v1::SlotUse { free, open, done, leased, quarantined } = slots;
            SlotUseView { free, open, done, leased, quarantined }
        });
        Self {
            flow: flow.name,
            origin: flow.producer.unwrap_or_default().into(),
            kind: format.kind(),
            format,
            epoch: flow.epoch,
            standing,
            adopted: flow.adopted,
            slots: flow.slots,
            slot_use,
            last_grain_index: flow.last_grain_index,
            consumers_evicted: flow.consumers_evicted,
            consumers: flow.consumers.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<v1::Consumer> for RingConsumerView {
    fn from(consumer: v1::Consumer) -> Self {
        let is_pod = !consumer.gateway && !consumer.outlived;
        Self {
            seat: consumer.seat,
            kind: super::flow::holder(&consumer),
            uid: is_pod.then_some(consumer.uid),
            pid: Some(consumer.pid).filter(|pid| is_pod && *pid != 0),
            class: class(consumer.class()),
            k: Some(consumer.k).filter(|k| *k != 0),
            state: consumer.state,
            lag_grains: consumer.lag_grains,
            held_slots: consumer.held_slots,
            quarantined_slots: consumer.quarantined_slots,
        }
    }
}

impl RingConsumerView {
    fn who(&self) -> String {
        let Self { kind, uid, pid, .. } = self;
        ProducerView { kind, uid: *uid, pid: *pid }.text()
    }

    fn class(&self) -> String {
        self.k.map_or(self.class.to_owned(), |k| format!("{} k={k}", self.class))
    }
}

impl EvictedView {
    pub(crate) fn text(&self) -> String {
        let Self { flow, evicted } = self;
        let (who, class) = (evicted.who(), evicted.class());
        format!("{flow}: seat {} is being evicted: {who}, {class}, {} slots held\n", evicted.seat, evicted.held_slots)
    }
}

impl RingsView {
    pub(crate) fn text(&self) -> String {
        if self.rings.is_empty() {
            return "no rings; a receiver or `flypack send` makes one\n".to_owned();
        }
        let consumers = self.consumers();
        if consumers.is_empty() {
            return format!("{}\nnobody reads\n", self.table().render());
        }
        format!("{}\n{}", self.table().render(), consumers.render())
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "FLOW",
            "EPOCH",
            "ORIGIN",
            "FORMAT",
            "SLOTS",
            "FREE",
            "OPEN",
            "DONE",
            "LEASED",
            "QUARANTINED",
            "EVICTED",
        ]);
        for ring in &self.rings {
            let slots = |of: fn(&SlotUseView) -> u32| ring.slot_use.as_ref().map(|slots| of(slots).to_string());
            let uses = [
                slots(|slots| slots.free),
                slots(|slots| slots.open),
                slots(|slots| slots.done),
                slots(|slots| slots.leased),
                slots(|slots| slots.quarantined),
            ];
            let standing = match ring.standing {
                "concluded" => " (ends)",
                "waiting" => " (waits)",
                _ => "",
            };
            let adopted = if ring.adopted { ", adopted" } else { "" };
            let begin = [
                format!("{}{standing}", ring.flow),
                ring.epoch_digits(),
                format!("{}{adopted}", ring.origin.text()),
                ring.format.text(),
                ring.slots.to_string(),
            ];
            let uses = uses.map(Option::unwrap_or_default);
            table.row(begin.into_iter().chain(uses).chain([ring.consumers_evicted.to_string()]));
        }
        table
    }

    fn consumers(&self) -> Table {
        let mut table = Table::new(&["FLOW", "EPOCH", "SEAT", "WHO", "CLASS", "STATE", "LAG", "HELD", "QUARANTINED"]);
        for ring in &self.rings {
            for consumer in &ring.consumers {
                table.row([
                    ring.flow.clone(),
                    ring.epoch_digits(),
                    consumer.seat.to_string(),
                    consumer.who(),
                    consumer.class(),
                    consumer.state.clone(),
                    consumer.lag_grains.to_string(),
                    consumer.held_slots.to_string(),
                    consumer.quarantined_slots.to_string(),
                ]);
            }
        }
        table
    }
}

impl RingView {
    fn epoch_digits(&self) -> String {
        self.epoch.chars().take(EPOCH_DIGITS).collect()
    }
}
