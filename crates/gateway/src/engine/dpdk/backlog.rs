//! What relays may keep for senders that do not take it, of the buffers that a port receives into.
//!
//! All that the relays of a port may keep must fit. Those that ask for no more than the default are taken on top of that, with
//! a warning: mostly they keep nothing, and a worker whose pool runs dry gives back the older half of what one of them keeps.

use control::{DataplaneError, RelaySpec};
use dpdk::sizing::Sizing;
use media::Name;

pub(crate) use super::super::relaying::packets_kept;

/// Refuses a relay that would keep more than `port` can spare beside the `others` packets of its other relays. What one turn of
/// a worker brings is always kept.
pub(crate) fn check(port: &Name, sizing: &Sizing, spec: &RelaySpec, others: u64) -> Result<(), DataplaneError> {
    let (kept, held) = (packets_kept(spec), sizing.held_packets);
    let left = u64::from(held).saturating_sub(others);
    let asked = spec.backlog_packets.unwrap_or(RelaySpec::DEFAULT_BACKLOG_PACKETS);
    if u64::from(kept) <= left || asked <= RelaySpec::DEFAULT_BACKLOG_PACKETS {
        return Ok(());
    }
    let works = largest(spec, left);
    let room = match others {
        0 => format!("have room for {held}"),
        _ => format!("have room for {held}, {others} of them for its other relays"),
    };
    Err(DataplaneError::Unsupported {
        what: format!(
            "relay {}: keeping up to {kept} packets (backlog_packets = {asked}) of port {port}, whose receive buffers {room},",
            spec.name
        ),
        remedy: format!("backlog_packets = {works} works, or a larger packets_per_second or hold_ms of the port"),
    })
}

/// The largest backlog with which a relay like this one keeps no more than `left`; the default at least, which is never refused.
fn largest(spec: &RelaySpec, left: u64) -> u16 {
    let halves = std::iter::successors(Some(RelaySpec::MAX_BACKLOG_PACKETS), |packets| Some(packets / 2));
    let mut larger = halves.take_while(|packets| *packets > RelaySpec::DEFAULT_BACKLOG_PACKETS);
    let fits = |packets: &u16| {
        let smaller = RelaySpec { backlog_packets: Some(*packets), ..spec.clone() };
        u64::from(packets_kept(&smaller)) <= left
    };
    larger.find(fits).unwrap_or(RelaySpec::DEFAULT_BACKLOG_PACKETS)
}

/// Says that the relays of a port may keep more than it can spare, where so many of others come on top of this one's.
pub(super) fn warning(port: &Name, sizing: &Sizing, spec: &RelaySpec, others: u64) -> Option<String> {
    let (all, held) = (others + u64::from(packets_kept(spec)), sizing.held_packets);
    (all > held.into()).then(|| {
        format!(
            "relay {}: with it the relays of port {port} may keep {all} packets, and its receive buffers have room for {held}: \
             where senders are stuck they lose packets sooner; a larger packets_per_second or hold_ms of the port, or smaller \
             backlog_packets, help",
            spec.name
        )
    })
}

#[cfg(test)]
mod tests {
    use dpdk::device::Device;
    use dpdk::sizing::Demand;

    use super::*;

    #[test]
    fn a_backlog_that_the_buffers_cannot_keep_is_refused_with_one_that_works() {
        let demand = Demand { packets_per_second: 20_000, hold_ms: 50, mtu: 1_500, streams: 16 };
        let sizing = Sizing::new(&Device::Null, demand).unwrap();
        // 4,095 buffers: 1,024 in rings, 960 on their way.
        assert_eq!((sizing.rx_mbufs, sizing.held_packets), (4_095, 2_111));
        let port: Name = "media".parse().unwrap();
        let relay = |packets| RelaySpec {
            backlog_packets: Some(packets),
            ..RelaySpec::new("wild".parse().unwrap(), "239.1.1.1:5004".parse().unwrap())
        };
        check(&port, &sizing, &relay(2_048), 63).unwrap();
        let refused = check(&port, &sizing, &relay(2_049), 0).unwrap_err().to_string();
        for word in
            ["relay wild", "4096 packets", "= 2049", "port media", "2111", "backlog_packets = 2048 works", "hold_ms"]
        {
            assert!(refused.contains(word), "{word}: {refused}");
        }
        let refused = check(&port, &sizing, &relay(2_048), 64).unwrap_err().to_string();
        for word in ["2048 packets", "2111, 64 of them for its other relays", "backlog_packets = 1024 works"] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
        check(&port, &sizing, &relay(1_024), 64).unwrap();
        let refused = check(&port, &sizing, &relay(300), 2_000).unwrap_err().to_string();
        assert!(refused.contains("backlog_packets = 256 works"), "{refused}");
        assert_eq!(warning(&port, &sizing, &relay(256), 2_111 - 256), None);
        let warned = warning(&port, &sizing, &relay(256), 2_111 - 255).unwrap();
        assert!(warned.contains("2112 packets") && warned.contains("2111"), "{warned}");
        let none = Sizing { held_packets: 0, ..sizing };
        check(&port, &none, &relay(1), 9_000).unwrap();
    }
}
