#include "test/dpdk_app/ring_pair.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dpdk_app/eal.h"
#include "test/dpdk_app/pair_config.h"

struct node {
  struct config config;
  struct counters counters;
  struct ports *ports;
  struct rte_ring *rx;
};

struct ring_pair {
  struct node nodes[2];
  bool ethernet, shared;
  uint16_t vlan;
  struct rte_mempool *pool; /* for forged packets */
};

int ring_pair_eal(struct open_error *e) {
  static struct eal eal;
  static struct config config;
  if (eal.started) return 0;
  pair_config(&config, 0, 1500);
  return eal_open(&eal, &config, e);
}

static struct rte_ring *new_ring(const struct ring_pair *p, int node, unsigned depth) {
  char name[RTE_RING_NAMESIZE];
  snprintf(name, sizeof name, "t%p%d", (const void *)p, node);
  return rte_ring_create(name, depth, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void make_ethernet(struct node *n, uint16_t dev, uint16_t vlan) {
  struct rte_ether_addr mac = {{2, 0, 0, 0, 0, n->config.id}};
  int err = rte_eth_dev_mac_addr_add(dev, &mac, 0); /* its first one: it has none */
  assert(!err);
  n->config.ports[0].ethernet = true;
  n->config.ports[0].vlan = vlan;
  for (int i = 0; i < n->config.peer_cnt; i++) {
    n->config.peers[i].fast[0].mac_static = false;
    memset(n->config.peers[i].fast[0].mac, 0, sizeof n->config.peers[i].fast[0].mac);
  }
}

static void add_third(struct config *c) {
  struct config_peer *third = &c->peers[c->peer_cnt++];
  *third = c->peers[RING_PAIR_OTHER(c->self_idx)];
  third->id = 3;
  third->fast[0].ip++;
  third->fast[0].mac[5] = 3;
}

static void open_node(struct ring_pair *p, int i, uint16_t mtu) {
  struct node *n = &p->nodes[i];
  struct open_error e;
  char name[RTE_ETH_NAME_MAX_LEN];
  pair_config(&n->config, i, mtu);
  if (p->shared) add_third(&n->config);
  snprintf(name, sizeof name, "t%p%d", (void *)p, i);
  int dev = rte_eth_from_rings(name, &n->rx, 1, &p->nodes[RING_PAIR_OTHER(i)].rx, 1, 0);
  assert(dev >= 0);
  rte_eth_dev_get_name_by_port((uint16_t)dev, name);
  snprintf(n->config.ports[0].name, LIMIT_NAME_LEN, "%s", name);
  n->config.port_cnt = 1;
  if (p->ethernet) make_ethernet(n, (uint16_t)dev, p->vlan);
  int err = ports_open(&n->ports, &n->config, &n->counters, &e);
  assert(!err);
}

static struct ring_pair *open_pair(struct ring_pair kind, uint16_t mtu, unsigned depth) {
  struct ring_pair *p = calloc(1, sizeof *p);
  char name[RTE_MEMPOOL_NAMESIZE];
  assert(p);
  *p = kind;
  snprintf(name, sizeof name, "t%p", (void *)p);
  p->pool = rte_pktmbuf_pool_create(name, 63, 0, 0, 16384, SOCKET_ID_ANY);
  assert(p->pool);
  for (int i = 0; i < 2; i++) p->nodes[i].rx = new_ring(p, i, depth);
  for (int i = 0; i < 2; i++) open_node(p, i, mtu);
  for (int i = 0; i < 2; i++)
    while (!port_link_up(p->nodes[i].ports, (struct port_to){RING_PAIR_OTHER(i), 0})) sched_yield();
  return p;
}

struct ring_pair *ring_pair_open(uint16_t mtu, unsigned depth) {
  return open_pair((struct ring_pair){.vlan = 0}, mtu, depth);
}

struct ring_pair *ring_pair_open_ethernet(uint16_t mtu, unsigned depth, uint16_t vlan) {
  return open_pair((struct ring_pair){.ethernet = true, .vlan = vlan}, mtu, depth);
}

struct ring_pair *ring_pair_open_shared(uint16_t mtu, unsigned depth) {
  return open_pair((struct ring_pair){.shared = true}, mtu, depth);
}

void ring_pair_close(struct ring_pair *p) {
  for (int i = 0; i < 2; i++) {
    struct rte_mbuf *m;
    port_leave(p->nodes[i].ports); /* one thread runs both */
    while (rte_ring_dequeue(p->nodes[i].rx, (void **)&m) == 0) rte_pktmbuf_free(m);
  }
  for (int i = 0; i < 2; i++) {
    ports_close(p->nodes[i].ports);
    rte_vdev_uninit(p->nodes[i].config.ports[0].name);
  }
  for (int i = 0; i < 2; i++) rte_ring_free(p->nodes[i].rx);
  rte_mempool_free(p->pool);
  free(p);
}

struct ports *ring_pair_ports(struct ring_pair *p, int node) {
  return p->nodes[node].ports;
}

uint64_t ring_pair_count(struct ring_pair *p, int node, enum reason r) {
  return counters_get(&p->nodes[node].counters, r);
}

size_t ring_pair_take(struct ring_pair *p, int node, void *buf, size_t size) {
  struct rte_mbuf *m;
  if (rte_ring_dequeue(p->nodes[RING_PAIR_OTHER(node)].rx, (void **)&m)) return 0;
  size_t len = m->pkt_len;
  assert(len <= size && m->nb_segs == 1);
  memcpy(buf, rte_pktmbuf_mtod(m, void *), len);
  rte_pktmbuf_free(m);
  return len;
}

void ring_pair_put(struct ring_pair *p, int node, const void *packet, size_t len) {
  struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
  assert(m);
  memcpy(rte_pktmbuf_append(m, (uint16_t)len), packet, len);
  int err = rte_ring_enqueue(p->nodes[node].rx, m);
  assert(!err);
}

int ring_pair_ip_checksum_ok(const void *packet) {
  const struct rte_ipv4_hdr *ip = (const void *)((const uint8_t *)packet + RTE_ETHER_HDR_LEN);
  return rte_raw_cksum(ip, sizeof *ip) == 0xffff;
}
