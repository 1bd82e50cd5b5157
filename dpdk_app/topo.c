#include "dpdk_app/topo.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek.h>

#include "config/limits.h"
#include "config/log.h"
#include "proto/app_msg.h"
#include "proto/disk_msg.h"
#include "proto/handover.h"

struct thread_row {
  const char *name, *owns, *waits_by;
};

static const struct thread_row threads[THREAD_CNT] = {
    [THREAD_FAST] = {"fast", "broadcast machine, ports, epoch stream", "polling"},
    [THREAD_DISK] = {"disk", "log, snapshots, epoch file", "appended position, rings"},
    [THREAD_SLOW] = {"slow", "replica machine, ports 2888 and 3888", "libuv"},
    [THREAD_APP] = {"app", "application, its clients, control socket", "libuv"},
};

struct ring_row {
  const char *name;
  enum thread_id from, to;
  uint32_t depth, element_bytes;
};

#define ROW(id, text, a, b, type) \
  [id] = {text, THREAD_##a, THREAD_##b, LIMIT_RING_DEPTH, sizeof(struct type)}
#define FRAMES(id, text, a, b) \
  [id] = {text, THREAD_##a, THREAD_##b, LIMIT_TCP_FRAMES, sizeof(struct tcp_msg)}
static const struct ring_row rings[RING_CNT] = {
    ROW(RING_SLOW_FAST, "slow_fast", SLOW, FAST, fast_msg),
    ROW(RING_FAST_SLOW, "fast_slow", FAST, SLOW, fast_msg),
    ROW(RING_SLOW_DISK, "slow_disk", SLOW, DISK, disk_msg),
    ROW(RING_DISK_SLOW, "disk_slow", DISK, SLOW, disk_msg),
    ROW(RING_SLOW_APP, "slow_app", SLOW, APP, app_msg),
    ROW(RING_APP_SLOW, "app_slow", APP, SLOW, app_msg),
    ROW(RING_APP_FAST, "app_fast", APP, FAST, bytes_msg),
    ROW(RING_FAST_APP, "fast_app", FAST, APP, bytes_msg),
    ROW(RING_APP_DISK, "app_disk", APP, DISK, disk_msg),
    ROW(RING_DISK_APP, "disk_app", DISK, APP, disk_msg),
    FRAMES(RING_FAST_TCP, "fast_tcp", FAST, SLOW),
    FRAMES(RING_TCP_FAST, "tcp_fast", SLOW, FAST),
};
#undef FRAMES
#undef ROW

static_assert(sizeof(struct fast_msg) % 4 == 0 && sizeof(struct disk_msg) % 4 == 0 &&
                  sizeof(struct app_msg) % 4 == 0 && sizeof(struct bytes_msg) % 4 == 0 &&
                  sizeof(struct tcp_msg) % 4 == 0,
              "rte_ring elements are multiples of four bytes");
static_assert((LIMIT_RING_DEPTH & (LIMIT_RING_DEPTH - 1)) == 0, "rte_ring sizes are powers of two");
static_assert(LIMIT_REQUESTS <= LIMIT_RING_DEPTH, "fast_app never overflows");

int topo_open(struct topo *t, const char *name) {
  memset(t, 0, sizeof *t);
  for (int i = 0; i < THREAD_CNT; i++) t->waker[i].fd = -1;
  for (int i = 0; i < THREAD_CNT; i++) {
    int err = waker_open(&t->waker[i]);
    if (err) return err;
  }
  for (int i = 0; i < RING_CNT; i++) {
    char ring_name[RTE_RING_NAMESIZE];
    snprintf(ring_name, sizeof ring_name, "%.12s_%s", name, rings[i].name);
    t->ring[i] =
        rte_ring_create_elem(ring_name, rings[i].element_bytes, rings[i].depth, SOCKET_ID_ANY,
                             RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (!t->ring[i]) return -rte_errno;
  }
  return 0;
}

void topo_close(struct topo *t) {
  for (int i = 0; i < RING_CNT; i++) rte_ring_free(t->ring[i]);
  for (int i = 0; i < THREAD_CNT; i++) waker_close(&t->waker[i]);
}

void topo_print(int node_id) {
  for (int i = 0; i < THREAD_CNT; i++)
    log_line(LEVEL_INFO, node_id, "thread %-4s owns %s; waits by %s", threads[i].name,
             threads[i].owns, threads[i].waits_by);
  for (int i = 0; i < RING_CNT; i++)
    log_line(LEVEL_INFO, node_id, "ring   %-9s %s -> %s, %u elements of %u bytes", rings[i].name,
             threads[rings[i].from].name, threads[rings[i].to].name, rings[i].depth,
             rings[i].element_bytes);
}

bool topo_send(struct topo *t, enum ring_id id, const void *element) {
  void *copy = (void *)(uintptr_t)element; /* rte_ring takes no const */
  if (rte_ring_sp_enqueue_elem(t->ring[id], copy, rings[id].element_bytes)) return false;
  if (rings[id].to != THREAD_FAST) waker_wake(&t->waker[rings[id].to]); /* the fast lcore polls */
  return true;
}

void topo_must_send(struct topo *t, enum ring_id id, const void *element) {
  bool sent = topo_send(t, id, element);
  assert(sent);
}

bool topo_receive(struct topo *t, enum ring_id id, void *element) {
  return rte_ring_sc_dequeue_elem(t->ring[id], element, rings[id].element_bytes) == 0;
}

bool topo_peek(struct topo *t, enum ring_id id, void *element) {
  if (!rte_ring_dequeue_bulk_elem_start(t->ring[id], element, rings[id].element_bytes, 1, NULL))
    return false;
  rte_ring_dequeue_elem_finish(t->ring[id], 0);
  return true;
}

/* rte_ring_count reads the other side's tail without an order; here it decides about sleep and
 * about memory that is read, so it acquires (pairs: the release-stores of enqueue and dequeue). */
uint32_t topo_count(const struct topo *t, enum ring_id id) {
  const struct rte_ring *r = t->ring[id];
  uint32_t taken = __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);
  uint32_t put = __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE);
  return (put - taken) & r->mask;
}

bool topo_empty(const struct topo *t, enum ring_id id) { return topo_count(t, id) == 0; }
