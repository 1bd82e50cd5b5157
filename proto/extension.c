#include "proto/extension.h"

#include <string.h>

#define BLOCK_HEADER 8

/* ---- writing ---- */

static void write_text(struct writer *w, enum extension_type type, const char *text) {
  size_t len = strnlen(text, LIMIT_NAME_LEN - 1);
  writer_u16(w, (uint16_t)type);
  writer_u16(w, (uint16_t)len);
  writer_bytes(w, text, len);
}

static void write_number(struct writer *w, enum extension_type type, uint64_t v, uint16_t len) {
  writer_u16(w, (uint16_t)type);
  writer_u16(w, len);
  for (int shift = 8 * (len - 1); shift >= 0; shift -= 8) writer_u8(w, (uint8_t)(v >> shift));
}

size_t extension_write(void *dst, size_t cap, const struct extension *e) {
  struct writer w;
  uint8_t *start = dst;
  writer_init(&w, dst, cap < LIMIT_EXTENSION ? cap : LIMIT_EXTENSION);
  writer_i32(&w, EXTENSION_MAGIC);
  writer_u16(&w, EXTENSION_VERSION);
  writer_u16(&w, 0); /* length, below */
  write_text(&w, EXT_BUILD, e->build);
  write_text(&w, EXT_CLUSTER, e->cluster);
  write_number(&w, EXT_DURABILITY, e->durability, 1);
  write_number(&w, EXT_LARGEST_RECORD, e->largest_record, 4);
  write_number(&w, EXT_MTU, e->mtu, 2);
  write_number(&w, EXT_FAST_ADDRESS, (uint64_t)e->fast_ip << 16 | e->fast_port, 6);
  write_number(&w, EXT_ITERATION, e->iteration, 8);
  write_number(&w, EXT_FEATURES, e->features, 8);
  write_number(&w, EXT_POSITION, e->position, 8);
  if (e->features & FEATURE_RESUMES) write_number(&w, EXT_REQUESTS, e->requests, 8);
  if (w.bad) return 0;
  size_t total = (size_t)(w.next - start), len = total - BLOCK_HEADER;
  start[6] = (uint8_t)(len >> 8);
  start[7] = (uint8_t)len;
  return total;
}

/* ---- reading ---- */

static bool read_text(char *dst, struct span value) {
  size_t len = (size_t)value.len;
  if (len >= LIMIT_NAME_LEN || (len && memchr(value.data, 0, len))) return false;
  if (len) memcpy(dst, value.data, len);
  dst[len] = 0;
  return true;
}

static bool read_number(uint64_t *v, struct span value, int32_t len) {
  if (value.len != len) return false;
  *v = 0;
  for (int32_t i = 0; i < len; i++) *v = *v << 8 | value.data[i];
  return true;
}

static bool read_value(struct extension *e, uint16_t type, struct span value) {
  uint64_t v = 0;
  bool good = true;
  switch (type) {
    case EXT_BUILD:
      return read_text(e->build, value);
    case EXT_CLUSTER:
      return read_text(e->cluster, value);
    case EXT_DURABILITY:
      good = read_number(&v, value, 1);
      e->durability = (uint8_t)v;
      break;
    case EXT_LARGEST_RECORD:
      good = read_number(&v, value, 4);
      e->largest_record = (uint32_t)v;
      break;
    case EXT_MTU:
      good = read_number(&v, value, 2);
      e->mtu = (uint16_t)v;
      break;
    case EXT_FAST_ADDRESS:
      good = read_number(&v, value, 6);
      e->fast_ip = (uint32_t)(v >> 16);
      e->fast_port = (uint16_t)v;
      break;
    case EXT_ITERATION:
      return read_number(&e->iteration, value, 8);
    case EXT_FEATURES:
      return read_number(&e->features, value, 8);
    case EXT_POSITION:
      return read_number(&e->position, value, 8);
    case EXT_REQUESTS:
      return read_number(&e->requests, value, 8);
    default: /* of a newer build: skipped */
      break;
  }
  return good;
}

static bool read_block(struct extension *e, struct cursor *c) {
  uint32_t seen = 0;
  while (!c->bad && c->next < c->end) {
    uint16_t type = cursor_u16(c), len = cursor_u16(c);
    const uint8_t *data = cursor_bytes(c, len);
    if (c->bad || !read_value(e, type, (struct span){data, len})) return false;
    if (type >= 32) continue;
    if (seen >> type & 1u) return false; /* two values: neither can be trusted */
    seen |= 1u << type;
  }
  return !c->bad;
}

enum reason extension_read(struct extension *e, const void *buf, size_t len) {
  struct cursor c;
  memset(e, 0, sizeof *e);
  cursor_init(&c, buf, len);
  if ((uint32_t)cursor_i32(&c) != EXTENSION_MAGIC) return REASON_NONE;
  uint16_t version = cursor_u16(&c), block_len = cursor_u16(&c);
  const uint8_t *block = cursor_bytes(&c, block_len);
  if (c.bad || version < 1 || block_len > LIMIT_EXTENSION - BLOCK_HEADER)
    return REASON_EXTENSION_BAD;
  cursor_init(&c, block, block_len);
  if (!read_block(e, &c)) {
    memset(e, 0, sizeof *e);
    return REASON_EXTENSION_BAD;
  }
  e->present = true;
  return REASON_NONE;
}
