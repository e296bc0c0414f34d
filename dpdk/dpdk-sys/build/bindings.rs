//! The Rust side of the headers, and the C side of their inline functions.

use std::path::Path;

use crate::library::Library;

/// Functions, as regular expressions. Short on purpose: what is not called is not bound.
const FUNCTIONS: [&str; 14] = [
    "rte_eal_init",
    "rte_thread_(un)?register|rte_lcore_id",
    "rte_strerror|flypack_(errno|log_to_stderr|flush_own_cache)",
    "rte_version",
    "rte_eth_(read_clock|rx_queue_count|dev_rx_intr_(enable|disable|ctl_q))|flypack_(flow_(create|destroy|isolate)|epoll_wait)",
    "rte_mbuf_dyn_[rt]x_timestamp_register",
    "rte_dev_(probe|remove|name|dma_map|dma_unmap)",
    "rte_eth_dev_(get_port_by_name|info_get|configure|start|stop|close|socket_id|adjust_nb_rx_tx_desc|set_mtu|get_mtu|set_mc_addr_list)",
    "rte_eth_((rx|tx)_queue_setup|rx_burst|tx_burst|tx_prepare|tx_done_cleanup)",
    "rte_eth_(macaddr_get|promiscuous_(enable|disable)|allmulticast_enable|stats_get|stats_reset|xstats_get|xstats_get_names)|flypack_link_nowait",
    "rte_pktmbuf_(pool_create|pool_create_by_ops|alloc|alloc_bulk|free|free_bulk|prefree_seg|attach)",
    "rte_mempool_(free|get_bulk|put_bulk|avail_count|in_use_count|register_ops)|rte_(mbuf_ext_refcnt|mbuf_refcnt)_(read|set|update)",
    "flypack_(mempool_(size|operations)|own_cache|shut_caches)",
    "rte_extmem_(un)?register|rte_mem_virt2iova|rte_eal_iova_mode|rte_malloc_get_socket_stats",
];

const TYPES: [&str; 7] = [
    "flypack_mbuf",
    "flypack_link",
    "flypack_flow_rule",
    "rte_eth_(conf|dev_info|rxconf|txconf|stats|xstat|xstat_name)",
    "rte_ether_addr",
    "rte_mempool_ops",
    "rte_(iova_mode|malloc_socket_stats)",
];

const CONSTANTS: [&str; 3] = [
    "FLYPACK_.*",
    "RTE_(PKTMBUF_HEADROOM|MAX_LCORE|MAX_ETHPORTS|MAX_NUMA_NODES|MEMPOOL_CACHE_MAX_SIZE|ETH_NAME_MAX_LEN|ETHER_ADDR_LEN)",
    "RTE_VER_(YEAR|MONTH|MINOR)",
];

/// Known through pointers only; their insides differ between versions or are of no use here.
const OPAQUE: [&str; 7] = [
    "rte_mempool",
    "rte_device",
    "rte_flow",
    "rte_l2tpv2_combined_msg_hdr",
    "rte_eth_rxseg.*",
    "rte_eth_switch_info",
    "rte_eth_(rx|tx)_adv_conf",
];

/// Writes `bindings.rs` into `out`, and compiles the shims there.
pub(crate) fn generate(library: &Library, out: &Path) {
    let shims = out.join("shims");
    let mut builder = bindgen::Builder::default()
        .header("src/wrapper.h")
        .clang_args(&library.cflags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(&shims)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        // The flat view stands in for it, see wrapper.h.
        .blocklist_type("rte_mbuf(_sched|__bindgen.*)?|rte_mempool__bindgen.*")
        .raw_line("pub type rte_mbuf = flypack_mbuf;")
        .use_core();
    for pattern in FUNCTIONS {
        builder = builder.allowlist_function(pattern);
    }
    for pattern in TYPES {
        builder = builder.allowlist_type(pattern);
    }
    for pattern in CONSTANTS {
        builder = builder.allowlist_var(pattern);
    }
    for pattern in OPAQUE {
        builder = builder.opaque_type(pattern);
    }
    let bindings = builder.generate().expect("clang reads the headers; see its complaint above");
    bindings.write_to_file(out.join("bindings.rs")).expect("OUT_DIR can be written");
    compile_shims(library, &shims.with_extension("c"));
}

/// The inline functions (bursts among them) are optimised whatever the profile.
fn compile_shims(library: &Library, source: &Path) {
    let mut build = cc::Build::new();
    build.file(source).include(".").opt_level(3).warnings(false);
    // They call functions that DPDK marks experimental (registering memory for a device).
    build.define("ALLOW_EXPERIMENTAL_API", None);
    library.cflags.iter().for_each(|flag| {
        build.flag(flag);
    });
    build.compile("flypack_dpdk_shims");
}
