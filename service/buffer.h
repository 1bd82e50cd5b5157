/* buffer.h - a growing byte queue: appended at the end, consumed from the front.
 *
 * Whoever appends bounds it.  Allocates: doubling; a failed allocation ends the process.
 * Owner: whoever embeds it.  Blocks: no. */
#ifndef ZABLINE_SERVICE_BUFFER_H
#define ZABLINE_SERVICE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
  uint8_t *data;
  size_t begin, end, cap; /* bytes from begin to end */
};

void buffer_free(struct buffer *b);
static inline size_t buffer_len(const struct buffer *b) { return b->end - b->begin; }
static inline const uint8_t *buffer_at(const struct buffer *b) {
  return b->begin ? b->data + b->begin : b->data; /* NULL while nothing was ever added */
}
/* buffer_room returns where len more bytes can be written; they count after buffer_added. */
uint8_t *buffer_room(struct buffer *b, size_t len);
void buffer_added(struct buffer *b, size_t len);
void buffer_append(struct buffer *b, const void *src, size_t len);
void buffer_consume(struct buffer *b, size_t len);

#endif
