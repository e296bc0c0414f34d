//! `flow_sdianc_data` of IS-04 v1.3: ancillary data beside pictures.

use media::AncillaryFormat;
use serde_json::{Map, Value, json};

use super::{Member, NmosError, grain_rate, media_type, tag_value};

pub(super) const FORMAT: &str = "urn:x-nmos:format:data";
const MEDIA_TYPE: &str = "video/smpte291";
/// Tag: octets of the longest grain, `["4096"]`.
pub const TAG_MAX_OCTETS: &str = "urn:x-flypack:tag:max-octets/v1.0";

pub(super) fn write(members: &mut Map<String, Value>, format: &AncillaryFormat) {
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("format", FORMAT.into());
    put("media_type", MEDIA_TYPE.into());
    put("tags", json!({ TAG_MAX_OCTETS: tag_value(format.max_octets()) }));
}

pub(super) fn read(resource: &Member<'_>) -> Result<AncillaryFormat, NmosError> {
    let kind = media_type(resource, MEDIA_TYPE)?;
    if kind.text()? != MEDIA_TYPE {
        return Err(kind.wrong("video/smpte291: rings carry no other data"));
    }
    let room = resource.tag(TAG_MAX_OCTETS, "the octets of the longest grain as [\"4096\"]: IS-04 has none")?;
    let format = AncillaryFormat::new(grain_rate(resource)?, room.u32_text()?);
    format.map_err(|source| NmosError::Ancillary { path: room.path().to_owned(), source })
}
