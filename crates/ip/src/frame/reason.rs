//! Why a frame is dropped.

/// Why a frame is bad. Counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// Shorter than its Ethernet header, tag included.
    #[error("shorter than an Ethernet header")]
    EthernetTooShort,
    /// A header continues in a further segment of the buffer, where it cannot be read.
    #[error("headers are split over segments of the buffer")]
    Split,
    /// Unicast to another station.
    #[error("for another station")]
    NotOurMac,
    /// Tagged with another VLAN than the port's, or not tagged where it should be.
    #[error("of another VLAN")]
    ForeignVlan,
    /// The frame ends within the IP header.
    #[error("shorter than an IP header")]
    IpTooShort,
    /// The IP version is not that of the EtherType.
    #[error("IP version differs from the EtherType")]
    IpVersion,
    /// The IPv4 header claims fewer than 20 octets, or more than the packet has.
    #[error("IPv4 header length is wrong")]
    IpHeaderLength,
    /// The IP length lies beyond the frame or before the end of the header.
    #[error("IP length does not fit the frame")]
    IpLength,
    /// The checksum of the IPv4 header is wrong.
    #[error("IPv4 header checksum is wrong")]
    IpChecksum,
    /// The source address is a group or the broadcast address.
    #[error("source address is no station's")]
    SourceAddress,
    /// A fragment: media is never fragmented (ST 2110-10), and nothing here reassembles.
    #[error("fragment")]
    Fragment,
    /// The IP packet ends within the UDP header.
    #[error("shorter than a UDP header")]
    UdpTooShort,
    /// The UDP length is below 8 or lies beyond the IP packet.
    #[error("UDP length does not fit the IP packet")]
    UdpLength,
    /// The UDP checksum is wrong.
    #[error("UDP checksum is wrong")]
    UdpChecksum,
    /// IPv6 without a UDP checksum (RFC 8200 §8.1).
    #[error("UDP over IPv6 without a checksum")]
    UdpChecksumAbsent,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, for counters; `reason as usize` is its index.
    pub const ALL: [Self; 15] = [
        Self::EthernetTooShort,
        Self::Split,
        Self::NotOurMac,
        Self::ForeignVlan,
        Self::IpTooShort,
        Self::IpVersion,
        Self::IpHeaderLength,
        Self::IpLength,
        Self::IpChecksum,
        Self::SourceAddress,
        Self::Fragment,
        Self::UdpTooShort,
        Self::UdpLength,
        Self::UdpChecksum,
        Self::UdpChecksumAbsent,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EthernetTooShort => "ethernet_too_short",
            Self::Split => "headers_split",
            Self::NotOurMac => "not_our_mac",
            Self::ForeignVlan => "foreign_vlan",
            Self::IpTooShort => "ip_too_short",
            Self::IpVersion => "ip_version",
            Self::IpHeaderLength => "ip_header_length",
            Self::IpLength => "ip_length",
            Self::IpChecksum => "ip_checksum",
            Self::SourceAddress => "source_address",
            Self::Fragment => "fragment",
            Self::UdpTooShort => "udp_too_short",
            Self::UdpLength => "udp_length",
            Self::UdpChecksum => "udp_checksum",
            Self::UdpChecksumAbsent => "udp_checksum_absent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_index_with_its_own_label() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(Reason::ALL.iter().filter(|other| other.label() == reason.label()).count(), 1);
        }
    }
}
