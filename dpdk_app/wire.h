/* wire.h - Ethernet, IPv4 and UDP around a fast-path frame.
 *
 *     | Ethernet 14 | IPv4 20, no options | UDP 8, checksum 0 | frame header 88 | payload |
 *
 * A frame goes to the receiver's udp_port; its source port is WIRE_SOURCE_PORT + the sender's id,
 * so a receiver tells its peers apart by source (address, port), and a NIC can steer by it.
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Source: design 4. */
#ifndef ZABLINE_DPDK_APP_WIRE_H
#define ZABLINE_DPDK_APP_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "config/config.h"
#include "proto/reason.h"

#define WIRE_SOURCE_PORT 49152

struct wire_header {
  struct rte_ether_hdr eth;
  struct rte_ipv4_hdr ip;
  struct rte_udp_hdr udp;
} __rte_packed __rte_aligned(2);
static_assert(sizeof(struct wire_header) == 14 + LIMIT_FRAME_OVERHEAD, "counted in the MTU");

struct wire {
  struct rte_ether_addr mac; /* own */
  uint32_t ip;               /* own, network byte order */
  uint16_t udp_port;         /* own, network byte order */
  uint16_t mtu;
  int peer_cnt;
  struct {
    uint32_t ip;               /* network byte order */
    uint16_t source_port;      /* network byte order */
    uint32_t ip_sum;           /* one's complement sum of `header.ip` without its length */
    struct wire_header header; /* to this peer, lengths and checksum still 0 */
  } peers[LIMIT_PEERS];        /* as config peers; [self_idx] matches nothing */
};

struct wire_frame {
  const void *frame; /* Zabline frame header */
  uint16_t len;      /* from there on */
  int peer_idx;
};

void wire_init(struct wire *w, const struct config *c);

/* wire_write fills the headers of a frame of len bytes to a peer; 28 + len <= mtu (asserted). */
void wire_write(const struct wire *w, int peer_idx, void *packet, size_t len);

/* wire_read finds the frame in a received packet of len bytes.  REASON_NONE with *out set,
 * REASON_FRAME_SHORT (lengths do not fit each other), REASON_FRAME_ADDRESS (not from a peer to us).
 * out->peer_idx is set in any case: -1 if the addresses are no peer's. */
enum reason wire_read(const struct wire *w, const void *packet, size_t len, struct wire_frame *out);

/* wire_sender says whom a packet names as its sender, as struct drops keeps it; 0: it is too short.
 */
struct wire_sender {
  uint64_t mac, udp;
};
struct wire_sender wire_sender(const void *packet, size_t len);

#endif
