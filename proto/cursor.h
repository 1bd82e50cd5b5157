/* cursor.h - bounded big-endian reading and writing (jute's integers, buffers, strings).
 *
 * A cursor never goes past its end: an access that would sets `bad` and yields zero, and every
 * later one too, so a codec checks once, at the end.  Pure.  Source: quorum.md "Notation". */
#ifndef ZABLINE_PROTO_CURSOR_H
#define ZABLINE_PROTO_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor { /* reading */
  const uint8_t *next, *end;
  bool bad;
};

struct span { /* len -1: null */
  const uint8_t *data;
  int32_t len;
};

void cursor_init(struct cursor *c, const void *buf, size_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
int32_t cursor_i32(struct cursor *c);
int64_t cursor_i64(struct cursor *c);
/* cursor_buf reads i4 length (-1 = null) and that many bytes; bad above max. */
struct span cursor_buf(struct cursor *c, int32_t max);
/* cursor_bytes skips len bytes and returns them (NULL when bad). */
const uint8_t *cursor_bytes(struct cursor *c, size_t len);

struct writer {
  uint8_t *next, *end;
  bool bad; /* did not fit */
};

void writer_init(struct writer *w, void *buf, size_t len);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_i32(struct writer *w, int32_t v);
void writer_i64(struct writer *w, int64_t v);
void writer_bytes(struct writer *w, const void *src, size_t len);
/* writer_buf writes i4 length and the bytes; len -1 writes null. */
void writer_buf(struct writer *w, const void *src, int32_t len);

#endif
