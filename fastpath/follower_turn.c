#include "fastpath/machine.h"

bool follower_alive(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->peers[b->leader_idx].alive_us <= b->config->timeout_us) return true;
  control_lost(b, REASON_LEADER_SILENT, a);
  return false;
}

/* The told position may stand inside a record (the leader tells no more than it has sent): whole
 * records up to it, and only what this node has acknowledged, may be delivered. */
static void find_deliverable(struct bcast *b) {
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

void follower_turn(struct bcast *b, pos_t applied, struct bcast_actions *a) {
  if (!follower_alive(b, a)) return;
  find_deliverable(b);
  stream_reclaim(&b->stream, applied < b->durable ? applied : b->durable);
}
