#include "test/sim/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void history_init(struct history *h) {
  memset(h, 0, sizeof *h);
  for (int i = 0; i < HISTORY_EPOCHS; i++) h->epoch[i].leader = -1;
}

void history_free(struct history *h) {
  for (uint32_t i = 0; i <= h->largest; i++) free(h->epoch[i].at);
}

struct history_record *history_record(struct history *h, zxid_t zxid) {
  uint32_t e = zxid_epoch(zxid), n = zxid_counter(zxid);
  if (e >= HISTORY_EPOCHS || n == 0 || n > h->epoch[e].cnt) return NULL;
  return &h->epoch[e].at[n - 1];
}

struct history_record *history_add(struct history *h, zxid_t zxid) {
  struct history_epoch *e = &h->epoch[zxid_epoch(zxid)];
  assert(zxid_counter(zxid) == e->cnt + 1);
  if (e->cnt == e->cap) {
    e->cap = e->cap ? 2 * e->cap : 64;
    e->at = realloc(e->at, e->cap * sizeof *e->at);
    assert(e->at);
  }
  e->at[e->cnt] = (struct history_record){0};
  return &e->at[e->cnt++];
}

uint64_t history_depth(const struct history *h, zxid_t zxid) {
  return h->epoch[zxid_epoch(zxid)].base_depth + zxid_counter(zxid);
}

zxid_t history_common(const struct history *h, zxid_t a, zxid_t b) {
  while (zxid_epoch(a) != zxid_epoch(b)) {
    if (zxid_epoch(a) > zxid_epoch(b))
      a = h->epoch[zxid_epoch(a)].base;
    else
      b = h->epoch[zxid_epoch(b)].base;
  }
  return a < b ? a : b;
}

zxid_t history_previous(const struct history *h, zxid_t zxid) {
  return zxid_counter(zxid) > 1 ? zxid - 1 : h->epoch[zxid_epoch(zxid)].base;
}
