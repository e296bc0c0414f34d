//! A camera that changes its format, and the operator who does what the line says: the receiver is given the new SDP, and who
//! sends its flow goes on with the new picture, without a word to it.

use std::collections::BTreeSet;

use hwtests::crowd::{Crowd, Setting, format, format_of, frame};
use hwtests::gateway_bench::{PORT, STUDIO, flypack};
use hwtests::rfc4175::{self, Extras, Stream};
use hwtests::{Gateway, eventually, peer, take_turn};

use crate::{can_run, is_told, is_troubled};

/// Where the camera sends.
const MEDIA: u16 = 6_900;
/// What the picture is then, and the packets of it as it is sent: one for each row.
const CHANGED: (u32, u32) = (128, 64);
const GROUP: &str = "239.77.2.1:5004";

fn said(gateway: &Gateway, words: &str) -> String {
    let (said, went_well) = flypack(gateway, words).unwrap();
    assert!(went_well, "{words}: {said}");
    said
}

/// An SDP of a picture from the camera, in a file.
fn receive(crowd: &Crowd, (width, height): (u32, u32)) {
    let file = crowd.bench.file("camera.sdp");
    let sdp = peer::sdp(&format_of(width, height), format!("{PORT}:{MEDIA}").parse().unwrap());
    std::fs::write(&file, sdp).unwrap();
    said(
        &crowd.gateway,
        &format!("receivers add guest --sdp {} --interface media --slots 12 --grain-timeout-ms 1000", file.display()),
    );
}

#[test]
fn who_sends_a_flow_goes_on_with_its_new_format() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut crowd = Crowd::set_up(Setting::default()).unwrap();
    receive(&crowd, (format().width().into(), format().height().into()));
    said(&crowd.gateway, &format!("senders add onward --to {GROUP} --interface media --lateness-frames 10"));
    said(&crowd.gateway, "take onward guest");
    let socket = rfc4175::socket_in(&crowd.bench.studio, format!("{STUDIO}:0").parse().unwrap()).unwrap();
    let mut camera = Stream { format: format(), ssrc: 900, sequence: 0, extras: Extras::default() };
    let play = |crowd: &mut Crowd, camera: &mut Stream, frames: u32| {
        crowd.play_with(frames, |number, stream, timestamp| {
            if number == 0 {
                let datagrams = frame(camera, timestamp);
                datagrams.iter().for_each(|datagram| _ = socket.send_to(datagram, (PORT, MEDIA)));
            }
            frame(stream, timestamp)
        });
    };
    let of =
        |crowd: &Crowd, counter: &str| crowd.gateway.statistics().unwrap().of("sender", "onward", counter).unwrap();
    play(&mut crowd, &mut camera, 10);
    eventually("it is sent on", || of(&crowd, "grains_sent") == 10);
    assert_eq!(of(&crowd, "packets"), 10 * u64::from(format().height()));

    camera.format = format_of(CHANGED.0, CHANGED.1);
    play(&mut crowd, &mut camera, 40);
    let misfits = "receiver guest: packets that do not fit its SDP";
    is_told(&crowd.gateway, misfits);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();

    said(&crowd.gateway, "receivers del guest");
    receive(&crowd, CHANGED);
    eventually("the sender has the new flow", || said(&crowd.gateway, "sdp onward").contains("width=128"));
    let before = (of(&crowd, "grains_sent"), of(&crowd, "packets"));
    play(&mut crowd, &mut camera, 10);
    eventually("the new picture is sent on", || of(&crowd, "grains_sent") == before.0 + 10);
    assert_eq!(of(&crowd, "packets"), before.1 + 10 * u64::from(CHANGED.1));
    eventually("status is content", || !is_troubled(&crowd.gateway, misfits));
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    crowd.gateway.stop().unwrap();
}
