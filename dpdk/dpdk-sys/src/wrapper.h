/*
 * What the Rust bindings see of DPDK. Names that changed between 22.11 and 24.11, macros that bindgen cannot
 * evaluate, and struct layouts that differ are evened out here, checked by the C compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_version.h>

/* rte_errno is a thread-local variable behind a macro. */
static inline int flypack_errno(void)
{
	return rte_errno;
}

/* By default EAL writes to the system log as well. */
static inline int flypack_log_to_stderr(void)
{
	return rte_openlog_stream(stderr);
}

/*
 * Gives back what the calling thread's lcore keeps of a pool; only the thread itself may.
 * Without it the buffers wait there until another thread is given the same lcore.
 */
static inline void flypack_flush_own_cache(struct rte_mempool *pool)
{
	struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());

	if (cache != NULL)
		rte_mempool_cache_flush(cache, pool);
}

/*
 * The fields of rte_mbuf, flat: the unions around them differ between versions, their places do not.
 * Drivers rely on the places as well (vector receive writes whole lines).
 */
struct flypack_mbuf {
	void *buf_addr;
	uint64_t buf_iova;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t hash[2];
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
	struct rte_mempool *pool;
	struct flypack_mbuf *next;
	uint64_t tx_offload;
	struct rte_mbuf_ext_shared_info *shinfo;
	uint16_t priv_size;
	uint16_t timesync;
	uint32_t dynfield1[9];
};

#define SAME_PLACE(field) \
	_Static_assert(offsetof(struct flypack_mbuf, field) == offsetof(struct rte_mbuf, field), #field)
SAME_PLACE(buf_addr);
SAME_PLACE(buf_iova);
SAME_PLACE(data_off);
SAME_PLACE(refcnt);
SAME_PLACE(nb_segs);
SAME_PLACE(port);
SAME_PLACE(ol_flags);
SAME_PLACE(packet_type);
SAME_PLACE(pkt_len);
SAME_PLACE(data_len);
SAME_PLACE(vlan_tci);
SAME_PLACE(hash);
SAME_PLACE(vlan_tci_outer);
SAME_PLACE(buf_len);
SAME_PLACE(pool);
SAME_PLACE(next);
SAME_PLACE(tx_offload);
SAME_PLACE(shinfo);
SAME_PLACE(priv_size);
SAME_PLACE(timesync);
SAME_PLACE(dynfield1);
_Static_assert(sizeof(struct flypack_mbuf) == sizeof(struct rte_mbuf), "rte_mbuf has grown");

/* How tx_offload packs the header lengths. */
static const uint32_t FLYPACK_L2_LEN_SHIFT = RTE_MBUF_L2_LEN_OFS;
static const uint32_t FLYPACK_L3_LEN_SHIFT = RTE_MBUF_L3_LEN_OFS;

/* The link as the driver last saw it; rte_eth_link is a union around bit-fields since 24.03. */
struct flypack_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
};

static inline int flypack_link_nowait(uint16_t port, struct flypack_link *out)
{
	struct rte_eth_link link = {0};
	int result = rte_eth_link_get_nowait(port, &link);

	out->speed_mbps = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return result;
}

/* Constants made with RTE_BIT64() and casts, which bindgen does not evaluate. */
static const uint64_t FLYPACK_TX_OFFLOAD_VLAN_INSERT = RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
static const uint64_t FLYPACK_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t FLYPACK_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t FLYPACK_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t FLYPACK_TX_OFFLOAD_MBUF_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
static const uint64_t FLYPACK_TX_OFFLOAD_SEND_ON_TIMESTAMP = RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP;
static const uint64_t FLYPACK_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t FLYPACK_RX_OFFLOAD_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t FLYPACK_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t FLYPACK_RX_OFFLOAD_VLAN_STRIP = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
static const uint64_t FLYPACK_RX_OFFLOAD_TIMESTAMP = RTE_ETH_RX_OFFLOAD_TIMESTAMP;

static const uint64_t FLYPACK_MBUF_F_EXTERNAL = RTE_MBUF_F_EXTERNAL;
static const uint64_t FLYPACK_MBUF_F_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t FLYPACK_MBUF_F_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t FLYPACK_MBUF_F_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t FLYPACK_MBUF_F_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t FLYPACK_MBUF_F_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t FLYPACK_MBUF_F_RX_VLAN = RTE_MBUF_F_RX_VLAN;
static const uint64_t FLYPACK_MBUF_F_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t FLYPACK_MBUF_F_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t FLYPACK_MBUF_F_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t FLYPACK_MBUF_F_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t FLYPACK_MBUF_F_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t FLYPACK_MBUF_F_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t FLYPACK_MBUF_F_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;

static const int FLYPACK_NUMA_ANY = SOCKET_ID_ANY;
