//! DPDK for Rust: environment, pools, packet buffers, ports, external memory; the queues of `netio` over them.
