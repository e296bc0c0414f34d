//! Which cores serve a port: those that it names, or as many of `dpdk.cores` as it asks for.

use media::Name;

use super::PortPlan;
use crate::config::{ConfigError, PortConfig};

/// Workers of one port at most; virtual devices have as many queues.
pub const WORKERS_MAX: u16 = 16;

/// Who serves a port. Each worker sends by a transmit queue of its own; the first one receives, others where there are queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seating {
    /// The cores, the receiving one first; empty where none is named, and none was assigned.
    pub cores: Vec<usize>,
    /// How many workers there are.
    pub workers: u16,
}

impl Seating {
    pub(super) fn of(config: &PortConfig, name: &Name) -> Result<Self, ConfigError> {
        let key = |key: &str| format!("port {name}: {key}");
        let cores = match (config.core, config.cores.is_empty()) {
            (Some(core), true) => vec![core],
            (Some(core), false) => {
                let wanted = "either core, or cores with the one that receives first";
                return Err(ConfigError::value(key("core"), core, wanted));
            }
            (None, _) => distinct(&key("cores"), &config.cores)?,
        };
        let most = usize::from(WORKERS_MAX);
        if cores.len() > most {
            return Err(ConfigError::value(key("cores"), format!("{cores:?}"), format!("at most {most} of them")));
        }
        let is_odd = !(1..=WORKERS_MAX).contains(&config.workers) || (config.workers > 1 && !cores.is_empty());
        if is_odd {
            let wanted = format!("1 to {WORKERS_MAX}; a port that names its cores has one for each");
            return Err(ConfigError::value(key("workers"), config.workers, wanted));
        }
        let workers = if cores.is_empty() { config.workers } else { cores.len() as u16 };
        Ok(Self { cores, workers })
    }
}

/// Cores that are named once each.
pub(super) fn distinct(key: &str, cores: &[usize]) -> Result<Vec<usize>, ConfigError> {
    match cores.iter().enumerate().find(|(at, core)| cores[..*at].contains(core)) {
        Some((_, twice)) => Err(ConfigError::value(key, twice, "each core once")),
        None => Ok(cores.to_vec()),
    }
}

/// Ports that want more workers than there are cores for them.
pub(super) fn check(ports: &[PortPlan], pool: &[usize]) -> Result<(), ConfigError> {
    let lacks = |port: &&PortPlan| {
        let Seating { cores, workers } = &port.seating;
        *workers > 1 && cores.is_empty() && usize::from(*workers) > pool.len()
    };
    ports.iter().find(lacks).map_or(Ok(()), |port| {
        let wanted =
            format!("the cores themselves (cores = [1, 2]), or as many in dpdk.cores, which has {}", pool.len());
        Err(ConfigError::value(format!("port {}: workers", port.name), port.seating.workers, wanted))
    })
}

/// Gives ports that name no core theirs of `pool`: the busiest port first, each on the cores that have the fewest packets
/// a second by then, those near its device before all others. `near` says of a port and a core whether they are on one
/// NUMA node. Without a pool they stay as they are: one worker that floats has them all.
#[cfg(any(feature = "dpdk", test))]
pub(crate) fn assign(ports: &mut [&mut PortPlan], pool: &[usize], near: impl Fn(&PortPlan, usize) -> bool) {
    let mut loads: Vec<(usize, u64)> = pool.iter().map(|core| (*core, 0)).collect();
    for port in ports.iter().filter(|port| !port.seating.cores.is_empty()) {
        burden(&mut loads, port);
    }
    ports.sort_by_key(|port| std::cmp::Reverse(port.packets_per_second));
    for port in ports.iter_mut().filter(|port| port.seating.cores.is_empty()) {
        loads.sort_by_key(|(core, load)| (!near(port, *core), *load, *core));
        port.seating.cores = loads.iter().take(port.seating.workers.into()).map(|(core, _)| *core).collect();
        burden(&mut loads, port);
    }
}

/// Each of a port's workers has its share.
#[cfg(any(feature = "dpdk", test))]
fn burden(loads: &mut [(usize, u64)], port: &PortPlan) {
    let share = u64::from(port.packets_per_second) / u64::from(port.seating.workers.max(1));
    loads.iter_mut().filter(|(core, _)| port.seating.cores.contains(core)).for_each(|(_, load)| *load += share);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_plan;

    fn plans(ports: &[&str]) -> Result<Vec<PortPlan>, ConfigError> {
        let config = |(at, keys): (usize, &&str)| -> PortConfig {
            let network = format!("name = \"p{at}\"\ndevice = \"net_null\"\naddresses = [\"192.0.{at}.1/24\"]\n");
            toml::from_str(&format!("{network}{keys}")).unwrap()
        };
        port_plan::ports(&ports.iter().enumerate().map(config).collect::<Vec<_>>())
    }

    fn cores_of(ports: &[&str], pool: &[usize], near: impl Fn(&PortPlan, usize) -> bool) -> Vec<Vec<usize>> {
        let mut plans = plans(ports).unwrap();
        check(&plans, pool).unwrap();
        assign(&mut plans.iter_mut().collect::<Vec<_>>(), pool, near);
        plans.into_iter().map(|plan| plan.seating.cores).collect()
    }

    #[test]
    fn ports_go_where_the_fewest_packets_are() {
        let rates = ["packets_per_second = 100", "packets_per_second = 900", "packets_per_second = 300", "core = 2"];
        assert_eq!(cores_of(&rates, &[4, 5], |_, _| true), [vec![5], vec![4], vec![5], vec![2]]);
        // One that names a core of the pool has its packets there.
        let named = ["core = 4\npackets_per_second = 1000", "packets_per_second = 1"];
        assert_eq!(cores_of(&named, &[4, 5], |_, _| true), [[4], [5]]);
        assert_eq!(cores_of(&["", ""], &[], |_, _| true), [[0; 0]; 2]);
    }

    #[test]
    fn cores_near_the_device_come_first_and_a_port_takes_as_many_as_it_asks_for() {
        let ports = ["workers = 2\npackets_per_second = 900", "packets_per_second = 300"];
        let near = |plan: &PortPlan, core: usize| (plan.name.as_str() == "p0") == (core >= 6);
        assert_eq!(cores_of(&ports, &[4, 5, 6, 7], near), [vec![6, 7], vec![4]]);
        // Three workers and two cores nearby: the third is elsewhere.
        assert_eq!(cores_of(&["workers = 3"], &[4, 6, 7], near), [[6, 7, 4]]);
        assert_eq!(cores_of(&["cores = [9, 3]"], &[4], near), [[9, 3]]);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_key() {
        for (keys, key) in [
            ("core = 1\ncores = [1, 2]", "port p0: core"),
            ("cores = [1, 2, 1]", "port p0: cores"),
            ("cores = [1, 2]\nworkers = 2", "port p0: workers"),
            ("workers = 0", "port p0: workers"),
            ("workers = 17", "port p0: workers"),
        ] {
            let refusal = plans(&[keys]).unwrap_err().to_string();
            assert!(refusal.starts_with(key), "{keys}: {refusal}");
        }
        let refusal = check(&plans(&["workers = 2"]).unwrap(), &[4]).unwrap_err().to_string();
        assert!(refusal.contains("dpdk.cores, which has 1"), "{refusal}");
        assert!(distinct("dpdk.cores", &[1, 1]).is_err());
    }
}
