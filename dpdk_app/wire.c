#include "dpdk_app/wire.h"

#include <assert.h>
#include <string.h>

#include <rte_byteorder.h>

#define VLAN_ID 0x0fff

uint32_t wire_write_l2(const struct wire *w, void *packet, const uint8_t dst[6], uint16_t type) {
  struct rte_ether_hdr *eth = packet;
  memcpy(&eth->dst_addr, dst, sizeof eth->dst_addr);
  eth->src_addr = w->mac;
  eth->ether_type = rte_cpu_to_be_16(w->vlan ? RTE_ETHER_TYPE_VLAN : type);
  if (w->vlan) {
    struct rte_vlan_hdr *tag = (void *)(eth + 1);
    tag->vlan_tci = rte_cpu_to_be_16(w->vlan);
    tag->eth_proto = rte_cpu_to_be_16(type);
  }
  return w->l2_len;
}

static void prepare(struct wire *w, const struct config *c, int idx, int k) {
  const struct config_peer *self = &c->peers[c->self_idx], *to = &c->peers[idx];
  uint8_t *header = w->peers[idx].header;
  struct wire_l3 h = {.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
                             .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
                             .time_to_live = 64,
                             .next_proto_id = IPPROTO_UDP,
                             .src_addr = w->ip,
                             .dst_addr = rte_cpu_to_be_32(to->fast[k].ip)},
                      .udp = {.src_port = rte_cpu_to_be_16((uint16_t)(WIRE_SOURCE_PORT + self->id)),
                              .dst_port = rte_cpu_to_be_16(to->fast[k].udp_port)}};
  wire_write_l2(w, header, to->fast[k].mac, RTE_ETHER_TYPE_IPV4);
  memcpy(header + w->l2_len, &h, sizeof h);
  w->peers[idx].mac_known = to->fast[k].mac_static;
  w->peers[idx].ip_sum = rte_raw_cksum(&h.ip, sizeof h.ip);
  w->peers[idx].ip = h.ip.dst_addr;
  w->peers[idx].source_port = rte_cpu_to_be_16((uint16_t)(WIRE_SOURCE_PORT + to->id));
}

void wire_init(struct wire *w, const struct config *c, int port_idx,
               const struct rte_ether_addr *mac) {
  int k = c->ports[port_idx].fast_idx;
  const struct config_fast *self = &c->peers[c->self_idx].fast[k];
  memset(w, 0, sizeof *w);
  w->mac = *mac;
  w->ip = rte_cpu_to_be_32(self->ip);
  w->udp_port = rte_cpu_to_be_16(self->udp_port);
  w->mtu = c->mtu;
  w->vlan = c->ports[port_idx].vlan;
  w->l2_len = RTE_ETHER_HDR_LEN + (w->vlan ? WIRE_TAG : 0);
  w->head_len = w->l2_len + (uint32_t)sizeof(struct wire_l3);
  w->peer_cnt = c->peer_cnt;
  for (int i = 0; i < c->peer_cnt; i++) /* a source port of 0 matches no packet of ours */
    if (i != c->self_idx && c->peers[i].fast[k].port_idx == port_idx) prepare(w, c, i, k);
}

void wire_set_mac(struct wire *w, int peer_idx, const uint8_t mac[6]) {
  memcpy(w->peers[peer_idx].header, mac, RTE_ETHER_ADDR_LEN);
  w->peers[peer_idx].mac_known = true;
}

void wire_write(const struct wire *w, int peer_idx, void *packet, size_t len) {
  assert(len + LIMIT_FRAME_OVERHEAD <= w->mtu);
  memcpy(packet, w->peers[peer_idx].header, WIRE_HEADERS_MAX); /* of one size: no call */
  struct wire_l3 *h = (void *)((uint8_t *)packet + w->l2_len);
  h->ip.total_length = rte_cpu_to_be_16((uint16_t)(len + LIMIT_FRAME_OVERHEAD));
  h->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(len + sizeof h->udp));
  uint32_t sum = w->peers[peer_idx].ip_sum + h->ip.total_length;
  sum = (sum & 0xffff) + (sum >> 16);
  h->ip.hdr_checksum = (uint16_t)~sum;
}

struct wire_l2 wire_read_l2(const struct wire *w, const void *packet, size_t len, uint32_t tag) {
  const struct rte_ether_hdr *eth = packet;
  struct wire_l2 l2 = {.len = sizeof *eth};
  if (len < sizeof *eth) return l2;
  uint16_t type = eth->ether_type;
  if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) && tag == WIRE_NO_TAG) {
    const struct rte_vlan_hdr *inside = (const void *)(eth + 1);
    l2.len += WIRE_TAG;
    if (len < l2.len) return l2;
    tag = rte_be_to_cpu_16(inside->vlan_tci);
    type = inside->eth_proto;
  }
  l2.foreign = (tag == WIRE_NO_TAG ? 0 : tag & VLAN_ID) != w->vlan;
  l2.type = rte_be_to_cpu_16(type);
  return l2;
}

int wire_find_ip(const struct wire *w, uint32_t ip) {
  for (int i = 0; ip && i < w->peer_cnt; i++)
    if (w->peers[i].ip == ip) return i;
  return -1;
}

static int find_peer(const struct wire *w, uint32_t ip, uint16_t port) {
  for (int i = 0; i < w->peer_cnt; i++)
    if (ip && w->peers[i].ip == ip && w->peers[i].source_port == port) return i;
  return -1;
}

/* Checksums of IPv4 are not looked at: each field that is used is compared with the one value it
 * may have, and the frame has its own. */
static int read_peer(const struct wire *w, const struct wire_l3 *h) {
  if (h->ip.version_ihl != RTE_IPV4_VHL_DEF || h->ip.next_proto_id != IPPROTO_UDP) return -1;
  if (h->ip.fragment_offset & rte_cpu_to_be_16(0x3fff)) return -1; /* offset, or more follow */
  if (h->ip.dst_addr != w->ip || h->udp.dst_port != w->udp_port) return -1;
  return find_peer(w, h->ip.src_addr, h->udp.src_port);
}

enum reason wire_read(const struct wire *w, const void *packet, size_t len, uint32_t tag,
                      struct wire_frame *out) {
  const struct rte_ether_hdr *eth = packet;
  struct wire_l2 l2 = wire_read_l2(w, packet, len, tag);
  const struct wire_l3 *h = (const void *)((const uint8_t *)packet + l2.len);
  out->peer_idx = -1;
  if (len < l2.len + sizeof *h) return REASON_FRAME_SHORT;
  if (l2.foreign || l2.type != RTE_ETHER_TYPE_IPV4) return REASON_FRAME_ADDRESS;
  if (!rte_is_same_ether_addr(&eth->dst_addr, &w->mac)) return REASON_FRAME_ADDRESS;
  int peer = out->peer_idx = read_peer(w, h);
  if (peer < 0) return REASON_FRAME_ADDRESS;
  size_t ip_len = rte_be_to_cpu_16(h->ip.total_length),
         udp_len = rte_be_to_cpu_16(h->udp.dgram_len);
  /* Ethernet may have padded a short packet. */
  if (ip_len < LIMIT_FRAME_OVERHEAD || ip_len + l2.len > len) return REASON_FRAME_SHORT;
  if (udp_len + sizeof h->ip != ip_len) return REASON_FRAME_SHORT;
  *out = (struct wire_frame){h + 1, (uint16_t)(ip_len - LIMIT_FRAME_OVERHEAD), peer};
  return REASON_NONE;
}

struct wire_sender wire_sender(const struct wire *w, const void *packet, size_t len, uint32_t tag) {
  const struct rte_ether_hdr *eth = packet;
  struct wire_l2 l2 = wire_read_l2(w, packet, len, tag);
  const struct wire_l3 *h = (const void *)((const uint8_t *)packet + l2.len);
  struct wire_sender s = {0, 0};
  if (len < sizeof *eth) return s;
  for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++) s.mac = s.mac << 8 | eth->src_addr.addr_bytes[i];
  bool is_udp = len >= l2.len + sizeof *h && l2.type == RTE_ETHER_TYPE_IPV4 &&
                h->ip.version_ihl == RTE_IPV4_VHL_DEF && h->ip.next_proto_id == IPPROTO_UDP;
  if (is_udp)
    s.udp = (uint64_t)rte_be_to_cpu_32(h->ip.src_addr) << 16 | rte_be_to_cpu_16(h->udp.src_port);
  return s;
}
