/* arena.h - bytes of transactions and REQUESTs on their way from app to fast, first in, first out.
 *
 * The app thread copies them in, the fast lcore reads them in place; what app_fast no longer holds
 * is free again.  Owner: app thread.  Blocks: no.  Allocates: at open.  Source: design 1
 * (app_fast). */
#ifndef ZABLINE_DPDK_APP_ARENA_H
#define ZABLINE_DPDK_APP_ARENA_H

#include <stdint.h>

#include "config/limits.h"

struct arena {
  uint8_t *bytes;
  uint64_t size;
  uint64_t head, tail;             /* offsets that only grow; tail: oldest byte in use */
  uint64_t ends[LIMIT_RING_DEPTH]; /* head after the i-th element, i mod depth */
  uint64_t added, released;        /* elements */
};

/* arena_open takes size bytes (at least four of the largest elements).  0 or -1. */
int arena_open(struct arena *a, uint64_t size);
void arena_close(struct arena *a);

/* arena_put copies len bytes in and returns where they stand, or NULL if there is no room; in_ring:
 * elements the consumer has not taken. */
const void *arena_put(struct arena *a, uint32_t in_ring, const void *data, uint32_t len);

#endif
