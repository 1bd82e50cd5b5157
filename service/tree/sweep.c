#include "service/tree/sweep.h"

#include "service/tree/jute.h"

bool sweep_is_over(const struct znode_stat *s, int64_t now_ms) {
  if (s->owner == OWNER_CONTAINER) return s->cversion > 0;
  return now_ms - s->mtime_ms > (int64_t)((uint64_t)s->owner & TTL_MAX);
}

static void note(struct sweep *s, const struct znode *n) {
  struct buffer path = {0};
  tree_append_path(n, &path);
  jute_append_text(&s->paths, (struct span){buffer_at(&path), (int32_t)buffer_len(&path)});
  buffer_free(&path);
}

/* Whoever goes meanwhile moves t->swept on (tree.c). */
static void begin(struct sweep *s, struct tree *t, enum sweep_what what) {
  int64_t id = what == SWEEP_CONTAINERS ? OWNER_CONTAINER : (int64_t)OWNER_TTL_BITS;
  const struct owner *o = tree_owner(t, id);
  s->what = what;
  t->swept = o ? o->nodes : NULL;
}

static void next_kind(struct sweep *s, struct tree *t) {
  if (s->what == SWEEP_CONTAINERS)
    begin(s, t, SWEEP_TTLS);
  else
    s->what = SWEEP_NONE;
}

static void slice(struct sweep *s, struct tree *t, int64_t now_ms) {
  for (int i = 0; i < SWEEP_SLICE && s->what != SWEEP_NONE; i++) {
    if (!t->swept) {
      next_kind(s, t);
      continue;
    }
    const struct znode *n = t->swept->node;
    if (!n->child && sweep_is_over(&n->stat, now_ms)) note(s, n);
    t->swept = t->swept->hh.next;
  }
}

void sweep_tick(struct sweep *s, struct tree *t, int64_t clock_ms, int64_t now_ms) {
  if (buffer_len(&s->paths) || clock_ms == s->slice_ms) return;
  if (s->what == SWEEP_NONE) {
    if (clock_ms - s->last_ms < (int64_t)s->every_ms) return;
    s->last_ms = clock_ms;
    begin(s, t, SWEEP_CONTAINERS);
  }
  s->slice_ms = clock_ms;
  slice(s, t, now_ms);
}

void sweep_clear(struct sweep *s) {
  s->last_ms = s->slice_ms = 0;
  s->what = SWEEP_NONE;
  buffer_free(&s->paths);
}
