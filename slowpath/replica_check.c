/* replica_check.c - the machine's invariants (law 6; zab-rules 1 and 2). */
#include <assert.h>

#include "slowpath/replica_parts.h"

/* Votes, FOLLOWERINFO, LEADERINFO, ACKEPOCH leave only while the fast path is closed (5.2). */
static void check_fenced(const struct replica *r) {
  if (r->phase == PHASE_STARTING || r->phase == PHASE_LOOKING || r->phase == PHASE_DISCOVERY)
    assert(!r->fast_open);
}

static void check_roles(const struct replica *r) {
  bool no_role =
      r->phase == PHASE_STARTING || r->phase == PHASE_LOOKING || r->phase == PHASE_STOPPED;
  if (r->phase != PHASE_FENCING) assert(no_role == (r->role == ROLE_LOOKING));
  if (r->role != ROLE_LEADING)
    for (int i = 1; i <= LIMIT_LEARNERS; i++) assert(r->conns[i].step == CONN_FREE);
  assert((r->phase == PHASE_FENCING) == (r->fence != 0) || r->stopping);
}

static void check_learner(const struct replica *r) {
  const struct learning *l = &r->learn;
  if (l->step >= LEARNING_OP) assert(r->durable.accepted_epoch == l->epoch); /* R1 */
  if (l->step >= LEARNING_UPTODATE) {                                        /* R5 */
    assert(r->durable.current_epoch == l->epoch && r->durable.last_zxid == l->tail);
    assert(!r->durable.faulty && !r->durable.no_state); /* no ACK while a record is faulty */
    assert(l->iteration != 0 && r->fast_open);
  }
  assert((r->phase == PHASE_BROADCAST) == (l->step == LEARNING_SETTLED));
  assert((r->phase == PHASE_FENCING) == (l->step == LEARNING_FENCE));
  assert(l->len <= LIMIT_SYNC_BUFFER);
}

static void check_conn(const struct replica *r, int i) {
  const struct learner_conn *c = &r->conns[i];
  if (c->step == CONN_FREE) return;
  assert(c->step < CONN_EPOCH || (c->peer_idx >= 0 && c->peer_idx != r->config->self_idx));
  assert(c->step < CONN_ACKEPOCH || r->lead.step >= LEADING_ACKEPOCH); /* R2 */
  assert(c->step < CONN_LOOKUP || r->lead.step >= LEADING_SYNC);       /* R3, R4 */
  assert(c->step < CONN_ACK || (c->attachment == ATTACHMENT_OPEN && c->sent == c->target));
  assert(c->step < CONN_SETTLED || r->lead.step == LEADING_ESTABLISHED); /* R9 */
  for (int j = 1; j < i; j++) assert(c->peer_idx < 0 || r->conns[j].peer_idx != c->peer_idx);
}

static void check_leader(const struct replica *r) {
  const struct leading *l = &r->lead;
  if (l->step >= LEADING_ACKEPOCH) assert(r->durable.accepted_epoch == l->epoch); /* R2 */
  if (l->step >= LEADING_CURRENT) assert(quorum_has(&r->quorum, l->promised));    /* R3 */
  if (l->step >= LEADING_SYNC) {
    assert(r->durable.current_epoch == l->epoch && r->fast_open); /* R4 */
    assert((l->counted & ~l->acked) == 0);                        /* R6 */
    assert(!r->durable.faulty && !r->durable.no_state);           /* E3 */
  }
  if (l->step == LEADING_ESTABLISHED) assert(quorum_has(&r->quorum, l->counted)); /* R7, R16 */
  assert((r->phase == PHASE_BROADCAST) == (l->step == LEADING_ESTABLISHED));
  assert((r->phase == PHASE_FENCING) == (l->step == LEADING_FENCE));
  assert(l->push_us || !l->push_on);
  if (l->snap_conn) /* pinned from SNAP to NEWLEADER (5.2 step 2) */
    assert(r->conns[l->snap_conn].step >= CONN_SNAP_OPEN && r->conns[l->snap_conn].step < CONN_ACK);
  for (int i = 1; i <= LIMIT_LEARNERS; i++) check_conn(r, i);
}

void replica_check(const struct replica *r) {
  check_fenced(r);
  check_roles(r);
  if (r->role == ROLE_FOLLOWING) check_learner(r);
  if (r->role == ROLE_LEADING) check_leader(r);
}
