//! The daemon's ports: DPDK comes before everything else, and its engine after the broker.

#[cfg(feature = "dpdk")]
pub(super) use with_dpdk::Ports;
#[cfg(not(feature = "dpdk"))]
pub(super) use without::Ports;

#[cfg(feature = "dpdk")]
mod with_dpdk {
    use std::sync::Arc;

    use anyhow::Result;
    use shm::{IdentityPlacement, PlacementHooks};

    use crate::clock::TaiClock;
    use crate::config::Config;
    use crate::engine::Engine;
    use crate::engine::dpdk::{DpdkEngine, DpdkSettings, Environment};
    use crate::pool::ThreadSettings;
    use crate::port_plan;

    /// What drives the ports of the file, if it has any.
    pub(in crate::daemon) struct Ports(Option<Environment>);

    impl Ports {
        /// Starts DPDK, where there are ports. Before any other thread.
        pub(in crate::daemon) fn prepare(config: &Config) -> Result<Self> {
            let plans = port_plan::ports(&config.ports)?;
            if plans.is_empty() {
                return Ok(Self(None));
            }
            let environment = Environment::start(&port_plan::dpdk(&config.dpdk)?, plans, config.senders.len())?;
            Ok(Self(Some(environment)))
        }

        /// What the broker does with its regions.
        pub(in crate::daemon) fn placement(&self) -> Box<dyn PlacementHooks + Send + Sync> {
            match &self.0 {
                Some(environment) => Box::new(environment.placement()),
                None => Box::new(IdentityPlacement),
            }
        }

        /// Starts the ports.
        pub(in crate::daemon) fn start(
            self,
            config: &Config,
            thread: ThreadSettings,
            clock: &TaiClock,
        ) -> Result<Option<Arc<dyn Engine>>> {
            let Some(environment) = self.0 else { return Ok(None) };
            let settings = DpdkSettings { thread, taken_cores: config.workers.cores.clone() };
            Ok(Some(Arc::new(DpdkEngine::start(environment, &settings, clock)?)))
        }
    }
}

#[cfg(not(feature = "dpdk"))]
mod without {
    use std::sync::Arc;

    use anyhow::Result;
    use shm::{IdentityPlacement, PlacementHooks};

    use crate::clock::TaiClock;
    use crate::config::Config;
    use crate::engine::Engine;
    use crate::pool::ThreadSettings;

    /// No ports: a file with some has been refused.
    pub(in crate::daemon) struct Ports;

    #[expect(clippy::unnecessary_wraps, reason = "with ports there are errors")]
    impl Ports {
        pub(in crate::daemon) fn prepare(_: &Config) -> Result<Self> {
            Ok(Self)
        }

        pub(in crate::daemon) fn placement(&self) -> Box<dyn PlacementHooks + Send + Sync> {
            Box::new(IdentityPlacement)
        }

        pub(in crate::daemon) fn start(
            self,
            _: &Config,
            _: ThreadSettings,
            _: &TaiClock,
        ) -> Result<Option<Arc<dyn Engine>>> {
            Ok(None)
        }
    }
}
