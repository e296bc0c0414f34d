//! Recordings, replays, captures and injections, those that are remembered after their end too.

use std::collections::BTreeMap;
use std::fmt;

use control::{Archive, Counters};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Labels of an object. The first tells it from all others of its kind.
type Labels = Vec<(&'static str, String)>;

/// Encodes them all.
pub(super) fn encode(encoder: &mut DescriptorEncoder, archive: &impl Archive) -> Result<(), fmt::Error> {
    let recordings = archive.recordings().into_iter().map(|status| {
        // Two may have been written to files of one name: the number is a recording's own.
        let labels =
            [("recording", status.id.to_string()), ("flow", status.flow.to_string()), ("path", status.path.clone())];
        (labels.into(), status.counters())
    });
    families(encoder, "recording", recordings)?;
    let replays = archive.replays().into_iter();
    families(encoder, "replay", replays.map(|status| (vec![("replay", status.flow.to_string())], status.counters())))?;
    let captures = archive.captures().into_iter();
    families(encoder, "capture", captures.map(|status| (vec![("port", status.port.to_string())], status.counters())))?;
    let injections = archive.injections().into_iter();
    families(
        encoder,
        "injection",
        injections.map(|status| (vec![("port", status.port.to_string())], status.counters())),
    )
}

/// Each counter of a kind, with all objects of it.
fn families(
    encoder: &mut DescriptorEncoder,
    kind: &str,
    objects: impl Iterator<Item = (Labels, Counters)>,
) -> Result<(), fmt::Error> {
    let mut families: BTreeMap<&str, Vec<(Labels, u64)>> = BTreeMap::new();
    for (labels, counters) in objects {
        for (name, value) in counters {
            families.entry(name).or_default().push((labels.clone(), value));
        }
    }
    for (name, series) in families {
        let metric = if name.starts_with("longest_") { MetricType::Gauge } else { MetricType::Counter };
        let (full, help) = (format!("flypack_{kind}_{name}"), format!("{} of a {kind}", name.replace('_', " ")));
        let mut family = encoder.encode_descriptor(&full, &help, None, metric)?;
        for (labels, value) in series {
            let mut encoder = family.encode_family(&labels)?;
            match metric {
                MetricType::Gauge => encoder.encode_gauge(&value)?,
                _ => encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use control::{ArchiveState, CaptureStatus, RecordingStatus};
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Shelf;

    impl Archive for Shelf {
        fn recordings(&self) -> Vec<RecordingStatus> {
            let rate = media::Rate::new(25, 1).unwrap();
            let format =
                media::VideoFormat::new(96, 24, media::Sampling::YCbCr422, media::Depth::Bits10, rate).unwrap();
            let recording = |id: u32| RecordingStatus {
                id,
                flow: "cam".parse().unwrap(),
                path: "/tapes/take1".to_owned(),
                format,
                state: ArchiveState::Done,
                trouble: None,
                grains: 10 * id,
                octets: 0,
                grains_lost: 0,
                grains_cancelled: 0,
                lines_lost: 0,
                evictions: 0,
                slow_writes: 0,
                longest_write_us: 700,
                disk_octets_per_second: 0,
                needed_octets_per_second: 0,
            };
            vec![recording(1), recording(2)]
        }

        fn captures(&self) -> Vec<CaptureStatus> {
            let port = "red".parse().unwrap();
            let (state, path) = (ArchiveState::Running, "/tapes/red.pcap".to_owned());
            vec![CaptureStatus { port, path, state, trouble: None, packets: 3, packets_seen: 5, packets_dropped: 2 }]
        }
    }

    impl Collector for Shelf {
        fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
            encode(&mut encoder, self)
        }
    }

    #[test]
    fn two_recordings_into_one_path_are_two_series_and_captures_tell_their_drops() {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(Shelf));
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"flypack_recording_grains_total{recording="1",flow="cam",path="/tapes/take1"} 10"#,
            r#"flypack_recording_grains_total{recording="2",flow="cam",path="/tapes/take1"} 20"#,
            r#"flypack_recording_longest_write_us{recording="1",flow="cam",path="/tapes/take1"} 700"#,
            r#"flypack_capture_packets_dropped_total{port="red"} 2"#,
        ] {
            assert_eq!(text.lines().filter(|own| *own == line).count(), 1, "{line}\n{text}");
        }
    }
}
