//! What a user may do with a flow.

/// What an access list grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowRight {
    /// Subscribing.
    Read,
    /// Producing.
    Produce,
}

impl std::fmt::Display for FlowRight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Produce => "produce",
        })
    }
}
