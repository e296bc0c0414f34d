//! A disk without room: the recording ends with what is on it, and says why; nobody else notices.

use hwtests::gateway_bench::{Camera, GatewayBench, LIMIT, SCREEN, STUDIO, Screen, flypack, format};
use hwtests::{rfc4175, take_turn};

use crate::disk::SmallDisk;
use crate::{can_run, gateway, is_a_round_but_for, places};

/// Octets that are left for grains of 8,192.
const LEFT: u64 = 512 << 10;
/// What is written before the disk is looked at again, and what a file system keeps for itself.
const SLACK: u64 = 160 << 10;

#[test]
fn a_full_disk_ends_the_recording_and_nothing_else() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let Some(disk) = SmallDisk::make(&bench.scratch) else {
        eprintln!("SKIPPED: no file system can be mounted from a file here");
        return;
    };
    let filler = disk.fill_up_to(LEFT);
    let gateway = gateway(&bench, disk.folder());
    let pictures = rfc4175::noise(&format(), 10, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let watching = screen.keep_watching(pictures.clone()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    // What would never fit is refused at once.
    let (said, went_well) = flypack(&gateway, "record cam take0 --grains 1000").unwrap();
    assert!(!went_well && said.contains("MB free"), "{said}");
    let (said, went_well) = flypack(&gateway, "record cam take1").unwrap();
    assert!(!went_well && said.contains("the disk is full: make room"), "{said}");
    let recording = gateway.ask("recordings").unwrap()["recordings"][0].take();
    let grains = recording["grains"].as_u64().unwrap();
    assert!(recording["state"] == "disk_full" && (30..=64).contains(&grains), "{recording}");
    assert!(gateway.process().log().contains("the disk is full"));
    assert_eq!(std::fs::metadata(disk.folder().join("take1")).unwrap().len(), grains * 8_192);
    assert!(!disk.folder().join("take0").exists());

    // A capture has no room either.
    let (said, went_well) = flypack(&gateway, "capture media take.pcap --packets 100000 --snap 9216").unwrap();
    assert!(!went_well && said.contains("the disk is full"), "{said}");

    // What is on the disk is whole.
    let export = bench.file("export.raw");
    let path = disk.folder().join("take1");
    gateway.ask(&format!("export {} --output {}", path.display(), export.display())).unwrap();
    let recorded = places(&std::fs::read(export).unwrap(), &pictures);
    assert_eq!(recorded.len() as u64, grains, "{recorded:?}");
    assert!(is_a_round_but_for(&recording, &recorded, pictures.len()), "{recorded:?} {recording}");

    // There is room: the next one is recorded.
    std::fs::remove_file(filler).unwrap();
    let recording = gateway.ask("record cam take2 --grains 20").unwrap();
    assert!(recording["state"] == "done" && recording["grains"] == 20, "{recording}");

    // A capture that nobody ends leaves half of what was free to the recordings.
    let filler = disk.fill_up_to(LEFT);
    let (said, went_well) = flypack(&gateway, "capture media most.pcap --packets 10000000 --snap 9216").unwrap();
    assert!(!went_well && said.contains("leaves to others"), "{said}");
    let (left, taken) = (disk.free_octets(), std::fs::metadata(disk.folder().join("most.pcap")).unwrap().len());
    assert!(left >= LEFT / 2 - SLACK && taken >= LEFT / 2 - SLACK, "{left} left, {taken} taken");
    let recording = gateway.ask("record cam take3 --grains 10").unwrap();
    assert!(recording["state"] == "done" && recording["grains"] == 10, "{recording}");
    std::fs::remove_file(filler).unwrap();

    // The flow was whole all the time, in and out.
    let frames = playing.stop();
    let statistics =
        gateway.settle(LIMIT, |now| now.of("sender", "out", "grains_sent").is_ok_and(|sent| sent == frames)).unwrap();
    assert_eq!(statistics.of("receiver", "cam", "grains_complete").unwrap(), frames);
    assert_eq!(statistics.of("sender", "out", "grains_sent").unwrap(), frames);
    assert_eq!(watching.damaged(), 0);
    drop(watching);
    gateway.stop().unwrap();
}
