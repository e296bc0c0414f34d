//! Ethernet frames: any octets, the headers perhaps cut off from the rest. Input: octets of the first segment (1),
//! rules (1: VLAN, checksums), frame.
#![no_main]

use ip::MacAddr;
use ip::frame::{self, Check, Checks, Reason, Rules, UdpChecksum, Verdict};
use libfuzzer_sys::fuzz_target;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0b]);

fuzz_target!(|input: &[u8]| {
    let [head, rules, frame @ ..] = input else { return };
    let rules = rules_of(*rules);
    let whole = frame::parse(frame, frame.len(), &rules);
    // What is read of the first segment is what is read of the whole, but for the checksum.
    let head = &frame[..frame.len().min(usize::from(*head))];
    match (whole, frame::parse(head, frame.len(), &rules)) {
        (_, Verdict::Bad(Reason::Split)) => {}
        (Verdict::Udp(whole), Verdict::Udp(cut)) => {
            assert!(whole.payload().end <= frame.len());
            assert_eq!(whole.payload(), cut.payload());
            assert_eq!((whole.source, whole.destination), (cut.source, cut.destination));
            let (first, rest) = frame[whole.payload()].split_at(whole.payload().len() / 2);
            let holds = frame::udp_checksum_holds(&whole, [first, rest]);
            match whole.checksum {
                UdpChecksum::Holds => assert!(holds),
                UdpChecksum::Fails => assert!(!holds),
                UdpChecksum::Pending => panic!("the whole frame was there"),
                UdpChecksum::Absent | UdpChecksum::Trusted => {}
            }
        }
        (Verdict::Bad(Reason::UdpChecksum), Verdict::Udp(cut)) => {
            assert_eq!(cut.checksum, UdpChecksum::Pending);
            assert!(!frame::udp_checksum_holds(&cut, [&frame[cut.payload()]]));
        }
        (whole, cut) => assert_eq!(whole, cut),
    }
});

fn rules_of(octet: u8) -> Rules {
    let check = |bits: u8| [Check::Verify, Check::Advisory, Check::Trusted, Check::Verify][usize::from(bits & 3)];
    let vlan = (octet & 1 != 0).then_some(7);
    Rules { mac: MAC, vlan, checks: Checks { ipv4_header: check(octet >> 1), udp: check(octet >> 3) } }
}
