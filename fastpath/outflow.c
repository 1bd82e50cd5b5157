#include "fastpath/outflow.h"

#include <assert.h>
#include <string.h>

#define FLIGHT_MASK (LIMIT_FLIGHT - 1u)
#define MAX_DOUBLINGS 10

void outflow_init(struct outflow *o, pos_t start, uint32_t flight_max) {
  assert(flight_max <= LIMIT_FLIGHT);
  o->start = o->acked = o->next = o->limit = start;
  o->moved_us = o->stalled_us = 0;
  o->doublings = 0;
  o->flight_max = flight_max;
  o->flight_first = o->flight_cnt = 0;
  o->repair_cnt = 0;
}

void outflow_ack(struct outflow *o, pos_t received, uint32_t window, uint64_t now_us) {
  assert(received <= o->next);
  if (received + window > o->limit) o->limit = received + window;
  if (received <= o->acked) return;
  o->acked = received;
  o->moved_us = o->stalled_us = now_us;
  o->doublings = 0;
  while (o->flight_cnt && o->flight[o->flight_first & FLIGHT_MASK] <= received) {
    o->flight_first++;
    o->flight_cnt--;
  }
}

void outflow_moved(struct outflow *o, uint32_t flight_max, uint64_t now_us) {
  assert(flight_max <= LIMIT_FLIGHT);
  o->flight_max = flight_max;
  o->moved_us = o->stalled_us = now_us;
  o->doublings = 0;
}

/* The lowest is what all else waits for; the highest, when it is due, is asked for again. */
static void put_before(struct outflow *o, struct frame_range range) {
  int last = 0;
  for (int i = 1; i < o->repair_cnt; i++)
    if (o->repair[i].from > o->repair[last].from) last = i;
  if (range.from < o->repair[last].from) o->repair[last] = range;
}

void outflow_missing(struct outflow *o, struct frame_range range) {
  if (range.to > o->next) range.to = o->next;
  if (range.from >= range.to || range.from < o->start) return;
  for (int i = 0; i < o->repair_cnt; i++)
    if (range.from >= o->repair[i].from && range.to <= o->repair[i].to) return;
  if (o->repair_cnt < LIMIT_GAP_RANGES)
    o->repair[o->repair_cnt++] = range;
  else
    put_before(o, range);
}

void outflow_forget(struct outflow *o, pos_t reclaimed) {
  int kept = 0;
  for (int i = 0; i < o->repair_cnt; i++) {
    struct frame_range r = o->repair[i];
    if (r.from < reclaimed) r.from = reclaimed;
    if (r.from < r.to) o->repair[kept++] = r;
  }
  o->repair_cnt = kept;
}

/* What holds up all else is about to be repeated. */
static bool is_repaired(const struct outflow *o) {
  for (int i = 0; i < o->repair_cnt; i++)
    if (o->repair[i].from <= o->acked && o->repair[i].to > o->acked) return true;
  return false;
}

void outflow_tick(struct outflow *o, uint64_t now_us, uint64_t rto_us, uint64_t max_us) {
  if (o->acked == o->next || is_repaired(o)) return;
  uint64_t wait = rto_us << o->doublings;
  if (wait > max_us) wait = max_us;
  if (now_us - o->moved_us < wait) return;
  pos_t to = o->next;
  if (o->flight_cnt > OUTFLOW_RTO_SLICES)
    to = o->flight[(o->flight_first + OUTFLOW_RTO_SLICES - 1) & FLIGHT_MASK];
  outflow_missing(o, (struct frame_range){o->acked, to});
  o->moved_us = now_us;
  if (o->doublings < MAX_DOUBLINGS) o->doublings++;
}

/* The first one that flight_max allows; -1: none. */
static int sendable_repair(const struct outflow *o, uint32_t max) {
  pos_t end = o->acked + (uint64_t)o->flight_max * max;
  for (int i = 0; i < o->repair_cnt; i++)
    if (o->repair[i].from < end) return i;
  return -1;
}

static struct outflow_slice take_missing(struct outflow *o, int idx, uint32_t max) {
  struct frame_range *r = &o->repair[idx];
  uint64_t len = r->to - r->from;
  struct outflow_slice slice = {
      .pos = r->from, .len = len < max ? (uint32_t)len : max, .again = true};
  r->from += slice.len;
  if (r->from == r->to) {
    o->repair_cnt--;
    memmove(r, r + 1, (size_t)(o->repair_cnt - idx) * sizeof *r);
  }
  return slice;
}

struct outflow_slice outflow_take(struct outflow *o, pos_t end, uint32_t max, uint64_t now_us) {
  struct outflow_slice slice = {.pos = o->next};
  int repair = o->repair_cnt ? sendable_repair(o, max) : -1;
  if (repair >= 0) return take_missing(o, repair, max);
  if (end > o->limit) end = o->limit;
  if (o->next >= end || o->flight_cnt >= o->flight_max) return slice;
  uint64_t len = end - o->next;
  slice.len = len < max ? (uint32_t)len : max;
  if (o->acked == o->next) o->moved_us = o->stalled_us = now_us;
  o->next += slice.len;
  o->flight[(o->flight_first + o->flight_cnt++) & FLIGHT_MASK] = o->next;
  return slice;
}
