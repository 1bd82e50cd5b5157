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

/* What may be delivered: whole records, up to the committed position and to what this node itself
 * has acknowledged.  The told position may stand inside a record (the leader tells no more than it
 * has sent), and a peer's number alone never decides where a record ends. */
void turn_find_deliverable(struct bcast *b) {
  const struct stream *s = &b->stream;
  if (b->committed >= b->acked) b->deliverable = b->acked;
  while (b->deliverable < b->committed) {
    struct record r;
    uint64_t len = b->acked - b->deliverable;
    enum record_status status = record_peek(&r, stream_at(s, b->deliverable), len, s->max_payload);
    if (status != RECORD_OK || b->deliverable + r.size > b->committed) return;
    b->deliverable += r.size;
  }
}

void turn_count(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  requests_release(b, e->requests_consumed);
  if (b->phase != BCAST_LEADING && b->phase != BCAST_FOLLOWING) return;
  take_positions(b, e);
  if (b->phase == BCAST_LEADING)
    leader_turn(b, e->applied, a);
  else
    follower_turn(b, e, a);
}

void turn_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  b->more = false;
  turn_count(b, e, a);
  if (b->phase == BCAST_LEADING || b->phase == BCAST_FOLLOWING) send_next(b, a);
}
