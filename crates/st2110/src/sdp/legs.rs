//! Reading: the second media section of a stream that is sent twice (ST 2022-7; RFC 7104, RFC 5888).

use media::Rate;
use sdp_types::{Media, Session};

use super::parse::{raw_payload_type, stream, values};
use super::{SecondLeg, VideoSdp};

/// The second leg of the stream that `first` describes, if the session groups one with it.
pub(super) fn second(
    session: &Session,
    first: &Media,
    sdp: &VideoSdp,
    default_rate: Option<Rate>,
    warnings: &mut Vec<String>,
) -> Option<SecondLeg> {
    let mut grouped = session.medias.iter().filter(|media| are_grouped(session, first, media));
    let other = grouped.next()?;
    if grouped.next().is_some() {
        warnings.push("a=group:DUP names more than two sections: the first two are used".into());
    }
    let mut ignore = |why: String| {
        warnings.push(format!("the second leg of a=group:DUP is not used: {why}"));
        None
    };
    let Some(payload_type) = raw_payload_type(other) else { return ignore("it is no raw video".to_owned()) };
    let mut odd = Vec::new();
    let leg = match stream(session, other, payload_type, default_rate, &mut odd) {
        Ok(leg) => leg,
        Err(error) => return ignore(error.to_string()),
    };
    // RFC 7104 §3: duplicates are the same packets.
    if (leg.format, leg.payload_type) != (sdp.format, sdp.payload_type) {
        return ignore(format!(
            "it is {} as payload type {}, not {} as {}",
            leg.format, leg.payload_type.0, sdp.format, sdp.payload_type.0
        ));
    }
    if leg.destination == sdp.destination && leg.sources == sdp.sources {
        return ignore(format!("both go to {}", sdp.destination));
    }
    odd.retain(|warning| !warnings.contains(warning));
    warnings.extend(odd.into_iter().map(|warning| format!("second leg: {warning}")));
    Some(SecondLeg { destination: leg.destination, ttl: leg.ttl, sources: leg.sources })
}

/// Whether a `DUP` group of the session has both sections.
pub(super) fn are_grouped(session: &Session, one: &Media, other: &Media) -> bool {
    let (Some(one), Some(other)) = (mid(one), mid(other)) else { return false };
    let is_duplicated = |group: &str| {
        let mut tokens = group.split_whitespace();
        let is_dup = tokens.next().is_some_and(|semantics| semantics.eq_ignore_ascii_case("DUP"));
        let tokens: Vec<&str> = tokens.collect();
        is_dup && tokens.contains(&one) && tokens.contains(&other)
    };
    one != other && values(&session.attributes, "group").any(is_duplicated)
}

/// RFC 5888 §4.
fn mid(media: &Media) -> Option<&str> {
    values(&media.attributes, "mid").next().map(str::trim)
}
