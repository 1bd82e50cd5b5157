#include "fastpath/stream.h"

#include <assert.h>
#include <string.h>

#include "proto/positions.h"

#define FETCH_AHEAD 256u

void stream_init(struct stream *s, void *ring, uint64_t size, uint32_t max_payload) {
  assert(size && (size & (size - 1)) == 0 && record_size(max_payload) <= size);
  memset(s, 0, sizeof *s);
  s->ring = ring;
  s->size = size;
  s->mask = size - 1;
  s->max_payload = max_payload;
}

void stream_reset(struct stream *s, pos_t pos, zxid_t zxid) {
  s->reclaimed = s->whole = s->received = s->high = pos;
  s->last_zxid = zxid;
  s->island_cnt = 0;
}

/* The lines that the next records will fill were last with the readers of what they held before:
 * fetching them now, while nothing waits, takes that off the next record's way. */
static void fetch_ahead(struct stream *s) {
  for (uint32_t at = 0; at < FETCH_AHEAD; at += CACHE_LINE)
    __builtin_prefetch(s->ring + ((s->high + at) & s->mask), 1);
}

enum reason stream_append(struct stream *s, zxid_t zxid, const void *payload, uint32_t len) {
  assert(len >= LIMIT_RECORD_MIN && len <= s->max_payload && s->whole == s->high);
  if (!zxid_follows(s->last_zxid, zxid)) return REASON_RECORD_ORDER;
  if (record_size(len) > stream_room(s)) return REASON_BUSY;
  s->high += record_write(s->ring + (s->high & s->mask), zxid, payload, len);
  s->whole = s->received = s->high;
  s->last_zxid = zxid;
  fetch_ahead(s);
  return REASON_NONE;
}

void stream_fall_back(struct stream *s) {
  s->received = s->high = s->whole;
  s->island_cnt = 0;
}

void stream_drop_islands(struct stream *s) {
  s->high = s->received;
  s->island_cnt = 0;
}

/* A bad record: nothing behind it is worth keeping, since we cannot say which slice was bad (J7).
 */
static enum reason fall_back(struct stream *s, enum reason reason) {
  stream_fall_back(s);
  return reason;
}

static enum reason check_records(struct stream *s) {
  for (;;) {
    struct record r;
    const uint8_t *at = stream_at(s, s->whole);
    uint64_t len = s->received - s->whole;
    enum record_status status = record_peek(&r, at, len, s->max_payload);
    if (status == RECORD_SHORT) return REASON_NONE;
    if (status == RECORD_OK) status = record_read(&r, at, len, s->max_payload);
    if (status != RECORD_OK) return fall_back(s, REASON_RECORD_CRC);
    if (!zxid_follows(s->last_zxid, r.zxid)) return fall_back(s, REASON_RECORD_ORDER);
    s->whole += r.size;
    s->last_zxid = r.zxid;
  }
}

static void remove_islands(struct stream *s, int first, int cnt) {
  memmove(s->islands + first, s->islands + first + cnt,
          (size_t)(s->island_cnt - first - cnt) * sizeof s->islands[0]);
  s->island_cnt -= cnt;
}

/* add_island merges r with those it touches; returns -1 when it would be one too many. */
static int add_island(struct stream *s, struct frame_range r) {
  int first = 0, end;
  while (first < s->island_cnt && s->islands[first].to < r.from) first++;
  for (end = first; end < s->island_cnt && s->islands[end].from <= r.to; end++) {
    if (s->islands[end].from < r.from) r.from = s->islands[end].from;
    if (s->islands[end].to > r.to) r.to = s->islands[end].to;
  }
  if (end > first) {
    remove_islands(s, first + 1, end - first - 1);
  } else {
    if (s->island_cnt == STREAM_GAPS) return -1;
    memmove(s->islands + first + 1, s->islands + first,
            (size_t)(s->island_cnt - first) * sizeof s->islands[0]);
    s->island_cnt++;
  }
  s->islands[first] = r;
  return 0;
}

static void advance_received(struct stream *s, pos_t to) {
  int cnt = 0;
  s->received = to;
  for (; cnt < s->island_cnt && s->islands[cnt].from <= s->received; cnt++)
    if (s->islands[cnt].to > s->received) s->received = s->islands[cnt].to;
  if (cnt) remove_islands(s, 0, cnt);
}

enum reason stream_place(struct stream *s, pos_t pos, const void *slice, uint32_t len) {
  pos_t end = pos + len;
  const uint8_t *from = slice;
  if (end < pos || end > s->reclaimed + s->size) return REASON_BEYOND_RING;
  if (end <= s->received) return REASON_STALE_SLICE;
  if (pos < s->received) { /* what is there may be in use already: never written twice (J11) */
    from += s->received - pos;
    pos = s->received;
  }
  if (pos > s->received && add_island(s, (struct frame_range){pos, end}))
    return REASON_ISLANDS_FULL;
  memcpy(s->ring + (pos & s->mask), from, end - pos);
  if (end > s->high) s->high = end;
  if (pos > s->received) return REASON_NONE;
  advance_received(s, end);
  fetch_ahead(s);
  return check_records(s);
}

int stream_gaps(const struct stream *s, struct frame_range *out, int max) {
  pos_t from = s->received;
  int cnt = 0;
  for (int i = 0; i < s->island_cnt && cnt < max; i++) {
    out[cnt++] = (struct frame_range){from, s->islands[i].from};
    from = s->islands[i].to;
  }
  return cnt;
}

zxid_t stream_zxid_at(const struct stream *s, pos_t pos, zxid_t first) {
  assert(pos >= s->reclaimed && pos <= s->whole);
  if (pos == s->whole) return s->last_zxid;
  struct record r;
  enum record_status status = record_peek(&r, stream_at(s, pos), s->whole - pos, s->max_payload);
  assert(status == RECORD_OK);

  return zxid_counter(r.zxid) == 1 ? first : r.zxid - 1;
}

void stream_reclaim(struct stream *s, pos_t pos) {
  assert(pos <= s->whole);
  if (pos > s->reclaimed) s->reclaimed = pos;
}
