/* leader_epoch.c - the next epoch in place: the leader leads on, without an election (design 3).
 *
 *   app: DRAINED -> fence, the role stays -> e' above all epochs seen, promised -> LEADERINFO(e')
 *   on every connection that stands; from there on the ordinary path (R1-R5)
 *
 * Its safety is that of an ordinary new epoch: whoever follows has fenced itself and promised e'
 * before it answers, and so have we.  What is new is only that nobody forgets whom it followed. */
#include <assert.h>

#include "slowpath/replica_parts.h"

/* Who goes with us on its connection; the others come again in the new epoch. */
static bool goes_along(const struct learner_conn *c) {
  return c->step == CONN_SETTLED && c->in_place;
}

bool leader_may_change_epoch(const struct replica *r) {
  nodeset_t set = node_bit(r->config->self_idx);
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    const struct learner_conn *c = &r->conns[i];
    if (goes_along(c) && c->counts && c->heard) set |= node_bit(c->peer_idx);
  }
  return r->lead.step == LEADING_ESTABLISHED && quorum_has(&r->quorum, set);
}

void leader_drain(struct replica *r, struct replica_actions *a) {
  if (r->lead.drain_us) return;
  r->lead.drain_us = r->now_us + epoch_limit_us(r);
  act_app(a, (struct app_msg){.type = APP_DRAIN, .epoch = r->lead.epoch});
}

/* A fresh one for each connection, though all are drawn in one step. */
static uint64_t draw_iteration(const struct replica *r, int conn) {
  uint64_t drawn = r->random ^ (uint64_t)conn * UINT64_C(0x9e3779b97f4a7c15);
  return drawn ? drawn : 1;
}

/* Its attachment ends with our fast path; the connection is where it was before LEADERINFO, and its
 * silence means something again. */
static void take_along(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  struct learner_conn next = {.step = CONN_EPOCH,
                              .peer_idx = c->peer_idx,
                              .zabline = c->zabline,
                              .counts = c->counts,
                              .tcp = c->tcp,
                              .in_place = c->in_place,
                              .features = c->features & ~(FEATURE_NEEDS_SNAP | FEATURE_YIELDS),
                              .came_us = r->now_us,
                              .resumes = c->iteration,
                              .iteration = draw_iteration(r, conn)};
  *c = next;
  act(a, ACT_WATCH_CONN)->conn = conn;
}

static void change(struct replica *r, enum reason why, struct replica_actions *a) {
  struct leading *l = &r->lead;
  act_log(a, (struct log_event){.id = LOG_EPOCH_CHANGE, .epoch = l->epoch, .reason = why});
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step > CONN_EPOCH && !goes_along(&r->conns[i]))
      leader_close(r, i, REASON_EPOCH_ENDS, a);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (goes_along(&r->conns[i])) take_along(r, i, a);
  assert(!l->push_us && !l->snap_conn); /* of those that are gone */
  l->promised = l->acked = l->counted = l->unheard = 0;
  l->drain_us = 0;
  l->in_place = true;
  leader_set_step(r, LEADING_FENCE);
  fence_in_place(r, a);
}

/* Without a quorum that goes along there is an election, after which the clients come again. */
void leader_on_drained(struct replica *r, const struct app_msg *m, struct replica_actions *a) {
  if (r->role != ROLE_LEADING || r->phase != PHASE_BROADCAST || m->epoch != r->lead.epoch) return;
  if (leader_may_change_epoch(r)) {
    counters_add(r->counters, m->reason, 1);
    change(r, m->reason, a);
    return;
  }
  if (m->reason == REASON_COUNTER_LIMIT) r->shy_us = r->now_us + SHY_US;
  leader_step_down(r, m->reason, a);
}

/* R2: the quorum that goes along has promised no other epoch than ours while it followed us. */
void leader_fenced(struct replica *r, struct replica_actions *a) {
  assert(r->lead.in_place && r->lead.step == LEADING_FENCE && !r->fast_open);
  replica_set_phase(r, PHASE_DISCOVERY);
  leader_choose_epoch(r, a);
}
