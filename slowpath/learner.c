/* learner.c - the learner's connection to its leader: connecting, losing it, time. */
#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

static void connect_now(struct replica *r, struct replica_actions *a) {
  r->learn.retry_us = 0;
  r->learn.open = true;
  act(a, ACT_CONNECT)->peer_idx = r->learn.leader_idx;
}

void learner_start(struct replica *r, int leader_idx, struct replica_actions *a) {
  assert(!r->fast_open && leader_idx != r->config->self_idx);
  memset(&r->learn, 0, sizeof r->learn);
  r->role = ROLE_FOLLOWING;
  replica_set_phase(r, PHASE_DISCOVERY);
  r->learn.leader_idx = leader_idx;
  r->learn.limit_us = r->now_us + CONNECT_LIMIT_US;
  r->learn.deadline_us = r->learn.limit_us;
  connect_now(r, a);
}

void learner_leave(struct replica *r, enum reason why, struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (l->step == LEARNING_SNAP_WRITE || l->step == LEARNING_SNAP_CHUNK) /* B15: no half snapshot */
    act_disk(r, DISK_LEARNER, (struct disk_msg){.type = DISK_SNAP_ABORT}, a);
  if (l->open) {
    struct replica_action *close = act(a, ACT_CLOSE_CONN);
    close->conn = 0;
    close->reason = why;
  }
  if (why != REASON_STOPPING)
    act_log(a, (struct log_event){.id = LOG_FOLLOWING_ENDED,
                                  .peer = r->config->peers[l->leader_idx].id,
                                  .reason = why});
  l->open = false;
  l->step = LEARNING_CONNECT;
}

/* It was elected, but it cannot be reached or does not fit: voting for it again, because it has the
 * highest id, would keep everybody from a leader for ever. */
static bool is_mismatch(const struct replica *r, enum reason why) {
  switch (why) {
    case REASON_CLUSTER_DIFFERS:
    case REASON_CLASS_DIFFERS:
    case REASON_RECORD_LIMIT_DIFFERS:
    case REASON_MTU_DIFFERS:
    case REASON_CONFIG_DIFFERS:
    case REASON_EXTENSION_BAD:
    case REASON_PACKET_BAD:
    case REASON_NO_TCP_BROADCAST:
      return true;
    default:
      return r->phase == PHASE_DISCOVERY && r->learn.step <= LEARNING_LEADERINFO &&
             (r->learn.refusals >= 3 || r->learn.step == LEARNING_CONNECT) &&
             r->now_us + CONNECT_RETRY_US >= r->learn.limit_us;
  }
}

void learner_abandon(struct replica *r, enum reason why, bool leader_lost,
                     struct replica_actions *a) {
  counters_add(r->counters, why, 1);
  if (is_mismatch(r, why)) r->avoid_us[r->learn.leader_idx] = r->now_us + AVOID_US;
  replica_fence(r, why, leader_lost ? r->learn.leader_idx : -1, a);
}

void learner_on_connected(struct replica *r, struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (r->role != ROLE_FOLLOWING || l->step != LEARNING_CONNECT || !l->open) return;
  struct learner_info info = {.sid = r->config->id, .protocol = PROTOCOL_VERSION};
  struct extension e = own_extension(r);
  if (!replica_counting(r)) e.features |= FEATURE_NON_COUNTING;
  if (!r->durable.may_vote) e.features |= FEATURE_REJOIN;
  if (r->needs_snap) e.features |= FEATURE_NEEDS_SNAP;
  if (l->yields) e.features |= FEATURE_YIELDS;
  uint8_t head[LEARNER_INFO_LEN];
  learner_info_write(head, &info);
  bool observer = r->config->peers[r->config->self_idx].role == ROLE_OBSERVER;
  act_send(a, 0,
           (struct packet){.type = observer ? PACKET_OBSERVERINFO : PACKET_FOLLOWERINFO,
                           .zxid = zxid_make(r->durable.accepted_epoch, 0),
                           .data = extension_span(r, head, sizeof head, &e)});
  l->step = LEARNING_LEADERINFO;
  l->deadline_us = r->now_us + init_limit_us(r);
}

/* Until LEADERINFO the leader may simply not know yet that it leads: try again soon. */
void learner_on_disconnected(struct replica *r, enum reason why, struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (r->role != ROLE_FOLLOWING || !l->open) return;
  bool early = l->step == LEARNING_CONNECT || l->step == LEARNING_LEADERINFO;
  if (early) l->refusals++;
  bool retry = early && r->now_us + CONNECT_RETRY_US < l->limit_us;
  l->step = early ? LEARNING_CONNECT : l->step;
  l->retry_us = r->now_us + CONNECT_RETRY_US;
  l->open = false;
  if (retry)
    l->deadline_us = l->limit_us;
  else if (early)
    learner_abandon(r, why == REASON_NONE ? REASON_CONNECT_FAILED : why, true, a);
  else
    learner_abandon(r, why == REASON_NONE ? REASON_CONN_CLOSED : why, true, a);
}

/* Once the fast path is open it says whether the leader lives, who may wait long for another
 * learner's sync before it can establish (B23).  But what is committed above P says that it has
 * established, and UPTODATE left then: init_limit later it is not to come (TCP carries nothing this
 * way, and tells nobody).  If nothing is committed, nothing says so: we wait. */
static bool is_left_out(struct replica *r) {
  struct learning *l = &r->learn;
  if (l->established) return true;
  l->established = r->committed > l->pos;
  l->deadline_us = r->now_us + init_limit_us(r);
  return false;
}

void learner_on_tick(struct replica *r, struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (l->step == LEARNING_CONNECT && !l->open && r->now_us >= l->retry_us) connect_now(r, a);
  if (r->now_us < learner_deadline(r)) return;
  if (l->step == LEARNING_UPTODATE && !is_left_out(r)) return;
  bool early = l->step == LEARNING_CONNECT;
  learner_abandon(r, early ? REASON_CONNECT_FAILED : REASON_SYNC_TIMEOUT, true, a);
}

/* Progress of ours (the disk) has no limit here: the fence and the disk watch that. */
uint64_t learner_deadline(const struct replica *r) {
  const struct learning *l = &r->learn;
  if (l->step > LEARNING_UPTODATE || !replica_wants_input(r, 0)) return UINT64_MAX;
  if (l->step == LEARNING_CONNECT && !l->open && l->retry_us < l->deadline_us) return l->retry_us;
  return l->deadline_us;
}

/* Which packets each step takes; anything else ends the connection (I-11). */
void learner_on_packet(struct replica *r, const struct packet *p, struct replica_actions *a) {
  enum learning_step step = r->learn.step;
  r->learn.deadline_us = r->now_us + learner_patience_us(r);
  if (step == LEARNING_SETTLED && p->type == PACKET_LEADERINFO)
    learner_on_next_epoch(r, p, a);
  else if (step == LEARNING_LEADERINFO && p->type == PACKET_LEADERINFO)
    learner_on_leaderinfo(r, p, a);
  else if (p->type == PACKET_FRAME)
    frames_on_packet(r, 0, p, a);
  else if (step == LEARNING_OP && p->type == PACKET_PING && r->learn.zabline)
    return; /* another learner's snapshot comes first; that it lives is progress (B23) */
  else if (step == LEARNING_OP && p->type == PACKET_ASK)
    repair_on_ask(r, 0, p, a);
  else if (step == LEARNING_ASK && p->type == PACKET_ANSWER)
    repair_on_learner_answer(r, p, a);
  else if (step == LEARNING_OP)
    learner_on_op(r, p, a);
  else if (step == LEARNING_SNAP_CHUNK)
    learner_on_chunk(r, p, a);
  else if (step == LEARNING_RECORDS && (p->type == PACKET_PROPOSAL || p->type == PACKET_COMMIT))
    learner_on_proposal(r, p, a);
  else if (step == LEARNING_RECORDS && p->type == PACKET_NEWLEADER)
    learner_on_newleader(r, p, a);
  else if ((step == LEARNING_UPTODATE || step == LEARNING_SETTLED) && p->type == PACKET_UPTODATE)
    learner_on_uptodate(r, p, a);
  else
    learner_abandon(r, REASON_PACKET_PHASE, false, a);
}

void learner_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct learning *l = &r->learn;
  /* Tags need no comparison: a fence ends with DRAIN, whose answer comes after all older ones. */
  if (r->role != ROLE_FOLLOWING || replica_wants_input(r, 0)) return;
  l->deadline_us = r->now_us + learner_patience_us(r);
  if (l->step == LEARNING_ANSWER) {
    l->step = LEARNING_OP;
    repair_send_answer(r, 0, m, a);
  } else if (l->step == LEARNING_REPAIR) {
    repair_on_learner_disk(r, m, a);
  } else if (m->reason == REASON_BELOW_LOG) {
    act_log(a, (struct log_event){.id = LOG_CANNOT_TRUNCATE,
                                  .peer = r->config->peers[l->leader_idx].id,
                                  .zxid = l->tail});
    learner_abandon(r, m->reason, false, a);
  } else if (m->reason != REASON_NONE) {
    learner_abandon(r, m->reason, false, a);
  } else if (l->step == LEARNING_PROMISE) {
    learner_on_promised(r, m, a);
  } else if (l->step == LEARNING_SNAP_WRITE) {
    l->step = LEARNING_SNAP_CHUNK;
  } else if (l->step == LEARNING_CURRENT) {
    r->durable = m->state;
    learner_on_current(r, a);
  } else {
    learner_on_synced(r, m, a);
  }
}
