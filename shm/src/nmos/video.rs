//! `flow_video_raw` of IS-04 v1.3: progressive Y′CbCr 4:2:2 pictures.

use media::{Depth, Sampling, VideoFormat};
use serde_json::{Map, Value, json};

use super::{Colorspace, Member, NmosError, grain_rate, media_type};

pub(super) const FORMAT: &str = "urn:x-nmos:format:video";
const MEDIA_TYPE: &str = "video/raw";
const COMPONENTS: &str = "three components named Y, Cb and Cr: 4:2:2 is what rings carry";

pub(super) fn write(members: &mut Map<String, Value>, format: &VideoFormat, colorspace: Colorspace) {
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("format", FORMAT.into());
    put("media_type", MEDIA_TYPE.into());
    put("frame_width", format.width().into());
    put("frame_height", format.height().into());
    put("interlace_mode", "progressive".into());
    put("colorspace", colorspace.text().into());
    // A ring does not know it; SDR is what IS-04 assumes where it is left out.
    put("transfer_characteristic", "SDR".into());
    let component = |name: &str| {
        let width = component_width(name, format.width().into());
        json!({ "name": name, "width": width, "height": format.height(), "bit_depth": format.depth().bits() })
    };
    put("components", json!(["Y", "Cb", "Cr"].map(component)));
}

/// 4:2:2: each sample of colour difference covers two pixels of a row.
fn component_width(name: &str, frame_width: u32) -> u32 {
    if name == "Y" { frame_width } else { frame_width.div_ceil(2) }
}

pub(super) fn read(resource: &Member<'_>) -> Result<VideoFormat, NmosError> {
    let kind = media_type(resource, MEDIA_TYPE)?;
    if kind.text()? != MEDIA_TYPE {
        return Err(kind.wrong(MEDIA_TYPE));
    }
    if let Some(mode) = resource.optional("interlace_mode")?
        && mode.text()? != "progressive"
    {
        return Err(mode.wrong("progressive: rings carry no fields"));
    }
    let width = resource.member("frame_width", "pixels, 1 to 32767")?.u32()?;
    let height = resource.member("frame_height", "rows, 1 to 32767")?.u32()?;
    let rate = grain_rate(resource)?;
    let depth = depth(&resource.member("components", COMPONENTS)?, width, height)?;
    Ok(VideoFormat::new(width, height, Sampling::YCbCr422, depth, rate)?)
}

/// The depth that all three components have, whose sizes must be those of 4:2:2.
fn depth(components: &Member<'_>, width: u32, height: u32) -> Result<Depth, NmosError> {
    let list = components.elements()?;
    let mut depth = None;
    for wanted in ["Y", "Cb", "Cr"] {
        let component = find(&list, wanted)?.ok_or_else(|| components.wrong(COMPONENTS))?;
        expect(component, "width", "frame_width", component_width(wanted, width))?;
        expect(component, "height", "frame_height", height)?;
        let bits = component.member("bit_depth", "8 or 10")?;
        let read = match bits.u32()? {
            8 => Depth::Bits8,
            10 => Depth::Bits10,
            _ => return Err(bits.wrong("8 or 10")),
        };
        if *depth.get_or_insert(read) != read {
            return Err(bits.wrong("the bit depth of the other components"));
        }
    }
    depth.filter(|_| list.len() == 3).ok_or_else(|| components.wrong(COMPONENTS))
}

fn find<'a, 'b>(list: &'b [Member<'a>], wanted: &str) -> Result<Option<&'b Member<'a>>, NmosError> {
    for component in list {
        if component.member("name", "Y, Cb or Cr")?.text()? == wanted {
            return Ok(Some(component));
        }
    }
    Ok(None)
}

/// A member that the size of the frame settles in 4:2:2.
fn expect(component: &Member<'_>, name: &str, settles: &'static str, wanted: u32) -> Result<(), NmosError> {
    let member = component.member(name, "pixels")?;
    match member.u32()? {
        found if found == wanted => Ok(()),
        found => Err(NmosError::Disagrees { path: member.path().to_owned(), found, settles, wanted }),
    }
}
