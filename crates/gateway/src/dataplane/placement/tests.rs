//! Which engine and port gets what, by interface and by address.

use st2110::VideoSdp;

use super::*;
use crate::engine::recording::RecordingEngine;

fn engines() -> Vec<Arc<dyn Engine>> {
    vec![
        RecordingEngine::new(&[]),
        RecordingEngine::new(&[("red", &["192.0.2.1/24", "2001:db8::1/64"]), ("blue", &["198.51.100.1/25"])]),
        RecordingEngine::new(&[("green", &["203.0.113.9/31"])]),
    ]
}

fn place(engine: usize, port: &str) -> Place {
    Place { engine, port: Some(port.parse().unwrap()) }
}

fn sender(destination: &str, source: Option<&str>, interface: Option<&str>) -> Place {
    let spec = SenderSpec::new("out".parse().unwrap(), destination.parse().unwrap());
    let source = source.map(|source| source.parse().unwrap());
    of_sender(&engines(), &SenderSpec { source, interface: interface.map(str::to_owned), ..spec })
}

fn receiver(destination: &str, interface: Option<&str>) -> Place {
    let kind = if destination.contains(':') { "IP6" } else { "IP4" };
    let connection = if destination.starts_with("239") { format!("{destination}/64") } else { destination.to_owned() };
    let sdp = format!(
        "v=0\r\no=- 1 1 IN {kind} {destination}\r\ns=test\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n\
         c=IN {kind} {connection}\r\na=rtpmap:96 raw/90000\r\na=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; \
         exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\r\n"
    );
    let spec = ReceiverSpec {
        name: "cam".parse().unwrap(),
        sdp: VideoSdp::parse(&sdp, None).unwrap(),
        interface: interface.map(str::to_owned),
        second: None,
        slots: None,
        reorder_packets: None,
        grain_timeout_ms: None,
        skew_ms: None,
        receive_buffer_octets: None,
    };
    of_receiver(&engines(), &spec)
}

#[test]
fn an_interface_that_names_a_port_decides() {
    assert_eq!(sender("198.51.100.7:5004", Some("203.0.113.9:0"), Some("red")), place(1, "red"));
    assert_eq!(sender("239.1.1.1:5004", None, Some("green")), place(2, "green"));
    assert_eq!(receiver("239.1.1.1", Some("blue")), place(1, "blue"));
    assert_eq!(receiver("203.0.113.9", Some("blue")), place(1, "blue"));
}

#[test]
fn another_interface_is_the_kernels_whatever_the_address() {
    assert_eq!(sender("192.0.2.7:5004", None, Some("eth0")), KERNEL);
    assert_eq!(receiver("192.0.2.1", Some("eth0")), KERNEL);
}

#[test]
fn a_receiver_is_where_its_address_is() {
    assert_eq!(receiver("198.51.100.1", None), place(1, "blue"));
    assert_eq!(receiver("203.0.113.9", None), place(2, "green"));
    assert_eq!(receiver("2001:db8::1", None), place(1, "red"));
    assert_eq!(receiver("192.0.2.2", None), KERNEL, "a neighbour's address is not the port's");
    assert_eq!(receiver("239.1.1.1", None), KERNEL, "a group may come in anywhere");
}

#[test]
fn a_sender_is_where_its_source_is_or_else_its_destination_on_link() {
    assert_eq!(sender("10.0.0.1:5004", Some("192.0.2.1:0"), None), place(1, "red"));
    assert_eq!(sender("198.51.100.7:5004", Some("192.0.2.1:5004"), None), place(1, "red"), "the source decides");
    assert_eq!(sender("192.0.2.7:5004", Some("127.0.0.1:0"), None), KERNEL, "the source decides");
    assert_eq!(sender("192.0.2.7:5004", Some("0.0.0.0:5004"), None), place(1, "red"), "a port alone is no source");
    assert_eq!(sender("192.0.2.7:5004", None, None), place(1, "red"));
    assert_eq!(sender("198.51.100.127:5004", None, None), place(1, "blue"));
    assert_eq!(sender("198.51.100.128:5004", None, None), KERNEL, "one beyond the network");
    assert_eq!(sender("[2001:db8::77]:5004", None, None), place(1, "red"));
    assert_eq!(sender("203.0.113.8:5004", None, None), place(2, "green"));
    assert_eq!(sender("239.1.1.1:5004", None, None), KERNEL);
}
