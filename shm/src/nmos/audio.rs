//! `flow_audio_raw` of IS-04 v1.3, and `flow_audio_coded` for floating-point samples.

use media::{AudioDepth, AudioFormat, AudioFormatError, Rate};
use serde_json::{Map, Value, json};

use super::{Member, NmosError, media_type, read_rate, tag_value};

pub(super) const FORMAT: &str = "urn:x-nmos:format:audio";
/// Tag: channels of the flow, `["16"]`.
pub const TAG_CHANNELS: &str = "urn:x-flypack:tag:channels/v1.0";
/// Tag: samples of one block, `["48"]`.
pub const TAG_BLOCK_SAMPLES: &str = "urn:x-flypack:tag:block-samples/v1.0";

const MEDIA_TYPES: &str = "audio/L16, audio/L24 or audio/float32";
const BLOCK: &str = "the samples of one block as [\"48\"], or a grain_rate that divides sample_rate";

pub(super) fn write(members: &mut Map<String, Value>, format: &AudioFormat) {
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("format", FORMAT.into());
    put("media_type", media_type_of(format.depth()).into());
    put("sample_rate", json!({ "numerator": format.sample_rate_hz(), "denominator": 1 }));
    put("bit_depth", format.depth().bits().into());
    let tags = [
        (TAG_CHANNELS.to_owned(), tag_value(format.channels().into())),
        (TAG_BLOCK_SAMPLES.to_owned(), tag_value(format.block_samples().into())),
    ];
    put("tags", Value::Object(tags.into_iter().collect()));
}

const fn media_type_of(depth: AudioDepth) -> &'static str {
    match depth {
        AudioDepth::L16 => "audio/L16",
        AudioDepth::L24 => "audio/L24",
        AudioDepth::F32 => "audio/float32",
    }
}

pub(super) fn read(resource: &Member<'_>) -> Result<AudioFormat, NmosError> {
    let depth = depth(resource)?;
    let sample_rate = resource.member("sample_rate", "{\"numerator\": 48000}")?;
    let rate = read_rate(&sample_rate)?;
    if rate.den() != 1 {
        return Err(sample_rate.wrong("a whole number of hertz"));
    }
    let channels = resource.tag(TAG_CHANNELS, "the number of channels as [\"2\"]: IS-04 has it at the source only")?;
    let block = block(resource, rate)?;
    AudioFormat::new(channels.u32_text()?, rate.num(), depth, block.samples).map_err(|source| {
        let path = match source {
            AudioFormatError::Channels(_) => channels.path().to_owned(),
            AudioFormatError::SampleRate(_) => sample_rate.path().to_owned(),
            AudioFormatError::BlockSamples(_) => block.path,
        };
        NmosError::Audio { path, source }
    })
}

fn depth(resource: &Member<'_>) -> Result<AudioDepth, NmosError> {
    let kind = media_type(resource, MEDIA_TYPES)?;
    let text = kind.text()?;
    let all = [AudioDepth::L16, AudioDepth::L24, AudioDepth::F32];
    let depth = all.into_iter().find(|&depth| media_type_of(depth) == text).ok_or_else(|| kind.wrong(MEDIA_TYPES))?;
    // A coded flow has none in IS-04; where it stands it must not contradict.
    if let Some(bits) = resource.optional("bit_depth")? {
        match bits.u32()? {
            found if found == u32::from(depth.bits()) => {}
            found => {
                let (path, wanted) = (bits.path().to_owned(), depth.bits().into());
                return Err(NmosError::Disagrees { path, found, settles: "media_type", wanted });
            }
        }
    }
    Ok(depth)
}

/// Samples of one block, and what said so.
struct Block {
    path: String,
    samples: u32,
}

/// The tag says it exactly; without it the grain rate does, where a block is a whole number of samples.
fn block(resource: &Member<'_>, sample_rate: Rate) -> Result<Block, NmosError> {
    if let Some(tag) = resource.optional_tag(TAG_BLOCK_SAMPLES)? {
        return Ok(Block { path: tag.path().to_owned(), samples: tag.u32_text()? });
    }
    let missing = || NmosError::Missing { path: format!("tags.{TAG_BLOCK_SAMPLES}"), wanted: BLOCK };
    let grains = resource.optional("grain_rate")?.ok_or_else(missing)?;
    let rate = read_rate(&grains)?;
    let product = u64::from(sample_rate.num()) * u64::from(rate.den());
    let samples = product / u64::from(rate.num());
    match u32::try_from(samples) {
        Ok(samples) if product.is_multiple_of(rate.num().into()) => {
            Ok(Block { path: grains.path().to_owned(), samples })
        }
        _ => Err(grains.wrong("a rate that divides sample_rate, or the tag urn:x-flypack:tag:block-samples/v1.0")),
    }
}
