/* topo.h and the sleeping half of wake.h: rings are arrays, a wake-up is a call. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/app_msg.h"
#include "test/sim/oracle.h"
#include "test/sim/world.h"

#define RING_NS 1500  /* until a polling consumer sees an element */
#define WAKE_NS 20000 /* until a sleeping thread runs */

struct rte_ring {
  uint32_t head, cnt;
  uint8_t *data;
};

/* Kept from process to process and from seed to seed. */
static struct rte_ring pool[LIMIT_VOTERS][RING_CNT];

int topo_open(struct topo *t, const char *name) {
  struct machine *m = machine_of_topo(t);
  (void)name;
  memset(t, 0, sizeof *t);
  for (int i = 0; i < THREAD_CNT; i++) t->waker[i].fd = m->idx * THREAD_CNT + i;
  for (int i = 0; i < RING_CNT; i++) {
    struct rte_ring *r = &pool[m->idx][i];
    if (!r->data) r->data = malloc((size_t)topo_rings[i].depth * topo_rings[i].element_bytes);
    assert(r->data);
    r->head = r->cnt = 0;
    t->ring[i] = r;
  }
  return 0;
}

void topo_close(struct topo *t) { (void)t; }

static uint8_t *slot(const struct rte_ring *r, enum ring_id id, uint32_t i) {
  return r->data + (size_t)((r->head + i) % topo_rings[id].depth) * topo_rings[id].element_bytes;
}

bool topo_send(struct topo *t, enum ring_id id, const void *element) {
  struct rte_ring *r = t->ring[id];
  struct machine *m = &world->machines[t->waker[0].fd / THREAD_CNT];
  if (r->cnt == topo_rings[id].depth) return false;
  memcpy(slot(r, id, r->cnt++), element, topo_rings[id].element_bytes);
  if (!m->unwinding) oracle_ring(m, id, element);
  if (topo_rings[id].to == THREAD_FAST)
    actor_wake(&m->actor[THREAD_FAST], random_below(&world->random_turn, RING_NS));
  else
    waker_wake(&t->waker[topo_rings[id].to]);
  actor_point();
  return true;
}

void topo_must_send(struct topo *t, enum ring_id id, const void *element) {
  bool sent = topo_send(t, id, element);
  assert(sent);
}

bool topo_peek(struct topo *t, enum ring_id id, void *element) {
  struct rte_ring *r = t->ring[id];
  if (!r->cnt) return false;
  memcpy(element, slot(r, id, 0), topo_rings[id].element_bytes);
  return true;
}

bool topo_receive(struct topo *t, enum ring_id id, void *element) {
  struct rte_ring *r = t->ring[id];
  if (!topo_peek(t, id, element)) return false;
  r->head = (r->head + 1) % topo_rings[id].depth;
  r->cnt--;
  actor_point();
  return true;
}

uint32_t topo_count(const struct topo *t, enum ring_id id) { return t->ring[id]->cnt; }

bool topo_empty(const struct topo *t, enum ring_id id) { return topo_count(t, id) == 0; }

/* ---- sleep ---- */

void waker_poke(struct waker *w) {
  actor_wake(actor_of(w->fd), random_below(&world->random_turn, WAKE_NS));
}

void waker_drain(struct waker *w) { actor_of(w->fd)->poked = false; }

void waker_wait(struct waker *w, int timeout_ms) {
  actor_sleep(world->now + (unsigned)timeout_ms * MS, true);
  waker_cancel(w);
}

int waker_open(struct waker *w) {
  (void)w;
  return 0;
}

void waker_close(struct waker *w) { (void)w; }
