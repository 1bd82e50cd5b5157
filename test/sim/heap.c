#include "test/sim/heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64
#define SHIFT 3 /* keys before the root: brothers begin on a cache line */
#define SLOT_MASK ((1u << HEAP_SLOT_BITS) - 1)

static void grow(struct heap *h) {
  uint32_t cap = h->cap ? 2 * h->cap : 4096;
  struct heap_key *key = aligned_alloc(LINE, (cap + SHIFT + 1) * sizeof *key);
  h->slot = realloc(h->slot, cap * sizeof *h->slot);
  h->free = realloc(h->free, cap * sizeof *h->free);
  if (!key || !h->slot || !h->free || cap > SLOT_MASK) abort();
  if (h->cap) {
    memcpy(key + SHIFT, h->key, h->cnt * sizeof *key);
    free(h->key - SHIFT);
  }
  h->key = key + SHIFT;
  for (uint32_t i = h->cap; i < cap; i++) h->free[i] = i;
  h->cap = cap;
}

void heap_clear(struct heap *h) {
  h->cnt = 0, h->order = 0;
  for (uint32_t i = 0; i < h->cap; i++) h->free[i] = i;
  for (int i = 0; i < HEAP_ACTORS; i++) h->due[i].at = UINT64_MAX;
  for (int i = HEAP_ACTORS - 1; i > 0; i--) /* one of its own: nobody is due */
    h->winner[i] = i < HEAP_ACTORS / 2 ? h->winner[2 * i] : (uint8_t)(2 * i - HEAP_ACTORS);
}

void heap_free(struct heap *h) {
  if (h->cap) free(h->key - SHIFT);
  free(h->slot);
  free(h->free);
  *h = (struct heap){0};
}

static bool before(struct heap_key a, struct heap_key b) {
  return a.at < b.at || (a.at == b.at && a.order_slot < b.order_slot);
}

/* Four children a node: half the depth.  Slots from free[cnt] on are free. */
void heap_push(struct heap *h, struct sim_event e) {
  if (h->cnt == h->cap) grow(h);
  uint32_t i = h->cnt++, slot = h->free[i];
  struct heap_key key = {e.at, h->order++ << HEAP_SLOT_BITS | slot};
  h->slot[slot] = e;
  while (i && before(key, h->key[(i - 1) / 4])) {
    h->key[i] = h->key[(i - 1) / 4];
    i = (i - 1) / 4;
  }
  h->key[i] = key;
}

static void play(struct heap *h, int who) {
  int i = (who + HEAP_ACTORS) / 2;
  int a = who & ~1, b = a + 1;
  for (;;) {
    h->winner[i] = (uint8_t)(before(h->due[b], h->due[a]) ? b : a);
    if (i == 1) return;
    a = h->winner[i & ~1];
    b = h->winner[i | 1];
    i /= 2;
  }
}

void heap_actor(struct heap *h, int who, uint64_t at) {
  h->due[who] = (struct heap_key){at, h->order << HEAP_SLOT_BITS};
  if (at != UINT64_MAX) h->order++;
  play(h, who);
}

static bool pop_actor(struct heap *h, struct sim_event *e) {
  int who = h->winner[1];
  struct heap_key due = h->due[who];
  if (due.at == UINT64_MAX || (h->cnt && !before(due, h->key[0]))) return false;
  *e = (struct sim_event){.at = due.at, .kind = EVENT_ACTOR, .who = who};
  heap_actor(h, who, UINT64_MAX);
  return true;
}

static uint32_t first_of(const struct heap *h, uint32_t a, uint32_t b) {
  return before(h->key[b], h->key[a]) ? b : a;
}

uint64_t heap_next(const struct heap *h) {
  uint64_t due = h->due[h->winner[1]].at;
  return h->cnt && h->key[0].at < due ? h->key[0].at : due;
}

bool heap_pop(struct heap *h, struct sim_event *e) {
  if (pop_actor(h, e)) return true;
  if (!h->cnt) return false;
  uint32_t slot = h->key[0].order_slot & SLOT_MASK, i = 0;
  *e = h->slot[slot];
  struct heap_key last = h->key[--h->cnt];
  h->free[h->cnt] = slot;
  for (;;) {
    uint32_t c = 4 * i + 1, best = c;
    if (c + 3 < h->cnt) {
      best = first_of(h, first_of(h, c, c + 1), first_of(h, c + 2, c + 3));
    } else {
      if (c >= h->cnt) break;
      while (++c < h->cnt) best = first_of(h, best, c);
    }
    if (!before(h->key[best], last)) break;
    h->key[i] = h->key[best];
    i = best;
  }
  h->key[i] = last;
  return true;
}
