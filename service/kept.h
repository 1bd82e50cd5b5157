/* kept.h - the last records of app_log: a queue of variable-sized records in chunks.
 *
 * Appended at the end, dropped from the front beyond `keep` records or `keep_bytes` bytes.  A
 * cursor is never invalid: one whose record was dropped goes on at the oldest that is kept.
 *
 *      purged < oldest kept zxid ... newest kept zxid
 *
 * Owner: app thread.  Blocks: no.  Allocates: one chunk per LIMIT_KEPT_CHUNK bytes.
 * Source: design 7; issue "spine" 5. */
#ifndef ZABLINE_SERVICE_KEPT_H
#define ZABLINE_SERVICE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/zxid.h"

struct kept_record {
  zxid_t zxid;
  uint64_t client;
  uint64_t sequence;
  uint32_t len;
  uint32_t zero;
  uint8_t data[];
};

struct kept_chunk;

struct kept {
  uint64_t keep, keep_bytes;
  uint64_t record_cnt, bytes;
  zxid_t purged; /* records up to here have been dropped; 0: none */
  uint64_t head; /* number of the oldest chunk; chunks count up from 0 for ever */
  uint64_t chunk_cnt, chunk_max;
  struct kept_chunk **chunks; /* [number % chunk_max] */
};

struct kept_cursor {
  uint64_t chunk;
  uint32_t offset;
  zxid_t last; /* zxid of the record given last */
};

/* kept_init: keeps at least one record whatever the bounds say. */
void kept_init(struct kept *k, uint64_t keep, uint64_t keep_bytes);
void kept_free(struct kept *k);
/* kept_clear drops all and sets purged. */
void kept_clear(struct kept *k, zxid_t purged);
/* kept_append copies the record r (r->len bytes at data; r->data is not looked at). */
void kept_append(struct kept *k, const struct kept_record *r, const void *data);
/* kept_seek returns a cursor before the first record above zxid. */
struct kept_cursor kept_seek(const struct kept *k, zxid_t zxid);
/* kept_next returns the next record, NULL at the end (more may come); valid until the next append.
 */
const struct kept_record *kept_next(const struct kept *k, struct kept_cursor *c);

#endif
