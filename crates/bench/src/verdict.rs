//! How a run ended.

/// Which the exit status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every packet arrived, and showed what was sent.
    Whole,
    /// Something was lost or wrong.
    Lossy,
}
