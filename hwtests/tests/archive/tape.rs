//! A flow into a file, and the file again as a flow and as frames.

use hwtests::gateway_bench::{Camera, GatewayBench, LIMIT, flypack, format};
use hwtests::{rfc4175, take_turn};

use crate::{can_run, gateway, is_a_round, places};

const PICTURES: usize = 10;
const GRAINS: usize = 25;

#[test]
fn a_flow_is_recorded_played_and_exported_picture_by_picture() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let folder = bench.file("tapes");
    let mut gateway = gateway(&bench, &folder);
    let pictures = rfc4175::noise(&format(), PICTURES, 7);
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    let recording = gateway.ask(&format!("record cam take1 --grains {GRAINS}")).unwrap();
    assert_eq!(
        (&recording["state"], &recording["grains"], &recording["lines_lost"]),
        (&"done".into(), &25.into(), &0.into())
    );
    let (said, went_well) = flypack(&gateway, "record cam take1 --grains 1").unwrap();
    assert!(!went_well && said.contains("take1"), "{said}");
    playing.stop();

    let tape = folder.join("take1");
    let export = bench.file("export.raw");
    let exported = gateway.ask(&format!("export {} --output {}", tape.display(), export.display())).unwrap();
    assert_eq!((&exported["frames_written"], &exported["lines_lost"]), (&25.into(), &0.into()));
    let recorded = places(&std::fs::read(export).unwrap(), &pictures);
    assert!(recorded.len() == GRAINS && is_a_round(&recorded, PICTURES), "{recorded:?}");

    gateway.ask("replay take1 --as tape --loop --detach").unwrap();
    let mut recv = bench.recv(&mut gateway, "tape", 2 * GRAINS).unwrap();
    recv.finish(LIMIT).unwrap();
    let played = places(&std::fs::read(bench.file("tape.raw")).unwrap(), &pictures);
    let first = recorded.iter().position(|place| *place == played[0]).unwrap();
    // The recording's end is followed by its beginning; pictures come again in it, so one of the places fits.
    let fits = |first: usize| played.iter().zip(recorded.iter().cycle().skip(first)).all(|(own, other)| own == other);
    assert!((first..GRAINS).step_by(PICTURES).any(fits), "{recorded:?}, then {played:?}");
    let listed = gateway.ask("recordings").unwrap();
    assert_eq!(
        (&listed["recordings"][0]["state"], &listed["replays"][0]["state"]),
        (&"done".into(), &"running".into())
    );
    let stopped = gateway.ask("recordings stop-replay tape").unwrap();
    assert!(stopped["state"] == "stopped" && stopped["rounds"].as_u64() >= Some(1), "{stopped}");
    let (said, went_well) = flypack(&gateway, "replay take2 --as tape").unwrap();
    assert!(!went_well && said.contains("take2"), "{said}");
    gateway.stop().unwrap();
}
