//! What goes wrong with one of sixty-four flows on a port while all of them play: the others lose no packet, in or out; it is
//! counted, told in a line that an operator understands, and mended without a restart.
//!
//! Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod buffers;
mod changed;
mod consumer;
mod format;
mod leg;
mod relayed;
mod senders;
mod stalled;

use std::collections::BTreeSet;

use hwtests::crowd::Crowd;
use hwtests::{Gateway, eventually, namespace};

/// The flow that breaks.
const BROKEN: u16 = 17;

/// Whether there is a machine to test on; says so loudly where there is none.
fn can_run() -> bool {
    let reason = namespace::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
    }
    reason.is_none()
}

fn only_broken() -> BTreeSet<u16> {
    BTreeSet::from([BROKEN])
}

/// Every frame of the others came in whole and went out.
fn others_are_whole(crowd: &Crowd, when: &str) {
    crowd.others_are_whole(&only_broken()).unwrap_or_else(|error| panic!("{when}: {error:#}"));
}

/// Waits until an operator can read it, in status as long as it lasts, and in the log.
fn is_told(gateway: &Gateway, words: &str) {
    eventually(&format!("status says {words:?}"), || is_troubled(gateway, words));
    is_logged(gateway, words);
}

/// Waits until an operator can read it in the log.
fn is_logged(gateway: &Gateway, words: &str) {
    eventually(&format!("the log says {words:?}"), || gateway.process().log().contains(words));
}

/// Whether status names that trouble now.
fn is_troubled(gateway: &Gateway, words: &str) -> bool {
    gateway.node().unwrap()["warnings"].to_string().contains(words)
}

/// Good frames again: the broken flow is whole without anybody's help.
fn recovers(crowd: &mut Crowd, when: &str) {
    // What was left open is waited out.
    crowd.play(8);
    let before = crowd.count(BROKEN, "grains_complete").unwrap();
    crowd.play(5);
    eventually(&format!("the flow is whole again {when}"), || {
        crowd.count(BROKEN, "grains_complete").unwrap() >= before + 5
    });
    others_are_whole(crowd, when);
}
