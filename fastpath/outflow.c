#include "fastpath/outflow.h"

#include <assert.h>
#include <string.h>

#define FLIGHT_MASK (LIMIT_FLIGHT - 1u)
#define MAX_DOUBLINGS 10

void outflow_init(struct outflow *o, pos_t start, uint32_t flight_max) {
  assert(flight_max <= LIMIT_FLIGHT);
  o->start = o->acked = o->next = o->limit = start;
  o->moved_us = 0;
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
  o->moved_us = now_us;
  o->doublings = 0;
  while (o->flight_cnt && o->flight[o->flight_first & FLIGHT_MASK] <= received) {
    o->flight_first++;
    o->flight_cnt--;
  }
}

void outflow_moved(struct outflow *o, uint32_t flight_max, uint64_t now_us) {
  assert(flight_max <= LIMIT_FLIGHT);
  o->flight_max = flight_max;
  o->moved_us = now_us;
  o->doublings = 0;
}

void outflow_missing(struct outflow *o, struct frame_range range) {
  if (range.to > o->next) range.to = o->next;
  if (range.from >= range.to || range.from < o->start) return;
  for (int i = 0; i < o->repair_cnt; i++)
    if (range.from >= o->repair[i].from && range.to <= o->repair[i].to) return;
  if (o->repair_cnt < LIMIT_GAP_RANGES) o->repair[o->repair_cnt++] = range;
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

void outflow_tick(struct outflow *o, uint64_t now_us, uint64_t rto_us, uint64_t max_us) {
  if (o->acked == o->next || o->repair_cnt) return;
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

static struct outflow_slice take_missing(struct outflow *o, uint32_t max) {
  struct frame_range *r = &o->repair[0];
  uint64_t len = r->to - r->from;
  struct outflow_slice slice = {
      .pos = r->from, .len = len < max ? (uint32_t)len : max, .again = true};
  r->from += slice.len;
  if (r->from == r->to) {
    o->repair_cnt--;
    memmove(o->repair, o->repair + 1, (size_t)o->repair_cnt * sizeof o->repair[0]);
  }
  return slice;
}

struct outflow_slice outflow_take(struct outflow *o, pos_t end, uint32_t max, uint64_t now_us) {
  struct outflow_slice slice = {.pos = o->next};
  if (o->repair_cnt) return take_missing(o, max);
  if (end > o->limit) end = o->limit;
  if (o->next >= end || o->flight_cnt >= o->flight_max) return slice;
  uint64_t len = end - o->next;
  slice.len = len < max ? (uint32_t)len : max;
  if (o->acked == o->next) o->moved_us = now_us;
  o->next += slice.len;
  o->flight[(o->flight_first + o->flight_cnt++) & FLIGHT_MASK] = o->next;
  return slice;
}
