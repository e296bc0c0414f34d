//! How large a port's rings and pools are, and the memory that all of them take.

use std::path::Path;

use dpdk::device::{Device, DeviceError};
use dpdk::mempool::{HEADROOM_OCTETS, MempoolConfig};
use dpdk::sizing::{Demand, Sizing, SizingError};

use crate::port_plan::{DPDK_OCTETS, DpdkPlan, PortPlan};

/// Senders that a port is sized for at least: operators add some while it runs.
const STREAMS_MIN: usize = 16;

/// What a buffer takes beside its data: a line for its pool, two for its description.
const MBUF_OCTETS: u64 = 64 + 128;

/// How many queues a port has in the hands of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queues {
    pub(crate) rx: u16,
    pub(crate) tx: u16,
}

impl Queues {
    /// Those that were asked for.
    pub(crate) const fn of(plan: &PortPlan) -> Self {
        Self { rx: plan.rx_queues, tx: plan.seating.workers }
    }
}

/// A port's device, as DPDK names it.
pub(crate) fn device(plan: &PortPlan) -> Result<Device, DeviceError> {
    plan.device.to_string().parse()
}

/// The sizes of a port, in a gateway with so many senders.
pub(crate) fn sizing(plan: &PortPlan, device: &Device, senders: usize) -> Result<Sizing, SizingError> {
    let demand = Demand {
        packets_per_second: plan.packets_per_second,
        hold_ms: u32::try_from(plan.hold.as_millis()).unwrap_or(u32::MAX),
        mtu: plan.mtu,
        streams: u16::try_from(senders.max(STREAMS_MIN)).unwrap_or(u16::MAX),
    };
    Sizing::new(device, demand)?.sending_by(device, plan.seating.workers)
}

/// Packets of one of `plan`'s receive pools that other ports' devices may have and not send: of those that its worker sends by,
/// and of the worker that sends by most.
pub(crate) fn elsewhere<'a>(
    plan: &PortPlan,
    unsent: impl IntoIterator<Item = (&'a PortPlan, u32), IntoIter: Clone>,
) -> u32 {
    let unsent = unsent.into_iter();
    let by = |sends: &dyn Fn(&PortPlan) -> bool| -> u32 {
        let others = unsent.clone().filter(|(other, _)| other.name != plan.name && sends(other));
        others.map(|(_, packets)| packets).sum()
    };
    let receiving = plan.seating.cores.iter().take(plan.rx_queues.into());
    let most = receiving.map(|core| by(&|other| other.seating.cores.contains(core))).max();
    most.unwrap_or_else(|| by(&|other| other.seating.cores.is_empty()))
}

/// Octets of all pools that a port with so many queues may make.
pub(crate) fn pools_octets(sizing: &Sizing, queues: Queues) -> u64 {
    let of_each = [sizing.header_pool(None), sizing.reference_pool(None), sizing.linear_pool(None)];
    let sent = of_each.iter().map(pool_octets).sum::<u64>();
    u64::from(queues.rx) * pool_octets(&sizing.rx_pool(None)) + u64::from(queues.tx) * sent
}

fn pool_octets(pool: &MempoolConfig) -> u64 {
    let room = if pool.data_octets == 0 { 0 } else { pool.data_octets + HEADROOM_OCTETS };
    u64::from(pool.mbufs) * (MBUF_OCTETS + u64::from(room))
}

/// The memory to ask DPDK for, MiB, where the ports' pools need `octets`.
pub(super) fn memory_mib(plan: &DpdkPlan, octets: u64) -> u32 {
    plan.memory_mib.unwrap_or_else(|| u32::try_from((octets + DPDK_OCTETS).div_ceil(1 << 20)).unwrap_or(u32::MAX))
}

/// The NUMA node of a card, as the kernel tells it; virtual devices are near every core.
pub(super) fn numa(device: &Device) -> Option<u16> {
    let Device::Pci(address) = device else { return None };
    let file = Path::new("/sys/bus/pci/devices").join(address.to_string()).join("numa_node");
    // -1 where there is one node only.
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DpdkConfig, PortConfig};
    use crate::port_plan;

    #[test]
    fn a_port_keeps_buffers_for_all_ports_that_its_worker_sends_by() {
        let port = |name: &str, device: &str, seat: &str| {
            let text = format!("name = \"{name}\"\ndevice = \"{device}\"\naddresses = [\"192.0.2.1/24\"]\n{seat}\n");
            let config: PortConfig = toml::from_str(&text).unwrap();
            port_plan::ports(&[config]).unwrap().remove(0)
        };
        let plans = [
            port("a", "0000:3b:00.0", "core = 1"),
            port("b", "0000:3b:00.1", "cores = [2, 1]"),
            port("c", "net_ring", "core = 1"),
            port("d", "net_null", "core = 1"),
            port("e", "0000:3b:00.2", ""),
            port("f", "net_ring", ""),
            port("g", "0000:3b:00.3", "cores = [5, 1, 2]"),
        ];
        let all: Vec<(&PortPlan, u32)> = plans
            .iter()
            .map(|plan| {
                let device = device(plan).unwrap();
                (plan, sizing(plan, &device, 3).unwrap().unsent(&device))
            })
            .collect();
        let of = |at: usize| elsewhere(&plans[at], all.iter().copied());
        // 260,000 packets a second: 2,048 descriptors; a net_ring has 1,024.
        let (card, ring) = (2_048, 1_024);
        assert_eq!([0, 2, 3, 4, 5].map(of), [2 * card + ring, 3 * card, 3 * card + ring, ring, card]);
        // Each of several workers that receive has a pool of its own: the one that sends by most others decides.
        assert_eq!([1, 6].map(of), [2 * card + ring; 2]);
    }

    #[test]
    fn memory_is_what_the_pools_take_and_the_environment_unless_the_file_says_it() {
        let text = "name = \"a\"\ndevice = \"net_null\"\naddresses = [\"192.0.2.1/24\"]\n";
        let port: PortConfig = toml::from_str(text).unwrap();
        let plan = port_plan::ports(&[port]).unwrap().remove(0);
        let device = device(&plan).unwrap();
        let octets = pools_octets(&sizing(&plan, &device, 3).unwrap(), Queues::of(&plan));
        // 26,000 packets held: 32,767 buffers of more than 2 KiB, and those for what is sent.
        assert!((64 << 20..256 << 20).contains(&octets), "{octets}");
        let mut dpdk = port_plan::dpdk(&DpdkConfig::default()).unwrap();
        assert_eq!(u64::from(memory_mib(&dpdk, octets)), (octets + DPDK_OCTETS).div_ceil(1 << 20));
        dpdk.memory_mib = Some(77);
        assert_eq!(memory_mib(&dpdk, octets), 77);
        assert_eq!(sizing(&plan, &device, 3).unwrap().demand.streams, 16);
        assert_eq!(numa(&device), None);
        // Each worker has buffers of its own to send.
        let of_three = pools_octets(&sizing(&plan, &device, 3).unwrap(), Queues { rx: 1, tx: 3 });
        assert!((octets + (16 << 20)..3 * octets).contains(&of_three), "{octets} {of_three}");
        assert_eq!(pools_octets(&sizing(&plan, &device, 3).unwrap(), Queues { rx: 3, tx: 3 }), 3 * octets);
    }
}
