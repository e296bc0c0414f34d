//! What happened on a port, by reason. Written by the worker that owns its queues, read by anyone.

use ip::frame::Reason;
use netio::{Counter, counter_set};

counter_set! {
    /// What a port's receive queue did.
    RxPortCounters {
        /// Datagrams handed to receivers.
        media_packets,
        /// Octets of their UDP payloads.
        media_octets,
        /// Octets that the driver copied on the way here.
        octets_copied_by_driver,
        /// Media datagrams with a wrong UDP checksum, handed on nevertheless: this driver cannot vouch for it.
        udp_checksum_doubtful,
        /// Packets whose first buffer ended within the headers, or before the RTP header's end.
        headers_pulled_up,
        /// Datagrams that no receiver wants, dropped because the host has no use for them either.
        unwanted_packets,
        /// Frames that are not media, handed to the port's host.
        host_frames,
        /// Frames that are not media, dropped because the host had not read the earlier ones.
        host_frames_full,
        /// Frames that are not media, dropped because they are longer than the host takes.
        host_frames_too_long,
        /// Turns in which nothing was received and no packet buffer was free for it: what the worker holds has exhausted the
        /// pool.
        no_mbufs,
        /// Packets that the device itself says are damaged.
        device_says_bad,
    }
}

counter_set! {
    /// What a port's transmit queue did.
    TxPortCounters {
        /// Packets of media that the device took.
        media_packets,
        /// Octets of their UDP payloads, headers included.
        media_octets,
        /// Bursts that the device did not take whole.
        queue_full,
        /// Packets given up because their path was closed.
        path_closed,
        /// Packets not made because the next hop's link address was not known. The same packet may count often.
        unresolved,
        /// Packets not made because they would exceed the port's MTU.
        mtu_exceeded,
        /// Packets not made because no packet buffer was free. The same packet may count often.
        no_mbufs,
        /// Packets whose payload was copied: this driver takes no chains, or this device cannot read the lease's memory.
        copied_packets,
        /// Payload octets copied behind their headers.
        octets_copied_by_us,
        /// Octets that the driver copied, all headers included.
        octets_copied_by_driver,
        /// Received packets sent on.
        forwarded,
        /// Packets that were made with the time at which the device is to send them.
        launch_timed,
        /// Packets that were to have one and have none: the device's clock is not known, and they leave as soon as they can.
        launch_untimed,
        /// Frames sent for the port's host.
        host_frames,
        /// Frames of the port's host that could not be sent: longer than the port takes, or no packet buffer free.
        host_frames_dropped,
        /// Leases that are attached, or that the device has not finished with, now.
        leases_held,
    }
}

/// Received frames that were dropped, by what is wrong with them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct BadFrames([Counter; Reason::COUNT]);

impl BadFrames {
    #[inline]
    pub(crate) fn add_one(&self, reason: Reason) {
        self.0[reason as usize].add(1);
    }

    /// Frames dropped for that reason.
    #[must_use]
    pub fn value(&self, reason: Reason) -> u64 {
        self.0[reason as usize].value()
    }

    /// Every reason's label with its count.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason.label(), self.value(reason))).collect()
    }
}

/// What happened on a port since its queues were made.
#[derive(Debug, Default)]
pub struct PortCounters {
    /// Of the receive queue.
    pub rx: RxPortCounters,
    /// Received frames that were dropped.
    pub bad: BadFrames,
    /// Of the transmit queue.
    pub tx: TxPortCounters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_fields() {
        let counters = PortCounters::default();
        counters.tx.copied_packets.add(3);
        counters.tx.leases_held.set(2);
        counters.bad.add_one(Reason::Fragment);
        assert!(counters.tx.values().contains(&("copied_packets", 3)));
        assert!(counters.tx.values().contains(&("leases_held", 2)));
        assert!(counters.bad.values().contains(&("fragment", 1)));
        assert_eq!(counters.rx.values().iter().map(|(_, count)| count).sum::<u64>(), 0);
    }
}
