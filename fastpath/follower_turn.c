#include <assert.h>

#include "fastpath/machine.h"

bool follower_alive(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->peers[b->leader_idx].alive_us <= b->config->timeout_us) return true;
  control_lost(b, REASON_LEADER_SILENT, a);
  return false;
}

/* Its clients hear nothing from a node that acknowledges nothing, and the leader does not miss it:
 * PINGs need no disk (F11, C3).  No quorum waits for it, so that it may take longer than a
 * leader's. */
static bool disk_alive(struct bcast *b, struct bcast_actions *a) {
  const struct config *c = b->config;
  uint64_t limit_us = 1000ull * c->sync_limit * c->tick_ms;
  if (b->now_us - b->durable_moved_us <= limit_us) return true;
  control_lost(b, REASON_DISK_STALLED, a);
  return false;
}

/* Until the app holds the ring it reads the log.  Not beyond deliverable: the walk to the next
 * record end reads the ring (turn_find_deliverable). */
static void reclaim(struct bcast *b, const struct bcast_event *e) {
  pos_t used = e->app_holds ? e->applied : b->deliverable;
  stream_reclaim(&b->stream, used < b->durable ? used : b->durable);
  if (e->app_holds && !b->held) b->held = b->stream.reclaimed + 1;
}

static void keep_house(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->kept_us < KEEP_US) return;
  b->kept_us = b->now_us;
  control_doubt(b, &b->peers[b->leader_idx], a);
  path_watch(&b->peers[b->leader_idx].paths, &b->path_limits, b->now_us);
}

void follower_turn(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a) {
  assert(e->app_holds || !b->held); /* for as long as the attachment lasts */
  if (!follower_alive(b, a) || !disk_alive(b, a)) return;
  keep_house(b, a);
  turn_find_deliverable(b);
  reclaim(b, e);
}
