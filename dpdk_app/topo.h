/* topo.h - the table of threads and of the rings between them; zabd prints it at start.
 *
 * Rings are rte_rings with one producer and one consumer, named <producer>_<consumer>, of fixed
 * elements by value.  Sending wakes the consumer if it sleeps.
 *
 * Owner: main until the threads start; then each ring end belongs to the thread in its row.
 * Source: design 1; style "Machines, threads, rings". */
#ifndef ZABLINE_DPDK_APP_TOPO_H
#define ZABLINE_DPDK_APP_TOPO_H

#include <stdbool.h>
#include <stdint.h>

#include "dpdk_app/wake.h"
#include "proto/zxid.h"

struct rte_ring;

enum thread_id { THREAD_FAST, THREAD_DISK, THREAD_SLOW, THREAD_APP, THREAD_CNT };

enum ring_id {
  RING_SLOW_FAST,
  RING_FAST_SLOW,
  RING_SLOW_DISK,
  RING_DISK_SLOW,
  RING_SLOW_APP,
  RING_APP_SLOW,
  RING_APP_FAST,
  RING_FAST_APP,
  RING_APP_DISK,
  RING_DISK_APP,
  RING_FAST_TCP, /* to the slow thread */
  RING_TCP_FAST,
  RING_CNT
};

/* Element of app_fast and fast_app: bytes that stay where they are until the consumer has taken
 * them. */
struct bytes_msg {
  const void *data;
  uint32_t len;
  uint32_t is_proposal; /* app_fast: 1 proposal (zxid), 0 REQUEST to forward */
  zxid_t zxid;
};

/* Element of fast_tcp and tcp_fast (tcp_frames.h). */
struct tcp_msg {
  const void *data;
  uint32_t len;
  int32_t peer_idx;
};

/* One row of the table (topo_table.c). */
struct topo_ring {
  const char *name;
  enum thread_id from, to;
  uint32_t depth, element_bytes;
};
extern const struct topo_ring topo_rings[RING_CNT];

struct topo {
  struct rte_ring *ring[RING_CNT];
  struct waker waker[THREAD_CNT];
};

/* topo_open creates rings and wakers; name distinguishes nodes of one process.  0 or -errno. */
int topo_open(struct topo *t, const char *name);
void topo_close(struct topo *t);
/* topo_print logs the table, one line per thread and ring. */
void topo_print(int node_id);

/* topo_send copies one element in and wakes the consumer; false: the ring is full. */
bool topo_send(struct topo *t, enum ring_id id, const void *element);
/* topo_must_send: the protocol bounds what can be in this ring, so full is a programmer's mistake.
 */
void topo_must_send(struct topo *t, enum ring_id id, const void *element);
bool topo_receive(struct topo *t, enum ring_id id, void *element);
/* topo_peek copies the oldest element out and leaves it in the ring. */
bool topo_peek(struct topo *t, enum ring_id id, void *element);
bool topo_empty(const struct topo *t, enum ring_id id);
/* topo_count returns the elements not yet taken. */
uint32_t topo_count(const struct topo *t, enum ring_id id);

#endif
