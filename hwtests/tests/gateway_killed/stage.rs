//! The stage: a gateway, a producer and its consumers, each a process, each pod of a user of its own; all in step.

use std::collections::BTreeSet;

use hwtests::{Actor, Actors, Gateway, PidSpace, eventually};
use serde_json::Value;

/// The flow.
const FLOW: &str = "gfx";
/// Who produces it; the consumers' users follow.
const OWNER: u32 = 61_100;
/// A user who has nothing to do with it.
pub(crate) const OTHER: u32 = 61_199;
/// Consumers from the beginning on.
const CONSUMERS: u32 = 2;

pub(crate) struct Stage {
    pub(crate) producer: Actor,
    consumers: Vec<Actor>,
    pub(crate) gateway: Gateway,
    actors: Actors,
    pub(crate) is_root: bool,
    /// The grain that was written last.
    index: u64,
}

impl Stage {
    pub(crate) fn new(pids: PidSpace) -> Self {
        let actors = Actors::new().unwrap();
        let log = actors.folder().join("flypackd.log");
        let gateway = Gateway::start_for_all(actors.folder(), pids, &log).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            eprintln!("SKIPPED in part: without root everybody is one user");
        }
        let words = format!("{} {FLOW}", gateway.broker.display());
        let mut producer = actors.start("producer", &words, is_root.then_some(OWNER)).unwrap();
        assert_eq!(producer.hear().as_deref(), Some("ready"));
        let mut stage = Self { producer, consumers: Vec::new(), gateway, actors, is_root, index: 0 };
        (0..CONSUMERS).for_each(|_| stage.join());
        stage
    }

    /// The user whose flow it is.
    pub(crate) fn owner(&self) -> u32 {
        if self.is_root { OWNER } else { rustix::process::geteuid().as_raw() }
    }

    /// One consumer more, of the next user.
    fn join(&mut self) {
        let user = OWNER + 1 + self.consumers.len() as u32;
        let words = format!("{} {FLOW}", self.gateway.broker.display());
        let mut consumer = self.actors.start("consumer", &words, self.is_root.then_some(user)).unwrap();
        assert_eq!(consumer.hear().as_deref(), Some("joined"));
        self.consumers.push(consumer);
    }

    /// Writes so many grains, each of which all consumers read; the epochs in which they read them.
    pub(crate) fn grains(&mut self, count: u64) -> BTreeSet<String> {
        (0..count).flat_map(|_| self.grain()).collect()
    }

    fn grain(&mut self) -> BTreeSet<String> {
        self.index += 1;
        self.order(&format!("write {}", self.index));
        self.read()
    }

    /// Opens the next grain and leaves it so.
    pub(crate) fn begin(&mut self) {
        self.index += 1;
        self.order(&format!("begin {}", self.index));
    }

    /// Ends what [`Self::begin`] opened; all consumers read it.
    pub(crate) fn end(&mut self) {
        self.order("end");
        self.read();
    }

    fn order(&mut self, order: &str) {
        self.producer.tell(order);
        assert_eq!(self.producer.hear().as_deref(), Some("done"), "the producer was told: {order}");
    }

    fn read(&mut self) -> BTreeSet<String> {
        let index = self.index;
        self.consumers.iter_mut().for_each(|consumer| consumer.tell(&format!("read {index}")));
        let said = self.consumers.iter_mut().map(|consumer| {
            let said = consumer.hear().unwrap_or_else(|| panic!("a consumer ends at grain {index}"));
            said.strip_prefix(&format!("{index} in ")).unwrap_or_else(|| panic!("grain {index}: {said}")).to_owned()
        });
        said.collect()
    }

    /// What `flypack rings` shows of the flow.
    fn rings(&self) -> Vec<Value> {
        let rings = self.gateway.ask("rings").unwrap()["rings"].take();
        rings.as_array().unwrap().iter().filter(|ring| ring["flow"] == FLOW).cloned().collect()
    }

    /// Who writes it, as the gateway has it.
    pub(crate) fn origin(&self) -> Value {
        self.rings()[0]["origin"].clone()
    }

    /// Waits until the gateway has so many rings of the flow.
    pub(crate) fn wait_for_rings(&self, count: usize) {
        eventually("the gateway has the rings", || self.rings().len() == count);
    }

    /// The gateway has the flow again, the producer goes over to a ring that the gateway made, everybody follows, and who
    /// comes anew gets in.
    pub(crate) fn check_back(&mut self, before: &BTreeSet<String>) {
        eventually("the gateway has the flow", || !self.rings().is_empty());
        assert_eq!(self.origin()["uid"], self.owner());
        // Grain by grain: the switch is between two of them, and none is missed.
        eventually("all go over to the gateway's ring", || {
            let epochs = self.grain();
            epochs.len() == 1 && epochs.is_disjoint(before) && self.rings().iter().any(|ring| is_new(ring, &epochs))
        });
        self.join();
        self.grains(10);
        let statistics = self.gateway.statistics().unwrap();
        assert_eq!(statistics.of("broker", "broker", "adopted").unwrap(), 1);
        assert_eq!(statistics.of("broker", "broker", "records_ignored").unwrap(), 0);
        assert_eq!(statistics.of("broker", "broker", "protocol_errors").unwrap(), 0);
    }

    /// Somebody of this user tries to produce the flow; what becomes of it.
    pub(crate) fn impostor(&self, user: u32) -> String {
        let words = format!("{} {FLOW}", self.gateway.broker.display());
        self.actors.start("impostor", &words, self.is_root.then_some(user)).unwrap().hear().unwrap()
    }
}

/// Whether this ring is the only one that is read, and no device is kept from it.
fn is_new(ring: &Value, epochs: &BTreeSet<String>) -> bool {
    ring["adopted"] == false && ring["epoch"].as_str().is_some_and(|epoch| epochs.contains(epoch))
}
