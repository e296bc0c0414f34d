//! Descriptions by products and peers, round trip, mutation, and each refusal by what it says.

use super::*;
use media::{Depth, Sampling};
use proptest::prelude::*;

const ST2110: &str = "v=0\r\n\
    o=- 1443716955 1443716955 IN IP4 192.168.10.5\r\n\
    s=Camera 1\r\n\
    t=0 0\r\n\
    m=video 50000 RTP/AVP 96\r\n\
    c=IN IP4 239.10.1.1/64\r\n\
    a=source-filter: incl IN IP4 239.10.1.1 192.168.10.5\r\n\
    a=rtpmap:96 raw/90000\r\n\
    a=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=60000/1001; depth=10; TCS=SDR; \
    colorimetry=BT709; PM=2110BPM; SSN=ST2110-20:2017; TP=2110TPNL; TROFF=37; CMAX=20; MAXUDP=8960; PAR=1:1; \r\n\
    a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127\r\n\
    a=mediaclk:direct=0\r\n\
    a=mid:primary\r\n";

const FFMPEG: &str = "SDP:\nv=0\no=- 0 0 IN IP4 127.0.0.1\ns=No Name\nc=IN IP4 127.0.0.1\nt=0 0\n\
    a=tool:libavformat 59.27.100\nm=video 5999 RTP/AVP 96\nb=AS:5760\na=rtpmap:96 raw/90000\n\
    a=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; depth=10\n\n";

fn rate(num: u32, den: u32) -> Rate {
    Rate::new(num, den).unwrap()
}

fn format(width: u32, height: u32, depth: Depth, rate: Rate) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, rate).unwrap()
}

fn parse(text: &str) -> Result<VideoSdp, SdpError> {
    VideoSdp::parse(text, None)
}

/// The error that `ST2110` gives when `from` in it becomes `to`.
fn refused(from: &str, to: &str) -> String {
    assert!(ST2110.contains(from), "{from}");
    parse(&ST2110.replace(from, to)).expect_err(to).to_string()
}

/// The description when `from` in `ST2110` becomes `to`.
fn accepted(from: &str, to: &str) -> VideoSdp {
    assert!(ST2110.contains(from), "{from}");
    parse(&ST2110.replace(from, to)).unwrap_or_else(|error| panic!("{to}: {error}"))
}

#[test]
fn a_whole_st_2110_description_is_read() {
    let sdp = parse(ST2110).unwrap();
    assert_eq!(sdp.session_name, "Camera 1");
    assert_eq!((sdp.origin.session_id.as_str(), sdp.origin.session_version), ("1443716955", 1_443_716_955));
    assert_eq!(sdp.destination, "239.10.1.1:50000".parse().unwrap());
    assert_eq!((sdp.ttl, sdp.sources.as_slice()), (Some(64), ["192.168.10.5".parse().unwrap()].as_slice()));
    assert_eq!(sdp.payload_type, PayloadType(96));
    assert_eq!(sdp.format, format(1920, 1080, Depth::Bits10, rate(60_000, 1001)));
    assert_eq!((sdp.packing, sdp.limit), (PackingMode::Bpm, UdpLimit::Extended));
    assert_eq!((sdp.sender_type, sdp.troff_micros, sdp.c_max), (Some(SenderType::NL), Some(37), Some(20)));
    assert_eq!(
        (sdp.colorimetry.as_deref(), sdp.tcs.as_deref(), sdp.range.as_deref()),
        (Some("BT709"), Some("SDR"), None)
    );
    assert_eq!(sdp.other, [("PAR".to_owned(), Some("1:1".to_owned()))]);
    assert_eq!(sdp.media_clock, Some(MediaClock::Direct(0)));
    assert_eq!(sdp.warnings, Vec::<String>::new());
    assert_eq!(sdp.to_string(), "1920x1080p60000/1001 4:2:2 10 bit to 239.10.1.1:50000");
}

#[test]
fn what_ffmpeg_prints_is_read_with_a_rate_from_elsewhere() {
    let sdp = VideoSdp::parse(FFMPEG, Some(rate(5, 1))).unwrap();
    assert_eq!(sdp.format, format(320, 180, Depth::Bits10, rate(5, 1)));
    assert_eq!((sdp.packing, sdp.ssn.clone(), sdp.is_ptp_locked()), (PackingMode::Gpm, None, false));
    let error = parse(FFMPEG).unwrap_err().to_string();
    assert!(error.contains("exactframerate=25") && error.contains("configuration"), "{error}");
    let with_rate = FFMPEG.replace("b=AS:5760", "a=framerate:29.97");
    assert_eq!(parse(&with_rate).unwrap().format.rate(), rate(30_000, 1001));
    // What the stream says goes before what the caller says.
    assert_eq!(VideoSdp::parse(&with_rate, Some(rate(5, 1))).unwrap().format.rate(), rate(30_000, 1001));
}

#[test]
fn what_gstreamer_peers_write_is_read() {
    let sdp = parse(
        "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=Session streamed by GStreamer\r\nt=0 0\r\na=tool:GStreamer\r\na=type:broadcast\r\n\
         m=video 5004 RTP/AVP 33 96\r\nc=IN IP6 ff3e::1\r\na=rtpmap:33 MP2T/90000\r\na=rtpmap:96 RAW/90000\r\n\
         a=framerate:25\r\na=fmtp:96 sampling=YCbCr-4:2:2;depth=8;width=1280;height=720;colorimetry=BT709-2\r\n\
         a=ts-refclk:local\r\na=mediaclk:sender\r\na=ssrc:3232235777 cname:user@host\r\na=ssrc:3232235777 msid:x\r\n",
    )
    .unwrap();
    assert_eq!(sdp.destination, "[ff3e::1]:5004".parse().unwrap());
    assert_eq!((sdp.payload_type, sdp.ttl), (PayloadType(96), None));
    assert_eq!(sdp.format, format(1280, 720, Depth::Bits8, rate(25, 1)));
    assert_eq!((sdp.ssrc, sdp.is_ptp_locked()), (Some(Ssrc(3_232_235_777)), false));
}

#[test]
fn line_ends_case_tabs_and_separators_are_liberal() {
    let whole = parse(ST2110).unwrap();
    for text in [
        ST2110.replace("\r\n", "\n"),
        ST2110.replace("PAR=1:1; \r\n", "PAR=1:1\r\n"),
        ST2110.replace("; ", ";\t"),
        ST2110.replace("; ", ";"),
        ST2110.replace("exactframerate", "ExactFrameRate").replace("MAXUDP", "maxudp").replace("TCS", "tcs"),
        ST2110.replace("raw/90000", "RAW/90000").replace("m=video", "m=VIDEO"),
        ST2110.replace("mediaclk:direct=0", "mediaclk:direct=0 rate=90000"),
        ST2110.replace("39-A7-94-FF-FE-07-CB-D0", "39-a7-94-ff-fe-07-cb-d0"),
        format!("\r\n{ST2110}\r\n"),
    ] {
        assert_eq!(parse(&text).unwrap(), whole, "{text}");
    }
}

#[test]
fn ptp_lock_needs_ptp_and_a_clock_without_offset() {
    assert!(parse(ST2110).unwrap().is_ptp_locked());
    for (from, to) in [
        ("direct=0", "direct=42"),
        ("mediaclk:direct=0", "mediaclk:sender"),
        ("a=mediaclk:direct=0\r\n", ""),
        ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127", "localmac=7C-E9-D3-1B-9A-AF"),
        ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127", "ptp=nonsense"),
    ] {
        assert!(!accepted(from, to).is_ptp_locked(), "{to}");
    }
}

#[test]
fn clocks_of_the_session_count_where_the_media_section_has_none() {
    let clocks = "a=ts-refclk:ptp=IEEE1588-2008:traceable\r\na=mediaclk:direct=0\r\n";
    let own = &ST2110[ST2110.find("a=ts-refclk").unwrap()..ST2110.find("a=mid").unwrap()];
    let session = ST2110.replace(own, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{clocks}"));
    assert!(parse(&session).unwrap().is_ptp_locked());
    let both = session.replace("a=mid", "a=mediaclk:sender\r\na=mid");
    assert_eq!(parse(&both).unwrap().media_clock, Some(MediaClock::Sender));
}

#[test]
fn missing_parameters_are_named_with_a_remedy() {
    for (from, name) in [
        ("sampling=YCbCr-4:2:2; ", "sampling"),
        ("width=1920; ", "width"),
        ("height=1080; ", "height"),
        ("depth=10; ", "depth"),
        ("exactframerate=60000/1001; ", "exactframerate"),
        ("c=IN IP4 239.10.1.1/64\r\n", "c="),
        ("a=fmtp:96 ", "a=fmtp"),
    ] {
        let error = refused(from, if from == "a=fmtp:96 " { "a=fmtp:97 " } else { "" });
        assert!(error.contains(&format!("lacks {name}")) && error.contains("add "), "{error}");
    }
}

#[test]
fn doubled_parameters_are_named() {
    for doubled in ["width=1920; ", "Width=720; ", "PM=2110GPM; ", "x=1; X=2; "] {
        let error = refused("TCS=SDR; ", &format!("TCS=SDR; {doubled}"));
        assert!(error.contains("twice") && error.contains(doubled.split('=').next().unwrap()) || error.contains('X'));
    }
}

#[test]
fn unknown_parameters_are_kept_with_a_warning() {
    let sdp = accepted("TCS=SDR; ", "TCS=SDR; IPMX; VENDOR=a=b; TSMODE=SAMP; ");
    let text = |value: &str| Some(value.to_owned());
    let want = [("IPMX", None), ("VENDOR", text("a=b")), ("TSMODE", text("SAMP")), ("PAR", text("1:1"))];
    assert_eq!(sdp.other, want.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(sdp.warnings.len(), 2, "{:?}", sdp.warnings);
    assert!(sdp.to_sdp().contains("; IPMX; VENDOR=a=b; TSMODE=SAMP; PAR=1:1; "));
}

#[test]
fn what_is_not_supported_says_what_is() {
    for (from, to, want) in [
        ("YCbCr-4:2:2", "RGB", "use YCbCr-4:2:2"),
        ("YCbCr-4:2:2", "YCbCr-4:4:4", "use YCbCr-4:2:2"),
        ("depth=10", "depth=12", "use 8 or 10"),
        ("depth=10", "depth=16f", "use 8 or 10"),
        ("depth=10", "depth=10; interlace", "use progressive"),
        ("depth=10", "depth=10; interlace; segmented", "use progressive"),
        ("RTP/AVP", "RTP/SAVP", "use RTP/AVP"),
        ("raw/90000", "jxsv/90000", "rtpmap:<pt> raw/90000"),
        ("m=video", "m=audio", "m=video"),
        ("raw/90000", "raw/48000", "90000 Hz"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(want), "{to}: {error}");
    }
    assert!(parse("v=0\r\n").unwrap_err().to_string().contains("no m= section"));
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (from, to) in [
        ("width=1920", "width=0"),
        ("width=1920", "width=32768"),
        ("height=1080", "height=-1"),
        ("height=1080", "height=1080p"),
        ("width=1920", "width=99999999999"),
        ("60000/1001", "0"),
        ("60000/1001", "60000/0"),
        ("60000/1001", "59.94"),
        ("60000/1001", "4294967295"),
        ("60000/1001", "/"),
        ("2110BPM", "2110XPM"),
        ("MAXUDP=8960", "MAXUDP=9000"),
        ("TROFF=37", "TROFF=x"),
        ("CMAX=20", "CMAX=99999999999"),
        ("239.10.1.1/64\r\na=s", "camera.example\r\na=s"),
        ("m=video 50000", "m=video 0"),
        ("m=video 50000", "m=video 70000"),
        ("v=0", "v=1"),
        ("s=Camera 1", "s:Camera 1"),
    ] {
        refused(from, to);
    }
    assert!(parse("").is_err());
    let long = format!("{ST2110}{}", "a=x\r\n".repeat(VideoSdp::MAX_OCTETS / 5));
    assert!(matches!(parse(&long), Err(SdpError::TooLong { .. })));
}

#[test]
fn odd_but_usable_values_get_by_with_a_warning() {
    for (from, to, want) in [
        ("60000/1001", "50/2", "25"),
        ("60000/1001", "25/1", "25"),
        ("TP=2110TPNL", "TP=2110TPX", "TPX"),
        ("239.10.1.1/64\r\na=s", "239.10.1.1\r\na=s", "TTL"),
        ("239.10.1.1/64\r\na=s", "239.10.1.1/64/2\r\na=s", "several groups"),
        ("a=source-filter: incl", "a=source-filter: excl", "excl"),
        ("a=source-filter: incl IN", "a=source-filter: incl", "source-filter"),
        ("192.168.10.5\r\na=rtpmap", "fe80::1\r\na=rtpmap", "fe80::1"),
        ("a=source-filter: incl IN IP4 239.10.1.1", "a=source-filter: incl IN IP4 239.10.1.9", "not for 239.10.1.1"),
        ("a=mid:primary", "a=fmtp:96 sampling=RGB", "more than one a=fmtp:96"),
        ("a=mid:primary", "a=ssrc:1 cname:a\r\na=ssrc:2 cname:b", "several a=ssrc"),
    ] {
        let sdp = accepted(from, to);
        assert!(sdp.warnings.len() == 1 && sdp.warnings[0].contains(want), "{to}: {:?}", sdp.warnings);
    }
    let twice = format!("{ST2110}{}", &ST2110[ST2110.find("m=video").unwrap()..].replace("239.10.1.1", "239.10.1.2"));
    let sdp = parse(&twice).unwrap();
    assert_eq!(sdp.destination, "239.10.1.1:50000".parse().unwrap());
    assert!(sdp.warnings[0].contains("first"), "{:?}", sdp.warnings);
}

#[test]
fn source_filters_are_those_of_this_group() {
    let line = "a=source-filter: incl IN IP4 239.10.1.1 192.168.10.5";
    let sdp = accepted(line, "a=source-filter: incl IN IP4 239.9.9.9 10.0.0.1");
    assert!(sdp.sources.is_empty());
    let sdp = accepted(line, "a=source-filter:incl IN IP4 * 10.0.0.1 10.0.0.2 10.0.0.1");
    assert_eq!(sdp.sources, ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    // The session's counts where the media section has none.
    let sdp = accepted(&format!("{line}\r\n"), "");
    assert!(sdp.sources.is_empty());
    let session = ST2110.replace(&format!("{line}\r\n"), "").replace("t=0 0\r\n", &format!("t=0 0\r\n{line}\r\n"));
    assert_eq!(parse(&session).unwrap().sources.len(), 1);
}

#[test]
fn golden_text_is_written() {
    let destination = "239.10.1.1:50000".parse().unwrap();
    let format = format(1920, 1080, Depth::Bits10, rate(60_000, 1001));
    let source = "192.168.10.5".parse().unwrap();
    let mut sdp = VideoSdp::new("Camera 1", source, destination, PayloadType(96), format);
    sdp.sender_type = Some(SenderType::N);
    sdp.reference_clock = Some(ReferenceClock::LocalMac([0x7c, 0xe9, 0xd3, 0x1b, 0x9a, 0xaf]));
    sdp.media_clock = Some(MediaClock::Sender);
    sdp.ssrc = Some(Ssrc(7));
    let want = "v=0\r\no=- 0 0 IN IP4 192.168.10.5\r\ns=Camera 1\r\nt=0 0\r\nm=video 50000 RTP/AVP 96\r\n\
        c=IN IP4 239.10.1.1/64\r\na=source-filter: incl IN IP4 239.10.1.1 192.168.10.5\r\na=rtpmap:96 raw/90000\r\n\
        a=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=60000/1001; depth=10; TCS=SDR; \
        colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN; \r\n\
        a=ts-refclk:localmac=7C-E9-D3-1B-9A-AF\r\na=mediaclk:sender\r\na=ssrc:7 cname:flypack\r\n";
    assert_eq!(sdp.to_sdp(), want);
}

#[test]
fn a_name_cannot_add_lines() {
    let mut sdp = parse(ST2110).unwrap();
    sdp.session_name = "x\r\na=evil:1".to_owned();
    assert!(!sdp.to_sdp().contains("\na=evil"));
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn reference_clock() -> impl Strategy<Value = ReferenceClock> {
    let grandmaster = prop_oneof![Just(Grandmaster::Traceable), any::<[u8; 8]>().prop_map(Grandmaster::Identity)];
    prop_oneof![
        (grandmaster, prop::option::of(0u8..128)).prop_map(|(grandmaster, domain)| ReferenceClock::Ptp {
            version: "IEEE1588-2008".to_owned(),
            grandmaster,
            domain
        }),
        any::<[u8; 6]>().prop_map(ReferenceClock::LocalMac),
    ]
}

prop_compose! {
    fn any_sdp()(
        name in "[ -~]{0,30}",
        source in address(),
        destination in address(),
        port in 1u16..,
        payload_type in 0u8..128,
        (width, height) in (1u32..32_768, 1u32..32_768),
        ten_bits in any::<bool>(),
        (num, den) in (1u32..200_000, 200u32..4000),
        (block, extended) in (any::<bool>(), any::<bool>()),
        sender_type in prop::option::of(prop_oneof![Just(SenderType::N), Just(SenderType::NL), Just(SenderType::W)]),
        (troff, c_max, ssrc) in (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>()),
        reference_clock in prop::option::of(reference_clock()),
        media_clock in prop::option::of(prop_oneof![any::<u64>().prop_map(MediaClock::Direct), Just(MediaClock::Sender)]),
    ) -> VideoSdp {
        let depth = if ten_bits { Depth::Bits10 } else { Depth::Bits8 };
        let format = format(width, height, depth, rate(num, den));
        let destination = SocketAddr::new(destination, port);
        let mut sdp = VideoSdp::new(name.trim(), source, destination, PayloadType(payload_type), format);
        sdp.sources.retain(|source| source.is_ipv4() == destination.is_ipv4());
        sdp.packing = if block { PackingMode::Bpm } else { PackingMode::Gpm };
        sdp.limit = if extended { UdpLimit::Extended } else { UdpLimit::Standard };
        sdp.sender_type = sender_type;
        (sdp.troff_micros, sdp.c_max, sdp.ssrc) = (troff, c_max, ssrc.map(Ssrc));
        (sdp.reference_clock, sdp.media_clock) = (reference_clock, media_clock);
        sdp.other = vec![("PAR".to_owned(), Some("12:11".to_owned())), ("TSMODE".to_owned(), Some("NEW".to_owned()))];
        sdp
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(sdp in any_sdp()) {
        let mut back = parse(&sdp.to_sdp()).map_err(|error| TestCaseError::fail(format!("{error}: {}", sdp.to_sdp())))?;
        back.warnings.clear();
        prop_assert_eq!(back, sdp);
    }

    /// Any octets changed, left out or put in: an error or a description that reads back the same.
    #[test]
    fn mutated_descriptions_never_panic_and_read_back(
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\r\n\t]{0,3}", 0usize..3), 1..8),
    ) {
        let mut text = ST2110.to_owned();
        for (at, put, remove) in edits {
            let at = at.index(text.len());
            let end = (at + remove).min(text.len());
            text.replace_range(at..end, &put);
        }
        if let Ok(sdp) = parse(&text) {
            let again = parse(&sdp.to_sdp()).map_err(|error| TestCaseError::fail(format!("{error}: {}", sdp.to_sdp())))?;
            prop_assert_eq!((again.format, again.destination), (sdp.format, sdp.destination));
            prop_assert_eq!((again.packing, again.other), (sdp.packing, sdp.other));
        }
    }

    #[test]
    fn any_text_is_refused_or_read(text in "\\PC*") {
        let _ = parse(&text);
        let _ = parse(&format!("v=0\nm=video 1 RTP/AVP 96\na=rtpmap:96 raw/90000\n{text}"));
    }
}

#[test]
fn every_truncation_is_refused_or_read() {
    for length in 0..ST2110.len() {
        if let Ok(sdp) = parse(&ST2110[..length]) {
            assert!(length > ST2110.find("a=fmtp").unwrap(), "{length}");
            assert_eq!(sdp.destination, "239.10.1.1:50000".parse().unwrap());
        }
    }
}

#[test]
fn a_stream_with_two_legs_is_grouped_and_read() {
    let format = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap();
    let leg = |source: &str, to: &str| {
        VideoSdp::new("both", source.parse().unwrap(), to.parse().unwrap(), PayloadType(96), format)
    };
    let (first, second) = (leg("192.0.2.1", "239.1.1.1:5004"), leg("198.51.100.1", "239.1.2.1:5006"));
    let text = first.to_sdp_with_second(&second);
    let lines: Vec<&str> = text.lines().collect();
    let at =
        |line: &str| lines.iter().position(|found| *found == line).unwrap_or_else(|| panic!("no {line} in {text}"));
    // RFC 5888: the group is the session's, each mid its media's.
    let medias: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].starts_with("m=")).collect();
    assert_eq!((lines[medias[0]], lines[medias[1]]), ("m=video 5004 RTP/AVP 96", "m=video 5006 RTP/AVP 96"));
    assert!(at("a=group:DUP primary secondary") < medias[0]);
    assert!((medias[0]..medias[1]).contains(&at("a=mid:primary")) && at("a=mid:secondary") > medias[1]);
    assert!(at("a=source-filter: incl IN IP4 239.1.2.1 198.51.100.1") > medias[1]);
    let read = VideoSdp::parse(&text, None).unwrap();
    assert_eq!((read.destination, read.format), (first.destination, format));
    let leg = SecondLeg { destination: second.destination, ttl: second.ttl, sources: second.sources.clone() };
    assert_eq!((&read.second, read.warnings.len()), (&Some(leg), 1), "{:?}", read.warnings);
    assert_eq!(read.second_leg().unwrap().sources, second.sources);
    assert_eq!(VideoSdp::parse(&read.to_sdp(), None).unwrap(), read, "{}", read.to_sdp());
}

#[test]
fn a_second_section_is_a_leg_only_where_it_is_a_duplicate() {
    let (head, media) = ST2110.split_at(ST2110.find("m=video").unwrap());
    let section = |mid: &str, port: &str| {
        media.replace("m=video 50000", &format!("m=video {port}")).replace("a=mid:primary\r\n", mid)
    };
    let two = |group: &str, second: &str| {
        let text = [head, group, &section("a=mid:one\r\n", "50000"), second].concat();
        let read = parse(&text).unwrap();
        (read.second.map(|leg| leg.destination.port()), read.warnings.join("; "))
    };
    let other = section("a=mid:other\r\n", "50010");
    assert_eq!(two("a=group:DUP one other\r\n", &other).0, Some(50_010));
    assert_eq!(two("a=group:dup x other one\r\n", &other).0, Some(50_010));
    for (group, second, why) in [
        ("", other.clone(), "more than one raw video section"),
        ("a=group:LS one other\r\n", other.clone(), "more than one raw video section"),
        ("a=group:DUP one else\r\n", other.clone(), "more than one raw video section"),
        ("a=group:DUP one other\r\n", other.replace("width=1920", "width=1280"), "1280x1080"),
        ("a=group:DUP one other\r\n", section("a=mid:other\r\n", "50000"), "both go to"),
        ("a=group:DUP one other\r\n", other.replace("raw/90000", "jxsv/90000"), "no raw video"),
        ("a=group:DUP one other\r\n", other.replace("50010", "0"), "port 0"),
    ] {
        let (leg, warnings) = two(group, &second);
        assert!(leg.is_none() && warnings.contains(why), "{why}: {leg:?} {warnings}");
    }
}
