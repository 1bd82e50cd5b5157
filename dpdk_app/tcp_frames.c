#include "dpdk_app/tcp_frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/limits.h"
#include "proto/positions.h"

int frame_slots_open(struct frame_slots *s, uint32_t mtu) {
  s->slot_bytes = (mtu + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  s->put = 0;
  s->memory = aligned_alloc(CACHE_LINE, (size_t)s->slot_bytes * LIMIT_TCP_FRAMES);
  return s->memory ? 0 : -1;
}

void frame_slots_close(struct frame_slots *s) {
  free(s->memory);
  s->memory = NULL;
}

bool frame_put(struct topo *t, enum ring_id ring, struct frame_slots *s,
               const struct frame_parts *f) {
  assert(f->head_len + f->payload_len <= s->slot_bytes);
  if (topo_count(t, ring) == LIMIT_TCP_FRAMES) return false; /* the next slot is still lent */
  uint8_t *slot = s->memory + (size_t)(s->put % LIMIT_TCP_FRAMES) * s->slot_bytes;
  memcpy(slot, f->head, f->head_len);
  if (f->payload_len) memcpy(slot + f->head_len, f->payload, f->payload_len);
  struct tcp_msg m = {slot, f->head_len + f->payload_len, f->peer_idx};
  topo_must_send(t, ring, &m);
  s->put++;
  return true;
}

bool frame_peek(struct topo *t, enum ring_id ring, struct tcp_msg *m) {
  return topo_peek(t, ring, m);
}

void frame_drop(struct topo *t, enum ring_id ring) {
  struct tcp_msg taken;
  bool there = topo_receive(t, ring, &taken);
  assert(there);
}
