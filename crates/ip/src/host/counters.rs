//! What a host has done, and what it has ignored and why.

use crate::frame::Reason;

/// Why a frame that is whole, and for this station, was not acted upon. Counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Sent by this station: the network loops.
    OwnFrame,
    /// From no station: its Ethernet source is a group or zero.
    Sender,
    /// A datagram that no receiver wants.
    Datagram,
    /// A protocol that this host does not speak.
    Protocol,
    /// To an address or a group that is not this host's.
    Destination,
    /// An ARP packet of another kind, or from a sender that cannot be.
    Arp,
    /// An ICMP or ICMPv6 message that is too short or has a wrong checksum, or a neighbour message against the rules.
    Icmp,
    /// An ICMP or ICMPv6 message that asks nothing of us (errors, redirects, router advertisements).
    IcmpOther,
    /// An echo request to a group or broadcast, or from no station.
    EchoToGroup,
    /// An echo request beyond the rate that is answered.
    EchoRate,
    /// A question for our address beyond the rate that is answered.
    QuestionRate,
    /// A group membership message that is too short, has a wrong checksum, or names more sources than it holds.
    Membership,
    /// A group membership query that did not come from this link (TTL not 1), or to a wrong address.
    QueryOrigin,
    /// A group membership query about something that is no group.
    QueryGroup,
    /// A known neighbour claimed with another Ethernet address while the old one still answers.
    Poisoning,
    /// A question that could not be asked: the table is full.
    NeighboursFull,
    /// A fragment behind extension headers.
    Fragment,
}

impl Ignored {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, for counters; `ignored as usize` is its index.
    pub const ALL: [Self; 17] = [
        Self::OwnFrame,
        Self::Sender,
        Self::Datagram,
        Self::Protocol,
        Self::Destination,
        Self::Arp,
        Self::Icmp,
        Self::IcmpOther,
        Self::EchoToGroup,
        Self::EchoRate,
        Self::QuestionRate,
        Self::Membership,
        Self::QueryOrigin,
        Self::QueryGroup,
        Self::Poisoning,
        Self::NeighboursFull,
        Self::Fragment,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OwnFrame => "own_frame",
            Self::Sender => "sender_no_station",
            Self::Datagram => "datagram_unwanted",
            Self::Protocol => "protocol_unknown",
            Self::Destination => "destination_not_ours",
            Self::Arp => "arp_malformed",
            Self::Icmp => "icmp_malformed",
            Self::IcmpOther => "icmp_other",
            Self::EchoToGroup => "echo_to_group",
            Self::EchoRate => "echo_rate",
            Self::QuestionRate => "question_rate",
            Self::Membership => "membership_malformed",
            Self::QueryOrigin => "query_origin",
            Self::QueryGroup => "query_group",
            Self::Poisoning => "neighbour_poisoning",
            Self::NeighboursFull => "neighbours_full",
            Self::Fragment => "fragment_behind_extensions",
        }
    }
}

/// What a host has seen and done since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Frames received.
    pub frames_received: u64,
    /// Frames handed out to be sent.
    pub frames_sent: u64,
    /// Frames that were dropped because too many were waiting to be sent.
    pub frames_dropped: u64,
    /// Frames that were bad, by [`Reason`].
    pub bad: [u64; Reason::COUNT],
    /// Frames that were not acted upon, by [`Ignored`].
    pub ignored: [u64; Ignored::COUNT],
    /// Echo requests answered.
    pub echo_replies: u64,
    /// Questions for our addresses answered (ARP, neighbour discovery).
    pub answers: u64,
    /// Questions asked for neighbours, repetitions and confirmations among them.
    pub questions: u64,
    /// Group membership reports and leaves sent.
    pub reports: u64,
    /// Group membership queries acted upon.
    pub queries: u64,
    /// Frames in which another station claimed one of our addresses.
    pub conflicts: u64,
    /// Defences of our addresses sent.
    pub defences: u64,
    /// Events that were dropped because nobody took them.
    pub events_dropped: u64,
}

impl HostCounters {
    /// Frames ignored for one reason.
    #[must_use]
    pub const fn ignored(&self, reason: Ignored) -> u64 {
        self.ignored[reason as usize]
    }

    /// Frames bad for one reason.
    #[must_use]
    pub const fn bad(&self, reason: Reason) -> u64 {
        self.bad[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_index_with_its_own_label() {
        for (index, reason) in Ignored::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(Ignored::ALL.iter().filter(|other| other.label() == reason.label()).count(), 1);
        }
    }
}
