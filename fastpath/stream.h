/* stream.h - one epoch's records as one byte stream in a ring.
 *
 * The ring memory is mapped twice in a row (dpdk_app/mem.h ring_map), so that any slice of at most
 * `size` bytes is linear at ring + (pos & mask).  The leader appends records; a follower places
 * slices where they belong.  Everything below received is there; gaps above it are listed; whole is
 * the last record end at or below received whose records have all been checked (crc, next zxid).
 *
 *      reclaimed <= whole <= received <= high <= reclaimed + size
 *
 * Owner: the thread that owns struct bcast.  Blocks: no.  Allocates: no.
 * Source: design 3; zab-rules R10, R11, R13, J6, J7. */
#ifndef ZABLINE_FASTPATH_STREAM_H
#define ZABLINE_FASTPATH_STREAM_H

#include <stdint.h>

#include "config/limits.h"
#include "proto/frame.h"
#include "proto/reason.h"
#include "proto/record.h"
#include "proto/zxid.h"

#define STREAM_GAPS 32 /* islands remembered above received; a further one is dropped */

struct stream {
  uint8_t *ring; /* size bytes, mapped twice */
  uint64_t size, mask;
  uint32_t max_payload;
  pos_t reclaimed; /* bytes below may be overwritten */
  pos_t whole;
  pos_t received;
  pos_t high;       /* highest byte placed */
  zxid_t last_zxid; /* of the record that ends at whole */
  int island_cnt;   /* placed slices above received, ascending, not touching */
  struct frame_range islands[STREAM_GAPS];
};

/* stream_init takes the memory; stream_reset starts it at pos behind zxid with nothing placed. */
void stream_init(struct stream *s, void *ring, uint64_t size, uint32_t max_payload);
void stream_reset(struct stream *s, pos_t pos, zxid_t zxid);

static inline const uint8_t *stream_at(const struct stream *s, pos_t pos) {
  return s->ring + (pos & s->mask);
}

/* stream_room returns the bytes that can be appended behind high. */
static inline uint64_t stream_room(const struct stream *s) {
  return s->reclaimed + s->size - s->high;
}

/* stream_append puts one record behind the last (leader).  REASON_NONE, REASON_BUSY (no room; s is
 * unchanged), REASON_RECORD_ORDER (zxid is not next). */
enum reason stream_append(struct stream *s, zxid_t zxid, const void *payload, uint32_t len);

/* stream_place copies the slice [pos, pos + len) in (follower), then advances received and, record
 * by record, whole.  REASON_NONE; REASON_STALE_SLICE (all of it is there), REASON_BEYOND_RING or
 * REASON_ISLANDS_FULL (s is unchanged); REASON_RECORD_CRC, REASON_RECORD_ORDER (received and high
 * fell back to whole, so that the bytes are asked for again). */
enum reason stream_place(struct stream *s, pos_t pos, const void *slice, uint32_t len);

/* stream_fall_back forgets all above whole, so that it is asked for again. */
void stream_fall_back(struct stream *s);

/* stream_drop_islands forgets all above received, so that it is sent anew. */
void stream_drop_islands(struct stream *s);

/* stream_gaps lists the missing ranges between received and high; returns how many (<= max). */
int stream_gaps(const struct stream *s, struct frame_range *out, int max);

/* stream_zxid_at returns the zxid of the record that ends at pos, a record end in [reclaimed,
 * whole]; first: the zxid behind which the stream began. */
zxid_t stream_zxid_at(const struct stream *s, pos_t pos, zxid_t first);

/* stream_reclaim lets everything below pos be overwritten; pos <= whole (asserted); never goes
 * back. */
void stream_reclaim(struct stream *s, pos_t pos);

#endif
