/* One turn: positions in, losses decided, then what leaves. */
#include <assert.h>

#include "fastpath/machine.h"

static void take_positions(struct bcast *b, const struct bcast_event *e) {
  assert(e->durable >= b->durable && e->durable <= b->stream.whole);
  assert(e->applied <= b->deliverable); /* no one applies what was not given out (R9) */
  if (e->durable > b->durable || e->durable == b->stream.whole) b->durable_moved_us = b->now_us;
  b->durable = e->durable;
  pos_t acked =
      b->config->durability == DURABILITY_MEMORY ? b->stream.whole : b->durable; /* R10, R11 */
  if (acked > b->acked) b->count_again = true;
  b->acked = acked;
}

void turn_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  b->more = false;
  requests_release(b, e->requests_consumed);
  if (b->phase != BCAST_LEADING && b->phase != BCAST_FOLLOWING) return;
  take_positions(b, e);
  if (b->phase == BCAST_LEADING)
    leader_turn(b, e->applied, a);
  else
    follower_turn(b, e->applied, a);
  if (b->phase == BCAST_LEADING || b->phase == BCAST_FOLLOWING) send_all(b, a);
}
