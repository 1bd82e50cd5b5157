#include "service/app_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "proto/crc32c.h"
#include "proto/cursor.h"
#include "service/app_log_state.h"

static_assert(TXN_HEADER_LEN + 12 <= LIMIT_ERROR_TXN, "an error transaction fits");

void app_log_request_write(void *dst, uint64_t client, uint64_t sequence) {
  struct writer w;
  writer_init(&w, dst, APP_LOG_REQUEST_HEADER);
  writer_i64(&w, (int64_t)client);
  writer_i64(&w, (int64_t)sequence);
}

struct request {
  uint64_t client, sequence;
  const uint8_t *data;
  uint32_t len;
  bool bad;
};

static struct request request_read(const struct app_request *r) {
  struct cursor c;
  cursor_init(&c, r->data, r->len);
  struct request out = {.client = (uint64_t)cursor_i64(&c)};
  out.sequence = (uint64_t)cursor_i64(&c);
  out.bad = c.bad || !out.sequence;
  out.data = c.next;
  out.len = out.bad ? 0 : r->len - APP_LOG_REQUEST_HEADER;
  return out;
}

struct app_log_txn app_log_txn_read(const void *txn, uint32_t len) {
  struct app_log_txn t = {0};
  if (len < APP_LOG_TXN_OVERHEAD) return t;
  struct txn_header h = txn_header_read(txn);
  struct cursor c;
  cursor_init(&c, (const uint8_t *)txn + TXN_HEADER_LEN, len - TXN_HEADER_LEN);
  t.client = (uint64_t)h.client_id;
  t.sequence = (uint64_t)cursor_i64(&c);
  if (h.type == TXN_ERROR) {
    t.reason = (enum reason)cursor_i32(&c);
    t.type = c.bad ? 0 : TXN_ERROR;
  } else if (h.type == APP_LOG_RECORD) {
    t.type = APP_LOG_RECORD;
    t.data = c.next;
    t.len = len - APP_LOG_TXN_OVERHEAD;
  }
  return t;
}

static struct outstanding *find(const struct app_log *l, uint64_t client) {
  struct outstanding *o;
  HASH_FIND(hh, l->index, &client, sizeof client, o);
  return o;
}

static void forget(struct app_log *l, struct outstanding *o) {
  HASH_DELETE(hh, l->index, o);
  l->free[l->free_cnt++] = o;
}

/* An entry for client: its own, a free one, or one that only remembers a refusal (its asker is at
 * worst told a second time); NULL: every entry has a record outstanding. */
static struct outstanding *entry_for(struct app_log *l, uint64_t client) {
  struct outstanding *o = find(l, client), *next;
  if (o) return o;
  if (!l->free_cnt) {
    HASH_ITER(hh, l->index, o, next) {
      if (!o->sequence) {
        forget(l, o);
        break;
      }
    }
  }
  if (!l->free_cnt) return NULL;
  o = l->free[--l->free_cnt];
  *o = (struct outstanding){.id = client};
  HASH_ADD(hh, l->index, id, sizeof o->id, o);
  return o;
}

void app_log_outstanding_clear(struct app_log *l) {
  HASH_CLEAR(hh, l->index);
  for (l->free_cnt = 0; l->free_cnt < LIMIT_CLIENTS; l->free_cnt++)
    l->free[l->free_cnt] = &l->at[LIMIT_CLIENTS - 1 - l->free_cnt];
}

struct app_log_id app_log_last(const struct app_log *l, uint64_t client) {
  const struct client *c = clients_find(&l->clients, client);
  return c ? (struct app_log_id){c->sequence, c->zxid} : (struct app_log_id){0, 0};
}

uint64_t app_log_expected(const struct app_log *l, uint64_t client) {
  const struct outstanding *o = find(l, client);
  return (o && o->sequence ? o->sequence : app_log_last(l, client).sequence) + 1;
}

static struct app_log *self(const struct app *a) { return a->self; }

static void clear_outstanding(struct app *a) { app_log_outstanding_clear(self(a)); }

static void lead(struct app *a, uint32_t epoch) {
  (void)epoch;
  clear_outstanding(a);
}

static void header_write(void *dst, const struct app_request *r, const struct request *q,
                         int32_t type) {
  struct txn_header h = {.client_id = (int64_t)q->client,
                         .cxid = (int32_t)(q->sequence & 0xffffffffu),
                         .zxid = r->zxid,
                         .time_ms = r->time_ms,
                         .type = type};
  txn_header_write(dst, &h);
}

static struct app_prepared prepare(struct app *a, const struct app_request *r, void *txn,
                                   uint32_t cap) {
  struct app_log *l = self(a);
  struct request q = request_read(r);
  if (q.bad) return (struct app_prepared){REASON_CONTROL_BAD, 0};
  if (cap < APP_LOG_TXN_OVERHEAD || q.len > cap - APP_LOG_TXN_OVERHEAD)
    return (struct app_prepared){REASON_TOO_LARGE, 0};
  uint64_t expected = app_log_expected(l, q.client);
  if (q.sequence < expected) return (struct app_prepared){REASON_SEQ_DUPLICATE, 0};
  if (q.sequence > expected) return (struct app_prepared){REASON_SEQ_GAP, 0};
  struct outstanding *o = entry_for(l, q.client);
  if (!o) return (struct app_prepared){REASON_BUSY, 0};
  o->sequence = q.sequence;
  o->refused = 0;
  header_write(txn, r, &q, APP_LOG_RECORD);
  struct writer w;
  writer_init(&w, (uint8_t *)txn + TXN_HEADER_LEN, cap - TXN_HEADER_LEN);
  writer_i64(&w, (int64_t)q.sequence);
  writer_bytes(&w, q.data, q.len);
  assert(!w.bad);
  return (struct app_prepared){REASON_NONE, APP_LOG_TXN_OVERHEAD + q.len};
}

/* One error for one refusal: what the asker had already sent behind it falls with it, unanswered.
 */
static uint32_t refuse(struct app *a, const struct app_request *r, enum reason reason, void *txn) {
  struct request q = request_read(r);
  if (q.bad) return 0;
  struct outstanding *o = entry_for(self(a), q.client);
  if (o && o->refused && q.sequence > o->refused) return 0;
  if (o) o->refused = q.sequence;
  header_write(txn, r, &q, TXN_ERROR);
  struct writer w;
  writer_init(&w, (uint8_t *)txn + TXN_HEADER_LEN, 12);
  writer_i64(&w, (int64_t)q.sequence);
  writer_i32(&w, (int32_t)reason);
  return TXN_HEADER_LEN + 12;
}

static struct app_work tick(struct app *a, int64_t time_ms, bool held) {
  (void)a, (void)time_ms, (void)held;
  return (struct app_work){NULL, 0}; /* records do not age */
}

static void apply_record(struct app_log *l, zxid_t zxid, const struct app_log_txn *t) {
  clients_set(&l->clients, t->client, t->sequence, zxid);
  struct kept_record r = {
      .zxid = zxid, .client = t->client, .sequence = t->sequence, .len = t->len};
  kept_append(&l->kept, &r, t->data);
  struct outstanding *o = find(l, t->client);
  if (!o || o->sequence != t->sequence) return;
  o->sequence = 0;
  if (!o->refused) forget(l, o);
}

static void apply(struct app *a, zxid_t zxid, const void *txn, uint32_t len) {
  struct app_log *l = self(a);
  assert(zxid > l->applied); /* R11: in order, once */
  l->applied = zxid;
  l->running = hash_mix(hash_mix(l->running ^ zxid) + crc32c(txn, len));
  struct app_log_txn t = app_log_txn_read(txn, len);
  if (t.type == APP_LOG_RECORD) apply_record(l, zxid, &t);
}

static zxid_t applied(const struct app *a) { return self(a)->applied; }

static uint64_t digest(const struct app *a) {
  const struct app_log *l = self(a);
  return hash_mix(l->running ^ hash_mix(l->clients.digest + l->clients.cnt));
}

static const struct app_ops ops = {
    .name = "app_log",
    .lead = lead,
    .prepare = prepare,
    .refuse = refuse,
    .tick = tick,
    .apply = apply,
    .stop = clear_outstanding,
    .applied = applied,
    .digest = digest,
    .snapshot_begin = app_log_snapshot_begin,
    .snapshot_next = app_log_snapshot_next,
    .snapshot_end = app_log_snapshot_end,
    .restore_begin = app_log_restore_begin,
    .restore_next = app_log_restore_next,
    .restore_end = app_log_restore_end,
};

struct app_log *app_log_create(uint64_t keep, uint64_t keep_bytes) {
  struct app_log *l = memory_or_end(calloc(1, sizeof *l), sizeof *l);
  clients_init(&l->clients);
  kept_init(&l->kept, keep, keep_bytes);
  app_log_outstanding_clear(l);
  return l;
}

void app_log_destroy(struct app_log *l) {
  app_log_outstanding_clear(l);
  clients_clear(&l->clients);
  kept_free(&l->kept);
  buffer_free(&l->snap.stage);
  buffer_free(&l->restore.stage);
  free(l);
}

struct app app_log_app(struct app_log *l) {
  return (struct app){.ops = &ops, .self = l};
}

struct app_log *app_log_of(const struct app *a) {
  return a->ops == &ops ? a->self : NULL;
}

const struct kept *app_log_kept(const struct app_log *l) { return &l->kept; }
