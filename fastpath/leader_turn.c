#include <string.h>

#include "fastpath/machine.h"

uint64_t leader_quorum_us(const struct bcast *b) {
  uint64_t alive[LIMIT_PEERS] = {0};
  for (int i = 0; i < b->config->peer_cnt; i++) alive[i] = b->peers[i].alive_us;
  alive[b->config->self_idx] = b->now_us;
  return quorum_value(&b->quorum, b->counted, alive);
}

/* C7, F9: no quorum of fresh answers, no leader.  The quorum's time is computed anew only when the
 * last one is used up. */
static bool quorum_alive(struct bcast *b, struct bcast_actions *a) {
  uint64_t timeout_us = b->config->timeout_us;
  if (!b->established || b->now_us - b->quorum_us <= timeout_us) return true;
  uint64_t quorum_us = leader_quorum_us(b);
  if (quorum_us > b->quorum_us) b->quorum_us = quorum_us;
  if (b->now_us - b->quorum_us <= timeout_us) return true;
  control_lost(b, REASON_QUORUM_SILENT, a);
  return false;
}

/* F11, C3: a heartbeat proves the log path. */
static bool disk_alive(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->durable_moved_us <= 1000ull * b->config->disk_timeout_ms) return true;
  control_lost(b, REASON_DISK_STALLED, a);
  return false;
}

static void add_latency(struct bcast *b) {
  if (!b->stamp_pos || b->committed < b->stamp_pos) return;
  latency_add(b->latency, b->now_ns - b->stamp_ns);
  b->stamp_pos = 0;
}

static bool made_quorum(const struct bcast *b, uint8_t idx) {
  return peer_is_open(&b->peers[idx]) && b->peers[idx].durable >= b->committed;
}

/* What waits for a quorum waits for its quickest: the others' frames are built while theirs are
 * under way.  Only the order of sending depends on it. */
static void send_quickest_first(struct bcast *b) {
  int cnt = b->config->peer_cnt, front = 0;
  if (made_quorum(b, b->order[0])) return;
  for (int i = 0; i < cnt; i++) {
    uint8_t idx = b->order[i];
    if (!made_quorum(b, idx)) continue;
    memmove(b->order + front + 1, b->order + front, (size_t)(i - front));
    b->order[front++] = idx;
  }
}

/* R6, R7, R11: the largest position that a quorum of counted nodes has acknowledged. */
static void count(struct bcast *b) {
  if (!b->established || !b->count_again) return;
  b->count_again = false;
  uint64_t durable[LIMIT_PEERS] = {0};
  for (int i = 0; i < b->config->peer_cnt; i++) durable[i] = b->peers[i].durable;
  durable[b->config->self_idx] = b->acked;
  pos_t pos = quorum_value(&b->quorum, b->counted, durable);
  if (pos > b->committed) {
    b->committed = pos;
    send_quickest_first(b);
  }
  add_latency(b);
}

static void detach_silent(struct bcast *b, struct bcast_actions *a) {
  for (int i = 0; i < b->config->peer_cnt; i++) {
    struct bcast_peer *p = &b->peers[i];
    if (p->phase != PEER_HEARD) continue; /* before, the slow path watches the sync's progress */
    uint64_t alive_us = p->alive_us > p->heard_us ? p->alive_us : p->heard_us;
    if (b->now_us - alive_us > b->config->timeout_us) control_detach(b, p, REASON_PEER_SILENT, a);
  }
}

static void choose_paths(struct bcast *b, struct bcast_actions *a) {
  for (int i = 0; i < b->config->peer_cnt; i++) {
    struct bcast_peer *p = &b->peers[i];
    if (p->phase != PEER_HEARD) continue; /* before, it answers nowhere */
    struct path_move move = path_choose(&p->paths, &b->path_limits, b->now_us);
    if (move.reason != REASON_NONE) control_move(b, p, move, a);
    control_doubt(b, p, a);
    path_watch(&p->paths, &b->path_limits, b->now_us);
  }
}

/* What a quorum without p holds of the stream. */
static pos_t held_without(const struct bcast *b, const struct bcast_peer *p) {
  uint64_t held[LIMIT_PEERS] = {0};
  for (int i = 0; i < b->config->peer_cnt; i++) held[i] = b->peers[i].out.acked;
  held[b->config->self_idx] = b->stream.whole;
  return quorum_value(&b->quorum, b->counted & ~(1u << p->idx), held);
}

/* p keeps three quarters of the ring (or so much that no largest record fits), half a ring behind
 * what a quorum without it holds.  When all are slow alike, none is behind. */
static bool is_behind(const struct bcast *b, const struct bcast_peer *p) {
  uint64_t size = b->stream.size;
  uint64_t kept_max = size - record_size(b->config->largest_record);
  if (kept_max > size / 4 * 3) kept_max = size / 4 * 3;
  if (b->stream.whole - p->out.acked <= kept_max) return false;
  pos_t held = held_without(b, p);
  return held > p->out.acked && held - p->out.acked > size / 2;
}

/* A slow follower never stalls the quorum for long: one that stays behind is synchronised again.  A
 * pause of a few hundred microseconds is worth waiting for. */
static void detach_behind(struct bcast *b, struct bcast_actions *a) {
  for (int i = 0; i < b->config->peer_cnt; i++) {
    struct bcast_peer *p = &b->peers[i];
    if (!peer_is_open(p)) continue;
    if (!is_behind(b, p))
      p->behind_us = 0;
    else if (!p->behind_us)
      p->behind_us = b->now_us;
    else if (b->now_us - p->behind_us > b->config->timeout_us / 4)
      control_detach(b, p, REASON_PEER_BEHIND, a);
  }
}

pos_t leader_reclaimable(const struct bcast *b) {
  pos_t pos = b->applied < b->durable ? b->applied : b->durable;
  for (int i = 0; i < b->config->peer_cnt; i++) {
    const struct bcast_peer *p = &b->peers[i];
    if (peer_is_open(p) && p->out.acked < pos) pos = p->out.acked;
  }
  return pos;
}

/* Who is silent, by which path, who is behind: questions of milliseconds, asked every KEEP_US.  A
 * record's way to its commit is not held up by them. */
static void keep_house(struct bcast *b, struct bcast_actions *a) {
  if (b->now_us - b->kept_us < KEEP_US) return;
  b->kept_us = b->now_us;
  detach_silent(b, a);
  choose_paths(b, a);
  detach_behind(b, a);
}

void leader_turn(struct bcast *b, pos_t applied, struct bcast_actions *a) {
  if (!quorum_alive(b, a) || !disk_alive(b, a)) return;
  b->applied = applied;
  keep_house(b, a);
  count(b);
  turn_find_deliverable(b);
  control_attach_waiting(b, a);
  requests_deliver(b, a);
}
