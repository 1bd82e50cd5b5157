/* The snapshot of app_log, big endian:
 *   header   i8 magic | i8 zxid | i8 running digest | i4 client count
 *   clients  i8 id | i8 sequence | i8 zxid          oldest first
 *   records  i8 zxid | i8 client | i8 sequence | i4 len | data
 *   end      i8 0 | i8 purged | i8 record count | i4 crc32c of all up to here */
#include <assert.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/cursor.h"
#include "service/app_log_state.h"

#define MAGIC 0x5a414c4f47303031 /* "ZALOG001" */
#define HEADER_LEN 28u
#define CLIENT_LEN 24u
#define HEAD_LEN 24u
#define ITEM_LEN 28u /* of a record without its data, and of the end */

static struct app_log *self(const struct app *a) { return a->self; }

static void stage(struct app_log *l, const void *bytes, size_t len) {
  buffer_append(&l->snap.stage, bytes, len);
  l->snap.crc = crc32c_extend(l->snap.crc, bytes, len);
}

static void stage_header(struct app_log *l) {
  uint8_t bytes[HEADER_LEN];
  struct writer w;
  writer_init(&w, bytes, sizeof bytes);
  writer_i64(&w, MAGIC);
  writer_i64(&w, (int64_t)l->applied);
  writer_i64(&w, (int64_t)l->running);
  writer_i32(&w, (int32_t)l->clients.cnt);
  stage(l, bytes, sizeof bytes);
}

static void stage_client(struct app_log *l, const struct client *c) {
  uint8_t bytes[CLIENT_LEN];
  struct writer w;
  writer_init(&w, bytes, sizeof bytes);
  writer_i64(&w, (int64_t)c->id);
  writer_i64(&w, (int64_t)c->sequence);
  writer_i64(&w, (int64_t)c->zxid);
  stage(l, bytes, sizeof bytes);
}

/* A record's head, or the end; tail: its length, or NULL: the checksum of all up to here. */
static void stage_item(struct app_log *l, const uint64_t head[3], const uint32_t *tail) {
  uint8_t bytes[ITEM_LEN];
  struct writer w;
  writer_init(&w, bytes, sizeof bytes);
  for (int i = 0; i < 3; i++) writer_i64(&w, (int64_t)head[i]);
  stage(l, bytes, HEAD_LEN);
  writer_i32(&w, (int32_t)(tail ? *tail : l->snap.crc));
  stage(l, bytes + HEAD_LEN, ITEM_LEN - HEAD_LEN);
}

void app_log_snapshot_begin(struct app *a) {
  struct app_log *l = self(a);
  assert(!l->snap.active);
  l->snap.active = true;
  l->snap.ended = false;
  l->snap.zxid = l->applied;
  l->snap.record_cnt = 0;
  l->snap.crc = crc32c(NULL, 0);
  l->snap.cursor = kept_seek(&l->kept, 0);
  stage_header(l);
  for (const struct client *c = l->clients.oldest; c; c = c->newer) stage_client(l, c);
}

/* The next record, or the end; false: the end was staged before. */
static bool stage_next(struct app_log *l) {
  if (l->snap.ended) return false;
  struct kept_cursor before = l->snap.cursor;
  const struct kept_record *r = kept_next(&l->kept, &l->snap.cursor);
  if (r && r->zxid <= l->snap.zxid) {
    stage_item(l, (uint64_t[]){r->zxid, r->client, r->sequence}, &r->len);
    stage(l, r->data, r->len);
    l->snap.record_cnt++;
    return true;
  }
  l->snap.cursor = before;
  l->snap.ended = true;
  zxid_t purged = l->kept.purged < l->snap.zxid ? l->kept.purged : l->snap.zxid;
  stage_item(l, (uint64_t[]){0, purged, l->snap.record_cnt}, NULL);
  return true;
}

uint32_t app_log_snapshot_next(struct app *a, void *buf, uint32_t cap) {
  struct app_log *l = self(a);
  assert(l->snap.active);
  while (buffer_len(&l->snap.stage) < cap && stage_next(l)) continue;
  size_t len = buffer_len(&l->snap.stage);
  if (len > cap) len = cap;
  if (len) memcpy(buf, buffer_at(&l->snap.stage), len);
  buffer_consume(&l->snap.stage, len);
  return (uint32_t)len;
}

void app_log_snapshot_end(struct app *a) {
  self(a)->snap.active = false;
  buffer_free(&self(a)->snap.stage);
}

void app_log_restore_begin(struct app *a) {
  struct app_log *l = self(a);
  l->applied = 0;
  l->running = 0;
  clients_clear(&l->clients);
  kept_clear(&l->kept, 0);
  app_log_outstanding_clear(l);
  buffer_free(&l->restore.stage);
  memset(&l->restore, 0, sizeof l->restore);
  l->restore.crc = crc32c(NULL, 0);
}

static void consume(struct app_log *l, size_t len) {
  l->restore.crc = crc32c_extend(l->restore.crc, buffer_at(&l->restore.stage), len);
  buffer_consume(&l->restore.stage, len);
}

static bool take_header(struct app_log *l, struct cursor *c) {
  if (cursor_i64(c) != MAGIC) return false;
  l->restore.zxid = (zxid_t)cursor_i64(c);
  l->restore.running = (uint64_t)cursor_i64(c);
  l->restore.client_cnt = (uint32_t)cursor_i32(c);
  l->restore.header = true;
  consume(l, HEADER_LEN);
  return l->restore.client_cnt <= LIMIT_CLIENTS;
}

static bool take_client(struct app_log *l, struct cursor *c) {
  uint64_t id = (uint64_t)cursor_i64(c), sequence = (uint64_t)cursor_i64(c);
  zxid_t zxid = (zxid_t)cursor_i64(c);
  consume(l, CLIENT_LEN);
  l->restore.client_cnt--;
  bool fits = zxid && zxid <= l->restore.zxid && !clients_find(&l->clients, id) &&
              (!l->clients.newest || l->clients.newest->zxid < zxid);
  if (fits) clients_set(&l->clients, id, sequence, zxid);
  return fits;
}

static bool take_end(struct app_log *l, struct cursor *c) {
  zxid_t purged = (zxid_t)cursor_i64(c);
  uint64_t cnt = (uint64_t)cursor_i64(c);
  uint32_t crc = crc32c_extend(l->restore.crc, buffer_at(&l->restore.stage), HEAD_LEN);
  bool same = crc == (uint32_t)cursor_i32(c) && cnt == l->restore.record_cnt;
  if (purged > l->kept.purged) l->kept.purged = purged;
  consume(l, ITEM_LEN);
  l->restore.ended = true;
  return same;
}

/* A record or the end; *whole false: its data is not all there yet. */
static bool take_item(struct app_log *l, struct cursor *c, bool *whole) {
  zxid_t zxid = (zxid_t)cursor_i64(c);
  if (!zxid) return take_end(l, c);
  struct kept_record r = {.zxid = zxid};
  r.client = (uint64_t)cursor_i64(c);
  r.sequence = (uint64_t)cursor_i64(c);
  r.len = (uint32_t)cursor_i32(c);
  if (r.len > LIMIT_RECORD_MAX || zxid > l->restore.zxid || zxid <= l->restore.last) return false;
  if (buffer_len(&l->restore.stage) < ITEM_LEN + r.len) {
    *whole = false;
    return true;
  }
  kept_append(&l->kept, &r, buffer_at(&l->restore.stage) + ITEM_LEN);
  l->restore.last = zxid;
  l->restore.record_cnt++;
  consume(l, ITEM_LEN + r.len);
  return true;
}

/* Takes one item if it is there; returns false when the bytes cannot be a snapshot. */
static bool take(struct app_log *l, bool *whole) {
  uint32_t need = !l->restore.header ? HEADER_LEN : l->restore.client_cnt ? CLIENT_LEN : ITEM_LEN;
  *whole = buffer_len(&l->restore.stage) >= need;
  if (!*whole) return true;
  if (l->restore.ended) return false;
  struct cursor c;
  cursor_init(&c, buffer_at(&l->restore.stage), need);
  if (!l->restore.header) return take_header(l, &c);
  if (l->restore.client_cnt) return take_client(l, &c);
  return take_item(l, &c, whole);
}

bool app_log_restore_next(struct app *a, const void *buf, uint32_t len) {
  struct app_log *l = self(a);
  buffer_append(&l->restore.stage, buf, len);
  bool whole = true;
  while (whole && !l->restore.bad) l->restore.bad = !take(l, &whole);
  return !l->restore.bad;
}

bool app_log_restore_end(struct app *a, zxid_t zxid) {
  struct app_log *l = self(a);
  bool good = !l->restore.bad && l->restore.ended && l->restore.zxid == zxid &&
              !buffer_len(&l->restore.stage);
  buffer_free(&l->restore.stage);
  if (!good) return false;
  l->applied = zxid;
  l->running = l->restore.running;
  return true;
}
