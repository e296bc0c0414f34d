//! EAL's thread, and the queue of what it is to do.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{self, ThreadId};

use super::EalError;

type Job = Box<dyn FnOnce() + Send>;

/// The way to EAL's thread.
#[derive(Clone, Debug)]
pub(super) struct Jobs {
    queue: Sender<Job>,
    thread: ThreadId,
}

impl Jobs {
    /// Starts the thread; it works off jobs once `begin` has succeeded on it, and ends when it has not.
    pub(super) fn on_new_thread(
        begin: impl FnOnce() -> Result<(), EalError> + Send + 'static,
    ) -> Result<Self, EalError> {
        let (queue, jobs): (Sender<Job>, Receiver<Job>) = channel();
        let (reply, begun) = sync_channel(1);
        let body = move || {
            let outcome = begin();
            let failed = outcome.is_err();
            // The starter waits for this line; it is gone only when its thread was torn down.
            let _ = reply.send(outcome);
            if !failed {
                jobs.into_iter().for_each(|job| job());
            }
        };
        let handle = thread::Builder::new().name("eal".into()).spawn(body).map_err(EalError::Thread)?;
        let thread = handle.thread().id();
        begun.recv().expect("EAL's thread answers once")?;
        Ok(Self { queue, thread })
    }

    pub(super) fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        if thread::current().id() == self.thread {
            return job();
        }
        let (reply, answer) = sync_channel(1);
        let boxed = Box::new(move || {
            let _ = reply.send(catch_unwind(AssertUnwindSafe(job)));
        });
        self.queue.send(boxed).expect("EAL's thread lives as long as the process");
        match answer.recv().expect("every job answers once") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_on_one_thread_in_order_and_may_nest() {
        let jobs = Jobs::on_new_thread(|| Ok(())).unwrap();
        let inner = jobs.clone();
        let (outside, inside) = jobs.run(move || (thread::current().id(), inner.run(|| thread::current().id())));
        assert_eq!(outside, inside);
        assert_eq!(outside, jobs.thread);
        assert_ne!(outside, thread::current().id());
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_thread_goes_on() {
        let jobs = Jobs::on_new_thread(|| Ok(())).unwrap();
        let asker = jobs.clone();
        let outcome = catch_unwind(AssertUnwindSafe(move || asker.run(|| panic!("on purpose"))));
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
        assert_eq!(jobs.run(|| 7), 7);
    }

    #[test]
    fn a_failed_beginning_is_returned() {
        assert!(matches!(Jobs::on_new_thread(|| Err(EalError::AlreadyStarted)), Err(EalError::AlreadyStarted)));
    }
}
