//! The host's side of ARP: answers, questions, probes and announcements (RFC 826, RFC 5227).

use std::net::Ipv4Addr;

use media::Tai;

use super::{Host, Ignored, Refused};
use crate::MacAddr;
use crate::arp::{Arp, Operation};
use crate::frame::ETHERTYPE_ARP;

impl Host {
    pub(super) fn receive_arp(&mut self, octets: &[u8], now: Tai) -> Result<(), Refused> {
        let arp = Arp::parse(octets).ok_or(Ignored::Arp)?;
        if arp.sender_mac == self.link.mac {
            return Err(Ignored::OwnFrame.into());
        }
        if self.network.is_ours(arp.sender.into()) {
            // RFC 5227 §2.4: whatever its operation and target.
            self.contest(arp.sender.into(), arp.sender_mac, now);
            return Ok(());
        }
        if !arp.sender.is_unspecified() {
            self.heard(arp.sender.into(), arp.sender_mac, now);
        }
        let asked = arp.operation == Operation::Request && self.network.is_ours(arp.target.into());
        if !asked {
            return Ok(());
        }
        if self.claims.is_usable(arp.target.into()) {
            return self.answer_arp(&arp, now);
        }
        // RFC 5227 §2.1.1: somebody else probes for what we probe for.
        if arp.sender.is_unspecified() {
            self.contest(arp.target.into(), arp.sender_mac, now);
        }
        Ok(())
    }

    fn answer_arp(&mut self, question: &Arp, now: Tai) -> Result<(), Refused> {
        if !self.answers.take(now) {
            return Err(Ignored::QuestionRate.into());
        }
        self.counters.answers += 1;
        self.send_arp(question.sender_mac, Operation::Reply, question.target, (question.sender_mac, question.sender));
        Ok(())
    }

    pub(super) fn ask_v4(&mut self, address: Ipv4Addr, from: Ipv4Addr, alone: Option<MacAddr>) {
        self.counters.questions += 1;
        self.send_arp(alone.unwrap_or(MacAddr::BROADCAST), Operation::Request, from, (MacAddr::ZERO, address));
    }

    pub(super) fn send_arp_probe(&mut self, address: Ipv4Addr) {
        let target = (MacAddr::ZERO, address);
        self.send_arp(MacAddr::BROADCAST, Operation::Request, Ipv4Addr::UNSPECIFIED, target);
    }

    pub(super) fn send_arp_announcement(&mut self, address: Ipv4Addr) {
        self.send_arp(MacAddr::BROADCAST, Operation::Request, address, (MacAddr::ZERO, address));
    }

    fn send_arp(&mut self, to: MacAddr, operation: Operation, sender: Ipv4Addr, target: (MacAddr, Ipv4Addr)) {
        let arp = Arp { operation, sender_mac: self.link.mac, sender, target_mac: target.0, target: target.1 };
        self.outbox.push(self.link.frame(to, ETHERTYPE_ARP, &arp.octets()));
    }
}
