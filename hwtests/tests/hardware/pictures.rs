//! Pictures from ring to ring through both ports of a pair.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use dpdk::tx::Reads;
use hwtests::passage::Passage;
use hwtests::{PortMake, PortPair, eventually};

use crate::pair::eal;

/// Pictures that are looked at, after the first that have come.
const PICTURES: u32 = 100;

/// None is damaged, none is lost, and every slot of the ring comes back.
pub(crate) fn cross(hardware: &PortPair) {
    let eal = eal(hardware);
    let make = |device: &str| PortMake {
        vlan: hardware.vlan,
        mtu: hardware.mtu,
        reads: if hardware.is_hardware() { Reads::Registered } else { Reads::Process },
        ..PortMake::on(device)
    };
    let mut passage = Passage::open_on(&eal, &[make(&hardware.a), make(&hardware.b)]).unwrap();
    passage.flows().unwrap();
    let whole: u32 = (0..PICTURES).map(|_| passage.play()).sum();
    eventually("every packet has arrived", || {
        passage.pass(1);
        passage.receiver.packets.value() == passage.sender.packets.value()
    });
    let (lost, damaged) = (passage.receiver.packets_lost.value(), passage.receiver.grains_incomplete.value());
    println!("{whole} pictures of {PICTURES} within their time, {lost} packets lost, {damaged} pictures damaged");
    assert_eq!((lost, damaged), (0, 0), "{:?}", passage.receiver.values());
    assert!(whole + 3 >= PICTURES, "{whole} pictures of {PICTURES}");
    passage.accounts().unwrap();
}
