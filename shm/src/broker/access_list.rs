//! Which users may read and produce which flows.
//!
//! Rules stand in an order; the first whose pattern fits a flow's name decides. A flow that no rule fits may be used by
//! nobody, but where there is no rule at all everybody may use everything. Groups are the peer's effective one
//! (`SO_PEERCRED`), not its supplementary ones. The gateway itself is bound by no rule.

use media::Name;

use crate::access::Peer;
use crate::protocol::{FlowRight, Reason, Refusal};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRule {
    /// Which flows.
    pub flows: FlowPattern,
    /// Who may read them.
    pub read: Who,
    /// Who may produce them.
    pub produce: Who,
}

/// Users of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// Whoever may connect.
    #[default]
    Everyone,
    /// Those whose user or whose group is listed: nobody where both lists are empty.
    Listed {
        /// User ids.
        uids: Vec<u32>,
        /// Group ids.
        gids: Vec<u32>,
    },
}

/// Names of flows: one, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPattern {
    begin: String,
    /// Whether a name may go on after that.
    open: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names no flows: write a name, the beginning of names and *, or * alone")]
pub struct PatternError(pub String);

impl std::str::FromStr for FlowPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (begin, open) = text.strip_suffix('*').map_or((text, false), |begin| (begin, true));
        let named = begin.parse::<Name>().is_ok() || (open && begin.is_empty());
        if !named {
            return Err(PatternError(text.to_owned()));
        }
        Ok(Self { begin: begin.to_owned(), open })
    }
}

impl FlowPattern {
    fn fits(&self, name: &Name) -> bool {
        let text = name.as_str();
        if self.open { text.starts_with(&self.begin) } else { text == self.begin }
    }
}

impl Who {
    fn includes(&self, peer: &Peer) -> bool {
        match self {
            Self::Everyone => true,
            Self::Listed { uids, gids } => uids.contains(&peer.uid) || gids.contains(&peer.gid),
        }
    }
}

/// Whether `rules` let `peer` do that to a flow, which need not exist.
///
/// # Errors
/// [`Refusal::Flow`].
pub(super) fn check(rules: &[FlowRule], peer: &Peer, right: FlowRight, name: &Name) -> Result<(), Refusal> {
    let granted = rules.is_empty()
        || rules.iter().find(|rule| rule.flows.fits(name)).is_some_and(|rule| match right {
            FlowRight::Read => rule.read.includes(peer),
            FlowRight::Produce => rule.produce.includes(peer),
        });
    let refusal = || Refusal::Flow { uid: peer.uid, right, flow: Reason::new(name.as_str()) };
    if granted { Ok(()) } else { Err(refusal()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(flows: &str, read: Who, produce: Who) -> FlowRule {
        FlowRule { flows: flows.parse().unwrap(), read, produce }
    }

    fn uids(uids: &[u32]) -> Who {
        Who::Listed { uids: uids.to_vec(), gids: vec![] }
    }

    fn may(rules: &[FlowRule], (uid, gid): (u32, u32), right: FlowRight, name: &str) -> bool {
        let peer = Peer { uid, gid, pid: None };
        let checked = check(rules, &peer, right, &name.parse().unwrap());
        if let Err(refusal) = checked {
            let text = refusal.to_string();
            assert!(text.contains(&uid.to_string()) && text.contains(name), "{text}");
        }
        checked.is_ok()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        use FlowRight::{Produce, Read};
        let rules = [
            rule("cam-1", uids(&[7]), uids(&[])),
            rule("cam-*", Who::Listed { uids: vec![], gids: vec![44] }, uids(&[8])),
            rule("gfx", Who::Everyone, Who::Everyone),
        ];
        assert!(may(&rules, (7, 1), Read, "cam-1") && !may(&rules, (7, 1), Produce, "cam-1"));
        assert!(!may(&rules, (9, 44), Read, "cam-1"), "the second rule is not asked");
        assert!(may(&rules, (9, 44), Read, "cam-2") && may(&rules, (8, 1), Produce, "cam-2"));
        assert!(!may(&rules, (8, 1), Read, "cam-2"));
        assert!(may(&rules, (9, 9), Read, "gfx") && !may(&rules, (9, 9), Read, "gfx2"));
        assert!(!may(&rules, (0, 0), Read, "other"), "root is a user like others");
        assert!(may(&[], (9, 9), Produce, "other"), "no rules, no bounds");
    }

    #[test]
    fn patterns_are_names_that_may_go_on() {
        for good in ["cam-1", "cam-*", "*", "a*"] {
            assert!(good.parse::<FlowPattern>().is_ok(), "{good}");
        }
        for bad in ["", "**", "*cam", "cam/*", "c*m", " "] {
            let error = bad.parse::<FlowPattern>().unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
