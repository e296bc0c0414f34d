//! Compressed streams that nobody here made go through a relay to receivers that nobody here made: FFmpeg's H.264 to FFmpeg
//! and GStreamer, by the kernel's sockets and by a port, and from one camera to another by a take. What comes out is decoded
//! and compared with what went in, picture by picture. Needs root, FFmpeg with libx264, and GStreamer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hwtests::gateway_bench::{PORT, STUDIO, flypack};
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::sysctl::{RECEIVE_BUFFER_OCTETS, Sysctl};
use hwtests::{
    Gateway, Launch, Namespace, Peer, Process, Scratch, Statistics, eventually, rfc4175, take_turn, udp_state, wire,
};

/// Pictures of each camera: six seconds.
const PICTURES: usize = 150;
/// A picture that needs no other comes so often.
const KEY_PICTURES: usize = 25;
const LIMIT: Duration = Duration::from_secs(60);
/// Where the cameras play to, and where the receivers are.
const CAMERAS: [(&str, u16); 2] = [("one", 5004), ("two", 5014)];
const FFMPEG: u16 = 5024;
const GSTREAMER: u16 = 5034;
const WATCH: u16 = 5044;

/// What moves the gateway's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Io {
    Kernel,
    AfPacket,
}

/// A studio with cameras and receivers, and a rack with the gateway.
struct Stage {
    scratch: Scratch,
    studio: Namespace,
    rack: Namespace,
}

impl Stage {
    fn new(io: Io) -> Self {
        let scratch = Scratch::create().unwrap();
        let (studio, rack) = (Namespace::create("studio").unwrap(), Namespace::create("rack").unwrap());
        let (here, there) = (format!("{STUDIO}/24"), format!("{PORT}/24"));
        let (here, there) = ([here.as_str()], [there.as_str()]);
        let far = Link { namespace: &studio, interface: "far", addresses: &here };
        match io {
            Io::Kernel => {
                namespace::join(far, Link { namespace: &rack, interface: "near", addresses: &there }, 1500).unwrap();
            }
            Io::AfPacket => netdev::wire(Netdev { namespace: &rack, name: "near" }, far, 1500).unwrap(),
        }
        Self { scratch, studio, rack }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn launch(&self, program: &str, log: &str) -> Launch<'_> {
        Launch::new(program, &self.file(log)).inside(Some(&self.studio))
    }

    /// FFmpeg, with these words.
    fn ffmpeg(&self, log: &str, words: &str) -> Process {
        self.launch("ffmpeg", log).words("-hide_banner -nostdin -y -v warning").words(words).start().unwrap()
    }

    /// A camera's pictures as H.264, and the sum of each when it is decoded.
    fn clip(&self, name: &str, source: &str) -> Vec<String> {
        let clip = self.file(&format!("{name}.h264"));
        let words = format!(
            "-f lavfi -i {source}=size=320x180:rate=25 -frames:v {PICTURES} -c:v libx264 -preset ultrafast -tune \
             zerolatency -g {KEY_PICTURES} -pix_fmt yuv420p -f h264 {}",
            clip.display()
        );
        self.ffmpeg("encode.log", &words).finish(LIMIT).unwrap();
        let sums = self.decode(&clip, name);
        assert_eq!(sums.len(), PICTURES);
        sums
    }

    fn decode(&self, clip: &Path, name: &str) -> Vec<String> {
        let out = self.file(&format!("{name}.decoded.md5"));
        let words = format!("-f h264 -i {} -fps_mode passthrough -f framemd5 {}", clip.display(), out.display());
        self.ffmpeg("decode.log", &words).finish(LIMIT).unwrap();
        sums(&out)
    }

    fn play(&self, name: &str, port: u16) -> Process {
        let clip = self.file(&format!("{name}.h264"));
        let words = format!(
            "-re -f h264 -framerate 25 -i {} -c copy -f rtp -payload_type 96 rtp://{PORT}:{port}?pkt_size=1200",
            clip.display()
        );
        self.ffmpeg(&format!("{name}.log"), &words)
    }

    /// What a camera says of itself.
    fn described(&self, name: &str, port: u16) -> PathBuf {
        let sdp = self.file(&format!("{name}.sdp"));
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 {STUDIO}\r\ns={name}\r\nc=IN IP4 {PORT}\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
        );
        std::fs::write(&sdp, text).unwrap();
        sdp
    }

    /// FFmpeg decodes what comes, as the sender's SDP says, and writes the sums of the pictures to `ffmpeg.md5`.
    fn ffmpeg_receiver(&self, words: &str) -> Process {
        let sdp = self.file("ffmpeg.sdp");
        std::fs::write(&sdp, words).unwrap();
        let words = format!(
            "-protocol_whitelist file,udp,rtp -i {} -fps_mode passthrough -flush_packets 1 -f framemd5 {}",
            sdp.display(),
            self.file("ffmpeg.md5").display()
        );
        bound(self.ffmpeg("ffmpeg.log", &words), FFMPEG)
    }

    /// GStreamer writes the stream that comes to `gstreamer.h264`.
    fn gstreamer_receiver(&self) -> Process {
        let words = format!(
            "-e udpsrc address={STUDIO} port={GSTREAMER} buffer-size=4194304 \
             caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96 ! rtph264depay ! h264parse ! \
             video/x-h264,stream-format=byte-stream,alignment=au ! filesink buffer-mode=unbuffered location={}",
            self.file("gstreamer.h264").display()
        );
        bound(self.launch("gst-launch-1.0", "gstreamer.log").words(&words).start().unwrap(), GSTREAMER)
    }

    fn start(&self, io: Io) -> Gateway {
        let mut objects = match io {
            Io::Kernel => String::new(),
            Io::AfPacket => hwtests::gateway_bench::port("net_af_packet:near", ""),
        };
        for (name, port) in CAMERAS {
            let sdp = self.described(name, port);
            objects += &format!("[[relay]]\nname = \"{name}\"\nsdp = \"{}\"\n", sdp.display());
        }
        for (name, port) in [("ffmpeg", FFMPEG), ("gstreamer", GSTREAMER), ("watch", WATCH)] {
            objects += &format!(
                "[[sender]]\nname = \"{name}\"\ndestination = \"{STUDIO}:{port}\"\n\
                 [[crosspoint]]\ndestination = \"{name}\"\nsource = \"one\"\n"
            );
        }
        Gateway::start(self.scratch.path(), &objects, Some(&self.rack), &self.file("flypackd.log")).unwrap()
    }
}

fn bound(mut process: Process, port: u16) -> Process {
    process.until(LIMIT, "its socket was open", |pid| udp_state::is_bound(pid, port)).unwrap();
    process
}

/// The sums in a file of FFmpeg's framemd5.
fn sums(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let pictures = whole.lines().filter(|line| !line.starts_with('#'));
    pictures.filter_map(|line| line.rsplit(',').next()).map(|sum| sum.trim().to_owned()).collect()
}

/// How long the beginning of `got` is that `sent` has too, picture after picture, from wherever it begins there.
fn run<'a>(got: impl Iterator<Item = &'a String> + Clone, sent: impl Iterator<Item = &'a String> + Clone) -> usize {
    let sent: Vec<_> = sent.collect();
    let from = got.clone().next().and_then(|first| sent.iter().position(|sum| *sum == first));
    from.map_or(0, |from| got.zip(&sent[from..]).take_while(|(got, sent)| got == *sent).count())
}

/// What is read of an RTP header: sequence number, time stamp, SSRC.
fn header(datagram: &[u8]) -> (u16, u32, u32) {
    let word = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
    (word(0) as u16, word(4), word(8))
}

/// Says that it is over when it drops.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release); // pairs with headers()
    }
}

/// The headers of what comes to a socket until `is_over`, and there is nothing more.
fn headers(socket: &UdpSocket, is_over: &AtomicBool) -> Vec<(u16, u32, u32)> {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut datagram, mut headers) = ([0; 2048], Vec::new());
    loop {
        // Asked before the socket: what came before the end is in it.
        let was_over = is_over.load(Ordering::Acquire); // pairs with Over::drop
        match socket.recv(&mut datagram) {
            Ok(octets) => headers.push(header(&datagram[..octets])),
            Err(_) if was_over => return headers,
            Err(_) => {}
        }
    }
}

/// Packets of the first camera's pictures.
fn media_packets(seen: &Statistics) -> u64 {
    seen.of("relay", "one", "packets").unwrap() - seen.of("relay", "one", "rtcp").unwrap()
}

/// Both cameras play; in the middle two of the receivers are taken from the first to the second.
fn play_and_take(stage: &Stage, gateway: &Gateway) -> Statistics {
    let mut cameras = CAMERAS.map(|(name, port)| stage.play(name, port));
    let decoded = stage.file("ffmpeg.md5");
    eventually("FFmpeg shows the first camera", || sums(&decoded).len() > KEY_PICTURES);
    for sender in ["ffmpeg", "watch"] {
        let (said, went_well) = flypack(gateway, &format!("take {sender} two")).unwrap();
        assert!(went_well, "{said}");
    }
    cameras.iter_mut().for_each(|camera| camera.finish(LIMIT).unwrap());
    let forwarded = |seen: &Statistics| seen.of("sender", "gstreamer", "packets_forwarded").unwrap();
    gateway.settle(LIMIT, |seen| forwarded(seen) == media_packets(seen)).unwrap()
}

/// Why this cannot be shown here.
fn unavailable(io: Io) -> Option<String> {
    let missing = [Peer::Ffmpeg, Peer::Gstreamer].into_iter().find(|peer| !peer.is_installed());
    let missing = missing.map(|peer| format!("{} is not installed", peer.name()));
    let packets = || if io == Io::AfPacket { wire::unavailable() } else { None };
    missing.or_else(namespace::unavailable).or_else(packets)
}

/// Two cameras, of which FFmpeg and a socket get first one and then the other, and GStreamer the first throughout.
fn cameras_and_receivers(io: Io) {
    if let Some(reason) = unavailable(io) {
        eprintln!("SKIPPED: {reason}");
        return;
    }
    let _turn = take_turn();
    let _limit = Sysctl::at_least("net.core.rmem_max", RECEIVE_BUFFER_OCTETS).unwrap();
    let stage = Stage::new(io);
    let sent = [stage.clip("one", "testsrc2"), stage.clip("two", "mandelbrot")];
    let gateway = stage.start(io);
    if io == Io::AfPacket {
        eventually("the studio is found", || {
            gateway.statistics().unwrap().of("port", "media", "neighbours_found").unwrap() > 0
        });
    }
    let watch = rfc4175::socket_in(&stage.studio, SocketAddr::new(STUDIO.parse().unwrap(), WATCH)).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&watch, 4_194_304).unwrap();
    let senders = gateway.ask("senders").unwrap();
    let sender = senders["senders"].as_array().unwrap().iter().find(|sender| sender["name"] == "ffmpeg").unwrap();
    let (ffmpeg, mut gstreamer) = (stage.ffmpeg_receiver(sender["sdp"].as_str().unwrap()), stage.gstreamer_receiver());
    let is_over = AtomicBool::new(false);
    let (watched, seen) = std::thread::scope(|scope| {
        let watched = scope.spawn(|| headers(&watch, &is_over));
        // Also where it panics: the scope waits for the other thread.
        let over = Over(&is_over);
        let seen = play_and_take(&stage, &gateway);
        drop(over);
        (watched.join().unwrap(), seen)
    });
    let count = |kind, name, counter| seen.of(kind, name, counter).unwrap();
    for (name, _) in CAMERAS {
        assert_eq!((count("relay", name, "packets_lost"), count("relay", name, "rtp_malformed")), (0, 0), "{name}");
    }
    assert_eq!(count("sender", "gstreamer", "packets_forwarded"), media_packets(&seen));

    assert_eq!(watched.len() as u64, count("sender", "watch", "packets_forwarded"));
    // One stream, whatever it was made of.
    for pair in watched.windows(2) {
        let ((sequence, time, ssrc), (next, later, same)) = (pair[0], pair[1]);
        assert_eq!((next, same), (sequence.wrapping_add(1), ssrc), "in sequence, and of one source");
        assert!(later.wrapping_sub(time) < 90_000, "the time stamps go on: {time}, {later}");
    }
    eventually("GStreamer has read all", || udp_state::queued_octets(gstreamer.id(), GSTREAMER) == 0);
    gstreamer.interrupt(LIMIT).unwrap();
    let decoded = stage.file("ffmpeg.md5");
    eventually("FFmpeg shows the second camera", || {
        run(sums(&decoded).iter().rev(), sent[1].iter().rev()) >= KEY_PICTURES
    });
    // It ends here: asked to, it would wait ten seconds for packets.
    drop(ffmpeg);
    check_pictures(&stage, &sent);
    gateway.stop().unwrap();
}

/// GStreamer has all pictures of the first camera, and FFmpeg some of each.
fn check_pictures(stage: &Stage, sent: &[Vec<String>; 2]) {
    let got = stage.decode(&stage.file("gstreamer.h264"), "gstreamer");
    assert_eq!(run(got.iter(), sent[0].iter()), got.len(), "what GStreamer took, decoded");
    assert!(got.len() + 2 >= PICTURES, "{} pictures", got.len());
    let got = sums(&stage.file("ffmpeg.md5"));
    // Between the take and the next key picture a decoder lacks what it needs.
    let (first, last) = (run(got.iter(), sent[0].iter()), run(got.iter().rev(), sent[1].iter().rev()));
    println!("FFmpeg: {first} pictures of one camera, {last} of the other, {} in all", got.len());
    assert!(first >= KEY_PICTURES && last >= KEY_PICTURES, "{first} and {last} of {}", got.len());
    assert!(first + last + KEY_PICTURES >= got.len(), "{first} and {last} of {}", got.len());
}

#[test]
fn h264_is_relayed_by_the_kernels_sockets() {
    cameras_and_receivers(Io::Kernel);
}

#[test]
fn h264_is_relayed_by_a_port() {
    cameras_and_receivers(Io::AfPacket);
}
