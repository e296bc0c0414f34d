//! What happens to whom, and when: by chance, which a seed repeats.

use std::time::{Duration, Instant};

use hwtests::Dice;
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
            0..5 => {
                let until = Instant::now() + Duration::from_millis(dice.between(1, 400));
                part.with(|actor| {
                    stage.touch(actor.pid());
                    actor.signal(Signal::STOP);
                    stage.count("stopped", 1);
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
