//! How models are run: every order within a bound, or until a planted bug shows.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::seed::{self, Bug};

/// A bug is found with so many preemptions.
const FEW: usize = 2;

/// Runs `model` in every order of its loads and stores that takes at most so many preemptions, and says how many orders
/// that were. `LOOM_MAX_PREEMPTIONS` counts instead where it is set. What comes before the model's [`loom::explore`] is
/// not varied.
pub(super) fn explore(name: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
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
}

/// Runs `model` with `bug` planted until it fails, which it must, saying `expected`.
pub(super) fn catches(bug: Bug, expected: &str, model: impl Fn() + Sync + Send + 'static) {
    let name = format!("{bug:?}");
    let caught = seed::with(bug, || panic::catch_unwind(AssertUnwindSafe(|| explore(&name, FEW, model))));
    let failure = message(caught.expect_err("the model does not notice").as_ref());
    assert!(failure.contains(expected), "{bug:?} was noticed by another failure: {failure}");
    println!("{name}: caught by \"{expected}\"");
}

fn message(failure: &(dyn Any + Send)) -> String {
    let text = failure.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| failure.downcast_ref::<String>().cloned()).unwrap_or_default()
}
