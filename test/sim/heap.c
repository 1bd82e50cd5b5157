#include "test/sim/heap.h"

#include <stdlib.h>

void heap_clear(struct heap *h) { h->cnt = 0, h->order = 0; }

void heap_free(struct heap *h) {
  free(h->at);
  *h = (struct heap){0};
}

static bool before(const struct sim_event *a, const struct sim_event *b) {
  return a->at < b->at || (a->at == b->at && a->order < b->order);
}

/* Four children a node: half the depth, and they share a cache line or two. */
void heap_push(struct heap *h, struct sim_event e) {
  if (h->cnt == h->cap) {
    h->cap = h->cap ? 2 * h->cap : 1024;
    h->at = realloc(h->at, h->cap * sizeof *h->at);
    if (!h->at) abort();
  }
  e.order = h->order++;
  uint32_t i = h->cnt++;
  while (i && before(&e, &h->at[(i - 1) / 4])) {
    h->at[i] = h->at[(i - 1) / 4];
    i = (i - 1) / 4;
  }
  h->at[i] = e;
}

bool heap_pop(struct heap *h, struct sim_event *e) {
  if (!h->cnt) return false;
  *e = h->at[0];
  struct sim_event last = h->at[--h->cnt];
  uint32_t i = 0;
  for (;;) {
    uint32_t first = 4 * i + 1, best = 0;
    for (uint32_t c = first; c < first + 4 && c < h->cnt; c++)
      if (!best || before(&h->at[c], &h->at[best])) best = c;
    if (!best || !before(&h->at[best], &last)) break;
    h->at[i] = h->at[best];
    i = best;
  }
  h->at[i] = last;
  return true;
}
