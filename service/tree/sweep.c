#include "service/tree/sweep.h"

#include "service/tree/jute.h"

bool sweep_is_over(const struct znode_stat *s, int64_t now_ms) {
  if (s->owner == OWNER_CONTAINER) return s->cversion > 0;
  return now_ms - s->mtime_ms > (int64_t)((uint64_t)s->owner & TTL_MAX);
}

static void find(struct sweep *s, const struct owner *o, int64_t now_ms) {
  const struct owned *e = NULL, *next, *nodes = o ? o->nodes : NULL;
  int cnt = 0;
  HASH_ITER(hh, nodes, e, next) {
    if (cnt == SWEEP_MOST) return;
    if (e->node->child || !sweep_is_over(&e->node->stat, now_ms)) continue;
    struct buffer path = {0};
    tree_append_path(e->node, &path);
    jute_append_text(&s->paths, (struct span){buffer_at(&path), (int32_t)buffer_len(&path)});
    buffer_free(&path);
    cnt++;
  }
}

void sweep_tick(struct sweep *s, const struct tree *t, int64_t clock_ms, int64_t now_ms) {
  if (clock_ms - s->last_ms < (int64_t)s->every_ms || buffer_len(&s->paths)) return;
  s->last_ms = clock_ms;
  find(s, tree_owner(t, OWNER_CONTAINER), now_ms);
  find(s, tree_owner(t, (int64_t)OWNER_TTL_BITS), now_ms);
}

void sweep_clear(struct sweep *s) {
  s->last_ms = 0;
  buffer_free(&s->paths);
}
