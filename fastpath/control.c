/* The hand-over with the slow path (design 5.2). */
#include <assert.h>

#include "fastpath/machine.h"

static struct fast_msg *tell(struct bcast_actions *a, enum fast_msg_type type) {
  assert(a->cnt < LIMIT_FAST_ACTIONS);
  struct bcast_action *act = &a->at[a->cnt++];
  act->type = BCAST_ACT_FAST;
  act->fast = (struct fast_msg){.type = type};
  return &act->fast;
}

static struct fast_msg *tell_peer(struct bcast *b, const struct bcast_peer *p,
                                  enum fast_msg_type type, struct bcast_actions *a) {
  struct fast_msg *m = tell(a, type);
  m->peer_idx = p->idx;
  m->epoch = b->epoch;
  m->iteration = p->iteration;
  return m;
}

/* Everything of an earlier attachment or epoch is forgotten (R13). */
static void begin(struct bcast *b, const struct fast_msg *m, pos_t pos) {
  assert(b->phase == BCAST_CLOSED);
  b->epoch = m->epoch;
  b->established = b->more = b->round_again = b->count_again = b->waiting = false;
  stream_reset(&b->stream, pos, m->zxid);
  b->first_zxid = m->zxid;
  b->durable = b->acked = b->applied = pos;
  b->held = 0;
  b->deliverable = pos; /* the history up to P is the slow path's to commit */
  b->committed = 0;
  b->counted = b->unsent = 0;
  b->stamp_pos = 0;
  b->quorum_us = b->durable_moved_us = b->now_us;
  for (int i = 0; i < b->config->peer_cnt; i++) {
    b->peers[i].phase = PEER_NONE;
    b->peers[i].durable = 0; /* of another stream */
  }
}

static void on_lead(struct bcast *b, const struct fast_msg *m) {
  begin(b, m, 0);
  b->phase = BCAST_LEADING;
  b->counted = 1u << b->config->self_idx;
}

/* Which ways lead to a peer; TCP when it takes frames there. */
static unsigned paths_to(const struct bcast *b, const struct fast_msg *m) {
  unsigned fast = (1u << b->config->peers[m->peer_idx].fast_cnt) - 1u;
  return fast | (m->tcp ? 1u << PATH_TCP : 0u);
}

/* Our REQUESTs go on where the leader holds them.  It may yet ask for what it found damaged, as far
 * as that has not been reused. */
static bool resume_own(struct bcast *b, struct bcast_peer *p, const struct fast_msg *m) {
  const struct stream *s = &b->requests[b->config->self_idx];
  if (m->requests < s->reclaimed || m->requests > s->whole) return false;
  peer_start(p, m->requests, m->pos, LIMIT_FLIGHT_REQUESTS);
  p->out.start = s->reclaimed;
  return true;
}

static void on_open(struct bcast *b, const struct fast_msg *m, struct bcast_actions *a) {
  assert(m->peer_idx != b->config->self_idx);
  struct bcast_peer *p = &b->peers[m->peer_idx];
  bool resumes = m->resumes && p->iteration == m->resumes;
  begin(b, m, m->pos);
  b->phase = BCAST_FOLLOWING;
  b->leader_idx = m->peer_idx;
  peer_attach(p, m->iteration, b->now_us, paths_to(b, m));
  if (!m->resumes) {
    stream_reset(&b->requests[b->config->self_idx], 0, 0);
    peer_start(p, 0, m->pos, LIMIT_FLIGHT_REQUESTS);
  } else if (!resumes || !resume_own(b, p, m)) { /* no sound leader holds what we never sent */
    control_lost(b, REASON_IMPOSSIBLE_POSITION, a);
    return;
  }
  p->phase = PEER_ATTACHED;
  p->owes_answer = p->owes_at_once = true; /* the first ACK, with position P */
}

static void on_attach(struct bcast *b, struct bcast_peer *p, const struct fast_msg *m) {
  assert(p->idx != b->config->self_idx);
  control_detach(b, p, REASON_NONE, NULL);
  uint64_t before = p->iteration, wait = p->requests_wait;
  peer_attach(p, m->iteration, b->now_us, paths_to(b, m));
  p->last_zxid = m->zxid;
  if (m->resumes && before == m->resumes) {
    p->resumes = before;
    p->requests_wait = wait;
  }
  p->phase = PEER_WAITING;
  b->waiting = true;
}

/* Answered once the own durable position, on disk in `memory` too, covers what the peer holds of
 * this epoch: else P would be below it. */
static bool covers(const struct bcast *b, zxid_t durable, zxid_t last_zxid) {
  return zxid_epoch(last_zxid) != b->epoch || durable >= last_zxid;
}

static void attach(struct bcast *b, struct bcast_peer *p, zxid_t zxid, struct bcast_actions *a) {
  struct stream *requests = &b->requests[p->idx];
  if (p->resumes) {
    requests_rename(b, p);
    stream_drop_islands(requests);
  } else {
    stream_reset(requests, 0, 0);
    b->requests_given[p->idx] = 0;
    p->requests_wait = b->outstanding.delivered; /* their memory may be lent to the app still */
  }
  peer_start(p, b->durable, requests->received, LIMIT_FLIGHT);
  p->hold_to = b->stream.whole;
  p->phase = PEER_ATTACHED;
  struct fast_msg *m = tell_peer(b, p, FAST_ATTACHED, a);
  m->resumes = p->resumes;
  m->requests = requests->received;
  m->pos = b->durable;
  m->zxid = zxid;
}

void control_attach_waiting(struct bcast *b, struct bcast_actions *a) {
  if (!b->waiting) return;
  b->waiting = false;
  for (int i = 0; i < b->config->peer_cnt; i++) {
    struct bcast_peer *p = &b->peers[i];
    if (p->phase != PEER_WAITING) continue;
    zxid_t zxid = stream_zxid_at(&b->stream, b->durable, b->first_zxid);
    if (covers(b, zxid, p->last_zxid))
      attach(b, p, zxid, a);
    else
      b->waiting = true;
  }
}

void control_detach(struct bcast *b, struct bcast_peer *p, enum reason reason,
                    struct bcast_actions *a) {
  if (p->phase == PEER_NONE) return;
  pos_t alive = leader_quorum_us(b); /* its last answer still counts */
  if (alive > b->quorum_us) b->quorum_us = alive;
  b->counted &= ~(1u << p->idx);
  p->phase = PEER_NONE;
  if (reason == REASON_NONE) return;
  drop(b, reason);
  tell_peer(b, p, FAST_DETACHED, a)->reason = reason;
}

void control_tell_heard(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  if (p->told_heard || !p->echo_time || p->out.acked < p->hold_to) return;
  p->told_heard = true;
  tell_peer(b, p, FAST_HEARD, a);
}

void control_lost(struct bcast *b, enum reason reason, struct bcast_actions *a) {
  struct fast_msg *m = tell(a, FAST_LOST);
  m->epoch = b->epoch;
  m->reason = reason;
  m->peer_idx = b->config->self_idx;
  if (b->phase == BCAST_FOLLOWING) {
    m->peer_idx = b->leader_idx;
    m->iteration = b->peers[b->leader_idx].iteration;
  }
  b->phase = BCAST_LOST;
  b->more = false;
  drop(b, reason);
}

/* What the old path lost is repaired: the first frame by the new one says how much there is. */
void control_move(struct bcast *b, struct bcast_peer *p, struct path_move move,
                  struct bcast_actions *a) {
  int left = p->paths.use;
  path_use(&p->paths, move.to);
  uint32_t flight = b->phase == BCAST_FOLLOWING ? LIMIT_FLIGHT_REQUESTS : LIMIT_FLIGHT;
  if (move.to == PATH_TCP && flight > LIMIT_TCP_FLIGHT) flight = LIMIT_TCP_FLIGHT;
  outflow_moved(&p->out, flight, b->now_us);
  inflow_moved(&p->in, b->now_us);
  p->rtt_us = 0; /* measured anew */
  p->owes_answer = p->owes_at_once = true;
  drop(b, move.reason);
  struct fast_msg *m = tell_peer(b, p, FAST_MOVED, a);
  m->pos = move.to;
  m->left = left;
  m->reason = move.reason;
}

void control_doubt(struct bcast *b, struct bcast_peer *p, struct bcast_actions *a) {
  if (path_is_silent(&p->paths, &b->path_limits,
                     b->now_us)) /* of all sizes: path_choose's matter */
    p->out.stalled_us = b->now_us;
  if (!outflow_is_stalled(&p->out, b->path_limits.leave_us, b->now_us)) return;
  p->out.stalled_us = b->now_us; /* said again if that changes nothing */
  if (p->paths.use == PATH_TCP) return;
  drop(b, REASON_PATH_STALLED);
  tell_peer(b, p, FAST_STALLED, a)->left = p->paths.use;
}

static void on_close(struct bcast *b, const struct fast_msg *m, struct bcast_actions *a) {
  b->phase = BCAST_CLOSED;
  b->more = false;
  struct fast_msg *closed = tell(a, FAST_CLOSED);
  closed->peer_idx = m->peer_idx;
  closed->epoch = m->epoch;
  closed->iteration = m->iteration;
  closed->pos = b->stream.whole;
  closed->zxid = b->stream.last_zxid;
}

/* Messages of the leader's attachments; returns whether m named what stands. */
static bool on_attachment(struct bcast *b, const struct fast_msg *m) {
  assert(m->peer_idx >= 0 && m->peer_idx < b->config->peer_cnt);
  struct bcast_peer *p = &b->peers[m->peer_idx];
  if (b->phase != BCAST_LEADING || m->epoch != b->epoch) return false;
  if (m->type == FAST_ATTACH) {
    on_attach(b, p, m);
    return true;
  }
  if (p->phase == PEER_NONE || p->iteration != m->iteration) return false;
  if (m->type == FAST_DETACH) {
    control_detach(b, p, REASON_NONE, NULL);
    return true;
  }
  if (!peer_is_open(p)) return false;
  b->counted |= 1u << p->idx; /* the durable position it told before counts from now on (R6, J2) */
  b->count_again = true;
  return true;
}

static bool on_establish(struct bcast *b, const struct fast_msg *m) {
  if (b->phase != BCAST_LEADING || m->epoch != b->epoch) return false;
  b->established = b->count_again = true;
  b->quorum_us = b->durable_moved_us = b->now_us;
  return true;
}

void control_step(struct bcast *b, const struct fast_msg *m, struct bcast_actions *a) {
  bool known = true;
  switch (m->type) {
    case FAST_LEAD:
      on_lead(b, m);
      break;
    case FAST_OPEN:
      on_open(b, m, a);
      break;
    case FAST_CLOSE:
      on_close(b, m, a);
      break;
    case FAST_ESTABLISH:
      known = on_establish(b, m);
      break;
    case FAST_ATTACH:
    case FAST_DETACH:
    case FAST_COUNT:
      known = on_attachment(b, m);
      break;
    default:
      assert(false); /* the others go the other way */
  }
  if (!known) drop(b, REASON_HANDOVER_STALE);
}
