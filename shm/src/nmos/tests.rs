//! Golden resources, round trips, and what reading makes of everything else.

use media::{AncillaryFormat, AudioDepth, AudioFormat, Depth, Sampling, VideoFormat};
use proptest::prelude::*;

use super::*;

const VIDEO: &str = r#"{
  "id": "9f56a0f1-8c8b-5e24-8c39-6ab0f8a1a9f1", "label": "cam-1", "description": "", "version": "1441704616:587121295",
  "source_id": "2aa143ac-0ab7-4d75-bc32-5c00c13d186f", "device_id": "169feb2c-3fae-42a5-ae2e-f6f8cbce29cf",
  "parents": [], "tags": {}, "format": "urn:x-nmos:format:video", "media_type": "video/raw",
  "grain_rate": {"numerator": 60000, "denominator": 1001}, "frame_width": 1920, "frame_height": 1080,
  "interlace_mode": "progressive", "colorspace": "BT709", "transfer_characteristic": "SDR",
  "components": [
    {"name": "Y", "width": 1920, "height": 1080, "bit_depth": 10},
    {"name": "Cb", "width": 960, "height": 1080, "bit_depth": 10},
    {"name": "Cr", "width": 960, "height": 1080, "bit_depth": 10}]}"#;

const AUDIO: &str = r#"{
  "id": "9f56a0f1-8c8b-5e24-8c39-6ab0f8a1a9f2", "label": "mic-1", "format": "urn:x-nmos:format:audio",
  "media_type": "audio/L24", "bit_depth": 24, "sample_rate": {"numerator": 48000},
  "grain_rate": {"numerator": 1000}, "tags": {"urn:x-flypack:tag:channels/v1.0": ["16"]}}"#;

const ANCILLARY: &str = r#"{
  "id": "9f56a0f1-8c8b-5e24-8c39-6ab0f8a1a9f3", "label": "anc-1", "format": "urn:x-nmos:format:data",
  "media_type": "video/smpte291", "DID_SDID": [{"DID": "0x60", "SDID": "0x60"}],
  "grain_rate": {"numerator": 25}, "tags": {"urn:x-flypack:tag:max-octets/v1.0": ["4096"]}}"#;

fn rate(num: u32, den: u32) -> Rate {
    Rate::new(num, den).unwrap()
}

fn format(text: &str) -> FlowFormat {
    FlowResource::from_json(text).unwrap().format
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn provenance() -> Provenance {
    Provenance {
        version: Tai::from_nanos(1_441_704_616_587_121_295),
        source_id: "2aa143ac-0ab7-4d75-bc32-5c00c13d186f".parse().unwrap(),
        device_id: "169feb2c-3fae-42a5-ae2e-f6f8cbce29cf".parse().unwrap(),
        colorspace: Colorspace::Bt709,
    }
}

/// What reading `text` says after the member at `pointer` was replaced.
fn error_with(text: &str, pointer: &str, replacement: Value) -> String {
    let mut changed = value(text);
    *changed.pointer_mut(pointer).unwrap() = replacement;
    FlowResource::from_value(&changed).unwrap_err().to_string()
}

#[test]
fn each_kind_is_read() {
    let picture = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate(60_000, 1001)).unwrap();
    assert_eq!(format(VIDEO), picture.into());
    assert_eq!(format(AUDIO), AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap().into());
    assert_eq!(format(ANCILLARY), AncillaryFormat::new(rate(25, 1), 4096).unwrap().into());
    let resource = FlowResource::from_json(VIDEO).unwrap();
    assert_eq!(resource.id.to_string(), "9f56a0f1-8c8b-5e24-8c39-6ab0f8a1a9f1");
    assert_eq!(resource.name.as_str(), "cam-1");
}

#[test]
fn a_picture_is_written_as_is_04_has_it() {
    let mut written = FlowResource::from_json(VIDEO).unwrap().to_value(&provenance());
    written["description"] = "".into();
    assert_eq!(written, value(VIDEO));
}

#[test]
fn the_tag_of_the_block_wins_over_a_grain_rate_of_pictures() {
    let mut resource = value(AUDIO);
    resource["grain_rate"] = json!({"numerator": 30000, "denominator": 1001});
    let error = FlowResource::from_value(&resource).unwrap_err().to_string();
    assert!(error.starts_with("grain_rate is ") && error.contains(TAG_BLOCK_SAMPLES), "{error}");
    resource["tags"][TAG_BLOCK_SAMPLES] = json!(["6"]);
    let read = FlowResource::from_value(&resource).unwrap();
    assert_eq!(read.format.slices(), 6);
}

#[test]
fn floating_point_audio_goes_as_a_coded_flow() {
    let format: FlowFormat = AudioFormat::new(2, 96_000, AudioDepth::F32, 96).unwrap().into();
    let resource = FlowResource { format, ..FlowResource::from_json(AUDIO).unwrap() };
    let mut written = resource.to_value(&provenance());
    assert_eq!((&written["media_type"], &written["bit_depth"]), (&json!("audio/float32"), &json!(32)));
    // A coded flow need not have it.
    written.as_object_mut().unwrap().remove("bit_depth");
    assert_eq!(FlowResource::from_value(&written), Ok(resource));
}

#[test]
fn errors_name_the_member_and_what_would_work() {
    for (text, pointer, replacement, path, works) in [
        (VIDEO, "/id", json!("cam"), "id is \"cam\"", "a UUID"),
        (VIDEO, "/label", json!("Camera 1"), "label is \"Camera 1\"", "A-Z"),
        (VIDEO, "/format", json!("urn:x-nmos:format:mux"), "format is", "urn:x-nmos:format:video"),
        (VIDEO, "/media_type", json!("video/jxsv"), "media_type is", "video/raw"),
        (VIDEO, "/interlace_mode", json!("interlaced_tff"), "interlace_mode is", "progressive"),
        (VIDEO, "/frame_width", json!(1920.5), "frame_width is 1920.5", "whole number"),
        (VIDEO, "/frame_width", json!(1280), "components[0].width is 1920", "frame_width makes it 1280"),
        (VIDEO, "/grain_rate/denominator", json!(0), "grain_rate is", "above 0"),
        (VIDEO, "/components/1/bit_depth", json!(12), "components[1].bit_depth is 12", "8 or 10"),
        (VIDEO, "/components/2/bit_depth", json!(8), "components[2].bit_depth is 8", "other components"),
        (VIDEO, "/components/1/height", json!(540), "components[1].height is 540", "1080"),
        (VIDEO, "/components/0/name", json!("R"), "components is", "Y, Cb and Cr"),
        (VIDEO, "/components/1", json!(7), "components[1] is 7", "an object"),
        (AUDIO, "/media_type", json!("audio/L20"), "media_type is", "audio/L16, audio/L24 or audio/float32"),
        (AUDIO, "/bit_depth", json!(16), "bit_depth is 16", "24"),
        (AUDIO, "/sample_rate/numerator", json!(22_000), "sample_rate: 22000 Hz", "48000"),
        (AUDIO, "/sample_rate", json!({"numerator": 96001, "denominator": 2}), "sample_rate is", "whole number of"),
        (AUDIO, "/tags", json!({}), "tags.urn:x-flypack:tag:channels/v1.0 is missing", "[\"2\"]"),
        (AUDIO, "/tags", json!({TAG_CHANNELS: ["65"]}), "tags.urn:x-flypack:tag:channels/v1.0[0]: 65", "1 to 64"),
        (AUDIO, "/tags", json!({TAG_CHANNELS: []}), "tags.urn:x-flypack:tag:channels/v1.0 is []", "one text"),
        (AUDIO, "/grain_rate/numerator", json!(5), "grain_rate: a block of 9600", "1 to 4800"),
        (ANCILLARY, "/media_type", json!("application/json"), "media_type is", "video/smpte291"),
        (ANCILLARY, "/tags", json!({TAG_MAX_OCTETS: ["5"]}), "tags.urn:x-flypack:tag:max-octets/v1.0[0]: ", "of 4"),
        (ANCILLARY, "/tags", json!({TAG_MAX_OCTETS: [4096]}), "tags.urn:x-flypack:tag:max-octets/v1.0[0] is", "text"),
    ] {
        let error = error_with(text, pointer, replacement);
        assert!(error.starts_with(path) && error.contains(works), "{pointer}: {error}");
    }
}

#[test]
fn the_pictures_size_is_checked_by_the_format() {
    let mut resource = value(VIDEO);
    resource["frame_width"] = 0.into();
    for at in 0..3 {
        resource["components"][at]["width"] = 0.into();
    }
    let error = FlowResource::from_value(&resource).unwrap_err();
    assert!(error.to_string().starts_with("frame_width and frame_height: 0x1080"), "{error}");
}

#[test]
fn a_flow_without_its_rate_is_told_so() {
    for text in [VIDEO, ANCILLARY] {
        let mut resource = value(text);
        resource.as_object_mut().unwrap().remove("grain_rate");
        let error = FlowResource::from_value(&resource).unwrap_err().to_string();
        assert!(error.starts_with("grain_rate is missing: give {"), "{error}");
    }
}

#[test]
fn a_text_that_ends_anywhere_is_no_resource() {
    for text in [VIDEO, AUDIO, ANCILLARY] {
        for end in 0..text.len() {
            let error = FlowResource::from_json(&text[..end]).unwrap_err();
            assert!(matches!(error, NmosError::Json { eof: true, .. }), "{end}: {error}");
        }
    }
}

/// Every member, also those within others, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.replace('/', "~1"), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

#[test]
fn a_member_of_any_other_type_is_an_error_or_is_ignored() {
    let ignored = ["/description", "/version", "/source_id", "/device_id", "/parents", "/colorspace", "/DID_SDID"];
    let strange = [Value::Null, json!(true), json!(-1), json!(1e300), json!([[]]), json!({"a": {}})];
    for text in [VIDEO, AUDIO, ANCILLARY] {
        let mut all = Vec::new();
        pointers(&value(text), "", &mut all);
        for pointer in all {
            let is_ignored = ignored.iter().any(|begin| pointer.starts_with(begin))
                || pointer == "/transfer_characteristic"
                || (pointer == "/tags" && text == VIDEO);
            for replacement in &strange {
                let mut changed = value(text);
                *changed.pointer_mut(&pointer).unwrap() = replacement.clone();
                let read = FlowResource::from_value(&changed);
                assert_eq!(read.is_ok(), is_ignored, "{pointer} {replacement} {read:?}");
            }
        }
    }
}

#[test]
fn a_long_wrong_value_is_shown_shortened() {
    let error = error_with(VIDEO, "/frame_height", json!("ü".repeat(100_000)));
    assert!(error.len() < 300, "{}", error.len());
}

fn formats() -> impl Strategy<Value = FlowFormat> {
    let rates = (1u32..240_000, 1u32..2000).prop_map(|(num, den)| rate(num, den));
    let depths = prop_oneof![Just(Depth::Bits8), Just(Depth::Bits10)];
    let video = (1u32..=32_767, 1u32..=32_767, depths, rates.clone()).prop_map(|(width, height, depth, rate)| {
        VideoFormat::new(width, height, Sampling::YCbCr422, depth, rate).unwrap().into()
    });
    let depths = prop_oneof![Just(AudioDepth::L16), Just(AudioDepth::L24), Just(AudioDepth::F32)];
    let hertz = proptest::sample::select(AudioFormat::SAMPLE_RATES_HZ.to_vec());
    let audio = (1u32..=64, hertz, depths, 1u32..=4800)
        .prop_map(|(channels, hertz, depth, block)| AudioFormat::new(channels, hertz, depth, block).unwrap().into());
    let ancillary = (rates, 3u32..=AncillaryFormat::MAX_OCTETS / 4)
        .prop_map(|(rate, words)| AncillaryFormat::new(rate, words * 4).unwrap().into());
    prop_oneof![video, audio, ancillary]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(id: [u8; 16], name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", format in formats()) {
        let resource = FlowResource { id: FlowId::from_octets(id), name: name.parse().unwrap(), format };
        let text = resource.to_value(&provenance()).to_string();
        prop_assert_eq!(FlowResource::from_json(&text), Ok(resource));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        prop_assert!(FlowResource::from_json(&text).is_err());
    }
}
