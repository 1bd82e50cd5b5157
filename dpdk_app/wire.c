#include "dpdk_app/wire.h"

#include <assert.h>
#include <string.h>

#include <rte_byteorder.h>

static void prepare(struct wire *w, const struct config *c, int idx) {
  const struct config_peer *self = &c->peers[c->self_idx], *to = &c->peers[idx];
  struct wire_header *h = &w->peers[idx].header;
  memcpy(&h->eth.dst_addr, to->fast.mac, sizeof h->eth.dst_addr);
  memcpy(&h->eth.src_addr, self->fast.mac, sizeof h->eth.src_addr);
  h->eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
  h->ip.version_ihl = RTE_IPV4_VHL_DEF;
  h->ip.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
  h->ip.time_to_live = 64;
  h->ip.next_proto_id = IPPROTO_UDP;
  h->ip.src_addr = rte_cpu_to_be_32(self->fast.ip);
  h->ip.dst_addr = rte_cpu_to_be_32(to->fast.ip);
  h->udp.src_port = rte_cpu_to_be_16((uint16_t)(WIRE_SOURCE_PORT + self->id));
  h->udp.dst_port = rte_cpu_to_be_16(to->fast.udp_port);
  w->peers[idx].ip_sum = rte_raw_cksum(&h->ip, sizeof h->ip);
  w->peers[idx].ip = h->ip.dst_addr;
  w->peers[idx].source_port = rte_cpu_to_be_16((uint16_t)(WIRE_SOURCE_PORT + to->id));
}

void wire_init(struct wire *w, const struct config *c) {
  const struct config_fast *self = &c->peers[c->self_idx].fast;
  memset(w, 0, sizeof *w);
  memcpy(&w->mac, self->mac, sizeof w->mac);
  w->ip = rte_cpu_to_be_32(self->ip);
  w->udp_port = rte_cpu_to_be_16(self->udp_port);
  w->mtu = c->mtu;
  w->peer_cnt = c->peer_cnt;
  for (int i = 0; i < c->peer_cnt; i++)
    if (i != c->self_idx) prepare(w, c, i); /* a source port of 0 matches no packet of ours */
}

void wire_write(const struct wire *w, int peer_idx, void *packet, size_t len) {
  assert(len + LIMIT_FRAME_OVERHEAD <= w->mtu);
  struct wire_header *h = packet;
  memcpy(h, &w->peers[peer_idx].header, sizeof *h);
  h->ip.total_length = rte_cpu_to_be_16((uint16_t)(len + LIMIT_FRAME_OVERHEAD));
  h->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(len + sizeof h->udp));
  uint32_t sum = w->peers[peer_idx].ip_sum + h->ip.total_length;
  sum = (sum & 0xffff) + (sum >> 16);
  h->ip.hdr_checksum = (uint16_t)~sum;
}

static int find_peer(const struct wire *w, uint32_t ip, uint16_t port) {
  for (int i = 0; i < w->peer_cnt; i++)
    if (w->peers[i].ip == ip && w->peers[i].source_port == port) return i;
  return -1;
}

/* Checksums of IPv4 are not looked at: each field that is used is compared with the one value it
 * may have, and the frame has its own. */
static int read_peer(const struct wire *w, const struct wire_header *h) {
  if (!rte_is_same_ether_addr(&h->eth.dst_addr, &w->mac)) return -1;
  if (h->eth.ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) return -1;
  if (h->ip.version_ihl != RTE_IPV4_VHL_DEF || h->ip.next_proto_id != IPPROTO_UDP) return -1;
  if (h->ip.fragment_offset & rte_cpu_to_be_16(0x3fff)) return -1; /* offset, or more follow */
  if (h->ip.dst_addr != w->ip || h->udp.dst_port != w->udp_port) return -1;
  return find_peer(w, h->ip.src_addr, h->udp.src_port);
}

enum reason wire_read(const struct wire *w, const void *packet, size_t len,
                      struct wire_frame *out) {
  const struct wire_header *h = packet;
  out->peer_idx = -1;
  if (len < sizeof *h) return REASON_FRAME_SHORT;
  int peer = out->peer_idx = read_peer(w, h);
  if (peer < 0) return REASON_FRAME_ADDRESS;
  size_t ip_len = rte_be_to_cpu_16(h->ip.total_length),
         udp_len = rte_be_to_cpu_16(h->udp.dgram_len);
  /* Ethernet may have padded a short packet. */
  if (ip_len < LIMIT_FRAME_OVERHEAD || ip_len + sizeof h->eth > len) return REASON_FRAME_SHORT;
  if (udp_len + sizeof h->ip != ip_len) return REASON_FRAME_SHORT;
  *out = (struct wire_frame){h + 1, (uint16_t)(ip_len - LIMIT_FRAME_OVERHEAD), peer};
  return REASON_NONE;
}

struct wire_sender wire_sender(const void *packet, size_t len) {
  const struct wire_header *h = packet;
  struct wire_sender s = {0, 0};
  if (len < sizeof h->eth) return s;
  for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++) s.mac = s.mac << 8 | h->eth.src_addr.addr_bytes[i];
  bool is_udp = len >= sizeof *h && h->eth.ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
                h->ip.version_ihl == RTE_IPV4_VHL_DEF && h->ip.next_proto_id == IPPROTO_UDP;
  if (is_udp)
    s.udp = (uint64_t)rte_be_to_cpu_32(h->ip.src_addr) << 16 | rte_be_to_cpu_16(h->udp.src_port);
  return s;
}
