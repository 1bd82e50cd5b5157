/* zxid.h - transaction ids and stream positions.
 *
 * A zxid is <epoch, counter>, 32 bits each, compared unsigned (zab-rules 6).  A position counts
 * bytes of one epoch's stream from 0.  Source: design 3. */
#ifndef ZABLINE_PROTO_ZXID_H
#define ZABLINE_PROTO_ZXID_H

#include <stdint.h>

typedef uint64_t zxid_t;
typedef uint64_t pos_t;

#define ZXID_NONE ((zxid_t)UINT64_MAX) /* "-1": a node that neither votes nor counts */

static inline zxid_t zxid_make(uint32_t epoch, uint32_t counter) {
  return ((zxid_t)epoch << 32) | counter;
}

static inline uint32_t zxid_epoch(zxid_t z) { return (uint32_t)(z >> 32); }

static inline uint32_t zxid_counter(zxid_t z) { return (uint32_t)z; }

/* zxid_follows is true when b may directly come after a in a history: the next counter of the same
 * epoch, or the first counter of a later one (R10, B13). */
static inline int zxid_follows(zxid_t a, zxid_t b) {
  if (zxid_epoch(a) == zxid_epoch(b)) return zxid_counter(b) == zxid_counter(a) + 1;
  return zxid_epoch(b) > zxid_epoch(a) && zxid_counter(b) == 1;
}

#define ZXID_TEXT_LEN 19 /* "0x", 16 digits, NUL */

/* zxid_text writes z as ZooKeeper prints it ("0x100000005") into ZXID_TEXT_LEN bytes; returns dst.
 */
char *zxid_text(char *dst, zxid_t z);

#endif
