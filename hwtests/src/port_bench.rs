//! A DPDK port under `netio`'s queues, made as the gateway makes one, with the far end of its exchange in hand.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use dpdk::capabilities::Capabilities;
use dpdk::counters::PortCounters;
use dpdk::device::Device;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Port, PortConfig, PortQueues, Reception, Started, Stopped};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads, TxPools};
use ip::{MacAddr, Network};
use media::Clock;
use netio::StableBytes;
use netio::exchange::{ExchangeConfig, HostEnd, exchange};

/// What a port is made with.
#[derive(Clone, Debug)]
pub struct PortMake {
    /// As the operator writes it.
    pub device: String,
    /// The port's addresses with their prefix lengths, one of each family; its sources.
    pub addresses: [&'static str; 2],
    /// VLAN of all its frames; `None` for untagged ones.
    pub vlan: Option<u16>,
    /// The longest IP packet, in octets.
    pub mtu: u16,
    /// Sizes the rings.
    pub packets_per_second: u32,
    /// Buffers of the pool that receives; `None` as the sizing says.
    pub rx_mbufs: Option<u32>,
    /// Leases that may be attached.
    pub payloads: u16,
    /// Which memory the device reads.
    pub reads: Reads,
}

impl PortMake {
    /// A small port on `device`.
    #[must_use]
    pub fn on(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            addresses: ["192.0.2.1/24", "2001:db8::1/64"],
            vlan: None,
            mtu: 1_500,
            packets_per_second: 20_000,
            rx_mbufs: None,
            payloads: 8,
            reads: Reads::Process,
        }
    }
}

/// A port, its pools and its far ends. The queues are elsewhere.
pub struct PortBench {
    port: Option<Port<Started>>,
    /// The pool that receives.
    pub rx_pool: Mempool,
    /// Of what packets to be sent are made, for its figures: the pool of headers.
    pub headers: Mempool,
    /// As above: the pool of references.
    pub references: Mempool,
    /// As the driver says.
    pub capabilities: Capabilities,
    /// As the network sees it.
    pub station: Station,
    /// Where everything crosses that is not media.
    pub host: HostEnd,
    /// Of both queues.
    pub counters: Arc<PortCounters>,
}

/// EAL with `mib` mebibytes of ordinary pages.
///
/// # Errors
/// What EAL says.
pub fn small_eal(mib: u32) -> Result<Eal> {
    Eal::start(&EalConfig::new(Memory::NoHuge { mib })).context("EAL does not start")
}

impl PortBench {
    /// Probes and starts a port.
    ///
    /// # Errors
    /// What the port, its sizing or its pools refuse.
    pub fn open<L: StableBytes, C: Clock>(
        eal: &Eal,
        make: &PortMake,
        clock: C,
    ) -> Result<(Self, DpdkTx<L>, DpdkRx<C>)> {
        let device: Device = make.device.parse()?;
        let demand = Demand { packets_per_second: make.packets_per_second, hold_ms: 1, mtu: make.mtu, streams: 1 };
        let sizing = Sizing::new(&device, demand)?;
        let receiving = sizing.rx_pool(None);
        let receiving = MempoolConfig { mbufs: make.rx_mbufs.unwrap_or(receiving.mbufs), ..receiving };
        let cache = receiving.cache.min(u16::try_from(receiving.mbufs / 4)?);
        let rx_pool = Mempool::create(eal, &MempoolConfig { cache, ..receiving })?;
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let port = Port::probe(eal, config, rx_pool.clone())?;
        let capabilities = port.capabilities().clone();
        let headers = if capabilities.gathers { sizing.header_pool(None) } else { sizing.linear_pool(None) };
        let pools = TxPools {
            headers: Mempool::create(eal, &headers)?,
            references: References::create(eal, &sizing.reference_pool(None))?,
        };
        let (headers, references) = (pools.headers.clone(), pools.references.pool().clone());
        let addresses = make.addresses.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        let network = Network::new(addresses, None, None)?;
        // A ring, and what leads nowhere, have no address of their own.
        let has_none = port.mac() == MacAddr::new([0; 6]);
        let mac = if has_none { MacAddr::new([2, 0, 0, 0, 0, 1]) } else { port.mac() };
        let station = Station { name: make.device.clone(), mac, vlan: make.vlan, network, mtu: make.mtu };
        let (rx_end, tx_end, host) = exchange(ExchangeConfig::default());
        let counters = Arc::<PortCounters>::default();
        let (port, queues) = port.start()?;
        let config = DpdkTxConfig { payloads: make.payloads, reads: make.reads, ..DpdkTxConfig::default() };
        let shared = Arc::clone(&counters);
        let tx = DpdkTx::new(queues.tx, station.clone(), &capabilities, pools, tx_end, shared, config);
        let rx = DpdkRx::new(queues.rx, &station, &capabilities, rx_end, Arc::clone(&counters), clock);
        Ok((Self { port: Some(port), rx_pool, headers, references, capabilities, station, host, counters }, tx, rx))
    }

    /// The port.
    ///
    /// # Panics
    /// When it was stopped and not started again.
    #[must_use]
    pub fn port(&self) -> &Port<Started> {
        self.port.as_ref().expect("the port is started")
    }

    /// What is media from now on: these destinations, and nothing else.
    ///
    /// # Panics
    /// When one of them is no address with a port.
    pub fn listen(&mut self, destinations: &[&str]) {
        let parse = |text: &&str| text.parse::<SocketAddr>().expect("an address with a port");
        self.host.publish(destinations.iter().map(parse).collect());
    }

    /// Stops the port, whose queues come back for it.
    ///
    /// # Errors
    /// What the driver says.
    ///
    /// # Panics
    /// When the queues are another port's, or the port is stopped.
    pub fn stop<L: StableBytes, C: Clock>(&mut self, tx: &mut DpdkTx<L>, rx: &mut DpdkRx<C>) -> Result<Port<Stopped>> {
        let handles = (rx.detach_device(), tx.detach_device());
        let (Some(rx), Some(tx)) = handles else { panic!("the queues have no port") };
        let port = self.port.take().expect("the port is started");
        Ok(port.stop(PortQueues { rx, tx })?)
    }

    /// Starts the port again, and gives its queues to those that it had.
    ///
    /// # Errors
    /// What the port says.
    pub fn start<L: StableBytes, C: Clock>(
        &mut self,
        port: Port<Stopped>,
        tx: &mut DpdkTx<L>,
        rx: &mut DpdkRx<C>,
    ) -> Result<()> {
        let (port, queues) = port.start()?;
        self.port = Some(port);
        tx.attach_device(queues.tx);
        rx.attach_device(queues.rx);
        Ok(())
    }

    /// Buffers that are not in the pools of the transmit queue; its stashes hold up to a burst of each.
    #[must_use]
    pub fn buffers_out(&self) -> u32 {
        let out = |pool: &Mempool| pool.capacity() - pool.available();
        out(&self.headers) + out(&self.references)
    }
}
