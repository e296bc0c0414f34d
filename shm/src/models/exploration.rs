//! How models are run: every order within a bound, or until a planted bug shows.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::seed::{self, Bug};

/// Most bugs are found with so many preemptions.
const FEW: usize = 2;

// Loom's threads are coroutines of the thread that runs the test.
thread_local! {
    static OUTCOMES: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// What came of a model in all its executions.
pub(crate) struct Outcomes(BTreeSet<&'static str>);

impl Outcomes {
    /// Asserts that each of `all` came about in some execution, and nothing else: a model in which nothing ever meets
    /// shows nothing.
    pub(crate) fn are<const N: usize>(&self, all: [&'static str; N]) {
        assert_eq!(self.0, BTreeSet::from(all), "the outcomes of the model");
    }
}

/// In a model: notes what came of this execution.
pub(crate) fn outcome(name: &'static str) {
    OUTCOMES.with_borrow_mut(|outcomes| outcomes.insert(name));
}

/// Runs `model` in every order of its loads and stores that takes at most so many preemptions, and says how many orders
/// that were. `LOOM_MAX_PREEMPTIONS` counts instead where it is set. What comes before the model's [`loom::explore`] is
/// not varied.
pub(crate) fn explore(name: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) -> Outcomes {
    OUTCOMES.take();
    let mut builder = loom::model::Builder::new();
    let bound = *builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 20_000;
    builder.expect_explicit_explore = true;
    let (orders, begin) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let count = Arc::clone(&orders);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        seed::forget();
        model();
    });
    let (orders, seconds) = (orders.load(Ordering::Relaxed), begin.elapsed().as_secs_f32());
    println!("{name}: {orders} executions of at most {bound} preemptions in {seconds:.1} s");
    Outcomes(OUTCOMES.take())
}

/// Runs `model` with `bug` planted until it fails, which it must, saying `expected`.
pub(crate) fn catches(bug: Bug, expected: &str, model: impl Fn() + Sync + Send + 'static) {
    catches_within(FEW, bug, expected, model);
}

/// The same, for a bug that takes more preemptions, or fewer.
pub(crate) fn catches_within(preemptions: usize, bug: Bug, expected: &str, model: impl Fn() + Sync + Send + 'static) {
    let name = format!("{bug:?}");
    let exploring = || explore(&name, preemptions, model);
    let caught = seed::with(bug, || panic::catch_unwind(AssertUnwindSafe(exploring)));
    let failure = message(caught.err().expect("the model does not notice").as_ref());
    assert!(failure.contains(expected), "{bug:?} was noticed by another failure: {failure}");
    println!("{name}: caught by \"{expected}\"");
}

fn message(failure: &(dyn Any + Send)) -> String {
    let text = failure.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| failure.downcast_ref::<String>().cloned()).unwrap_or_default()
}
