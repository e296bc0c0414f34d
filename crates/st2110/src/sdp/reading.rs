//! Reading: a description whose raw video is one stream, or one that is sent twice (ST 2022-7).

use media::{PayloadType, Rate};
use sdp_types::{Media, Session};

use super::parse::{described, raw_payload_type, read, stream};
use super::{SdpError, VideoSdp, legs};

pub(super) fn video(text: &str, default_rate: Option<Rate>) -> Result<VideoSdp, SdpError> {
    let session = read(text)?;
    let mut warnings = Vec::new();
    let (media, payload_type) = raw_video(&session, &mut warnings)?;
    let mut sdp = stream(&session, media, payload_type, default_rate, &mut warnings)?;
    sdp.second = legs::second(&session, media, &sdp, default_rate, &mut warnings);
    sdp.warnings = warnings;
    Ok(sdp)
}

/// The first media section with raw video, and its payload type.
fn raw_video<'a>(session: &'a Session, warnings: &mut Vec<String>) -> Result<(&'a Media, PayloadType), SdpError> {
    let mut found = session.medias.iter().filter_map(|media| Some((media, raw_payload_type(media)?)));
    let first = found.next().ok_or_else(|| SdpError::NoRawVideo { found: described(session) })?;
    if !first.0.proto.eq_ignore_ascii_case("RTP/AVP") {
        let value = first.0.proto.clone();
        return Err(SdpError::Unsupported { name: "m=video protocol", value, want: "use RTP/AVP over UDP" });
    }
    if found.any(|(other, _)| !legs::are_grouped(session, first.0, other)) {
        warnings.push(
            "more than one raw video section: the first is used, the others are not (legs of ST 2022-7 need a=group:DUP)"
                .into(),
        );
    }
    Ok(first)
}
