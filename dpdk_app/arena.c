#include "dpdk_app/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int arena_open(struct arena *a, uint64_t size) {
  memset(a, 0, sizeof *a);
  a->size = size;
  a->bytes = malloc(size);
  return a->bytes ? 0 : -1;
}

void arena_close(struct arena *a) { free(a->bytes); }

/* The consumer reads an element after it took it from the ring, so the newest one taken may still
 * be in use: one more than the ring holds is kept. */
static void release(struct arena *a, uint32_t in_ring) {
  uint64_t keep = (uint64_t)in_ring + 1;
  while (a->added - a->released > keep) a->tail = a->ends[a->released++ % LIMIT_RING_DEPTH];
}

const void *arena_put(struct arena *a, uint32_t in_ring, const void *data, uint32_t len) {
  assert(len <= a->size / 4); /* so that one element kept can never block the next for ever */
  release(a, in_ring);
  if (a->added - a->released >= LIMIT_RING_DEPTH) return NULL;
  uint64_t start = a->head;
  uint64_t offset = start % a->size;
  if (offset + len > a->size) start += a->size - offset; /* does not fit before the end */
  if (start + len - a->tail > a->size) return NULL;
  uint8_t *at = a->bytes + start % a->size;
  memcpy(at, data, len);
  a->head = start + len;
  a->ends[a->added++ % LIMIT_RING_DEPTH] = a->head;
  return at;
}
