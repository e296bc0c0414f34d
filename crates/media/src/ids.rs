//! Identifiers. NMOS IS-04 gives the words: Flow, Sender, Receiver.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A flow's UUID (NMOS IS-04 `flow.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(Uuid);

/// The namespace under which names become flow ids, so that a restart gives the same id.
const FLOW_NAMESPACE: Uuid = Uuid::from_u128(0x6f1b_9a52_8d1e_4c0b_9c55_7a1d_f1c4_0001);

impl FlowId {
    /// The id that belongs to `name`: the same at every start (UUID version 5, RFC 9562 §5.5).
    #[must_use]
    pub fn from_name(name: &Name) -> Self {
        Self(Uuid::new_v5(&FLOW_NAMESPACE, name.as_str().as_bytes()))
    }

    /// From its 16 octets in network order.
    #[must_use]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(octets))
    }

    /// Its 16 octets in network order.
    #[must_use]
    pub const fn octets(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

/// The index of a grain: the nearest integer of TAI × rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrainIndex(pub u64);

impl GrainIndex {
    /// Indices at or above this are refused by rings (frame ring, `open`).
    pub const LIMIT: u64 = 1 << 47;

    /// The index after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for GrainIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a receiver, sender or flow: 1 to [`Name::MAX_OCTETS`] of `A-Z a-z 0-9 . _ -`, first an
/// alphanumeric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no name: use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit")]
pub struct NameError(pub String);

impl Name {
    /// Longest name, in octets.
    pub const MAX_OCTETS: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=Self::MAX_OCTETS).contains(&text.len());
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        let legal = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if fits && begins && legal {
            Ok(Self(text.into()))
        } else {
            let shown: String = text.chars().take(Self::MAX_OCTETS + 1).collect();
            Err(NameError(shown))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_ids_are_stable_per_name() {
        let a: Name = "cam-1".parse().unwrap();
        let b: Name = "cam-2".parse().unwrap();
        assert_eq!(FlowId::from_name(&a), FlowId::from_name(&a));
        assert_ne!(FlowId::from_name(&a), FlowId::from_name(&b));
        assert_eq!(FlowId::from_octets(FlowId::from_name(&a).octets()), FlowId::from_name(&a));
    }

    #[test]
    fn names_that_could_confuse_a_path_or_a_label_are_refused() {
        for bad in ["", "-x", "../etc", "a b", "a\"b", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert_eq!("Cam_1.a".parse::<Name>().unwrap().to_string(), "Cam_1.a");
    }
}
