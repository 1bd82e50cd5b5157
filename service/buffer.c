#include "service/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"

#define BUFFER_FIRST 4096u

void buffer_free(struct buffer *b) {
  free(b->data);
  *b = (struct buffer){0};
}

uint8_t *buffer_room(struct buffer *b, size_t len) {
  if (b->cap - b->end >= len) return b->data + b->end;
  size_t used = buffer_len(b);
  if (b->begin && used + len <= b->cap &&
      used <= b->begin) { /* worth moving: at least half is free */
    memcpy(b->data, b->data + b->begin, used);
  } else {
    size_t cap = b->cap ? b->cap : BUFFER_FIRST;
    while (cap < used + len) cap *= 2;
    uint8_t *data = memory_or_end(malloc(cap), cap);
    if (used) memcpy(data, b->data + b->begin, used);
    free(b->data);
    b->data = data;
    b->cap = cap;
  }
  b->begin = 0;
  b->end = used;
  return b->data + b->end;
}

void buffer_added(struct buffer *b, size_t len) {
  assert(b->cap - b->end >= len);
  b->end += len;
}

void buffer_append(struct buffer *b, const void *src, size_t len) {
  if (!len) return;
  memcpy(buffer_room(b, len), src, len);
  b->end += len;
}

void buffer_consume(struct buffer *b, size_t len) {
  assert(len <= buffer_len(b));
  b->begin += len;
  if (b->begin == b->end) b->begin = b->end = 0;
}
