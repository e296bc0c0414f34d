//! Groups, from any source and from one: of two cameras on one group only the admitted one is seen, the kernel is asked
//! for that one only, and leaves when the receiver goes; and a sender's SDP names the source that its packets have.
//! Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use hwtests::namespace::{self, Link};
use hwtests::rfc4175::{self, Extras, Stream};
use hwtests::{Gateway, Launch, Namespace, Scratch, take_turn};
use media::{Depth, Rate, Sampling, VideoFormat};

const FRAMES: usize = 6;
const PERIOD: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(30);

fn format() -> VideoFormat {
    VideoFormat::new(64, 32, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

/// The cameras' namespace and the gateway's. Both have a second way, which is the one that the routes prefer.
struct Bench {
    scratch: Scratch,
    studio: Namespace,
    rack: Namespace,
}

impl Bench {
    fn set_up() -> Self {
        let scratch = Scratch::create().unwrap();
        let (studio, rack) = (Namespace::create("studio").unwrap(), Namespace::create("rack").unwrap());
        let end = |namespace, interface, addresses| Link { namespace, interface, addresses };
        let cameras = ["10.77.0.1/24", "10.77.0.3/24", "fd77::1/64", "fd77::3/64"];
        let media = end(&studio, "media", &cameras);
        namespace::join(media, end(&rack, "media", &["10.77.0.2/24", "fd77::2/64"]), 1500).unwrap();
        namespace::join(end(&studio, "office", &["10.78.0.1/24"]), end(&rack, "office", &["10.78.0.2/24"]), 1500)
            .unwrap();
        rack.route("default", "10.78.0.1").unwrap();
        let route = |words: &str| {
            assert!(studio.command("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
        };
        route("route add 224.0.0.0/4 dev media");
        // Both links have such a route already; the lower metric wins.
        route("-6 route add ff00::/8 dev media metric 1 table local");
        // IPv6 routes of a link that has just come up take a moment.
        let deadline = Instant::now() + LIMIT;
        for namespace in [&studio, &rack] {
            let mut ask = namespace.command("ip");
            ask.args("-6 route get ff3e::77 oif media".split(' '));
            while !ask.output().unwrap().status.success() {
                assert!(Instant::now() < deadline, "no IPv6 route after {LIMIT:?}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Self { scratch, studio, rack }
    }

    fn gateway(&self, objects: &str) -> Gateway {
        let log = self.scratch.path().join("flypackd.log");
        Gateway::start(self.scratch.path(), objects, Some(&self.rack), &log).unwrap()
    }

    /// What a file of the rack's /proc/net says.
    fn kernel(&self, file: &str) -> String {
        let output = self.rack.command("cat").arg(format!("/proc/net/{file}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().to_lowercase()
    }
}

fn flypack(gateway: &Gateway, words: &str) -> Command {
    let mut command = Command::new(&gateway.flypack);
    let api = gateway.broker.with_file_name("flypack.sock");
    command.env("FLYPACK_ENDPOINT", format!("unix:{}", api.display())).args(words.split(' '));
    command
}

/// Two cameras send to `group`; the receiver admits `sources`, of which the second camera is one.
fn only_the_admitted_one(bench: &Bench, group: SocketAddr, cameras: [IpAddr; 2], listed: [(&str, &str); 2]) {
    let sdp = hwtests::peer::sdp(&format(), group);
    let (family, ttl) = if group.is_ipv4() { ("IP4", "/8") } else { ("IP6", "") };
    let (ip, admitted) = (group.ip(), cameras[1]);
    let sdp = sdp.replace(&format!("c=IN {family} {ip}"), &format!("c=IN {family} {ip}{ttl}"));
    let sdp = format!("{sdp}a=source-filter: incl IN {family} {ip} {admitted}\r\n");
    let file = bench.scratch.path().join("group.sdp");
    std::fs::write(&file, sdp).unwrap();
    let mut gateway = bench.gateway("");
    let add = format!("receivers add cam --interface media --sdp {}", file.display());
    assert!(flypack(&gateway, &add).status().unwrap().success());
    for (file, entry) in listed {
        assert!(bench.kernel(file).contains(entry), "{file} has no {entry}:\n{}", bench.kernel(file));
    }

    let output = bench.scratch.path().join("cam.raw");
    let mut recv = Launch::new(&gateway.flypack, &bench.scratch.path().join("recv.log"))
        .words(&format!("recv cam --frames {FRAMES} --output {}", output.display()))
        .words(&format!("--broker {}", gateway.broker.display()))
        .start()
        .unwrap();
    gateway.wait_for_consumer("cam", recv.id()).unwrap();
    let packets = rfc4175::straddling(&format(), 200);
    let pictures = [1, 2].map(|seed| rfc4175::noise(&format(), FRAMES, seed));
    for (index, camera) in cameras.into_iter().enumerate() {
        let socket = rfc4175::socket_in(&bench.studio, (camera, 0).into()).unwrap();
        let mut stream = Stream { format: format(), ssrc: 9, sequence: 0, extras: Extras::default() };
        let frames = pictures[index].iter().zip(0_u32..);
        let datagrams: Vec<_> = frames.map(|(frame, n)| stream.datagrams(frame, n * 1800, &packets)).collect();
        rfc4175::send(&socket, group, &datagrams, PERIOD).unwrap();
    }
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(&output).unwrap() == pictures[1].concat(), "{group}: not the admitted camera's pictures");
    // The other's packets did not even come: the kernel filtered them.
    let statistics = gateway.statistics().unwrap();
    assert_eq!(statistics.of("receiver", "cam", "packets").unwrap(), (FRAMES * packets.len()) as u64);

    assert!(flypack(&gateway, "receivers del cam").status().unwrap().success());
    for (file, entry) in listed {
        assert!(!bench.kernel(file).contains(entry), "{file} still has {entry}:\n{}", bench.kernel(file));
    }
    gateway.stop().unwrap();
}

#[test]
fn of_two_sources_on_one_group_only_the_admitted_one_is_received() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up();
    let cameras = ["10.77.0.1", "10.77.0.3"].map(|text| text.parse().unwrap());
    let listed = [("igmp", "0500004d"), ("mcfilter", "0xef4d0005 0x0a4d0003")];
    // /proc/net/igmp shows the group in the machine's order of octets, mcfilter in the network's.
    let listed = if cfg!(target_endian = "little") { [("igmp", "05004def"), listed[1]] } else { listed };
    only_the_admitted_one(&bench, "239.77.0.5:5004".parse().unwrap(), cameras, listed);
    let cameras = ["fd77::1", "fd77::3"].map(|text| text.parse().unwrap());
    let group = "ff3e0000000000000000000000000077";
    let listed = [("igmp6", group), ("mcfilter6", "fd770000000000000000000000000003")];
    only_the_admitted_one(&bench, "[ff3e::77]:5004".parse().unwrap(), cameras, listed);
}

#[test]
fn a_senders_sdp_names_the_source_of_its_packets_also_where_routes_say_otherwise() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up();
    let sdp = hwtests::peer::sdp(&format(), "127.0.0.1:5004".parse().unwrap());
    let gateway = bench.gateway(&format!(
        "[[receiver]]\nname = \"cam\"\nsdp_text = \"\"\"\n{sdp}\"\"\"\n\
         [[sender]]\nname = \"four\"\ninterface = \"media\"\ndestination = \"239.77.0.6:5004\"\n\
         [[sender]]\nname = \"six\"\ninterface = \"media\"\ndestination = \"[ff3e::78]:5004\"\n\
         [[crosspoint]]\ndestination = \"four\"\nsource = \"cam\"\n\
         [[crosspoint]]\ndestination = \"six\"\nsource = \"cam\"\n"
    ));
    for (sender, filter) in [("four", "IP4 239.77.0.6 10.77.0.2"), ("six", "IP6 ff3e::78 fd77::2")] {
        let said = flypack(&gateway, &format!("sdp {sender}")).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains(&format!("a=source-filter: incl IN {filter}\r\n")), "{sender}:\n{said}");
    }
    gateway.stop().unwrap();
}
