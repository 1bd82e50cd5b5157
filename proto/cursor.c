#include "proto/cursor.h"

#include <string.h>

void cursor_init(struct cursor *c, const void *buf, size_t len) {
  c->next = buf;
  c->end = buf ? c->next + len : NULL;
  c->bad = false;
}

const uint8_t *cursor_bytes(struct cursor *c, size_t len) {
  if (c->bad || len > (size_t)(c->end - c->next)) {
    c->bad = true;
    return NULL;
  }
  const uint8_t *at = c->next;
  if (len) c->next += len;
  return at;
}

static uint64_t read_big_endian(struct cursor *c, size_t len) {
  const uint8_t *p = cursor_bytes(c, len);
  uint64_t v = 0;
  if (!p) return 0;
  for (size_t i = 0; i < len; i++) v = v << 8 | p[i];
  return v;
}

uint8_t cursor_u8(struct cursor *c) { return (uint8_t)read_big_endian(c, 1); }
uint16_t cursor_u16(struct cursor *c) { return (uint16_t)read_big_endian(c, 2); }
int32_t cursor_i32(struct cursor *c) { return (int32_t)(uint32_t)read_big_endian(c, 4); }
int64_t cursor_i64(struct cursor *c) { return (int64_t)read_big_endian(c, 8); }

struct span cursor_buf(struct cursor *c, int32_t max) {
  struct span s = {NULL, cursor_i32(c)};
  if (s.len < -1 || s.len > max) c->bad = true; /* C14: checked before it is used as a size */
  if (s.len > 0) s.data = cursor_bytes(c, (size_t)s.len);
  if (c->bad) s = (struct span){NULL, 0};
  return s;
}

void writer_init(struct writer *w, void *buf, size_t len) {
  w->next = buf;
  w->end = buf ? w->next + len : NULL;
  w->bad = false;
}

void writer_bytes(struct writer *w, const void *src, size_t len) {
  if (w->bad || len > (size_t)(w->end - w->next)) {
    w->bad = true;
    return;
  }
  if (!len) return;
  memcpy(w->next, src, len);
  w->next += len;
}

static void write_big_endian(struct writer *w, uint64_t v, size_t len) {
  uint8_t bytes[8];
  for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
  writer_bytes(w, bytes, len);
}

void writer_u8(struct writer *w, uint8_t v) { write_big_endian(w, v, 1); }
void writer_u16(struct writer *w, uint16_t v) { write_big_endian(w, v, 2); }
void writer_i32(struct writer *w, int32_t v) { write_big_endian(w, (uint32_t)v, 4); }
void writer_i64(struct writer *w, int64_t v) { write_big_endian(w, (uint64_t)v, 8); }

void writer_buf(struct writer *w, const void *src, int32_t len) {
  writer_i32(w, len < 0 ? -1 : len);
  if (len > 0) writer_bytes(w, src, (size_t)len);
}
