/* leader.c - the leader's own steps: choosing the epoch, promising, establishing, giving up. */
#include <assert.h>
#include <string.h>

#include "proto/exit_code.h"
#include "slowpath/replica_parts.h"

static nodeset_t self(const struct replica *r) { return node_bit(r->config->self_idx); }

static uint64_t patience_us(const struct replica *r) {
  return r->lead.in_place ? epoch_limit_us(r) : init_limit_us(r);
}

void leader_set_step(struct replica *r, enum leading_step step) {
  r->lead.step = step;
  r->lead.deadline_us = r->now_us + patience_us(r);
}

void leader_start(struct replica *r, struct replica_actions *a) {
  assert(!r->fast_open && replica_counting(r));
  memset(&r->lead, 0, sizeof r->lead);
  for (int i = 1; i <= LIMIT_LEARNERS; i++) assert(r->conns[i].step == CONN_FREE);
  r->role = ROLE_LEADING;
  replica_set_phase(r, PHASE_DISCOVERY);
  leader_set_step(r, LEADING_CEPOCH);
  if (init_limit_us(r) > CEPOCH_LIMIT_US) r->lead.deadline_us = r->now_us + CEPOCH_LIMIT_US;
  leader_try_epoch(r, a);
}

void leader_leave(struct replica *r, enum reason why, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    if (r->conns[i].step == CONN_FREE) continue;
    struct replica_action *close = act(a, ACT_CLOSE_CONN);
    close->conn = i;
    close->reason = why;
    leader_release(r, i, a);
  }
  if (why != REASON_STOPPING)
    act_log(a, (struct log_event){.id = LOG_LEADING_ENDED, .epoch = r->lead.epoch, .reason = why});
}

static nodeset_t unheard(const struct replica *r) {
  nodeset_t set = r->lead.unheard;
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (leader_is_unheard(&r->conns[i])) set |= node_bit(r->conns[i].peer_idx);
  return set;
}

/* The election knows of TCP only: who is mute or deaf on the fast path would win it again and
 * again, for its history or its id (F9, J5).  Which side is to blame cannot be told from here. */
static bool lost_its_quorum(const struct replica *r, enum reason why) {
  if (why == REASON_QUORUM_SILENT || why == REASON_NO_FAST_PATH) return true;
  if (why != REASON_NO_QUORUM) return false;
  if (r->lead.step == LEADING_ESTABLISHED || r->lead.in_place) return true;
  return r->lead.step == LEADING_SYNC && quorum_has(&r->quorum, r->lead.counted | unheard(r));
}

void leader_step_down(struct replica *r, enum reason why, struct replica_actions *a) {
  counters_add(r->counters, why, 1);
  if (lost_its_quorum(r, why) && looking_others_suffice(r)) r->shy_us = r->now_us + SHY_US;
  replica_fence(r, why, -1, a);
}

/* Who is connected and may be counted, with ourselves. */
nodeset_t leader_supporters(const struct replica *r) {
  nodeset_t set = self(r);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step >= CONN_EPOCH && r->conns[i].counts) set |= node_bit(r->conns[i].peer_idx);
  return set;
}

/* R2: CEPOCH of a quorum with ourselves in it; above every acceptedEpoch ever seen; chosen once. */
void leader_try_epoch(struct replica *r, struct replica_actions *a) {
  if (r->lead.step != LEADING_CEPOCH || !quorum_has(&r->quorum, leader_supporters(r))) return;
  leader_choose_epoch(r, a);
}

void leader_choose_epoch(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  if (r->seen_epoch == UINT32_MAX) {
    replica_fail(r, EXIT_CODE_UNEXPECTED, REASON_COUNTER_LIMIT, a);
    return;
  }
  l->epoch = r->seen_epoch + 1;
  assert(l->epoch > r->durable.accepted_epoch);
  r->seen_epoch = l->epoch;
  leader_set_step(r, LEADING_PROMISE);
  act_disk(r, DISK_LEADER, (struct disk_msg){.type = DISK_ACCEPTED, .epoch = l->epoch}, a);
}

/* Our own promise is durable: LEADERINFO may leave (R2, A3, A4). */
static void on_promised(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  assert(m->state.accepted_epoch == r->lead.epoch && !r->fast_open);
  r->durable = m->state;
  r->lead.promised = self(r);
  leader_set_step(r, LEADING_ACKEPOCH);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step == CONN_EPOCH) leader_send_leaderinfo(r, i, a);
  leader_try_promised(r, a);
}

/* R3: then R4, our history being durable already (it was re-read from disk), and whole (E1). */
void leader_try_promised(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  if (l->step != LEADING_ACKEPOCH || !quorum_has(&r->quorum, l->promised)) return;
  if (r->durable.faulty)
    repair_lead(r, a);
  else
    leader_set_current(r, a);
}

void leader_set_current(struct replica *r, struct replica_actions *a) {
  assert(!r->durable.faulty);
  leader_set_step(r, LEADING_CURRENT);
  act_disk(r, DISK_LEADER, (struct disk_msg){.type = DISK_CURRENT, .epoch = r->lead.epoch}, a);
}

static void open_fast_path(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  act(a, ACT_POSITIONS)->pos = 0;
  act_disk(r, DISK_REPLICA, (struct disk_msg){.type = DISK_START, .epoch = l->epoch}, a);
  act_fast(a, (struct fast_msg){.type = FAST_LEAD,
                                .peer_idx = r->config->self_idx,
                                .epoch = l->epoch,
                                .zxid = l->initial});
  r->fast_open = true;
}

static void on_current(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct leading *l = &r->lead;
  assert(m->state.current_epoch == l->epoch);
  r->durable = m->state;
  l->initial = m->state.last_zxid;
  l->acked = l->counted = self(r); /* R4: our own ACK-LD */
  leader_set_step(r, LEADING_SYNC);
  replica_set_phase(r, PHASE_SYNC);
  act_log(a, (struct log_event){.id = LOG_LEADING, .epoch = l->epoch, .zxid = l->initial});
  open_fast_path(r, a);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step == CONN_READY) sync_start(r, i, a);
  leader_try_establish(r, a);
}

void leader_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  if (r->role != ROLE_LEADING) return; /* asked before the fence */
  if (r->lead.step == LEADING_PROMISE && m->type == DISK_ACCEPTED)
    on_promised(r, m, a);
  else if (r->lead.step == LEADING_CURRENT && m->type == DISK_CURRENT)
    on_current(r, m, a);
}

void leader_try_establish(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  if (l->step != LEADING_SYNC || !quorum_has(&r->quorum, l->counted)) return;
  l->step = LEADING_ESTABLISHED;
  replica_set_phase(r, PHASE_BROADCAST);
  r->failures = 0;
  election_established(&r->election, l->epoch);
  if (l->in_place) counters_add(r->counters, REASON_EPOCH_IN_PLACE, 1);
  l->in_place = false;
  act_fast(a, (struct fast_msg){.type = FAST_ESTABLISH, .epoch = l->epoch});
  act_app(a, (struct app_msg){.type = APP_LEAD,
                              .leader_idx = r->config->self_idx,
                              .epoch = l->epoch,
                              .zxid = l->initial});
  act_log(a, (struct log_event){.id = LOG_ESTABLISHED, .epoch = l->epoch, .zxid = l->initial});
  for (int i = 1; i <= LIMIT_LEARNERS; i++) leader_try_count(r, i, a);
}

void leader_progress(struct replica *r, int conn) {
  struct learner_conn *c = &r->conns[conn];
  c->deadline_us = r->now_us + init_limit_us(r);
  /* Who was not heard on the fast path and starts over brings us no nearer to a quorum. */
  bool again = c->peer_idx >= 0 && (r->lead.unheard & node_bit(c->peer_idx));
  if (r->lead.step == LEADING_SYNC && c->counts && !again)
    r->lead.deadline_us = r->now_us + patience_us(r); /* B23 */
}

/* ---- time ---- */

static bool waits_for_commit(const struct replica *r, const struct learner_conn *c) {
  return c->step == CONN_ACKED && c->heard && r->lead.step == LEADING_ESTABLISHED;
}

/* Steps in which we wait for the learner; in the others it waits for us. */
static bool is_timed(const struct learner_conn *c) {
  if (c->step == CONN_READY) return c->asked == ASKED_OPEN;
  if (c->step == CONN_FREE || c->step == CONN_EPOCH) return false;
  if (c->step == CONN_SETTLED || c->step == CONN_SNAP_TURN) return false;
  return !(c->step == CONN_ACKED && c->heard);
}

/* Steps that wait for our own disk and threads: these watch themselves, but in place clients wait.
 */
static bool waits_for_itself(const struct leading *l) {
  return l->step == LEADING_FENCE || l->step == LEADING_PROMISE || l->step == LEADING_CURRENT;
}

static bool is_step_timed(const struct leading *l) {
  if (l->step == LEADING_ESTABLISHED) return false;
  if (l->step == LEADING_REPAIR) return !l->asking; /* our disk has what we were given */
  return l->in_place || !waits_for_itself(l);
}

uint64_t leader_deadline(const struct replica *r) {
  uint64_t d = is_step_timed(&r->lead) ? r->lead.deadline_us : UINT64_MAX;
  if (r->lead.step == LEADING_REPAIR && r->lead.ping_us < d) d = r->lead.ping_us;
  if (r->lead.drain_us && r->lead.drain_us < d) d = r->lead.drain_us;
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    const struct learner_conn *c = &r->conns[i];
    uint64_t at = is_timed(c) ? c->deadline_us : UINT64_MAX;
    if (waits_for_commit(r, c)) at = r->now_us + COMMIT_POLL_US;
    if (c->step == CONN_SNAP_TURN) at = c->ping_us;
    if (c->step == CONN_SETTLED) at = leader_grant_us(r, c);
    if (at < d) d = at;
  }
  return r->lead.push_us && r->lead.push_us < d ? r->lead.push_us : d;
}

/* No quorum within init_limit: say who is there, but not on the fast path (5.2 step 5). */
static void give_up(struct replica *r, struct replica_actions *a) {
  enum reason why = REASON_NO_QUORUM;
  nodeset_t with_unheard = r->lead.counted | unheard(r);
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    const struct learner_conn *c = &r->conns[i];
    if (c->step != CONN_ACKED || c->heard) continue;
    act_log(a,
            (struct log_event){.id = LOG_NO_FAST_PATH, .peer = r->config->peers[c->peer_idx].id});
  }
  if (r->lead.step == LEADING_SYNC && quorum_has(&r->quorum, with_unheard))
    why = REASON_NO_FAST_PATH;
  bool repairs = r->lead.step == LEADING_REPAIR;
  if (repairs || waits_for_itself(&r->lead)) why = REASON_DISK_STALLED;
  leader_step_down(r, why, a);
}

void leader_on_tick(struct replica *r, struct replica_actions *a) {
  if (is_step_timed(&r->lead) && r->now_us >= r->lead.deadline_us) {
    give_up(r, a);
    return;
  }
  if (r->lead.drain_us && r->now_us >= r->lead.drain_us) {
    leader_step_down(r, REASON_EPOCH_AHEAD, a);
    return;
  }
  if (r->lead.step == LEADING_REPAIR) repair_on_tick(r, a);
  if (r->role != ROLE_LEADING) return;
  rounds_on_tick(r, a);
  leader_try_grant(r, a);
  for (int i = 1; i <= LIMIT_LEARNERS && r->role == ROLE_LEADING; i++) {
    struct learner_conn *c = &r->conns[i];
    if (waits_for_commit(r, c))
      leader_try_count(r, i, a);
    else if (c->step == CONN_SNAP_TURN && r->now_us >= c->ping_us)
      sync_ping(r, i, a);
    else if (is_timed(c) && r->now_us >= c->deadline_us)
      leader_close(r, i, c->step == CONN_ACKED ? REASON_NO_FAST_PATH : REASON_SYNC_TIMEOUT, a);
  }
}
