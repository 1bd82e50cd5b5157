#include "service/tree/tree_snapshot.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

#define SESSION_LEN 12u
#define NODE_LEN 76u /* of a node record without path and data */

static struct writer room(struct tree *t, size_t len) {
  struct writer w;
  writer_init(&w, buffer_room(&t->snapshot.stage, len), len);
  return w;
}

/* The bytes written with w, which was given room for exactly them. */
static void staged(struct tree *t, const struct writer *w, size_t len) {
  assert(!w->bad && w->next == w->end);
  t->snapshot.adler = (uint32_t)adler32(t->snapshot.adler, w->next - len, (uInt)len);
  buffer_added(&t->snapshot.stage, len);
}

static void stage_i64(struct tree *t, uint64_t v) {
  struct writer w = room(t, 8);
  writer_i64(&w, (int64_t)v);
  staged(t, &w, 8);
}

static void stage_i32(struct tree *t, int32_t v) {
  struct writer w = room(t, 4);
  writer_i32(&w, v);
  staged(t, &w, 4);
}

static void stage_end_of_nodes(struct tree *t) {
  struct writer w = room(t, 5);
  writer_buf(&w, "/", 1);
  staged(t, &w, 5);
}

static void stage_seal(struct tree *t) {
  stage_i64(t, t->snapshot.adler);
  stage_end_of_nodes(t);
}

static void stage_tables(struct tree *t) {
  const struct acl_item *a, *next;
  const struct session *s, *next_session;
  stage_i32(t, (int32_t)HASH_COUNT(t->sessions));
  HASH_ITER(hh, t->sessions, s, next_session) {
    stage_i64(t, (uint64_t)s->id);
    stage_i32(t, s->timeout_ms);
  }
  stage_i32(t, (int32_t)HASH_CNT(by_key, t->acls.by_key));
  HASH_ITER(by_key, t->acls.by_key, a, next) {
    stage_i64(t, (uint64_t)(int64_t)a->key);
    struct writer w = room(t, a->len);
    writer_bytes(&w, a->bytes, a->len);
    staged(t, &w, a->len);
  }
}

static void stage_node(struct tree *t, const struct znode *n) {
  struct buffer path = {0};
  if (n->parent) tree_append_path(n, &path);
  const struct znode_stat *s = &n->stat;
  struct span data = blob_span(n->data);
  size_t len = NODE_LEN + buffer_len(&path) + (data.len > 0 ? (size_t)data.len : 0);
  struct writer w = room(t, len);
  writer_buf(&w, buffer_at(&path), (int32_t)buffer_len(&path));
  writer_buf(&w, data.data, data.len);
  writer_i64(&w, n->acl);
  writer_i64(&w, (int64_t)s->czxid);
  writer_i64(&w, (int64_t)s->mzxid);
  writer_i64(&w, s->ctime_ms);
  writer_i64(&w, s->mtime_ms);
  writer_i32(&w, s->version);
  writer_i32(&w, s->cversion);
  writer_i32(&w, s->aversion);
  writer_i64(&w, s->owner);
  writer_i64(&w, (int64_t)s->pzxid);
  staged(t, &w, len);
  buffer_free(&path);
}

void tree_snapshot_keep(struct tree *t, struct znode *n) {
  uint32_t number = t->snapshot.number;
  while (n->snapshot != number) { /* the topmost missing one first */
    struct znode *top = n;
    while (top->parent && top->parent->snapshot != number) top = top->parent;
    stage_node(t, top);
    top->snapshot = number;
  }
}

void tree_snapshot_begin(struct tree *t) {
  assert(!t->snapshot.active);
  uint32_t number = t->snapshot.number + 1;
  buffer_free(&t->snapshot.stage);
  t->snapshot = (struct tree_snapshot){.active = true,
                                       .number = number,
                                       .zxid = t->applied,
                                       .digest = t->digest,
                                       .next = t->root,
                                       .adler = (uint32_t)adler32(0, NULL, 0)};
  stage_i32(t, SNAPSHOT_MAGIC);
  stage_i32(t, SNAPSHOT_VERSION);
  stage_i64(t, UINT64_MAX);
  stage_tables(t);
}

static void stage_trailer(struct tree *t) {
  stage_end_of_nodes(t);
  stage_seal(t);
  stage_i64(t, t->snapshot.zxid);
  stage_i32(t, TREE_DIGEST_VERSION);
  stage_i64(t, t->snapshot.digest);
  stage_seal(t);
  stage_i64(t, t->snapshot.zxid);
  stage_seal(t);
  t->snapshot.step = TREE_SNAPSHOT_ENDED;
}

static void stage_next(struct tree *t) {
  struct znode *n = t->snapshot.next;
  if (!n) {
    stage_trailer(t);
    return;
  }
  if (n->snapshot != t->snapshot.number) stage_node(t, n);
  n->snapshot = t->snapshot.number;
  t->snapshot.next = tree_next(n);
}

uint32_t tree_snapshot_next(struct tree *t, void *buf, uint32_t cap) {
  struct tree_snapshot *s = &t->snapshot;
  assert(s->active);
  while (buffer_len(&s->stage) < cap && s->step != TREE_SNAPSHOT_ENDED) stage_next(t);
  size_t len = buffer_len(&s->stage);
  if (len > cap) len = cap;
  if (len) memcpy(buf, buffer_at(&s->stage), len);
  buffer_consume(&s->stage, len);
  return (uint32_t)len;
}

void tree_snapshot_end(struct tree *t) {
  t->snapshot.active = false;
  t->snapshot.next = NULL;
  buffer_free(&t->snapshot.stage);
}
