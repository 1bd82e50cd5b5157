#include "dpdk_app/port.h"

#include <assert.h>
#include <string.h>

#include <rte_ethdev.h>

#include "dpdk_app/port_impl.h"

static bool is_up(const struct port *port) {
  return atomic_load_explicit(&port->up, memory_order_acquire);
}

static int port_of(const struct ports *p, struct port_to to) {
  return p->config->peers[to.peer_idx].fast[to.fast_idx].port_idx;
}

bool port_link_up(const struct ports *p, struct port_to to) {
  int idx = port_of(p, to);
  return idx >= 0 && is_up(&p->ports[idx]);
}

void ports_count_drops(struct ports *p, struct drops *d) { p->drops = d; }

static void count_drop(struct ports *p, int port_idx, const struct rte_mbuf *m, int peer_idx,
                       enum reason r) {
  counters_add(p->counters, r, 1);
  if (!p->drops) return;
  counters_add(drops_of(p->drops, port_idx, peer_idx), r, 1);
  if (peer_idx != DROPS_STRANGER) return;
  struct wire_sender s = wire_sender(&p->ports[port_idx].wire, rte_pktmbuf_mtod(m, const void *),
                                     m->data_len, port_tag(m));
  atomic_store_explicit(&p->drops->stranger[port_idx].mac, s.mac, memory_order_relaxed);
  atomic_store_explicit(&p->drops->stranger[port_idx].udp, s.udp, memory_order_relaxed);
}

static enum reason read_packet(struct port *port, const struct rte_mbuf *m, struct wire_frame *f) {
  f->peer_idx = DROPS_STRANGER;
  if (m->nb_segs != 1) return REASON_FRAME_SHORT; /* larger than any mtu we allow */
  return wire_read(&port->wire, rte_pktmbuf_mtod(m, const void *), m->data_len, port_tag(m), f);
}

static void see_link(struct ports *p, struct port *port, bool up) {
  port->seen_up = up;
  if (!up) counters_add(p->counters, REASON_LINK_LOST, 1);
  if (up && port->ethernet) port_serve_start(p, port);
}

int port_rx(struct ports *p, int port_idx, struct rx_frame *out) {
  struct port *port = &p->ports[port_idx];
  assert(port_idx < p->cnt && port->rx_cnt == 0);
  guard_quiescent(&p->guard);
  bool up = is_up(port);
  if (up != port->seen_up) see_link(p, port, up);
  if (!up) return 0;
  port->rx_cnt = rte_eth_rx_burst(port->dev, 0, port->rx, LIMIT_BURST);
  int cnt = 0;
  port->answers = 0;
  for (int i = 0; i < port->rx_cnt; i++) {
    struct wire_frame f;
    enum reason r = read_packet(port, port->rx[i], &f);
    if (r == REASON_NONE) {
      out[cnt++] = (struct rx_frame){f.frame, f.len, f.peer_idx};
      if (port->ethernet) port_serve_seen(p, port, f.peer_idx);
      continue;
    }
    if (port->ethernet) r = port_serve(p, port, port->rx[i], r);
    if (r != REASON_NONE) count_drop(p, port_idx, port->rx[i], f.peer_idx, r);
  }
  return cnt;
}

void port_rx_done(struct ports *p, int port_idx) {
  struct port *port = &p->ports[port_idx];
  if (port->rx_cnt) rte_pktmbuf_free_bulk(port->rx, port->rx_cnt);
  port->rx_cnt = 0;
}

static void flush(struct ports *p, struct port *port) {
  uint16_t sent = 0, cnt = port->tx_cnt;
  bool up = is_up(port);
  if (up) sent = rte_eth_tx_burst(port->dev, 0, port->tx, cnt);
  port->tx_cnt = 0;
  if (sent == cnt) return;
  rte_pktmbuf_free_bulk(port->tx + sent, cnt - sent);
  counters_add(p->counters, up ? REASON_PORT_FULL : REASON_PORT_DOWN, (uint64_t)(cnt - sent));
}

static void fill(struct ports *p, struct port *port) {
  if (p->filling != port) port_flush(p);
  p->filling = port;
}

void port_queue(struct ports *p, struct port *port, struct rte_mbuf *m) {
  fill(p, port);
  port->tx[port->tx_cnt++] = m;
  if (port->tx_cnt == LIMIT_BURST) flush(p, port);
}

static enum reason why_not(const struct port *port, int peer_idx) {
  if (!is_up(port)) return REASON_PORT_DOWN;
  if (!port->wire.peers[peer_idx].mac_known) return REASON_ARP_UNKNOWN;
  return port->ethernet && !port->reach.peers[peer_idx].is_proven ? REASON_PATH_MTU : REASON_NONE;
}

bool port_reaches(const struct ports *p, struct port_to to) {
  return why_not(&p->ports[port_of(p, to)], to.peer_idx) == REASON_NONE;
}

void port_doubt(struct ports *p, struct port_to to) {
  struct port *port = &p->ports[port_of(p, to)];
  if (!port->ethernet || !port->wire.peers[to.peer_idx].mac_known) return;
  reach_begin(&port->reach, to.peer_idx, p->now_ns);
  p->ask_due_ns = 0;
}

void port_tx(struct ports *p, struct port_to to, const struct frame_header *header,
             const void *payload, uint32_t len) {
  int port_idx = port_of(p, to), peer_idx = to.peer_idx;
  assert(port_idx >= 0 && port_idx < p->cnt);
  struct port *port = &p->ports[port_idx];
  enum reason why = why_not(port, peer_idx);
  if (why != REASON_NONE) {
    counters_add(p->counters, why, 1);
    return;
  }
  fill(p, port); /* another port's packets leave before this one is built */
  struct rte_mbuf *m = rte_pktmbuf_alloc(port->pool);
  if (!m) {
    counters_add(p->counters, REASON_PORT_NO_MBUF, 1);
    return;
  }
  uint32_t frame_len = (uint32_t)sizeof *header + len;
  uint8_t *packet = rte_pktmbuf_mtod(m, uint8_t *);
  uint8_t *frame = packet + port->wire.head_len;
  wire_write(&port->wire, peer_idx, packet, frame_len); /* asserts the mtu before anything else */
  memcpy(frame, header, sizeof *header);
  if (len) memcpy(frame + sizeof *header, payload, len);
  m->data_len = (uint16_t)(port->wire.head_len + frame_len);
  m->pkt_len = m->data_len;
  port_queue(p, port, m);
}

void port_flush(struct ports *p) {
  if (p->filling && p->filling->tx_cnt) flush(p, p->filling);
  p->filling = NULL;
}

void port_flush_to_one(struct ports *p) {
  if (p->filling && p->filling->to_one) port_flush(p);
}

void port_leave(struct ports *p) { guard_leave(&p->guard); }
