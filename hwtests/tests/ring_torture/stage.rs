//! The stage: a broker, the gateway's own flow with its worker, and one thread for each part that somebody plays.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hwtests::{Actor, Actors, Dice, eventually};
use media::Name;
use shm::{Broker, BrokerConfig, ConsumerClass, ConsumerSnapshot, ConsumerState, FrameWriter, PagePolicy, Standing};

use crate::author::Author;
use crate::chaos;
use crate::grain::format;

/// Slots of the gateway's ring: 2 + 3 × 4 for those who stay, and room for the others, who are told what else would do
/// when there is none.
const SLOTS: u16 = 36;
/// The gateway's flow, and those of the pods.
const FLOWS: [&str; 3] = ["cam", "gfx", "key"];
/// Consumers of the gateway's flow that nobody touches.
const STEADY: usize = 3;
/// Consumers that come and go.
const FICKLE: usize = 8;
/// The first of their users.
const USERS: u32 = 61_000;

/// Without these it was no torture.
const MUST_BE_SEEN: [&str; 14] = [
    "killed",
    "stopped",
    "sent away",
    "evicted",
    "evicted by the operator",
    "held up",
    "went over",
    "followed",
    "joined at the oldest",
    "leased, asleep",
    "leased, in a task",
    "blocking, asleep",
    "blocking, in a task",
    "lossy, asleep",
];

/// Descriptors of this process, and mappings of rings and lease pages.
fn held() -> (usize, usize) {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (descriptors, maps.lines().filter(|line| line.contains("memfd:flypack")).count())
}

/// What somebody plays, again and again.
pub(crate) struct Part {
    kind: &'static str,
    words: String,
    user: Option<u32>,
    /// A producer's flow.
    flow: Option<&'static str>,
    pub(crate) actor: Mutex<Option<Actor>>,
}

pub(crate) struct Stage {
    actors: Actors,
    /// Before there was a broker.
    held_before: (usize, usize),
    broker: Broker,
    pub(crate) steady: Vec<Part>,
    pub(crate) fickle: Vec<Part>,
    pub(crate) producers: Vec<Part>,
    /// Processes that were stopped or killed, which nobody waits for any more.
    touched: Mutex<HashSet<u32>>,
    ending: AtomicBool,
    pub(crate) seen: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let actors = Actors::new().unwrap();
        let held_before = held();
        let socket: PathBuf = actors.folder().join("broker.sock");
        let mut config = BrokerConfig::new(&socket);
        config.mode = 0o666;
        config.page_policy = PagePolicy::PlainOnly;
        config.limits.join_ms = 300;
        let broker = Broker::start(config, |_| {}).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            eprintln!("SKIPPED in part: without root everybody is one user");
        }
        let mut users = USERS..;
        let mut part = |kind, flow: Option<&'static str>, flows: &str, more| Part {
            kind,
            words: format!("{} {flows} {more}", socket.display()),
            user: users.next().filter(|_| is_root),
            flow,
            actor: Mutex::default(),
        };
        let all = FLOWS.join(",");
        Self {
            steady: (0..STEADY).map(|_| part("consumer", None, FLOWS[0], "steady")).collect(),
            fickle: (0..FICKLE).map(|_| part("consumer", None, &all, "fickle")).collect(),
            producers: FLOWS[1..].iter().map(|flow| part("producer", Some(flow), flow, "")).collect(),
            actors,
            held_before,
            broker,
            touched: Mutex::default(),
            ending: AtomicBool::new(false),
            seen: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Plays for so long.
    pub(crate) fn play(&self, dice: &mut Dice, time: Duration) {
        let mut writer = self.broker.create_flow(&name(FLOWS[0]), format(), Some(SLOTS)).unwrap();
        let counters = writer.counters();
        let over = AtomicBool::new(false);
        let mut of_worker = Dice::new(dice.any());
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| self.work(&mut writer, &mut of_worker, &over));
            let parts = self.parts().map(|part| {
                let mut dice = Dice::new(dice.any());
                scope.spawn(move || self.perform(part, &mut dice))
            });
            let parts: Vec<_> = parts.collect();
            chaos::reign(self, dice, time);
            self.ending.store(true, Ordering::Relaxed);
            let begun = Instant::now();
            while parts.iter().any(|part| !part.is_finished()) {
                self.parts().for_each(|part| {
                    part.with(|actor| actor.tell("leave"));
                });
                assert!(begun.elapsed() < Duration::from_secs(60), "somebody does not leave");
                std::thread::sleep(Duration::from_millis(20));
            }
            eventually("all seats are free", || self.broker.flows().iter().all(|flow| flow.consumers.is_empty()));
            over.store(true, Ordering::Relaxed);
            worker.join().unwrap();
        });
        let accounts = writer.slot_accounts();
        println!("cam: {} grains, {} evictions, {accounts:?}", counters.opened(), counters.evicted());
        println!("{:#?}", self.seen.lock().unwrap());
        assert_eq!((accounts.leased, accounts.quarantined), (0, 0), "{accounts:?}");
        assert_eq!(accounts.free + accounts.open + accounts.done, SLOTS, "{accounts:?}");
        assert_eq!(counters.no_slot(), 0);
        self.check(counters.opened());
    }

    /// What was seen must be worth the name, and nothing may have failed.
    fn check(&self, opened: u64) {
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
        let seen = self.seen.lock().unwrap();
        let of = |what: &str| seen.get(what).copied().unwrap_or(0);
        assert!(opened > 100 && of("grains checked") > opened * STEADY as u64 / 2, "{opened} grains, {seen:?}");
        for what in MUST_BE_SEEN {
            assert!(of(what) > 0, "never {what}: {seen:?}");
        }
        assert_eq!(self.broker.counters().protocol_errors, 0);
    }

    /// Ends the gateway's flow; then the broker holds nothing of anybody, and ends too.
    pub(crate) fn close(self) {
        eventually("the flows of the pods are gone", || self.broker.flows().len() == 1);
        self.broker.remove_flow(&name(FLOWS[0])).unwrap();
        eventually("the ring is unmapped", || self.broker.retired_views() == 0);
        assert_eq!(self.broker.stop(), 0);
        assert_eq!(held(), self.held_before);
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.steady.iter().chain(&self.fickle).chain(&self.producers)
    }

    pub(crate) fn count(&self, what: &str, more: u64) {
        *self.seen.lock().unwrap().entry(what.to_owned()).or_default() += more;
    }

    /// From now on nobody waits for this process. To be called before it is stopped or killed.
    pub(crate) fn touch(&self, pid: u32) {
        self.touched.lock().unwrap().insert(pid);
    }

    fn touched(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.touched.lock().unwrap()
    }

    /// The operator evicts the consumer of that process, if it reads and nobody waits for it: of a blocking one the writer
    /// could not know what it has in use, and would have to keep all.
    pub(crate) fn evict(&self, pid: u32) {
        // Nobody is heard meanwhile who was evicted.
        let mut touched = self.touched();
        for flow in self.broker.flows().iter().filter(|flow| flow.standing == Standing::Current) {
            let is_it = |consumer: &&ConsumerSnapshot| {
                consumer.holder.pid() == Some(pid) && !matches!(consumer.class, ConsumerClass::Blocking { .. })
            };
            for number in flow.consumers.iter().filter(is_it).map(|consumer| consumer.number) {
                // It may be on its way in or out, and its producer may be gone.
                if self.broker.evict(&flow.name, number).is_ok() {
                    self.count("evicted by the operator", 1);
                }
                // The flow may have gone over just now: then it was whoever has this seat in the next epoch.
                let flows = self.broker.flows();
                let named = flows.iter().filter(|found| found.name == flow.name).flat_map(|found| &found.consumers);
                touched.extend(named.filter(|other| other.number == number).filter_map(|other| other.holder.pid()));
            }
        }
    }

    /// Whether everybody who was never touched has kept up with `flow`.
    fn may_open(&self, flow: &str) -> bool {
        let flows = self.broker.flows();
        let touched = self.touched();
        let goes_on = flows.iter().filter(|found| found.name.as_str() == flow && found.standing == Standing::Current);
        let mut waited_for = goes_on.flat_map(|found| &found.consumers);
        waited_for.all(|consumer| {
            let keeps_up = match (consumer.class, consumer.state) {
                // The writer may have taken it in, and nobody else knows.
                (_, ConsumerState::Joining) => false,
                (ConsumerClass::Leased { k, .. }, ConsumerState::Live { .. }) => {
                    consumer.lag.is_some_and(|lag| lag <= k.into())
                }
                _ => true,
            };
            keeps_up || consumer.holder.pid().is_some_and(|pid| touched.contains(&pid))
        })
    }

    /// The gateway's worker.
    fn work(&self, writer: &mut FrameWriter, dice: &mut Dice, over: &AtomicBool) {
        let mut author = Author::of(writer);
        while !over.load(Ordering::Relaxed) {
            if self.may_open(FLOWS[0]) {
                author.open(writer, dice).unwrap();
            }
            // Also while nobody wants a grain: who reads an open one waits for its end.
            author.go_on(writer, dice);
            writer.poll(author.now());
            std::thread::sleep(Duration::from_micros(dice.between(200, 3_000)));
        }
    }

    /// Somebody plays the part, and another one when they are gone.
    fn perform(&self, part: &Part, dice: &mut Dice) {
        while !self.ending.load(Ordering::Relaxed) {
            let words = format!("{} {}", part.words, dice.any());
            let mut actor = self.actors.start(part.kind, &words, part.user).unwrap();
            let (pid, mut ears) = (actor.pid(), actor.take_ears().unwrap());
            *part.actor.lock().unwrap() = Some(actor);
            let mut last = String::new();
            while let Some(said) = ears.hear() {
                self.note(pid, &said);
                if let Some(flow) = part.flow.filter(|_| said == "ready" || said == "wrote") {
                    self.next_order(part, flow);
                }
                last = said;
            }
            let gone = part.actor.lock().unwrap().take();
            let status = gone.unwrap().wait().unwrap();
            // Who was killed has no code; a failed assertion has one, whatever else was done to the process.
            let was_killed = status.code().is_none() && self.touched().contains(&pid);
            if !status.success() && !was_killed {
                self.fail(format!("{} {pid} ended with {status}; its last words: {last}", part.kind));
            }
        }
    }

    /// Tells a producer that has done what it was told to go on.
    fn next_order(&self, part: &Part, flow: &str) {
        while !self.may_open(flow) {
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        part.with(|actor| actor.tell("write"));
    }

    fn note(&self, pid: u32, said: &str) {
        let words: Vec<&str> = said.split(' ').collect();
        match words[..] {
            ["tally", grains, lines, overtaken] => {
                let counted = [("grains checked", grains), ("lines checked", lines), ("grains overtaken", overtaken)];
                counted.into_iter().for_each(|(what, number)| self.count(what, number.parse().unwrap()));
            }
            ["evicted"] => {
                self.count("evicted", 1);
                if !self.touched().contains(&pid) {
                    self.fail(format!("{pid} was evicted and never stopped"));
                }
            }
            _ => self.count(said, 1),
        }
    }

    fn fail(&self, what: String) {
        eprintln!("{what}");
        self.failures.lock().unwrap().push(what);
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.lock().unwrap().is_empty()
    }
}

impl Part {
    /// With whoever plays it now, if anybody does.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Actor) -> T) -> Option<T> {
        self.actor.lock().unwrap().as_mut().map(work)
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}
