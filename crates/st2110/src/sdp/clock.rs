//! Reference and media clock of a stream (RFC 7273, ST 2110-10 §8).

use std::fmt;

/// `a=ts-refclk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceClock {
    /// PTP.
    Ptp {
        /// The profile's version, `IEEE1588-2008`.
        version: String,
        /// Which grandmaster.
        grandmaster: Grandmaster,
        /// PTP domain, 0 to 127.
        domain: Option<u8>,
    },
    /// The sender's own clock, named by a MAC address.
    LocalMac([u8; 6]),
    /// Anything else, as it was written.
    Other(String),
}

/// A PTP grandmaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grandmaster {
    /// Any that is traceable to TAI.
    Traceable,
    /// By its clock identity.
    Identity([u8; 8]),
}

/// `a=mediaclk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaClock {
    /// `direct=<offset>`: the timestamp is the reference clock plus this many ticks. ST 2110 has 0.
    Direct(u64),
    /// `sender`: free-running.
    Sender,
    /// Anything else, as it was written.
    Other(String),
}

impl From<&str> for ReferenceClock {
    fn from(text: &str) -> Self {
        let text = text.trim();
        ptp(text).or_else(|| local_mac(text)).unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

fn ptp(text: &str) -> Option<ReferenceClock> {
    // RFC 7273 §4.3
    let mut parts = text.strip_prefix("ptp=")?.split(':');
    let version = parts.next().filter(|version| version.starts_with("IEEE1588-"))?.to_owned();
    let grandmaster = match parts.next()? {
        any if any.eq_ignore_ascii_case("traceable") => Grandmaster::Traceable,
        identity => Grandmaster::Identity(hex_pairs(identity)?),
    };
    let domain = match parts.next() {
        Some(domain) => Some(domain.trim_start_matches("domain-nmbr=").parse().ok().filter(|d| *d < 128)?),
        None => None,
    };
    parts.next().is_none().then_some(ReferenceClock::Ptp { version, grandmaster, domain })
}

fn local_mac(text: &str) -> Option<ReferenceClock> {
    text.strip_prefix("localmac=").and_then(hex_pairs).map(ReferenceClock::LocalMac)
}

/// `N` pairs of hexadecimal digits with `-` between them, of either case.
fn hex_pairs<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let mut pairs = text.split('-');
    for octet in &mut octets {
        let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(octets)
}

impl From<&str> for MediaClock {
    fn from(text: &str) -> Self {
        // Products append ` rate=90000`; RFC 7273 §5.2 allows it.
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or("");
        let direct = first.strip_prefix("direct=").and_then(|offset| offset.parse().ok());
        match (direct, first) {
            (Some(offset), _) => Self::Direct(offset),
            (None, "sender") => Self::Sender,
            _ => Self::Other(text.trim().to_owned()),
        }
    }
}

impl fmt::Display for ReferenceClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ptp { version, grandmaster, domain } => {
                write!(f, "ptp={version}:")?;
                match grandmaster {
                    Grandmaster::Traceable => f.write_str("traceable")?,
                    Grandmaster::Identity(octets) => write_pairs(f, octets)?,
                }
                domain.map_or(Ok(()), |domain| write!(f, ":{domain}"))
            }
            Self::LocalMac(octets) => {
                f.write_str("localmac=")?;
                write_pairs(f, octets)
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn write_pairs(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    for (index, octet) in octets.iter().enumerate() {
        let dash = if index == 0 { "" } else { "-" };
        write!(f, "{dash}{octet:02X}")?;
    }
    Ok(())
}

impl fmt::Display for MediaClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(offset) => write!(f, "direct={offset}"),
            Self::Sender => f.write_str("sender"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_clocks_are_read_in_the_forms_products_write() {
        let identity = Grandmaster::Identity([0x39, 0xa7, 0x94, 0xff, 0xfe, 0x07, 0xcb, 0xd0]);
        for (text, grandmaster, domain) in [
            ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127", identity, Some(127)),
            ("ptp=IEEE1588-2008:39-a7-94-ff-fe-07-cb-d0:0", identity, Some(0)),
            ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0", identity, None),
            (" ptp=IEEE1588-2008:traceable ", Grandmaster::Traceable, None),
        ] {
            let want = ReferenceClock::Ptp { version: "IEEE1588-2008".to_owned(), grandmaster, domain };
            assert_eq!(ReferenceClock::from(text), want, "{text}");
            assert_eq!(ReferenceClock::from(want.to_string().as_str()), want);
        }
        let mac = ReferenceClock::from("localmac=7c-e9-d3-1B-9A-AF");
        assert_eq!(mac, ReferenceClock::LocalMac([0x7c, 0xe9, 0xd3, 0x1b, 0x9a, 0xaf]));
        assert_eq!(mac.to_string(), "localmac=7C-E9-D3-1B-9A-AF");
    }

    #[test]
    fn what_is_no_ptp_clock_is_kept_but_never_taken_for_one() {
        for text in [
            "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB:127",
            "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0-00:127",
            "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:128",
            "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:1:2",
            "ptp=IEEE1588-2008",
            "ptp=",
            "ntp=/traceable/",
            "localmac=+1-02-03-04-05-06",
            "",
        ] {
            assert_eq!(ReferenceClock::from(text), ReferenceClock::Other(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn media_clocks_are_read_with_a_trailing_rate() {
        assert_eq!(MediaClock::from("direct=0"), MediaClock::Direct(0));
        assert_eq!(MediaClock::from("direct=963214424 rate=90000"), MediaClock::Direct(963_214_424));
        assert_eq!(MediaClock::from("sender"), MediaClock::Sender);
        assert_eq!(MediaClock::from("direct=-1"), MediaClock::Other("direct=-1".to_owned()));
    }
}
