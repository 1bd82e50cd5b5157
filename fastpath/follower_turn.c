#include "fastpath/machine.h"

bool follower_alive(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->peers[b->leader_idx].alive_us <= b->config->timeout_us) return true;
  control_lost(b, REASON_LEADER_SILENT, a);
  return false;
}

void follower_turn(struct bcast *b, pos_t applied, struct bcast_actions *a) {
  if (!follower_alive(b, a)) return;
  turn_find_deliverable(b);
  stream_reclaim(&b->stream, applied < b->durable ? applied : b->durable);
}
