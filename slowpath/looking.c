/* looking.c - from fenced to a role: the ballot, its outcome, and what notifications mean later. */
#include <assert.h>

#include "slowpath/replica_parts.h"

static void decided(struct replica *r, struct election_result d, struct replica_actions *a) {
  if (!d.decided) return;
  bool yields = r->shy_us != 0;
  r->shy_us = 0;
  r->twin_told = false;
  for (int i = 0; i < r->config->peer_cnt; i++) r->twin[i].follows_us = 0;
  if (d.leader_idx == r->config->self_idx)
    leader_start(r, a);
  else
    learner_start(r, d.leader_idx, a);
  r->learn.yields = yields;
}

/* From durable state only (R12, A5); ZXID_NONE neither wins nor counts. */
static struct vote initial_vote(const struct replica *r) {
  bool votes = replica_counting(r) && !r->shy_us;
  return (struct vote){.leader = r->config->id,
                       .zxid = votes ? r->durable.last_zxid : ZXID_NONE,
                       .peer_epoch = r->durable.current_epoch};
}

bool looking_others_suffice(const struct replica *r) {
  nodeset_t others = r->quorum.voters & ~r->election.unreachable;
  return quorum_has(&r->quorum, others & ~node_bit(r->config->self_idx));
}

static bool is_avoided(const struct replica *r, int64_t id) {
  for (int i = 0; i < r->config->peer_cnt; i++)
    if (r->config->peers[i].id == id) return r->now_us < r->avoid_us[i];
  return false;
}

/* A voter that has begun a later round, or found a better leader in ours, is not with us. */
static bool has_left(const struct replica *r, const struct notification *n) {
  if (n->state != PEER_LOOKING) return false;
  if (n->vote.election_epoch != r->election.round)
    return n->vote.election_epoch > r->election.round;
  return n->vote.zxid != ZXID_NONE && !is_avoided(r, n->vote.leader) &&
         vote_beats(&n->vote, &r->election.proposal);
}

static bool supports(const struct replica *r, int peer_idx) {
  return (leader_supporters(r) >> peer_idx) & 1u;
}

/* Before establishment only: our election was wrong if those who are here are no quorum and others
 * look elsewhere.  Waiting for init_limit would keep a node from joining a majority of two (C15).
 */
static void on_stray(struct replica *r, int peer_idx, const struct notification *n,
                     struct replica_actions *a) {
  if (!has_left(r, n)) return;
  if (r->role == ROLE_FOLLOWING && r->phase == PHASE_DISCOVERY && peer_idx == r->learn.leader_idx) {
    learner_abandon(r, REASON_LEADER_CHANGED, false, a);
  } else if (r->role == ROLE_LEADING && r->phase != PHASE_BROADCAST && !supports(r, peer_idx) &&
             !quorum_has(&r->quorum, leader_supporters(r))) {
    leader_step_down(r, REASON_NO_QUORUM, a);
  }
}

/* Others follow us, although we do not lead.  Ours of before is given up within timeout_us; another
 * process with our id leads on, and we would look for ever. */
static void on_follower(struct replica *r, int idx, const struct notification *n,
                        struct replica_actions *a) {
  uint64_t *since_us = &r->twin[idx].follows_us;
  bool follows = n->state == PEER_FOLLOWING && n->vote.leader == r->config->id;
  if (!follows || r->phase != PHASE_LOOKING)
    *since_us = 0;
  else if (!*since_us)
    *since_us = r->now_us;
  else if (!r->twin_told && r->now_us - *since_us > TWIN_US + 2ull * r->config->timeout_us) {
    r->twin_told = true;
    act_log(a, (struct log_event){.id = LOG_TWIN_LEADS, .peer = r->config->peers[idx].id});
  }
}

static void hear(struct replica *r, int idx, const struct notification *n,
                 struct replica_actions *a) {
  bool looking = r->phase == PHASE_LOOKING && n->state == PEER_LOOKING;
  if (idx >= 0) on_follower(r, idx, n, a);
  if (looking && idx >= 0 && is_avoided(r, r->config->peers[idx].id)) return;
  if (looking && is_avoided(r, n->vote.leader)) return;
  struct election_result d = election_on_notification(&r->election, r->now_us, idx, n, a);
  if (d.reason) counters_add(r->counters, d.reason, 1);
  if (r->phase == PHASE_LOOKING)
    decided(r, d, a);
  else if (idx >= 0)
    on_stray(r, idx, n, a);
}

/* What came while we could not answer is heard now, or the round would wait for its repetition. */
static void replay_held(struct replica *r, struct replica_actions *a) {
  for (int i = 0; i < r->config->peer_cnt && r->phase == PHASE_LOOKING; i++) {
    if (!(r->held & node_bit(i))) continue;
    hear(r, i, &r->held_notification[i], a);
  }
  r->held = 0;
}

static void ballot(struct replica *r, struct replica_actions *a) {
  bool late = r->shy_us && r->now_us >= r->shy_us; /* held or fenced for longer than that */
  r->hold_us = 0;
  if (late) r->shy_us = r->now_us + SHY_US; /* the others still go first */
  r->elections++;
  if (!replica_counting(r) && quorum_is_voter(&r->quorum, r->config->self_idx))
    act_log(a, (struct log_event){.id = LOG_NOT_COUNTING, .zxid = r->durable.last_zxid});
  struct election_result d =
      election_start(&r->election, r->now_us, initial_vote(r), r->lost_idx, a);
  decided(r, d, a);
  replay_held(r, a);
}

/* Attempts that fail in a row are spaced, with jitter, so that nobody spins. */
static uint64_t hold_time(const struct replica *r) {
  if (r->failures <= FREE_FAILURES) return 0;
  int doublings = r->failures - FREE_FAILURES - 1;
  uint64_t hold = doublings < 7 ? (uint64_t)HOLD_MIN_US << doublings : HOLD_MAX_US;
  if (hold > HOLD_MAX_US) hold = HOLD_MAX_US;
  return hold / 2 + r->random % hold;
}

void looking_start(struct replica *r, struct replica_actions *a) {
  replica_set_phase(r, PHASE_LOOKING);
  uint64_t hold = hold_time(r);
  if (hold)
    r->hold_us = r->now_us + hold;
  else
    ballot(r, a);
}

void looking_restart(struct replica *r, struct replica_actions *a) {
  assert(r->phase == PHASE_LOOKING);
  if (!r->hold_us && !r->stopping) ballot(r, a);
}

/* The others did not settle without us, or cannot: vote again. */
static void end_shyness(struct replica *r, struct replica_actions *a) {
  r->shy_us = 0;
  ballot(r, a);
}

void looking_on_tick(struct replica *r, struct replica_actions *a) {
  if (r->stopping) return;
  if (r->hold_us) {
    if (r->now_us >= r->hold_us) ballot(r, a);
  } else if (r->shy_us && r->now_us >= r->shy_us) {
    end_shyness(r, a);
  } else {
    decided(r, election_on_tick(&r->election, r->now_us, a), a);
  }
}

static bool must_hold(const struct replica *r) {
  bool fencing = r->phase == PHASE_FENCING && r->role == ROLE_LOOKING; /* in place: settled */
  return r->phase == PHASE_STARTING || fencing || r->hold_us;
}

void replica_on_notification(struct replica *r, const struct replica_event *e,
                             struct replica_actions *a) {
  int idx = e->peer_idx;
  bool known = idx >= 0 && idx < r->config->peer_cnt;
  if (r->stopping) return;
  if (must_hold(r)) {
    if (!known) return;
    r->held |= node_bit(idx);
    r->held_notification[idx] = *e->notification;
    return;
  }
  hear(r, known ? idx : -1, e->notification, a);
}

void replica_on_link(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  if (e->link != LINK_UP) r->held &= ~node_bit(e->peer_idx); /* it may have restarted since */
  struct election_result d = election_on_link(&r->election, r->now_us, e->peer_idx, e->link, a);
  if (r->phase == PHASE_LOOKING && !r->stopping && !r->hold_us) {
    decided(r, d, a);
    if (r->phase == PHASE_LOOKING && r->shy_us && !looking_others_suffice(r)) end_shyness(r, a);
  } else if (r->role == ROLE_FOLLOWING && r->learn.step == LEARNING_CONNECT &&
             e->link == LINK_REFUSED && e->peer_idx == r->learn.leader_idx) {
    learner_abandon(r, REASON_CONNECT_FAILED, true, a); /* its process is gone */
  }
}
