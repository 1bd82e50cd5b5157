#include "service/tree/app_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/txn.h"
#include "service/tree/jute.h"
#include "service/tree/tree_snapshot.h"

static_assert(TXN_HEADER_LEN + 4 <= LIMIT_ERROR_TXN, "an error transaction fits");
static_assert(TXN_HEADER_LEN + 4 + JUTE_DIGEST_LEN <= LIMIT_ERROR_TXN, "a session's too");

static struct app_tree *self(const struct app *a) { return a->self; }

static void clear_epoch(struct app_tree *t) {
  view_clear(&t->view);
  sweep_clear(&t->sweep);
}

static void clear_leader(struct app_tree *t) {
  clear_epoch(t);
  tracker_clear(&t->tracker);
  t->leading = false;
}

/* Without a stop before it, it is the next epoch of the same leader. */
static void lead(struct app *a, uint32_t epoch) {
  struct app_tree *t = self(a);
  (void)epoch;
  clear_epoch(t);
  t->leading = true;
  tracker_start(&t->tracker, &t->tree);
}

static void put_header(struct writer *w, const struct app_request *r, const struct request *q,
                       int32_t type) {
  uint8_t bytes[TXN_HEADER_LEN];
  txn_header_write(bytes, &(struct txn_header){.client_id = q->session,
                                               .cxid = q->cxid,
                                               .zxid = r->zxid,
                                               .time_ms = r->time_ms,
                                               .type = type});
  writer_bytes(w, bytes, sizeof bytes);
}

static uint32_t put_error(const struct app_request *r, const struct request *q, int32_t err,
                          void *txn) {
  struct writer w;
  writer_init(&w, txn, TXN_HEADER_LEN + 4);
  put_header(&w, r, q, TXN_ERROR);
  writer_i32(&w, err);
  assert(!w.bad);
  return TXN_HEADER_LEN + 4;
}

/* ---- prepare ---- */

static void touch(struct app_tree *t, struct span record) {
  struct cursor c;
  cursor_init(&c, record.data, (size_t)record.len);
  while (c.end - c.next >= 8) tracker_touch(&t->tracker, cursor_i64(&c));
}

/* ZK_OK with a record at p->w, or what the error transaction says. */
static int32_t prepare_record(struct prep *p, struct cursor *c) {
  switch (p->q->type) {
    case OP_MULTI:
      return tree_prepare_multi(p, c);
    case OP_CREATE_SESSION:
      return tree_prepare_session(p, c);
    case OP_CLOSE_SESSION:
      return tree_prepare_close(p);
    default:
      return tree_prepare_op(p, p->q->type, c);
  }
}

/* Of a request that changes nothing, and is answered in its place in the order. */
static int32_t answer_of(struct app_tree *t, const struct request *q) {
  if (q->type == OP_REVALIDATE) {
    struct cursor c;
    cursor_init(&c, q->record.data, (size_t)q->record.len);
    int32_t timeout_ms = cursor_i32(&c);
    if (c.bad || timeout_ms <= 0) return ZK_MARSHALLINGERROR;
    return tracker_move(&t->tracker, q->session, q->node, timeout_ms);
  }
  return tracker_check(&t->tracker, q->session, q->node);
}

static struct app_prepared prepare(struct app *a, const struct app_request *r, void *txn,
                                   uint32_t cap) {
  struct app_tree *t = self(a);
  struct request q;
  struct cursor c;
  if (!request_read(&q, r->data, r->len)) return (struct app_prepared){REASON_CONTROL_BAD, 0};
  if (q.type == OP_TOUCH) {
    touch(t, q.record);
    return (struct app_prepared){REASON_NONE, 0};
  }
  if (cap < LIMIT_ERROR_TXN) return (struct app_prepared){REASON_TOO_LARGE, 0};
  if (q.type == OP_REVALIDATE || q.type == OP_SYNC)
    return (struct app_prepared){REASON_NONE, put_error(r, &q, answer_of(t, &q), txn)};
  struct prep p = {.app = t, .zxid = r->zxid, .time_ms = r->time_ms, .q = &q};
  uint64_t digest = view_digest(&t->view);
  writer_init(&p.w, txn, cap);
  put_header(&p.w, r, &q, q.type);
  cursor_init(&c, q.record.data, (size_t)q.record.len);
  int32_t err = prepare_record(&p, &c);
  if (err) return (struct app_prepared){REASON_NONE, put_error(r, &q, err, txn)};
  writer_i32(&p.w, TREE_DIGEST_VERSION);
  writer_i64(&p.w, (int64_t)view_digest(&t->view));
  if (p.w.bad) view_rollback(&t->view, r->zxid, digest);
  if (p.w.bad) return (struct app_prepared){REASON_TOO_LARGE, 0};
  return (struct app_prepared){REASON_NONE, (uint32_t)(p.w.next - (uint8_t *)txn)};
}

static uint32_t refuse(struct app *a, const struct app_request *r, enum reason reason, void *txn) {
  struct request q;
  if (!request_read(&q, r->data, r->len)) return 0;
  if (q.type == OP_TOUCH) { /* it writes nothing, and nobody waits for an answer */
    touch(self(a), q.record);
    return 0;
  }
  return put_error(r, &q, reason == REASON_TOO_LARGE ? ZK_BADARGUMENTS : ZK_SYSTEMERROR, txn);
}

/* ---- time ---- */

static struct app_work work(struct app_tree *t, int64_t session, int32_t type, struct span record) {
  struct request q = {.session = session, .type = type, .record = record};
  q.ids = (struct span){(const uint8_t *)"\0\0\0\0", 4};
  struct buffer *b = &t->work;
  buffer_consume(b, buffer_len(b));
  request_write(&q, buffer_room(b, request_len(&q)));
  buffer_added(b, request_len(&q));
  return (struct app_work){buffer_at(b), (uint32_t)buffer_len(b)};
}

/* The next path that the sweep has found; what has changed since then prepare sees. */
static struct app_work next_swept(struct app_tree *t) {
  struct cursor c;
  struct buffer *b = &t->sweep.paths;
  if (!buffer_len(b)) return (struct app_work){NULL, 0};
  cursor_init(&c, buffer_at(b), buffer_len(b));
  struct span path = jute_text(&c);
  struct app_work w = work(t, 0, OP_DELETE_CONTAINER, (struct span){buffer_at(b), 4 + path.len});
  buffer_consume(b, 4 + (size_t)path.len);
  return w;
}

static struct app_work tick(struct app *a, int64_t time_ms, bool held) {
  struct app_tree *t = self(a);
  tracker_tick(&t->tracker, time_ms, held);
  if (held) return (struct app_work){NULL, 0};
  const struct tracked *s = tracker_expired(&t->tracker);
  if (s) return work(t, s->id, OP_CLOSE_SESSION, (struct span){NULL, 0});
  sweep_tick(&t->sweep, &t->tree, t->tracker.clock_ms, time_ms);
  return next_swept(t);
}

/* ---- apply and the rest ---- */

static void keep_digest(struct app_tree *t, zxid_t zxid) {
  struct digest_log *d = &t->digests;
  if (zxid % DIGEST_LOG_INTERVAL) return;
  d->at[d->cnt % LIMIT_DIGESTS].zxid = zxid;
  d->at[d->cnt % LIMIT_DIGESTS].digest = t->tree.digest;
  d->cnt++;
}

static void apply(struct app *a, zxid_t zxid, const void *txn, uint32_t len) {
  struct app_tree *t = self(a);
  assert(zxid > t->tree.applied && len >= TXN_HEADER_LEN); /* R11: in order, once */
  t->tree.applied = zxid;
  tree_apply(&t->tree, txn, len, &t->reply);
  view_applied(&t->view, zxid);
  keep_digest(t, zxid);
}

static void stop(struct app *a) { clear_leader(self(a)); }

static zxid_t applied(const struct app *a) { return self(a)->tree.applied; }

static uint64_t digest(const struct app *a) {
  const struct tree *t = &self(a)->tree;
  return hash_mix(t->digest ^ hash_mix(t->session_digest));
}

static void snapshot_begin(struct app *a) { tree_snapshot_begin(&self(a)->tree); }

static uint32_t snapshot_next(struct app *a, void *buf, uint32_t cap) {
  return tree_snapshot_next(&self(a)->tree, buf, cap);
}

static void snapshot_end(struct app *a) { tree_snapshot_end(&self(a)->tree); }

static void restore_begin(struct app *a) {
  clear_leader(self(a));
  tree_restore_begin(&self(a)->tree);
  self(a)->digests.cnt = 0;
}

static bool restore_next(struct app *a, const void *buf, uint32_t len) {
  return tree_restore_next(&self(a)->tree, buf, len);
}

static bool restore_end(struct app *a, zxid_t zxid) {
  return tree_restore_end(&self(a)->tree, zxid);
}

static const struct app_ops ops = {
    .name = "tree",
    .lead = lead,
    .prepare = prepare,
    .refuse = refuse,
    .tick = tick,
    .apply = apply,
    .stop = stop,
    .applied = applied,
    .digest = digest,
    .snapshot_begin = snapshot_begin,
    .snapshot_next = snapshot_next,
    .snapshot_end = snapshot_end,
    .restore_begin = restore_begin,
    .restore_next = restore_next,
    .restore_end = restore_end,
};

struct app_tree *app_tree_create(const char *config_text, uint32_t container_check_ms) {
  struct app_tree *t = memory_or_end(calloc(1, sizeof *t), sizeof *t);
  size_t len = strnlen(config_text, sizeof t->config_text - 1);
  memcpy(t->config_text, config_text, len);
  tree_init(&t->tree, (struct span){(const uint8_t *)t->config_text, (int32_t)len});
  view_init(&t->view, &t->tree);
  t->sweep.every_ms = container_check_ms;
  return t;
}

void app_tree_destroy(struct app_tree *t) {
  clear_leader(t);
  tree_free(&t->tree);
  buffer_free(&t->reply.body);
  buffer_free(&t->work);
  free(t);
}

struct app app_tree_app(struct app_tree *t) {
  return (struct app){.ops = &ops, .self = t};
}

struct app_tree *app_tree_of(const struct app *a) {
  return a->ops == &ops ? a->self : NULL;
}
