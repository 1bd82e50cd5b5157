/* wire.h - Ethernet, IPv4 and UDP around a fast-path frame, on one port.
 *
 *     | Ethernet 14 | 802.1Q 4, if the port has a VLAN | IPv4 20, no options | UDP 8, checksum 0 |
 *     | frame header 88 | payload |
 *
 * A frame goes to the receiver's udp_port; its source port is WIRE_SOURCE_PORT + the sender's id,
 * so a receiver tells its peers apart by source (address, port), and a NIC can steer by it.  A MAC
 * is no identity: that of a sender is not looked at.
 *
 * Headers are made once per peer, the tag included, so that no offload could make them cheaper.
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Source: design 4. */
#ifndef ZABLINE_DPDK_APP_WIRE_H
#define ZABLINE_DPDK_APP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "config/config.h"
#include "proto/reason.h"

#define WIRE_SOURCE_PORT 49152
#define WIRE_TAG 4
#define WIRE_NO_TAG UINT32_MAX
#define WIRE_HEADERS_MAX (RTE_ETHER_HDR_LEN + WIRE_TAG + LIMIT_FRAME_OVERHEAD)

struct wire_l3 {
  struct rte_ipv4_hdr ip;
  struct rte_udp_hdr udp;
} __rte_packed __rte_aligned(2);
static_assert(sizeof(struct wire_l3) == LIMIT_FRAME_OVERHEAD, "counted in the MTU");

struct wire {
  struct rte_ether_addr mac; /* own */
  uint32_t ip;               /* own, network byte order */
  uint16_t udp_port;         /* own, network byte order */
  uint16_t mtu;
  uint16_t vlan;     /* 0: untagged */
  uint32_t l2_len;   /* 14 or 18 */
  uint32_t head_len; /* all headers */
  int peer_cnt;
  struct {
    bool mac_known;
    uint32_t ip;                      /* network byte order; 0: not on this port */
    uint16_t source_port;             /* network byte order */
    uint32_t ip_sum;                  /* one's complement sum of the IPv4 header without length */
    uint8_t header[WIRE_HEADERS_MAX]; /* to this peer, lengths and checksum still 0 */
  } peers[LIMIT_PEERS];               /* as config peers; [self_idx] matches nothing */
};

struct wire_frame {
  const void *frame; /* Zabline frame header */
  uint16_t len;      /* from there on */
  int peer_idx;
};

/* What is inside the Ethernet header; type 0: too short. */
struct wire_l2 {
  bool foreign;  /* of another VLAN */
  uint16_t type; /* RTE_ETHER_TYPE_* */
  uint32_t len;  /* of the Ethernet header with its tag */
};

/* wire_init prepares what goes through config port port_idx; mac: own, there. */
void wire_init(struct wire *w, const struct config *c, int port_idx,
               const struct rte_ether_addr *mac);

/* wire_set_mac: frames to this peer go to mac from now on. */
void wire_set_mac(struct wire *w, int peer_idx, const uint8_t mac[6]);

/* wire_find_ip returns the peer with this address on this port (network byte order), or -1. */
int wire_find_ip(const struct wire *w, uint32_t ip);

/* wire_write fills the headers of a frame of len bytes to a peer whose MAC is known; 28 + len <=
 * mtu (asserted).  It writes WIRE_HEADERS_MAX bytes; the frame belongs behind w->head_len. */
void wire_write(const struct wire *w, int peer_idx, void *packet, size_t len);

/* wire_write_l2 writes an Ethernet header to dst; returns its length. */
uint32_t wire_write_l2(const struct wire *w, void *packet, const uint8_t dst[6], uint16_t type);

/* wire_read_l2 reads an Ethernet header; tag: the TCI that the driver has taken out of the packet,
 * or WIRE_NO_TAG. */
struct wire_l2 wire_read_l2(const struct wire *w, const void *packet, size_t len, uint32_t tag);

/* wire_read finds the frame in a received packet of len bytes; tag as above.  REASON_NONE with
 * *out set, REASON_FRAME_SHORT (lengths do not fit each other), REASON_FRAME_ADDRESS (not from a
 * peer to us, or of another VLAN).  out->peer_idx is set in any case: -1 if the addresses are no
 * peer's. */
enum reason wire_read(const struct wire *w, const void *packet, size_t len, uint32_t tag,
                      struct wire_frame *out);

/* wire_sender says whom a packet names as its sender, as struct drops keeps it; 0: it is too short.
 */
struct wire_sender {
  uint64_t mac, udp;
};
struct wire_sender wire_sender(const struct wire *w, const void *packet, size_t len, uint32_t tag);

#endif
