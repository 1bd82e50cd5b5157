#include "service/tree/tracker.h"

#include <stdlib.h>

#define LOOKS 4096 /* in one call: less than 1 ms; the rest is the next tick's */

static struct tracked *find(const struct tracker *k, int64_t id) {
  struct tracked *s;
  HASH_FIND(hh, k->sessions, &id, sizeof id, s);
  return s;
}

/* ---- the heap ---- */

static void put(struct tracker *k, uint32_t idx, struct tracked *s) {
  k->heap[idx] = s;
  s->heap_idx = idx;
}

static void up(struct tracker *k, struct tracked *s) {
  uint32_t idx = s->heap_idx;
  while (idx && k->heap[(idx - 1) / 2]->due_ms > s->due_ms) {
    put(k, idx, k->heap[(idx - 1) / 2]);
    idx = (idx - 1) / 2;
  }
  put(k, idx, s);
}

static void down(struct tracker *k, struct tracked *s) {
  uint32_t idx = s->heap_idx;
  for (;;) {
    uint32_t child = 2 * idx + 1;
    if (child >= k->heap_cnt) break;
    if (child + 1 < k->heap_cnt && k->heap[child + 1]->due_ms < k->heap[child]->due_ms) child++;
    if (k->heap[child]->due_ms >= s->due_ms) break;
    put(k, idx, k->heap[child]);
    idx = child;
  }
  put(k, idx, s);
}

static void heap_add(struct tracker *k, struct tracked *s) {
  if (k->heap_cnt == k->heap_cap) {
    k->heap_cap = k->heap_cap ? 2 * k->heap_cap : 64;
    size_t size = k->heap_cap * sizeof *k->heap;
    k->heap = memory_or_end(realloc(k->heap, size), size);
  }
  put(k, k->heap_cnt++, s);
  up(k, s);
}

static void heap_remove(struct tracker *k, struct tracked *s) {
  struct tracked *last = k->heap[--k->heap_cnt];
  if (last == s) return;
  put(k, s->heap_idx, last);
  up(k, last);
  down(k, last);
}

/* Later is seen when its turn comes; earlier, if its timeout has become shorter, at once. */
static void touch(struct tracker *k, struct tracked *s) {
  s->deadline_ms = k->clock_ms + s->timeout_ms + TRACKER_STEP_MS + k->told_ms;
  if (s->deadline_ms >= s->due_ms) return;
  s->due_ms = s->deadline_ms;
  up(k, s);
}

/* ---- sessions ---- */

void tracker_remove(struct tracker *k, int64_t id) {
  struct tracked *s = find(k, id);
  if (!s) return;
  heap_remove(k, s);
  HASH_DEL(k->sessions, s);
  free(s);
}

void tracker_clear(struct tracker *k) {
  struct tracked *s, *next;
  HASH_ITER(hh, k->sessions, s, next) {
    HASH_DEL(k->sessions, s);
    free(s);
  }
  free(k->heap);
  *k = (struct tracker){.expired = k->expired, .told_ms = k->told_ms};
}

void tracker_add(struct tracker *k, int64_t id, int32_t timeout_ms, uint8_t node) {
  struct tracked *s = find(k, id);
  bool known = s;
  if (!known) {
    s = memory_or_end(calloc(1, sizeof *s), sizeof *s);
    s->id = id;
    HASH_ADD(hh, k->sessions, id, sizeof s->id, s);
    s->due_ms = k->clock_ms + timeout_ms;
    heap_add(k, s);
  }
  s->timeout_ms = timeout_ms;
  s->node = node;
  touch(k, s);
}

static void keep(struct tracker *k, const struct session *s) {
  struct tracked *known = find(k, s->id);
  if (known)
    touch(k, known);
  else
    tracker_add(k, s->id, s->timeout_ms, 0);
}

void tracker_start(struct tracker *k, const struct tree *t) {
  const struct session *s, *next;
  struct tracked *known, *after;
  HASH_ITER(hh, k->sessions, known, after) {
    if (!tree_session(t, known->id)) tracker_remove(k, known->id);
  }
  HASH_ITER(hh, t->sessions, s, next) keep(k, s);
}

int32_t tracker_check(struct tracker *k, int64_t id, uint8_t node) {
  struct tracked *s = find(k, id);
  if (!s) return ZK_SESSIONEXPIRED;
  if (!s->node) s->node = node;
  if (s->node != node) return ZK_SESSIONMOVED;
  touch(k, s);
  return ZK_OK;
}

int32_t tracker_move(struct tracker *k, int64_t id, uint8_t node, int32_t timeout_ms) {
  struct tracked *s = find(k, id);
  if (!s) return ZK_SESSIONEXPIRED;
  s->node = node;
  s->timeout_ms = timeout_ms;
  touch(k, s);
  return ZK_OK;
}

void tracker_touch(struct tracker *k, int64_t id) {
  struct tracked *s = find(k, id);
  if (s) touch(k, s);
}

void tracker_tick(struct tracker *k, int64_t now_ms, bool held) {
  int64_t passed = k->last_ms ? now_ms - k->last_ms : 0;
  if (passed > TRACKER_STEP_MS) passed = TRACKER_STEP_MS;
  if (passed > 0 && !held) k->clock_ms += passed;
  k->last_ms = now_ms;
}

/* The topmost is looked at until one's time is over, or nobody's is near. */
const struct tracked *tracker_expired(struct tracker *k) {
  for (int i = 0; i < LOOKS && k->heap_cnt && k->heap[0]->due_ms <= k->clock_ms; i++) {
    struct tracked *s = k->heap[0];
    if (s->deadline_ms <= k->clock_ms) return s;
    s->due_ms = s->deadline_ms;
    down(k, s);
  }
  return NULL;
}
