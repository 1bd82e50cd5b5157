#include "service/kept.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/limits.h"
#include "config/memory.h"

struct kept_chunk {
  uint32_t begin, end, cap; /* records from begin to end */
  _Alignas(8) uint8_t bytes[];
};

static uint32_t size_of(uint32_t len) {
  return (uint32_t)sizeof(struct kept_record) + ((len + 7u) & ~7u);
}

static struct kept_chunk *chunk_at(const struct kept *k, uint64_t number) {
  return k->chunks[number % k->chunk_max];
}

static const struct kept_record *record_at(const struct kept_chunk *c, uint32_t offset) {
  return (const struct kept_record *)(const void *)(c->bytes + offset);
}

void kept_init(struct kept *k, uint64_t keep, uint64_t keep_bytes) {
  memset(k, 0, sizeof *k);
  k->keep = keep ? keep : 1;
  k->keep_bytes = keep_bytes;
  /* Two neighbours together always exceed one chunk, or the second would not have been begun. */
  k->chunk_max = 2 * (keep_bytes / LIMIT_KEPT_CHUNK) + 4;
  k->chunks =
      memory_or_end(calloc(k->chunk_max, sizeof *k->chunks), k->chunk_max * sizeof *k->chunks);
}

void kept_clear(struct kept *k, zxid_t purged) {
  for (; k->chunk_cnt; k->chunk_cnt--, k->head++) free(chunk_at(k, k->head));
  k->record_cnt = k->bytes = 0;
  k->purged = purged;
}

void kept_free(struct kept *k) {
  kept_clear(k, 0);
  free(k->chunks);
  k->chunks = NULL;
}

static struct kept_chunk *chunk_with_room(struct kept *k, uint32_t size) {
  if (k->chunk_cnt) {
    struct kept_chunk *last = chunk_at(k, k->head + k->chunk_cnt - 1);
    if (last->cap - last->end >= size) return last;
  }
  assert(k->chunk_cnt < k->chunk_max);
  uint32_t cap = size > LIMIT_KEPT_CHUNK ? size : LIMIT_KEPT_CHUNK;
  struct kept_chunk *c = memory_or_end(malloc(sizeof *c + cap), sizeof *c + cap);
  c->begin = c->end = 0;
  c->cap = cap;
  k->chunks[(k->head + k->chunk_cnt++) % k->chunk_max] = c;
  return c;
}

static void drop_oldest(struct kept *k) {
  struct kept_chunk *c = chunk_at(k, k->head);
  const struct kept_record *r = record_at(c, c->begin);
  uint32_t size = size_of(r->len);
  k->purged = r->zxid;
  k->record_cnt--;
  k->bytes -= size;
  c->begin += size;
  if (c->begin < c->end) return;
  free(c);
  k->head++;
  k->chunk_cnt--;
}

void kept_append(struct kept *k, const struct kept_record *r, const void *data) {
  uint32_t size = size_of(r->len);
  while (k->record_cnt && (k->record_cnt >= k->keep || k->bytes + size > k->keep_bytes))
    drop_oldest(k);
  struct kept_chunk *c = chunk_with_room(k, size);
  struct kept_record *to = (struct kept_record *)(void *)(c->bytes + c->end);
  *to = *r;
  to->zero = 0;
  if (r->len) memcpy(to->data, data, r->len);
  c->end += size;
  k->record_cnt++;
  k->bytes += size;
}

/* The last chunk whose first record is at or below zxid: binary search, chunks ascend. */
static uint64_t chunk_before(const struct kept *k, zxid_t zxid) {
  uint64_t low = k->head, high = k->head + k->chunk_cnt;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    const struct kept_chunk *c = chunk_at(k, middle);
    if (record_at(c, c->begin)->zxid <= zxid)
      low = middle;
    else
      high = middle;
  }
  return low;
}

struct kept_cursor kept_seek(const struct kept *k, zxid_t zxid) {
  struct kept_cursor c = {.chunk = k->head, .offset = 0, .last = zxid};
  if (!k->chunk_cnt) return c;
  c.chunk = chunk_before(k, zxid);
  const struct kept_chunk *chunk = chunk_at(k, c.chunk);
  c.offset = chunk->begin;
  while (c.offset < chunk->end && record_at(chunk, c.offset)->zxid <= zxid)
    c.offset += size_of(record_at(chunk, c.offset)->len);
  return c;
}

const struct kept_record *kept_next(const struct kept *k, struct kept_cursor *c) {
  if (!k->chunk_cnt) return NULL;
  if (c->chunk < k->head) *c = (struct kept_cursor){.chunk = k->head, .last = c->last};
  const struct kept_chunk *chunk;
  for (;; c->chunk++, c->offset = 0) { /* at most two turns: no chunk is empty */
    if (c->chunk >= k->head + k->chunk_cnt) return NULL;
    chunk = chunk_at(k, c->chunk);
    if (c->offset < chunk->begin) c->offset = chunk->begin;
    if (c->offset < chunk->end) break;
    if (c->chunk + 1 == k->head + k->chunk_cnt) return NULL;
  }
  const struct kept_record *r = record_at(chunk, c->offset);
  c->offset += size_of(r->len);
  c->last = r->zxid;
  return r;
}
