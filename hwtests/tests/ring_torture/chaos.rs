//! What happens to whom, and when: by chance, which a seed repeats.

use std::fs;
use std::time::{Duration, Instant};

use hwtests::{Dice, eventually};
use rustix::process::Signal;

use crate::stage::{Part, Stage};

/// Somebody who is stopped, and until when.
struct Stopped<'a> {
    part: &'a Part,
    pid: u32,
    until: Instant,
}

/// Rules for so long; then everybody may go on.
pub(crate) fn reign(stage: &Stage, dice: &mut Dice, time: Duration) {
    let end = Instant::now() + time;
    let mut stopped: Vec<Stopped<'_>> = Vec::new();
    while Instant::now() < end && !stage.has_failed() {
        std::thread::sleep(Duration::from_millis(dice.between(1, 40)));
        wake(&mut stopped, Instant::now());
        let producer = dice.below(6) == 0;
        let part = dice.choose(if producer { &stage.producers } else { &stage.fickle });
        match dice.below(10) {
            fate @ 0..5 => {
                let until = Instant::now() + Duration::from_millis(dice.between(1, 400));
                part.with(|actor| {
                    stage.touch(actor.pid());
                    actor.signal(Signal::STOP);
                    stage.count("stopped", 1);
                    if fate == 0 {
                        // Whoever stands still keeps the seat that it is found in.
                        eventually("it stands still", || !is_running(actor.pid()));
                        stage.evict(actor.pid());
                    }
                    stopped.push(Stopped { part, pid: actor.pid(), until });
                });
            }
            5..8 => {
                // Also those who are stopped.
                part.with(|actor| {
                    stage.touch(actor.pid());
                    actor.signal(Signal::KILL);
                    stage.count("killed", 1);
                });
            }
            _ => {
                part.with(|actor| actor.tell("leave"));
                stage.count("sent away", 1);
            }
        }
    }
    wake(&mut stopped, end + Duration::from_secs(3600));
}

/// Whether a process is neither stopped nor dead.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What follows the program's name, which may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['T', 'Z', 'X']))
}

/// Lets those go on whose time has come.
fn wake(stopped: &mut Vec<Stopped<'_>>, now: Instant) {
    stopped.retain(|Stopped { part, pid, until }| {
        if *until > now {
            return true;
        }
        // Somebody else may play the part by now.
        part.with(|actor| {
            if actor.pid() == *pid {
                actor.signal(Signal::CONT);
            }
        });
        false
    });
}
