//! What idle workers do: as the configuration says, or as the machine is.

use std::time::Duration;

use control::CoreIsolation;
use worker::IdlePolicy;

use crate::config::{IdleConfig, WorkersConfig};

/// What a worker does when it has nothing to do, by where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idleness {
    /// On a core that others use too.
    pub shared: IdlePolicy,
    /// On a core that the scheduler leaves to it.
    pub isolated: IdlePolicy,
}

impl Idleness {
    /// As the configuration says. "auto" spins where nobody else can have the core, and sleeps elsewhere.
    #[must_use]
    pub fn of(config: &WorkersConfig) -> Self {
        let longest = Duration::from_micros(config.idle_sleep_us);
        match config.idle {
            IdleConfig::Auto => Self { shared: IdlePolicy::Event { longest }, isolated: IdlePolicy::Spin },
            IdleConfig::Event => IdlePolicy::Event { longest }.into(),
            IdleConfig::Sleep => IdlePolicy::Sleep { longest }.into(),
            IdleConfig::Spin => IdlePolicy::Spin.into(),
        }
    }

    /// For a worker whose core is isolated so; one that floats shares its cores.
    #[must_use]
    pub fn on(self, isolation: CoreIsolation) -> IdlePolicy {
        match isolation {
            CoreIsolation::Shared => self.shared,
            CoreIsolation::Isolated | CoreIsolation::Tickless => self.isolated,
        }
    }
}

impl From<IdlePolicy> for Idleness {
    fn from(policy: IdlePolicy) -> Self {
        Self { shared: policy, isolated: policy }
    }
}

/// An operator's words.
#[must_use]
pub fn words(policy: IdlePolicy) -> &'static str {
    match policy {
        IdlePolicy::Spin => "spin",
        IdlePolicy::Sleep { .. } => "sleep",
        IdlePolicy::Event { .. } => "event",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_auto_asks_what_the_core_is() {
        let longest = Duration::from_micros(1_000);
        let of = |idle| Idleness::of(&WorkersConfig { idle, ..WorkersConfig::default() });
        let auto = Idleness { shared: IdlePolicy::Event { longest }, isolated: IdlePolicy::Spin };
        assert_eq!(of(IdleConfig::Auto), auto);
        assert_eq!(of(IdleConfig::Spin), IdlePolicy::Spin.into());
        assert_eq!(of(IdleConfig::Sleep), IdlePolicy::Sleep { longest }.into());
        assert_eq!(of(IdleConfig::Event), IdlePolicy::Event { longest }.into());
        assert_eq!(auto.on(CoreIsolation::Shared), auto.shared);
        assert_eq!(auto.on(CoreIsolation::Isolated), IdlePolicy::Spin);
    }
}
