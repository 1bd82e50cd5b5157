#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <rte_alarm.h>
#include <rte_ethdev.h>

#include "config/log.h"
#include "dpdk_app/port_impl.h"
#include "dpdk_app/port_kernel.h"

/* Everything here runs on EAL's interrupt thread, as the memif driver's own handlers do: its
 * connect and disconnect are not made for two threads (each would unmap and close what the other
 * just did). */

#define TICK_US 2000 /* while a link is down */
#define TICK_ALL_UP_US 10000
#define PATIENCE 2 /* ticks for a handshake to succeed at first */
#define PATIENCE_MAX 128

#define LOG_NS 1000000000ull /* between two lines about the MAC of one peer */

static bool link_is_up(const struct ports *p, const struct port *port) {
  const struct config_port *config = &p->config->ports[port - p->ports];
  if (port->link.kernel_fd >= 0) return kernel_link_up(config, port->link.kernel_fd);
  struct rte_eth_link link = {0};
  return rte_eth_link_get_nowait(port->dev, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* The lcore sees !up, or has left its burst, before anything is done to the port. */
static void take_from_lcore(struct port *port) {
  atomic_store_explicit(&port->up, false, memory_order_release);
  guard_wait();
}

static void stop(struct port *port) {
  take_from_lcore(port);
  rte_eth_dev_stop(port->dev);
  port->link.state = LINK_STOPPED;
}

/* Stop and start are in different ticks, and so in different rounds of the thread's epoll: a
 * descriptor number used again must not inherit the old one's pending event. */
static void client_tick(const struct ports *p, struct port *port) {
  struct link *l = &port->link;
  switch (l->state) {
    case LINK_STOPPED:
      if (rte_eth_dev_start(port->dev)) {
        l->patience = PATIENCE; /* nobody is there: the next one to answer is a new process */
        break;
      }
      l->state = LINK_WAITING;
      l->ticks = 0;
      break;
    case LINK_WAITING:
      if (link_is_up(p, port)) {
        l->state = LINK_UP;
        l->patience = PATIENCE;
        atomic_store_explicit(&port->up, true, memory_order_release);
      } else if (++l->ticks >= l->patience) {
        if (l->patience < PATIENCE_MAX) l->patience *= 2;
        stop(port);
      }
      break;
    case LINK_UP:
      if (!link_is_up(p, port)) stop(port);
      break;
  }
}

static void passive_tick(const struct ports *p, struct port *port) {
  bool up = link_is_up(p, port);
  port->link.state = up ? LINK_UP : LINK_WAITING;
  atomic_store_explicit(&port->up, up, memory_order_release);
}

static void log_link(const struct ports *p, struct port *port) {
  bool up = atomic_load_explicit(&port->up, memory_order_relaxed);
  if (up == port->link.was_up) return;
  port->link.was_up = up;
  log_line(up ? LEVEL_INFO : LEVEL_WARN, p->config->id, "port %s: link %s",
           p->config->ports[port - p->ports].name, up ? "up" : "down");
}

static void log_mac(const struct ports *p, struct port *port, int peer_idx) {
  uint64_t mac = atomic_load_explicit(&port->learnt[peer_idx], memory_order_relaxed);
  uint64_t old = port->link.logged[peer_idx].mac;
  struct timespec now;
  if (mac == old) return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  if (ns - port->link.logged[peer_idx].ns < LOG_NS) return;
  port->link.logged[peer_idx].mac = mac;
  port->link.logged[peer_idx].ns = ns;
  const char *name = p->config->ports[port - p->ports].name;
  int id = p->config->peers[peer_idx].id;
  struct rte_ether_addr a, b;
  memcpy(&a, &mac, sizeof a);
  memcpy(&b, &old, sizeof b);
  if (!old) {
    log_line(LEVEL_INFO, p->config->id, "port %s: node %d is at " RTE_ETHER_ADDR_PRT_FMT, name, id,
             RTE_ETHER_ADDR_BYTES(&a));
    return;
  }
  log_line(LEVEL_WARN, p->config->id,
           "port %s: node %d is at " RTE_ETHER_ADDR_PRT_FMT ", and was at " RTE_ETHER_ADDR_PRT_FMT,
           name, id, RTE_ETHER_ADDR_BYTES(&a), RTE_ETHER_ADDR_BYTES(&b));
}

static void log_mtu(const struct ports *p, struct port *port, int peer_idx) {
  bool too_small = atomic_load_explicit(&port->too_small[peer_idx], memory_order_relaxed);
  if (too_small == port->link.logged[peer_idx].too_small) return;
  port->link.logged[peer_idx].too_small = too_small;
  const char *name = p->config->ports[port - p->ports].name;
  int id = p->config->peers[peer_idx].id;
  if (too_small)
    log_line(
        LEVEL_WARN, p->config->id,
        "port %s: node %d answers small packets, and none of \"mtu\" = %u bytes: allow them on "
        "all NICs and switches between, or set a smaller \"mtu\" on all nodes",
        name, id, p->config->mtu);
  else
    log_line(LEVEL_INFO, p->config->id, "port %s: packets of %u bytes reach node %d", name,
             p->config->mtu, id);
}

static void tick(void *arg) {
  struct ports *p = arg;
  bool all_up = atomic_load_explicit(&p->open, memory_order_acquire); /* pairs: links_open */
  for (int i = 0; i < p->cnt; i++) {
    struct port *port = &p->ports[i];
    if (port->link.restarts)
      client_tick(p, port);
    else
      passive_tick(p, port);
    log_link(p, port);
    for (int k = 0; k < p->config->peer_cnt; k++) {
      log_mac(p, port, k);
      log_mtu(p, port, k);
    }
    if (port->link.state != LINK_UP) all_up = false;
  }
  int err = rte_eal_alarm_set(all_up ? TICK_ALL_UP_US : TICK_US, tick, p);
  assert(err == 0);
}

static void stop_all(void *arg) {
  struct ports *p = arg;
  rte_eal_alarm_cancel(tick, p);
  for (int i = 0; i < p->cnt; i++)
    if (!p->ports[i].link.restarts || p->ports[i].link.state != LINK_STOPPED) stop(&p->ports[i]);
  sem_post(&p->closed);
}

int links_open(struct ports *p) {
  for (int i = 0; i < p->cnt; i++) p->ports[i].link.patience = PATIENCE;
  if (sem_init(&p->closed, 0, 0)) return -1;
  atomic_store_explicit(&p->open, true, memory_order_release);
  return rte_eal_alarm_set(1, tick, p) ? -1 : 0;
}

void links_close(struct ports *p) {
  int err = rte_eal_alarm_set(1, stop_all, p);
  assert(err == 0);
  while (sem_wait(&p->closed) && errno == EINTR) continue;
  sem_destroy(&p->closed);
}
