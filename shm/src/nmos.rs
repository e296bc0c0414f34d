//! A flow as an NMOS IS-04 v1.3 flow resource, in JSON.
//!
//! | here | resource | `format` | `media_type` |
//! |---|---|---|---|
//! | [`FlowFormat::Video`] | `flow_video_raw` | `urn:x-nmos:format:video` | `video/raw` |
//! | [`FlowFormat::Audio`], L16 and L24 | `flow_audio_raw` | `urn:x-nmos:format:audio` | `audio/L16`, `audio/L24` |
//! | [`FlowFormat::Audio`], F32 | `flow_audio_coded` | `urn:x-nmos:format:audio` | `audio/float32` |
//! | [`FlowFormat::Ancillary`] | `flow_sdianc_data` | `urn:x-nmos:format:data` | `video/smpte291` |
//!
//! IS-04 counts only `audio/L<bits>` as raw, and has no floating-point audio: such a flow goes as a coded one, whose
//! media type is free.
//!
//! What a ring must know and IS-04's flows do not carry stands in `tags`, each with one text:
//!
//! * [`TAG_CHANNELS`]: channels of audio, which IS-04 leaves to the source (`source_audio.channels`);
//! * [`TAG_BLOCK_SAMPLES`]: samples of one block of audio. Without it `grain_rate` gives them, where it divides the
//!   sample rate;
//! * [`TAG_MAX_OCTETS`]: room of one grain of ancillary data.
//!
//! Members and tags that are not named here are ignored when reading. `grain_rate`, which IS-04 lets a flow leave to
//! its source, is needed for video and ancillary data: a ring's grains are numbered by it.

mod ancillary;
mod audio;
mod error;
mod member;
#[cfg(test)]
mod tests;
mod video;

use media::{FlowFormat, FlowId, Name, Rate, Tai};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use ancillary::TAG_MAX_OCTETS;
pub use audio::{TAG_BLOCK_SAMPLES, TAG_CHANNELS};
pub use error::NmosError;
use member::Member;

/// What a flow resource says of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowResource {
    /// `id`.
    pub id: FlowId,
    /// `label`: the name of the flow at the broker.
    pub name: Name,
    /// Everything else that is read.
    pub format: FlowFormat,
}

/// What a flow resource must say and a ring does not know. Not read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// When an attribute of the resource changed last.
    pub version: Tai,
    /// The source of the flow.
    pub source_id: Uuid,
    /// The device of the source.
    pub device_id: Uuid,
    /// The colour space of video.
    pub colorspace: Colorspace,
}

/// Colour spaces of IS-04 v1.3 (`flow_video.colorspace`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colorspace {
    /// `BT601`.
    Bt601,
    /// `BT709`.
    #[default]
    Bt709,
    /// `BT2020`.
    Bt2020,
    /// `BT2100`.
    Bt2100,
}

impl Colorspace {
    const fn text(self) -> &'static str {
        match self {
            Self::Bt601 => "BT601",
            Self::Bt709 => "BT709",
            Self::Bt2020 => "BT2020",
            Self::Bt2100 => "BT2100",
        }
    }
}

impl FlowResource {
    /// Reads a flow resource.
    ///
    /// # Errors
    /// [`NmosError`] names the member that is wrong, as a path, and what would work.
    pub fn from_json(text: &str) -> Result<Self, NmosError> {
        let value: Value = serde_json::from_str(text).map_err(|error| NmosError::Json {
            line: error.line(),
            column: error.column(),
            eof: error.is_eof(),
        })?;
        Self::from_value(&value)
    }

    /// Reads a flow resource that has been parsed as JSON.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_value(value: &Value) -> Result<Self, NmosError> {
        let resource = Member::root(value);
        let id = resource.member("id", "a UUID")?;
        let id: Uuid = id.text()?.parse().map_err(|_| id.wrong("a UUID, as 9f56a0f1-8c8b-5e24-8c39-6ab0f8a1a9f1"))?;
        let label = resource.member("label", "the name of the flow")?;
        let name = label.text()?.parse().map_err(|_| label.wrong("1 to 64 of A-Z a-z 0-9 . _ -, first no sign"))?;
        let format = resource.member("format", FORMATS)?;
        let format = match format.text()? {
            video::FORMAT => video::read(&resource)?.into(),
            audio::FORMAT => audio::read(&resource)?.into(),
            ancillary::FORMAT => ancillary::read(&resource)?.into(),
            _ => return Err(format.wrong(FORMATS)),
        };
        Ok(Self { id: FlowId::from_octets(id.into_bytes()), name, format })
    }

    /// The whole resource, as IS-04 v1.3 has it.
    #[must_use]
    pub fn to_value(&self, provenance: &Provenance) -> Value {
        let Provenance { version, source_id, device_id, colorspace } = provenance;
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("id", self.id.to_string().into());
        put("label", self.name.as_str().into());
        put("description", self.format.to_string().into());
        put("version", version_text(*version).into());
        put("source_id", source_id.to_string().into());
        put("device_id", device_id.to_string().into());
        put("parents", json!([]));
        put("tags", json!({}));
        put("grain_rate", rate_value(self.format.rate()));
        match &self.format {
            FlowFormat::Video(format) => video::write(&mut members, format, *colorspace),
            FlowFormat::Audio(format) => audio::write(&mut members, format),
            FlowFormat::Ancillary(format) => ancillary::write(&mut members, format),
        }
        members.into()
    }
}

const FORMATS: &str = "urn:x-nmos:format:video, urn:x-nmos:format:audio or urn:x-nmos:format:data";

/// `<seconds>:<nanoseconds>` of TAI (IS-04 v1.3, `resource_core.version`), which has no sign.
fn version_text(version: Tai) -> String {
    let nanos = version.as_nanos().max(0);
    format!("{}:{}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

fn rate_value(rate: Rate) -> Value {
    json!({ "numerator": rate.num(), "denominator": rate.den() })
}

/// `grain_rate` or `sample_rate`: the denominator is 1 where it is left out.
fn read_rate(ratio: &Member<'_>) -> Result<Rate, NmosError> {
    let num = ratio.member("numerator", "1 or more")?.u32()?;
    let den = ratio.optional("denominator")?.map_or(Ok(1), |den| den.u32())?;
    Rate::new(num, den).map_err(|_| ratio.wrong("a numerator and a denominator above 0"))
}

/// `grain_rate` of a flow whose grains are numbered by it.
fn grain_rate(resource: &Member<'_>) -> Result<Rate, NmosError> {
    read_rate(&resource.member("grain_rate", "{\"numerator\": 60000, \"denominator\": 1001}, as the source has it")?)
}

fn tag_value(value: u32) -> Value {
    json!([value.to_string()])
}

/// `media_type`, which says what the format alone does not.
fn media_type<'a>(resource: &Member<'a>, legal: &'static str) -> Result<Member<'a>, NmosError> {
    resource.member("media_type", legal)
}
