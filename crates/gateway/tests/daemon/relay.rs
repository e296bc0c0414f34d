//! A relayed stream's whole road: into a socket of the gateway, and out of it to some senders.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use control::v1;

use crate::flypackd::Folder;
use crate::road::Api;

/// How long anything may take before the test calls it dead.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket of this test.
fn socket(folder: &Folder) -> UdpSocket {
    let socket = UdpSocket::bind((folder.address, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// An address that was free a moment ago.
fn address(folder: &Folder) -> SocketAddr {
    socket(folder).local_addr().unwrap()
}

/// A camera: payload type 97, SSRC `ssrc`, a picture a packet.
fn send(camera: &UdpSocket, to: SocketAddr, ssrc: u8, numbers: std::ops::Range<u16>) {
    for number in numbers {
        let [high, low] = number.to_be_bytes();
        let packet = [0x80, 97, high, low, 0, 0, high, low, 0, 0, 0, ssrc, b'a', ssrc, high, low];
        camera.send_to(&packet, to).unwrap();
    }
}

/// Payload type, sequence number, SSRC and payload of what arrives next.
fn next(far: &UdpSocket) -> (u8, u16, [u8; 4], Vec<u8>) {
    let mut octets = [0; 2_000];
    let (count, _) = far.recv_from(&mut octets).expect("a packet comes");
    let sequence = u16::from_be_bytes([octets[2], octets[3]]);
    (octets[1], sequence, [octets[8], octets[9], octets[10], octets[11]], octets[12..count].to_vec())
}

impl Api {
    fn relay(&mut self, name: &str, listen: SocketAddr) -> Result<v1::Relay, tonic::Status> {
        let request = v1::CreateRelayRequest { name: name.into(), listen: listen.to_string(), ..Default::default() };
        let made = self.runtime.block_on(self.client.create_relay(request))?;
        Ok(made.into_inner().relay.unwrap())
    }

    fn forwarder(&mut self, name: &str, far: &UdpSocket, keep: &[&str], payload_type: u32) {
        let request = v1::CreateSenderRequest {
            name: name.into(),
            destination: far.local_addr().unwrap().to_string(),
            relay_keep: keep.iter().map(ToString::to_string).collect(),
            relay_payload_type: payload_type,
            ..Default::default()
        };
        self.runtime.block_on(self.client.create_sender(request)).unwrap();
    }

    fn counter(&mut self, kind: v1::StatisticsKind, name: &str, counter: &str) -> u64 {
        let statistics = self.runtime.block_on(self.client.get_statistics(v1::GetStatisticsRequest {})).unwrap();
        let all = statistics.into_inner().statistics;
        let of = all.into_iter().find(|of| of.kind() == kind && of.name == name).unwrap();
        of.counters.into_iter().find(|each| each.name == counter).unwrap().value
    }
}

#[test]
fn a_stream_goes_on_to_senders_and_they_change_their_source_without_a_break() {
    let folder = Folder::new();
    let listen = [address(&folder), address(&folder)];
    let mut daemon = folder.start(&format!("[[relay]]\nname = \"one\"\nlisten = \"{}\"\n", listen[0]));
    let mut api = Api::connect(&folder);
    assert_eq!(api.relay("two", listen[1]).unwrap().backlog_packets, 256);
    let taken = api.relay("one", address(&folder)).unwrap_err();
    assert!(taken.message().contains("a relay \"one\" is there already"), "{taken}");
    let (own, same) = (socket(&folder), socket(&folder));
    api.forwarder("own", &own, &[], 33);
    api.forwarder("same", &same, &["ssrc", "sequence", "timestamp"], 0);
    let refused = api.take("own", "three").unwrap_err();
    assert!(refused.message().contains("one, two"), "{refused}");
    api.take("own", "one").unwrap();
    api.take("same", "one").unwrap();

    let camera = socket(&folder);
    send(&camera, listen[0], 1, 500..510);
    let (_, first, ssrc, _) = next(&own);
    for number in 501..510_u16 {
        let payload = [&[b'a', 1], &number.to_be_bytes()[..]].concat();
        assert_eq!(next(&own), (33, first.wrapping_add(number - 500), ssrc, payload));
    }
    for number in 500..510_u16 {
        let payload = [&[b'a', 1], &number.to_be_bytes()[..]].concat();
        assert_eq!(next(&same), (97, number, [0, 0, 0, 1], payload));
    }

    api.take("own", "two").unwrap();
    send(&camera, listen[0], 1, 510..512);
    send(&camera, listen[1], 2, 7..9);
    let expected = |number: u16| [&[b'a', 2], &number.to_be_bytes()[..]].concat();
    assert_eq!(next(&own), (33, first.wrapping_add(10), ssrc, expected(7)));
    assert_eq!(next(&own), (33, first.wrapping_add(11), ssrc, expected(8)));
    assert_eq!((next(&same).1, next(&same).1), (510, 511));
    assert_eq!(api.counter(v1::StatisticsKind::Sender, "own", "packets_forwarded"), 12);
    assert_eq!(api.counter(v1::StatisticsKind::Relay, "one", "packets"), 12);

    // A relay that goes leaves its sender waiting; it may come again, and the sender forwards.
    let delete = v1::DeleteRelayRequest { name: "two".into() };
    api.runtime.block_on(api.client.delete_relay(delete)).unwrap();
    assert_eq!(api.sender("own").state(), v1::SenderState::Waiting);
    api.relay("two", listen[1]).unwrap();
    send(&camera, listen[1], 2, 20..21);
    assert_eq!(next(&own), (33, first.wrapping_add(12), ssrc, expected(20)));

    // From a relay to a ring and back.
    api.create_receiver("far", folder.sdp()).unwrap();
    api.take("own", "far").unwrap();
    assert_eq!(api.sender("own").state(), v1::SenderState::Waiting, "{}", api.sender("own").trouble);
    api.take("own", "one").unwrap();
    send(&camera, listen[0], 1, 512..513);
    assert_eq!(next(&own).1, first.wrapping_add(13));
    assert_eq!(next(&same).1, 512);
    assert!(daemon.terminate().success(), "{}", daemon.log());
}
