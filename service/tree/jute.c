#include "service/tree/jute.h"

#include <assert.h>

struct span jute_text(struct cursor *c) {
  return cursor_buf(c, INT32_MAX);
}
struct span jute_data(struct cursor *c) {
  return cursor_buf(c, INT32_MAX);
}
bool jute_bool(struct cursor *c) { return cursor_u8(c) != 0; }
void jute_put(struct writer *w, struct span s) { writer_buf(w, s.data, s.len); }
void jute_put_bool(struct writer *w, bool v) { writer_u8(w, v); }

void jute_stat(struct writer *w, const struct znode *n) {
  const struct znode_stat *s = &n->stat;
  writer_i64(w, (int64_t)s->czxid);
  writer_i64(w, (int64_t)s->mzxid);
  writer_i64(w, s->ctime_ms);
  writer_i64(w, s->mtime_ms);
  writer_i32(w, s->version);
  writer_i32(w, (int32_t)(2 * (uint32_t)s->cversion - n->child_cnt));
  writer_i32(w, s->aversion);
  writer_i64(w, owner_is_session(s->owner) ? s->owner : 0);
  writer_i32(w, n->data ? (int32_t)n->data->len : 0);
  writer_i32(w, (int32_t)n->child_cnt);
  writer_i64(w, (int64_t)s->pzxid);
}

void jute_append_stat(struct buffer *b, const struct znode *n) {
  struct writer w;
  writer_init(&w, buffer_room(b, JUTE_STAT_LEN), JUTE_STAT_LEN);
  jute_stat(&w, n);
  assert(!w.bad && w.next == w.end);
  buffer_added(b, JUTE_STAT_LEN);
}

void jute_append_i32(struct buffer *b, int32_t v) {
  struct writer w;
  writer_init(&w, buffer_room(b, 4), 4);
  writer_i32(&w, v);
  buffer_added(b, 4);
}

void jute_append_i64(struct buffer *b, int64_t v) {
  struct writer w;
  writer_init(&w, buffer_room(b, 8), 8);
  writer_i64(&w, v);
  buffer_added(b, 8);
}

void jute_append_u8(struct buffer *b, uint8_t v) { buffer_append(b, &v, 1); }

void jute_append_text(struct buffer *b, struct span s) {
  jute_append_i32(b, s.len < 0 ? -1 : s.len);
  if (s.len > 0) buffer_append(b, s.data, (size_t)s.len);
}

struct multi_header jute_multi_header(struct cursor *c) {
  struct multi_header h = {.type = cursor_i32(c)};
  h.done = jute_bool(c);
  h.err = cursor_i32(c);
  return h;
}

void jute_append_multi_header(struct buffer *b, int32_t type, bool done, int32_t err) {
  jute_append_i32(b, type);
  jute_append_u8(b, done);
  jute_append_i32(b, err);
}

struct create_record jute_create(struct cursor *c, int32_t type) {
  struct create_record r = {.path = jute_text(c)};
  r.data = jute_data(c);
  r.acl = acl_read(c);
  r.flags = cursor_i32(c);
  r.ttl = type == OP_CREATE_TTL ? cursor_i64(c) : -1;
  return r;
}
