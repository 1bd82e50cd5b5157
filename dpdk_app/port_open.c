#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_errno.h>

#include "dpdk_app/flow.h"
#include "dpdk_app/port_impl.h"
#include "dpdk_app/port_kernel.h"
#include "dpdk_app/port_memif.h"
#include "dpdk_app/port_pci.h"

/* One size for all, so that a peer with another mtu cannot write beyond a buffer. */
#define DATA_BYTES (LIMIT_MTU_MAX + 128)
#define DESCRIPTORS 1024
#define MBUFS_SHARED 2047 /* caches, bursts, a port's queue without a NIC */
#define MBUFS_PER_PORT (2 * DESCRIPTORS)
#define MBUF_CACHE 256
#define XDP_MBUFS 8191 /* rings of the driver, 2 x 2,048 each way */
/* With the headers of mempool and mbuf less than a page, which the kernel wants, and a number of
 * cache lines that mempool need not change for any number of memory channels: a prime. */
#define XDP_DATA_BYTES (61 * 64 - 64 - 128)
#define XDP_MTU_MAX (XDP_DATA_BYTES - RTE_PKTMBUF_HEADROOM - 256 - 18) /* the kernel's headroom */

static int make_pool(struct rte_mempool **pool, const char *name, unsigned cnt, unsigned bytes,
                     struct open_error *e) {
  *pool = rte_pktmbuf_pool_create(name, cnt, MBUF_CACHE, 0,
                                  (uint16_t)(bytes + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);
  if (*pool) return 0;
  return open_error_set(e, "no memory for %u packets of %u bytes: %s (more by \"-m\" in \"eal\")",
                        cnt, bytes, rte_strerror(rte_errno));
}

static int open_pool(struct ports *p, struct open_error *e) {
  char name[RTE_MEMPOOL_NAMESIZE];
  unsigned cnt = MBUFS_SHARED;
  int users = 0;
  for (int i = 0; i < p->cnt; i++) {
    const struct config_port *port = &p->config->ports[i];
    users += !kernel_is(port);
    if (!memif_is(port) && !kernel_is(port))
      cnt += MBUFS_PER_PORT; /* memif copies out of its own memory */
  }
  snprintf(name, sizeof name, "zab%p", (void *)p);
  return users ? make_pool(&p->pool, name, cnt, DATA_BYTES, e) : 0;
}

/* net_af_packet wants room for a whole slot of its ring, and copies.  net_af_xdp gives the kernel
 * the pool itself: its buffers are one page each, and packets of another pool would be copied. */
static int choose_pool(struct ports *p, int idx, struct open_error *e) {
  struct port *port = &p->ports[idx];
  const struct config_port *config = &p->config->ports[idx];
  char name[RTE_MEMPOOL_NAMESIZE];
  port->pool = p->pool;
  if (!kernel_is(config)) return 0;
  snprintf(name, sizeof name, "zab%p-%d", (void *)p, idx);
  if (kernel_is_xdp(config))
    return make_pool(&port->pool, name, XDP_MBUFS, XDP_DATA_BYTES - RTE_PKTMBUF_HEADROOM, e);
  return make_pool(&port->pool, name, MBUFS_SHARED, kernel_slot(p->config->mtu), e);
}

static int set_up_queues(struct port *port) {
  uint16_t dev = port->dev;
  uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
  unsigned socket = (unsigned)rte_eth_dev_socket_id(dev);
  int err = rte_eth_dev_adjust_nb_rx_tx_desc(dev, &rx, &tx);
  if (!err) err = rte_eth_rx_queue_setup(dev, 0, rx, socket, NULL, port->pool);
  if (!err) err = rte_eth_tx_queue_setup(dev, 0, tx, socket, NULL);
  return err;
}

static int configure(struct ports *p, int idx, struct open_error *e) {
  const struct config_port *port = &p->config->ports[idx];
  uint16_t dev = p->ports[idx].dev;
  struct rte_eth_dev_info info;
  struct rte_eth_conf conf = {0};
  int err = rte_eth_dev_info_get(dev, &info);
  if (!err && kernel_is_xdp(port) && info.max_mtu > XDP_MTU_MAX) info.max_mtu = XDP_MTU_MAX;
  if (!err && p->config->mtu > info.max_mtu)
    return open_error_set(e, "port %s: mtu %u is not possible there, allowed: %u", port->name,
                          p->config->mtu, info.max_mtu);
  /* memif and af_packet carry what their slots hold; EAL believes in 1,518 bytes. */
  if (!memif_is(port) && (!kernel_is(port) || kernel_is_xdp(port)))
    conf.rxmode.mtu = p->config->mtu;
  if (!err) err = rte_eth_dev_configure(dev, 1, 1, &conf);
  if (!err) err = set_up_queues(&p->ports[idx]);
  if (err)
    return open_error_set(e, "port %s: cannot be configured: %s", port->name, rte_strerror(-err));
  return 0;
}

static int own_mac(const struct ports *p, int idx, struct rte_ether_addr *mac,
                   struct open_error *e) {
  const struct config_port *port = &p->config->ports[idx];
  const struct config_fast *self = &p->config->peers[p->config->self_idx].fast[port->fast_idx];
  struct rte_ether_addr given;
  memcpy(&given, self->mac, sizeof given);
  *mac = given;
  if (!port->ethernet) return 0;
  int err = rte_eth_macaddr_get(p->ports[idx].dev, mac);
  if (err)
    return open_error_set(e, "port %s: tells no MAC address: %s", port->name, rte_strerror(-err));
  if (!self->mac_static || rte_is_same_ether_addr(&given, mac)) return 0;
  return open_error_set(e,
                        "port %s: its MAC address is " RTE_ETHER_ADDR_PRT_FMT
                        ", and our \"fast.mac\" is " RTE_ETHER_ADDR_PRT_FMT
                        ": remove the key, or change one of them",
                        port->name, RTE_ETHER_ADDR_BYTES(mac), RTE_ETHER_ADDR_BYTES(&given));
}

static int set_addresses(struct ports *p, int idx, struct open_error *e) {
  struct port *port = &p->ports[idx];
  const struct config *c = p->config;
  struct rte_ether_addr mac;
  if (own_mac(p, idx, &mac, e)) return -1;
  wire_init(&port->wire, c, idx, &mac);
  port->ethernet = c->ports[idx].ethernet;
  reach_init(&port->reach);
  arp_init(&port->arp, port->wire.ip, mac.addr_bytes);
  int reached = 0;
  for (int i = 0; i < c->peer_cnt; i++) {
    const struct config_fast *fast = &c->peers[i].fast[c->ports[idx].fast_idx];
    if (!port->wire.peers[i].ip) continue;
    arp_add(&port->arp, i, port->wire.peers[i].ip, fast->mac_static ? fast->mac : NULL);
    reached++;
  }
  port->to_one = reached == 1;
  return 0;
}

static int open_port(struct ports *p, int idx, struct open_error *e) {
  const struct config_port *config = &p->config->ports[idx];
  struct port *port = &p->ports[idx];
  if (rte_eth_dev_get_port_by_name(config->name, &port->dev))
    return pci_is(config) ? pci_explain("", config, e)
                          : open_error_set(e, "port %s: no such device", config->name);
  bool isolated = flow_isolate(config, port->dev);
  if (choose_pool(p, idx, e) || configure(p, idx, e) || set_addresses(p, idx, e)) return -1;
  port->link.kernel_fd = kernel_open(config);
  port->link.restarts = memif_is_client(config);
  if (port->link.restarts) return 0; /* started by the interrupt thread, when its peer is there */
  int err = rte_eth_dev_start(port->dev);
  if (err)
    return open_error_set(e, "port %s: cannot be started: %s", config->name, rte_strerror(-err));
  return isolated ? flow_open(p->config, idx, port->dev, e) : 0;
}

static void free_all(struct ports *p) {
  for (int i = 0; i < p->cnt; i++) {
    if (p->ports[i].pool != p->pool) rte_mempool_free(p->ports[i].pool);
    if (p->ports[i].link.kernel_fd >= 0) close(p->ports[i].link.kernel_fd);
  }
  rte_mempool_free(p->pool);
  free(p);
}

static int open_all(struct ports *p, struct open_error *e) {
  if (open_pool(p, e)) return -1;
  for (int i = 0; i < p->cnt; i++)
    if (open_port(p, i, e)) return -1;
  if (guard_open(&p->guard))
    return open_error_set(e, "ports: no memory for the guard of memif ports");
  if (links_open(p)) return open_error_set(e, "ports: no timer to watch the links");
  return 0;
}

int ports_open(struct ports **out, const struct config *c, struct counters *counters,
               struct open_error *e) {
  struct ports *p = calloc(1, sizeof *p);
  if (!p) return open_error_set(e, "ports: %s", strerror(errno));
  p->config = c;
  p->counters = counters;
  p->cnt = c->port_cnt;
  for (int i = 0; i < p->cnt; i++) p->ports[i].link.kernel_fd = -1;
  if (open_all(p, e)) {
    free_all(p); /* the process ends: what EAL holds of the devices ends with it */
    return -1;
  }
  *out = p;
  return 0;
}

static void drop_queued(struct port *port) {
  rte_pktmbuf_free_bulk(port->tx, port->tx_cnt);
  rte_pktmbuf_free_bulk(port->rx, port->rx_cnt);
}

void ports_close(struct ports *p) {
  guard_close(&p->guard);
  links_close(p);
  for (int i = 0; i < p->cnt; i++) {
    drop_queued(&p->ports[i]);
    rte_eth_dev_close(p->ports[i].dev);
  }
  free_all(p);
}
