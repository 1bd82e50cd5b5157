/* TAIL: the kept records from a zxid on, streamed as fast as the reader takes them. */
#include "service/control.h"

#define BATCH_BYTES 65536u

enum control_taken control_on_tail(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  const struct app_log *l = app_log_of(&t->app);
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  zxid_t from = (zxid_t)cursor_i64(&in);
  bool follow = cursor_i32(&in) != 0;
  if (in.bad || n->job != JOB_NONE || !l) {
    control_fail(n, REASON_CONTROL_BAD, "TAIL is not possible now");
    return CONTROL_TAKEN;
  }
  n->job = JOB_TAIL;
  n->until = follow ? ZXID_NONE : t->app.ops->applied(&t->app);
  n->cursor = kept_seek(app_log_kept(l), from ? from - 1 : 0);
  return CONTROL_TAKEN;
}

static void send_zxid(struct control_conn *n, enum control_type type, zxid_t zxid) {
  uint8_t body[8];
  struct writer w;
  writer_init(&w, body, sizeof body);
  writer_i64(&w, (int64_t)zxid);
  control_send(n, type, body, sizeof body);
}

static void put_record(struct buffer *b, const struct kept_record *r) {
  struct writer w;
  size_t len = CONTROL_RECORD_HEADER + r->len;
  writer_init(&w, buffer_room(b, len), len);
  writer_i64(&w, (int64_t)r->zxid);
  writer_i64(&w, (int64_t)r->client);
  writer_i64(&w, (int64_t)r->sequence);
  writer_i32(&w, (int32_t)r->len);
  writer_bytes(&w, r->data, r->len);
  buffer_added(b, len);
}

/* One RECORDS frame, written in place: its length is known at the end.  false: no record was there.
 */
static bool put_batch(struct control_conn *n, const struct kept *k) {
  struct buffer *b = &n->out;
  size_t begin = buffer_len(b), len;
  buffer_room(b, CONTROL_FRAME_HEADER);
  buffer_added(b, CONTROL_FRAME_HEADER);
  for (;;) { /* at most BATCH_BYTES / CONTROL_RECORD_HEADER turns */
    struct kept_cursor before = n->cursor;
    const struct kept_record *r = kept_next(k, &n->cursor);
    n->at_end = !r || r->zxid > n->until;
    if (n->at_end) n->cursor = before;
    if (n->at_end) break;
    put_record(b, r);
    if (buffer_len(b) - begin >= BATCH_BYTES) break;
  }
  len = buffer_len(b) - begin - CONTROL_FRAME_HEADER;
  struct writer w;
  writer_init(&w, b->data + b->begin + begin, CONTROL_FRAME_HEADER);
  writer_i32(&w, (int32_t)(len + 1));
  writer_u8(&w, CONTROL_RECORDS);
  if (!len) b->end -= CONTROL_FRAME_HEADER;
  return len > 0;
}

bool control_tail_produce(struct control_conn *n) {
  struct app_thread *t = n->control->thread;
  const struct kept *k = app_log_kept(app_log_of(&t->app));
  bool restoring = t->catchup.reading_snapshot;
  if (n->writing || n->last_words || buffer_len(&n->out) || restoring) return false;
  if (k->purged > n->cursor.last && n->cursor.last < n->until) {
    send_zxid(n, CONTROL_PURGED, k->purged);
    n->cursor = kept_seek(k, k->purged);
  }
  if (put_batch(n, k)) return true;
  /* ZXID_NONE: never; and after a restore that was given up there is less than there was */
  if (!n->at_end || t->app.ops->applied(&t->app) < n->until) return false;
  send_zxid(n, CONTROL_END, t->app.ops->applied(&t->app));
  n->job = JOB_NONE;
  return true;
}
