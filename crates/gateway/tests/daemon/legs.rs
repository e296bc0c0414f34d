//! Streams that come twice (ST 2022-7): what either way loses the other brings.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::v1;
use media::{PayloadType, RtpTimestamp, Ssrc};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, UdpLimit, VideoSdp};

use crate::flypackd::Folder;
use crate::road::Api;

/// How long anything may take before the test calls it dead.
const PATIENCE: Duration = Duration::from_secs(30);

fn socket(folder: &Folder) -> UdpSocket {
    let socket = UdpSocket::bind((folder.address, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The folder's SDP, and once more with another port.
fn both(folder: &Folder, second: SocketAddr) -> (String, [SocketAddr; 2]) {
    let one = folder.sdp();
    let (head, media) = one.split_at(one.find("m=video").unwrap());
    let again = media.replace(&format!("m=video {}", folder.port), &format!("m=video {}", second.port()));
    let text = format!("{head}a=group:DUP a b\r\n{media}a=mid:a\r\n{again}a=mid:b\r\n");
    (text, [SocketAddr::from((folder.address, folder.port)), second])
}

/// Makes the datagrams of one picture after another.
struct Camera {
    packetiser: Packetiser,
    octets: Vec<u8>,
    timestamp: u32,
}

impl Camera {
    fn new(sdp: &str) -> Self {
        let format = VideoSdp::parse(sdp, None).unwrap().format;
        let plan = Arc::new(PackingPlan::new(format, PackingMode::Gpm, UdpLimit::Standard).unwrap());
        let octets = (0..format.frame_octets()).map(|at| (at * 13 + (at >> 9)) as u8).collect();
        Self { packetiser: Packetiser::new(plan, PayloadType(96), Ssrc(7), 65_500), octets, timestamp: 0 }
    }

    fn picture(&mut self) -> Vec<Vec<u8>> {
        self.timestamp += 1800;
        let count = self.packetiser.plan().packets().len();
        let datagram = |index: usize| {
            let mut header = [0; MAX_HEADER_OCTETS];
            let length = self.packetiser.header(index, RtpTimestamp(self.timestamp), &mut header);
            let range = self.packetiser.plan().packets()[index].range();
            [&header[..length], &self.octets[range.start as usize..range.end as usize]].concat()
        };
        (0..count).map(datagram).collect()
    }
}

impl Api {
    fn value(&mut self, kind: v1::StatisticsKind, name: &str, counter: &str) -> u64 {
        let statistics = self.runtime.block_on(self.client.get_statistics(v1::GetStatisticsRequest {})).unwrap();
        let all = statistics.into_inner().statistics;
        let of = all.into_iter().find(|of| of.kind() == kind && of.name == name).unwrap();
        of.counters.into_iter().find(|each| each.name == counter).unwrap().value
    }

    fn heard(&mut self) -> v1::Receiver {
        let listed = self.runtime.block_on(self.client.list_receivers(v1::ListReceiversRequest {})).unwrap();
        listed.into_inner().receivers.remove(0)
    }
}

#[test]
fn a_receiver_by_its_sdp_misses_nothing_that_one_leg_brings() {
    let folder = Folder::new();
    let free = socket(&folder).local_addr().unwrap();
    let (sdp, legs) = both(&folder, free);
    std::fs::write(folder.path("cam.sdp"), &sdp).unwrap();
    let mut daemon = folder.start("[[receiver]]\nname = \"cam\"\nsdp = \"cam.sdp\"\n");
    let mut api = Api::connect(&folder);
    let (mut camera, far) = (Camera::new(&sdp), socket(&folder));
    let mut packets = 0;
    for number in 0..15_u64 {
        let picture = camera.picture();
        packets = picture.len() as u64;
        for (index, datagram) in picture.iter().enumerate() {
            // Each loses its own packets; then one is cut, then the other.
            let loses = |leg: usize| match number {
                0..5 => index % 5 == leg,
                5..10 => leg == 0,
                _ => leg == 1,
            };
            for leg in (0..2).filter(|leg| !loses(*leg)) {
                far.send_to(datagram, legs[leg]).unwrap();
            }
        }
        let until = Instant::now() + PATIENCE;
        while api.value(v1::StatisticsKind::Receiver, "cam", "grains_complete") <= number {
            assert!(Instant::now() < until, "picture {number} is not whole");
        }
    }
    let mut value = |counter: &str| api.value(v1::StatisticsKind::Receiver, "cam", counter);
    assert_eq!((value("packets_lost"), value("lines_lost"), value("grains_incomplete")), (0, 0, 0));
    let receiver = api.heard();
    let heard: Vec<_> = receiver.legs.iter().map(|leg| leg.destination.parse::<SocketAddr>().unwrap()).collect();
    assert_eq!(heard, legs);
    let lost = |leg: usize| (0..packets).filter(|index| index % 5 == leg as u64).count() as u64;
    assert_eq!(receiver.legs[0].packets, 10 * packets - 5 * lost(0));
    assert_eq!(receiver.legs[1].packets, 10 * packets - 5 * lost(1));
    assert!(receiver.sdp.contains("a=group:DUP"), "{}", receiver.sdp);
    assert!(daemon.terminate().success(), "{}", daemon.log());
    // Both sockets are free again.
    legs.iter().for_each(|leg| drop(UdpSocket::bind(leg).unwrap()));
}

#[test]
fn a_relay_of_two_legs_sends_each_packet_once() {
    let folder = Folder::new();
    let (one, two) = (socket(&folder).local_addr().unwrap(), socket(&folder).local_addr().unwrap());
    let far = socket(&folder);
    let to = far.local_addr().unwrap();
    let mut daemon = folder.start(&format!(
        "[[relay]]\nname = \"cam\"\nlisten = \"{one}\"\nsecond_listen = \"{two}\"\n\
         [[sender]]\nname = \"out\"\ndestination = \"{to}\"\nrelay_keep = [\"ssrc\", \"sequence\", \"timestamp\"]\n\
         [[crosspoint]]\ndestination = \"out\"\nsource = \"cam\"\n"
    ));
    let mut api = Api::connect(&folder);
    let camera = socket(&folder);
    for number in 0..30_u8 {
        let packet = [0x80, 97, 0, number, 0, 0, 0, number / 4, 0, 0, 0, 9, b'x', number];
        for leg in [one, two].into_iter().enumerate().filter(|(at, _)| number % 3 != *at as u8).map(|(_, leg)| leg) {
            camera.send_to(&packet, leg).unwrap();
        }
        let mut octets = [0; 100];
        let (count, _) = far.recv_from(&mut octets).expect("a packet comes");
        assert_eq!(&octets[..count], packet);
    }
    // A last one comes behind all copies: none of them was sent on.
    assert_eq!(api.value(v1::StatisticsKind::Relay, "cam", "packets_lost"), 0);
    let until = Instant::now() + PATIENCE;
    while api.value(v1::StatisticsKind::Relay, "cam", "packets") < 40 {
        assert!(Instant::now() < until, "copies are missing");
    }
    assert_eq!(api.value(v1::StatisticsKind::Relay, "cam", "duplicates"), 10);
    assert_eq!(api.value(v1::StatisticsKind::Sender, "out", "packets_forwarded"), 30);
    let relays = api.runtime.block_on(api.client.list_relays(v1::ListRelaysRequest {})).unwrap().into_inner().relays;
    let legs: Vec<_> = relays[0].legs.iter().map(|leg| (leg.destination.clone(), leg.packets)).collect();
    assert_eq!(legs, [(one.to_string(), 20), (two.to_string(), 20)]);
    assert!(daemon.terminate().success(), "{}", daemon.log());
}
