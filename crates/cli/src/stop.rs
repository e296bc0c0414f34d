//! SIGINT and SIGTERM as a flag that loops look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// Whether somebody wants the command to end. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that the first SIGINT or SIGTERM raises; a second one ends the process at once, with the code
    /// that shells give it (128 + the signal's number).
    pub(crate) fn at_signals() -> Result<Self, Failure> {
        let failed = |cause| Failure::System { what: "cannot catch signals", cause };
        let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            (interrupt, signal(SignalKind::terminate()).map_err(failed)?)
        };
        let stop = Self::default();
        let raised = stop.clone();
        let watch = move || {
            runtime.block_on(async {
                loop {
                    let code = tokio::select! {
                        _ = interrupt.recv() => 130,
                        _ = terminate.recv() => 143,
                    };
                    if raised.is_raised() {
                        std::process::exit(code);
                    }
                    raised.raise();
                }
            });
        };
        thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
        Ok(stop)
    }

    /// Asks the command to end.
    pub(crate) fn raise(&self) {
        // A flag alone: nothing else is published with it.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it shall end.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
