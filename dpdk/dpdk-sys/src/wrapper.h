/*
 * What the Rust bindings see of DPDK. Names that changed between 22.11 and 24.11, macros that bindgen cannot
 * evaluate, and struct layouts that differ are evened out here, checked by the C compiler.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_interrupts.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
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

/* Pools whose operations are ours: where they keep what is theirs, and for how many buffers. */
static const size_t FLYPACK_MEMPOOL_DATA = offsetof(struct rte_mempool, pool_data);

/* Whose they are: what rte_mempool_register_ops() returned. */
static inline int32_t flypack_mempool_operations(const struct rte_mempool *pool)
{
	return pool->ops_index;
}

static inline uint32_t flypack_mempool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

/*
 * Where the calling thread frees buffers of a pool to: its lcore's cache, of which no other thread has any part. Null where the
 * pool or the thread has none. One whose threshold is 0 takes nothing: buffers go on to the pool.
 */
static inline struct rte_mempool_cache *flypack_own_cache(struct rte_mempool *pool)
{
	return rte_mempool_default_cache(pool, rte_lcore_id());
}

/* Before anybody has the pool: no thread keeps any of its buffers. */
static inline void flypack_shut_caches(struct rte_mempool *pool)
{
	struct rte_mempool_cache *cache;
	unsigned int lcore;

	for (lcore = 0; lcore < RTE_MAX_LCORE; lcore++) {
		cache = rte_mempool_default_cache(pool, lcore);
		if (cache != NULL)
			cache->flushthresh = 0;
	}
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

/*
 * Which UDP datagrams go to which receive queue. The address is as on the wire, the numbers as in the CPU.
 * The patterns are made here: the layouts of their headers differ between versions.
 */
struct flypack_flow_rule {
	uint8_t address[16];
	uint8_t is_ipv6;
	uint8_t is_tagged;
	uint16_t vlan;
	uint16_t udp_port;
	uint16_t queue;
};

/* Null when the driver refuses: `result` is then a negative error number, `message` what the driver says. */
static inline struct rte_flow *flypack_flow_create(uint16_t port, const struct flypack_flow_rule *rule, int *result,
	char *message, size_t message_room)
{
	const struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item_vlan vlan = {0}, vlan_mask = {0};
	struct rte_flow_item_ipv4 ipv4 = {0}, ipv4_mask = {0};
	struct rte_flow_item_ipv6 ipv6 = {0}, ipv6_mask = {0};
	struct rte_flow_item_udp udp = {0}, udp_mask = {0};
	struct rte_flow_action_queue queue = { .index = rule->queue };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_item pattern[5] = { { .type = RTE_FLOW_ITEM_TYPE_ETH } };
	struct rte_flow_error error = {0};
	struct rte_flow *flow = NULL;
	int items = 1;

	if (rule->is_tagged) {
		vlan.hdr.vlan_tci = rte_cpu_to_be_16(rule->vlan);
		/* The identifier; priority and DEI are anything. */
		vlan_mask.hdr.vlan_tci = RTE_BE16(0x0fff);
		pattern[items++] = (struct rte_flow_item){
			.type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &vlan, .mask = &vlan_mask };
	}
	if (rule->is_ipv6) {
		memcpy(&ipv6.hdr.dst_addr, rule->address, 16);
		memset(&ipv6_mask.hdr.dst_addr, 0xff, 16);
		pattern[items++] = (struct rte_flow_item){
			.type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &ipv6, .mask = &ipv6_mask };
	} else {
		memcpy(&ipv4.hdr.dst_addr, rule->address, 4);
		memset(&ipv4_mask.hdr.dst_addr, 0xff, 4);
		pattern[items++] = (struct rte_flow_item){
			.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ipv4, .mask = &ipv4_mask };
	}
	udp.hdr.dst_port = rte_cpu_to_be_16(rule->udp_port);
	udp_mask.hdr.dst_port = RTE_BE16(0xffff);
	pattern[items++] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask };
	pattern[items] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_END };

	*result = rte_flow_validate(port, &attr, pattern, actions, &error);
	if (*result == 0) {
		flow = rte_flow_create(port, &attr, pattern, actions, &error);
		*result = flow == NULL ? -rte_errno : 0;
	}
	snprintf(message, message_room, "%s", error.message == NULL ? "" : error.message);
	return flow;
}

static inline int flypack_flow_destroy(uint16_t port, struct rte_flow *flow)
{
	struct rte_flow_error error;

	return rte_flow_destroy(port, flow, &error);
}

/* Before the port is configured: it receives what rules name and nothing else. */
static inline int flypack_flow_isolate(uint16_t port)
{
	struct rte_flow_error error;

	return rte_flow_isolate(port, 1, &error);
}

/* How many file descriptors were ready, or a negative error number; reads them as far as their kind needs it. */
static inline int flypack_epoll_wait(int epoll, int timeout_ms)
{
	struct rte_epoll_event event;
	int ready;

	/* DPDK promises a negative value, and epoll_wait sets errno. */
	errno = EIO;
	ready = rte_epoll_wait(epoll, &event, 1, timeout_ms);
	return ready < 0 ? -errno : ready;
}

static const int FLYPACK_INTERRUPT_ADD = RTE_INTR_EVENT_ADD;
static const int FLYPACK_INTERRUPT_REMOVE = RTE_INTR_EVENT_DEL;

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
