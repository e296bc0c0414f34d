//! Below UDP: Ethernet, IP, ARP, neighbour discovery, ICMP, group membership; sans-IO.
#![forbid(unsafe_code)]
