#include "dpdk_app/topo.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek.h>

int topo_open(struct topo *t, const char *name) {
  memset(t, 0, sizeof *t);
  for (int i = 0; i < THREAD_CNT; i++) t->waker[i].fd = -1;
  for (int i = 0; i < THREAD_CNT; i++) {
    int err = waker_open(&t->waker[i]);
    if (err) return err;
  }
  for (int i = 0; i < RING_CNT; i++) {
    char ring_name[RTE_RING_NAMESIZE];
    snprintf(ring_name, sizeof ring_name, "%.12s_%s", name, topo_rings[i].name);
    t->ring[i] =
        rte_ring_create_elem(ring_name, topo_rings[i].element_bytes, topo_rings[i].depth,
                             SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (!t->ring[i]) return -rte_errno;
  }
  return 0;
}

void topo_close(struct topo *t) {
  for (int i = 0; i < RING_CNT; i++) rte_ring_free(t->ring[i]);
  for (int i = 0; i < THREAD_CNT; i++) waker_close(&t->waker[i]);
}

bool topo_send(struct topo *t, enum ring_id id, const void *element) {
  void *copy = (void *)(uintptr_t)element; /* rte_ring takes no const */
  if (rte_ring_sp_enqueue_elem(t->ring[id], copy, topo_rings[id].element_bytes)) return false;
  if (topo_rings[id].to != THREAD_FAST)
    waker_wake(&t->waker[topo_rings[id].to]); /* the fast lcore polls */
  return true;
}

void topo_must_send(struct topo *t, enum ring_id id, const void *element) {
  bool sent = topo_send(t, id, element);
  assert(sent);
}

bool topo_receive(struct topo *t, enum ring_id id, void *element) {
  return rte_ring_sc_dequeue_elem(t->ring[id], element, topo_rings[id].element_bytes) == 0;
}

bool topo_peek(struct topo *t, enum ring_id id, void *element) {
  if (!rte_ring_dequeue_bulk_elem_start(t->ring[id], element, topo_rings[id].element_bytes, 1,
                                        NULL))
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
