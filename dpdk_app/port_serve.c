/* port_serve.c - what a NIC brings that is no peer's frame: ARP, ping, and other people's. */
#include <string.h>

#include "dpdk_app/icmp.h"
#include "dpdk_app/port_impl.h"

#define ANSWERS 4 /* per turn: a flood of questions costs no more */
#define SMALL_PING 64

/* What stands behind an Ethernet header. */
struct inside {
  uint16_t type;
  const void *at;
  size_t len;
};

static void send_packet(struct ports *p, struct port *port, const uint8_t to[6],
                        struct inside inside) {
  struct rte_mbuf *m = rte_pktmbuf_alloc(port->pool);
  if (!m) {
    counters_add(p->counters, REASON_PORT_NO_MBUF, 1);
    return;
  }
  uint8_t *packet = rte_pktmbuf_mtod(m, uint8_t *);
  uint32_t l2_len = wire_write_l2(&port->wire, packet, to, inside.type);
  memcpy(packet + l2_len, inside.at, inside.len);
  m->data_len = (uint16_t)(l2_len + inside.len);
  m->pkt_len = m->data_len;
  port_queue(p, port, m);
}

static bool may_answer(struct port *port) { return port->answers < ANSWERS && ++port->answers; }

static void take_mac(struct ports *p, struct port *port, struct arp_result r) {
  const uint8_t *mac = port->arp.peers[r.peer_idx].mac;
  uint64_t number = 0;
  memcpy(&number, mac, RTE_ETHER_ADDR_LEN);
  reach_mac(&port->reach, r.peer_idx, p->now_ns, (struct reach_host){number, r.solicited});
  wire_set_mac(&port->wire, r.peer_idx, mac);
  if (r.changed) counters_add(p->counters, REASON_ARP_CHANGED, 1);
  atomic_store_explicit(&port->learnt[r.peer_idx], number, memory_order_relaxed);
}

static void serve_arp(struct ports *p, struct port *port, const void *body, size_t len) {
  struct arp_packet answer;
  struct arp_result r = arp_take(&port->arp, p->now_ns, body, len, &answer);
  if (r.answer && may_answer(port))
    send_packet(p, port, answer.to,
                (struct inside){RTE_ETHER_TYPE_ARP, answer.body, sizeof answer.body});
  if (r.conflict) counters_add(p->counters, REASON_ARP_CONFLICT, 1);
  if (r.peer_idx >= 0) take_mac(p, port, r);
  p->ask_due_ns = 0; /* to be looked up anew */
}

static void serve_icmp(struct ports *p, struct port *port, const uint8_t from[6],
                       struct rte_ipv4_hdr *ip, size_t len) {
  int peer_idx = wire_find_ip(&port->wire, ip->src_addr);
  if (peer_idx >= 0) reach_seen(&port->reach, peer_idx, p->now_ns);
  size_t answered = icmp_answered(ip, len, port->wire.ip);
  if (answered && peer_idx >= 0) {
    reach_answer(&port->reach, peer_idx, answered == port->wire.mtu);
    atomic_store_explicit(&port->too_small[peer_idx], port->reach.peers[peer_idx].is_too_small,
                          memory_order_relaxed);
  }
  if (icmp_answer(ip, len, port->wire.ip) && may_answer(port))
    send_packet(p, port, from,
                (struct inside){RTE_ETHER_TYPE_IPV4, ip, rte_be_to_cpu_16(ip->total_length)});
  p->ask_due_ns = 0;
}

/* `why` counts only what was meant for us: on a shared NIC there is much that was not. */
static enum reason serve_ip(struct ports *p, struct port *port, const struct rte_mbuf *m,
                            uint32_t l2_len, enum reason why) {
  void *ip = rte_pktmbuf_mtod_offset(m, void *, l2_len);
  size_t len = m->data_len - l2_len;
  const struct wire_l3 *h = ip;
  const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
  if (len < sizeof *h) return REASON_NONE;
  if (h->ip.dst_addr != port->wire.ip) return REASON_NONE;
  if (why == REASON_FRAME_VLAN) return why;
  if (h->ip.next_proto_id == IPPROTO_UDP)
    return h->udp.dst_port == port->wire.udp_port ? why : REASON_NONE;
  if (!rte_is_same_ether_addr(&eth->dst_addr, &port->wire.mac)) return REASON_NONE;
  if (h->ip.next_proto_id == IPPROTO_ICMP) serve_icmp(p, port, eth->src_addr.addr_bytes, ip, len);
  return REASON_NONE;
}

enum reason port_serve(struct ports *p, struct port *port, const struct rte_mbuf *m,
                       enum reason why) {
  uint8_t *packet = rte_pktmbuf_mtod(m, uint8_t *);
  if (m->nb_segs != 1 || m->data_len < RTE_ETHER_HDR_LEN) return why;
  struct wire_l2 l2 = wire_read_l2(&port->wire, packet, m->data_len, port_tag(m));
  if (m->data_len < l2.len) return REASON_NONE;
  if (l2.type == RTE_ETHER_TYPE_ARP && !l2.foreign)
    serve_arp(p, port, packet + l2.len, m->data_len - l2.len);
  if (l2.type != RTE_ETHER_TYPE_IPV4) return REASON_NONE;
  return serve_ip(p, port, m, l2.len, l2.foreign ? REASON_FRAME_VLAN : why);
}

void port_serve_start(struct ports *p, struct port *port) {
  arp_start(&port->arp, p->now_ns);
  for (int i = 0; i < port->wire.peer_cnt; i++)
    if (port->wire.peers[i].mac_known) reach_begin(&port->reach, i, p->now_ns);
  p->ask_due_ns = 0;
}

static void send_ping(struct ports *p, struct port *port, struct reach_ping ping) {
  uint8_t packet[LIMIT_MTU_MAX];
  size_t len = ping.is_full ? port->wire.mtu : SMALL_PING;
  icmp_ask(packet, len, port->wire.ip, port->wire.peers[ping.peer_idx].ip);
  send_packet(p, port, port->wire.peers[ping.peer_idx].header,
              (struct inside){RTE_ETHER_TYPE_IPV4, packet, len});
}

static void ask(struct ports *p, struct port *port) {
  struct arp_packet packet;
  struct reach_ping ping;
  if (!port->seen_up) return;
  while (arp_next(&port->arp, p->now_ns, &packet))
    send_packet(p, port, packet.to,
                (struct inside){RTE_ETHER_TYPE_ARP, packet.body, sizeof packet.body});
  while (reach_next(&port->reach, p->now_ns, &ping)) send_ping(p, port, ping);
  uint64_t arp = arp_due(&port->arp), reach = reach_due(&port->reach);
  if (arp < p->ask_due_ns) p->ask_due_ns = arp;
  if (reach < p->ask_due_ns) p->ask_due_ns = reach;
}

void port_tick(struct ports *p, uint64_t now_ns) {
  p->now_ns = now_ns;
  if (now_ns < p->ask_due_ns) return;
  p->ask_due_ns = UINT64_MAX;
  for (int i = 0; i < p->cnt; i++)
    if (p->ports[i].ethernet) ask(p, &p->ports[i]);
}
