//! A worker that was kept from its turns, seen from outside.

use netio::sim::Faults;

use super::studio::Studio;

const MS: i64 = 1_000_000;

#[test]
fn a_worker_that_is_kept_from_its_turns_says_so_and_for_how_long() {
    let mut studio = Studio::new(1, Faults::default());
    let pulse = studio.worker.pulse();
    studio.worker.turn();
    studio.clock.advance_nanos(MS);
    studio.worker.turn();
    assert_eq!((pulse.look().turns.total(), pulse.now.standstills.value()), (1, 0));
    let before = pulse.look();
    studio.clock.advance_nanos(100 * MS);
    studio.worker.turn();
    assert_eq!((pulse.now.standstills.value(), pulse.now.last_standstill_nanos.value()), (1, 100 * MS as u64));
    assert_eq!(pulse.late_since(&before, 90 * MS as u64), 1);
    studio.worker.rest(10 * MS as u64);
    studio.clock.advance_nanos(200 * MS);
    studio.worker.turn();
    assert_eq!((pulse.now.standstills.value(), pulse.now.last_standstill_nanos.value()), (2, 190 * MS as u64));
}
