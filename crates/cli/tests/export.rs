//! `export`, on a recording that is written here as the index's page says.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

use media::recording::{Entry, Header};
use media::{Depth, GrainIndex, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use serde_json::Value;

/// 4 × 3 pixels of 8 bits: rows of 8 octets.
fn header() -> Header {
    let rate = Rate::new(25, 1).unwrap();
    let format = VideoFormat::new(4, 3, Sampling::YCbCr422, Depth::Bits8, rate).unwrap();
    Header { flow: "cam".parse().unwrap(), format, started: Tai::EPOCH }
}

/// Three grains of 0x11, 0x22 and 0x33; the second lost its middle row.
fn recording(folder: &Path) {
    let header = header();
    let (mut index, mut grains) = (header.encode().to_vec(), Vec::new());
    for number in 0..3_u32 {
        let lost = if number == 1 { vec![1] } else { Vec::new() };
        let offset = u64::from(number) * header.grain_stride();
        let (tai, rtp, grain) = (Tai::EPOCH, RtpTimestamp(0), GrainIndex(number.into()));
        header.encode_entry(&Entry { number, index: grain, tai, rtp, offset, octets: 24, lost }, &mut index);
        grains.resize(offset as usize, 0xee);
        grains.extend([0x11 * (number as u8 + 1); 24]);
    }
    std::fs::write(folder.join("take1.index"), index).unwrap();
    std::fs::write(folder.join("take1"), grains).unwrap();
}

fn export(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flypack"));
    command.current_dir(folder).args(["--json", "export"]).args(arguments.split(' ')).output().unwrap()
}

#[test]
fn frames_come_out_without_padding_and_lost_rows_are_black() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path());
    let output = export(folder.path(), "take1 --output -");
    assert!(output.status.success());
    let black = [0x80, 0x10, 0x80, 0x10, 0x80, 0x10, 0x80, 0x10];
    let wanted = [&[0x11; 24][..], &[0x22; 8], &black, &[0x22; 8], &[0x33; 24]].concat();
    assert_eq!(output.stdout, wanted);
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&summary["frames_written"], &summary["lines_lost"]), (&Value::from(3), &Value::from(1)));
}

#[test]
fn a_part_of_it_goes_into_one_file_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path());
    let output = export(folder.path(), "take1 --output f-%02d.raw --skip 2 --frames 9");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(folder.path().join("f-01.raw")).unwrap(), [0x33; 24]);
    assert!(!folder.path().join("f-02.raw").exists());
    assert!(export(folder.path(), "take1 --output png").status.success());
    assert_eq!(&std::fs::read(folder.path().join("cam.png")).unwrap()[1..4], b"PNG");
}

#[test]
fn what_is_no_recording_is_told() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path());
    let code = |arguments: &str| {
        let output = export(folder.path(), arguments);
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        (output.status.code().unwrap(), error["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(code("nothing --output -"), (1, "file".into()));
    std::fs::write(folder.path().join("take1.index"), [0; 300]).unwrap();
    assert_eq!(code("take1 --output -"), (1, "recording".into()));
}
