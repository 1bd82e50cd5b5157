#include "service/tree/tracker.h"

#include <stdlib.h>

static struct tracked *find(const struct tracker *k, int64_t id) {
  struct tracked *s;
  HASH_FIND(hh, k->sessions, &id, sizeof id, s);
  return s;
}

static void touch(struct tracker *k, struct tracked *s) {
  s->deadline_ms = k->clock_ms + s->timeout_ms + TRACKER_STEP_MS;
}

void tracker_remove(struct tracker *k, int64_t id) {
  struct tracked *s = find(k, id);
  if (!s) return;
  HASH_DEL(k->sessions, s);
  free(s);
}

void tracker_clear(struct tracker *k) {
  struct tracked *s, *next;
  HASH_ITER(hh, k->sessions, s, next) tracker_remove(k, s->id);
  *k = (struct tracker){.sessions = NULL};
}

void tracker_add(struct tracker *k, int64_t id, int32_t timeout_ms, uint8_t node) {
  struct tracked *s = find(k, id);
  if (!s) {
    s = memory_or_end(calloc(1, sizeof *s), sizeof *s);
    s->id = id;
    HASH_ADD(hh, k->sessions, id, sizeof s->id, s);
  }
  s->timeout_ms = timeout_ms;
  s->node = node;
  touch(k, s);
}

void tracker_start(struct tracker *k, const struct tree *t) {
  const struct session *s, *next;
  tracker_clear(k);
  HASH_ITER(hh, t->sessions, s, next) tracker_add(k, s->id, s->timeout_ms, 0);
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

const struct tracked *tracker_expired(const struct tracker *k) {
  const struct tracked *s, *next;
  HASH_ITER(hh, k->sessions, s, next) {
    if (s->deadline_ms <= k->clock_ms) return s;
  }
  return NULL;
}
