/* port_impl.h - what port.c (bursts), port_open.c and port_link.c (links) share. */
#ifndef ZABLINE_DPDK_APP_PORT_IMPL_H
#define ZABLINE_DPDK_APP_PORT_IMPL_H

#include <semaphore.h>
#include <stdatomic.h>

#include <rte_mbuf.h>

#include "dpdk_app/guard.h"
#include "dpdk_app/port.h"
#include "dpdk_app/wire.h"

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
};

struct port {
  uint16_t dev;    /* DPDK's port id */
  _Atomic bool up; /* writer: interrupt thread; the fast lcore makes bursts only while it is set */
  uint16_t rx_cnt, tx_cnt;
  struct rte_mbuf *rx[LIMIT_BURST];
  struct rte_mbuf *tx[LIMIT_BURST];
  struct link link;
};

struct ports {
  const struct config *config;
  struct counters *counters;
  struct drops *drops; /* NULL: not counted by whom */
  struct guard_reader guard;
  struct wire wire;
  struct rte_mempool *pool;
  int cnt;
  _Atomic bool open; /* main to interrupt thread: the rest is set */
  sem_t closed;
  struct port ports[LIMIT_PORTS];
};

/* links_open starts watching (interrupt thread); links_close ends it and stops the ports.  0 or -1.
 */
int links_open(struct ports *p);
void links_close(struct ports *p);

#endif
