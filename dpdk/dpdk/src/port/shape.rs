//! How many queues a device is configured with, and who polls which.
//!
//! ```text
//!  receive queues   0 ........... handed out with the port
//!                   1 .. rules    handed out as further ones: flow rules put datagrams there
//!                   rules .. all  of devices that receive on as many queues as they send by: polled with the first
//! ```

use std::ops::Range;

use dpdk_sys::rte_eth_dev_info;

use super::Features;
use crate::device::Device;

/// The queues of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Receive queues that are handed out one by one.
    pub(super) rules: u16,
    /// Receive queues of the device.
    pub(super) rx: u16,
    /// Transmit queues that are handed out.
    pub(super) tx: u16,
    /// Transmit queues of the device.
    tx_device: u16,
}

impl Shape {
    /// For a device whose driver says this of itself; `features` have been checked.
    pub(super) fn new(features: Features, device: &Device, info: &rte_eth_dev_info) -> Self {
        let (rules, tx) = (features.rx_queues, features.tx_queues.min(info.max_tx_queues).max(1));
        let rx = if receives_on_all(device) { rules.max(tx) } else { rules };
        // net_tap wants as many one way as the other.
        let tx_device = if matches!(device, Device::Tap { .. }) { rx.max(tx) } else { tx };
        Self { rules, rx, tx, tx_device }
    }

    /// The receive queues that are polled with the first.
    pub(super) fn beside_the_first(self) -> Range<u16> {
        self.rules..self.rx
    }

    /// Transmit queues to be set up.
    pub(super) fn tx_to_set_up(self) -> u16 {
        self.tx_device
    }
}

/// Devices that receive on as many queues as they send by: the kernel spreads what arrives over those of a TAP and of packet
/// sockets, and what is sent by a queue of net_ring arrives on the queue of that number.
pub(crate) fn receives_on_all(device: &Device) -> bool {
    matches!(device, Device::Tap { .. } | Device::AfPacket { .. } | Device::Ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(device: &str, rx_queues: u16, tx_queues: u16) -> (Shape, Range<u16>) {
        let info = rte_eth_dev_info { max_rx_queues: 16, max_tx_queues: 16, ..rte_eth_dev_info::default() };
        let features = Features { rx_queues, tx_queues, ..Features::default() };
        let shape = Shape::new(features, &device.parse().unwrap(), &info);
        (shape, shape.beside_the_first())
    }

    #[test]
    fn every_receive_queue_is_polled_by_somebody_and_none_twice() {
        for device in ["net_tap:a", "net_af_packet:a", "net_ring", "net_null", "0000:3b:00.0"] {
            for (rules, tx) in [(1, 1), (1, 4), (3, 1), (3, 2), (3, 5), (2, 99)] {
                let (shape, beside) = shape(device, rules, tx);
                let polled: Vec<u16> = (0..rules).chain(beside).collect();
                assert_eq!(polled, (0..shape.rx).collect::<Vec<_>>(), "{device} {rules} {tx}");
                assert!(shape.tx <= 16 && shape.tx_to_set_up() >= shape.tx);
            }
        }
    }

    #[test]
    fn a_card_receives_where_rules_say_and_a_tap_on_all() {
        let (card, beside) = shape("0000:3b:00.0", 1, 4);
        assert_eq!((card.rx, card.tx, card.tx_to_set_up(), beside.len()), (1, 4, 4, 0));
        let (tap, beside) = shape("net_tap:a", 1, 4);
        assert_eq!((tap.rx, tap.tx, tap.tx_to_set_up(), beside), (4, 4, 4, 1..4));
        let (tap, beside) = shape("net_tap:a", 2, 1);
        assert_eq!((tap.rx, tap.tx, tap.tx_to_set_up(), beside.len()), (2, 1, 2, 0));
    }
}
