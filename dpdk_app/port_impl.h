/* port_impl.h - what port.c (bursts), port_open.c and port_link.c (links) share. */
#ifndef ZABLINE_DPDK_APP_PORT_IMPL_H
#define ZABLINE_DPDK_APP_PORT_IMPL_H

#include <semaphore.h>

#include <rte_mbuf.h>

#include "dpdk_app/arp.h"
#include "dpdk_app/guard.h"
#include "dpdk_app/port.h"
#include "dpdk_app/reach.h"
#include "dpdk_app/wire.h"
#include "proto/atomic.h"

/* A memif client finds its peer again only by stopping and starting.  Owner: EAL's interrupt
 * thread.
 *
 *   STOPPED --start ok--> WAITING --link up--> UP --link down--> STOPPED
 *      ^                     |
 *      +---- patience over --+      (doubled each time: a hung peer's accept queue is short) */
enum link_state { LINK_STOPPED, LINK_WAITING, LINK_UP };

struct link {
  bool restarts; /* memif client: needs the above; others come up by themselves */
  enum link_state state;
  uint32_t ticks;    /* spent WAITING */
  uint32_t patience; /* ticks */
  int kernel_fd;     /* socket to ask the kernel about its interface; -1: the driver knows */
  bool was_up;       /* as last logged */
  struct {
    uint64_t mac; /* as last logged */
    uint64_t ns;
    bool too_small;
  } logged[LIMIT_PEERS];
};

struct port {
  uint16_t dev;    /* DPDK's port id */
  _Atomic bool up; /* writer: interrupt thread; the fast lcore makes bursts only while it is set */
  bool seen_up;    /* by the fast lcore */
  bool ethernet;   /* ARP and ping are answered */
  bool to_one;     /* a single peer is reached by it */
  int answers;     /* in this burst */
  uint16_t rx_cnt, tx_cnt;
  struct wire wire;
  struct arp arp;
  struct reach reach;
  _Atomic uint64_t learnt[LIMIT_PEERS]; /* MACs, for the interrupt thread to log; 0: none */
  _Atomic bool too_small[LIMIT_PEERS];  /* for the same */
  struct rte_mempool *pool;
  struct rte_mbuf *rx[LIMIT_BURST];
  struct rte_mbuf *tx[LIMIT_BURST];
  struct link link;
};

struct ports {
  const struct config *config;
  struct counters *counters;
  struct drops *drops; /* NULL: not counted by whom */
  struct guard_reader guard;
  struct rte_mempool *pool; /* of all ports that have none of their own */
  struct port *filling;     /* the one with packets queued */
  uint64_t now_ns;          /* of the fast lcore */
  uint64_t ask_due_ns;      /* some port has something to ask then */
  int cnt;
  _Atomic bool open; /* main to interrupt thread: the rest is set */
  sem_t closed;
  struct port ports[LIMIT_PORTS];
};

/* links_open starts watching (interrupt thread); links_close ends it and stops the ports.  0 or -1.
 */
int links_open(struct ports *p);
void links_close(struct ports *p);

/* port_serve takes a packet that is no peer's frame on an Ethernet port: answers ARP and ping.
 * Returns what it is to be counted as; NONE: somebody else's business, or answered. */
enum reason port_serve(struct ports *p, struct port *port, const struct rte_mbuf *m,
                       enum reason why);
/* port_serve_seen: a frame of this peer came. */
static inline void port_serve_seen(struct ports *p, struct port *port, int peer_idx) {
  if (port->reach.peers[peer_idx].is_proven) return;
  reach_seen(&port->reach, peer_idx, p->now_ns);
  p->ask_due_ns = 0;
}
/* port_serve_start: the link came up. */
void port_serve_start(struct ports *p, struct port *port);

/* port_queue adds a packet to the port's next burst, and first sends what stands at another port:
 * it is under way while this one's are built.  port_tag is the tag that the driver took out. */
void port_queue(struct ports *p, struct port *port, struct rte_mbuf *m);
static inline uint32_t port_tag(const struct rte_mbuf *m) {
  return m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ? m->vlan_tci : WIRE_NO_TAG;
}

#endif
