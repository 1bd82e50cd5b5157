/* learner_newleader.c - NEWLEADER(e), then UPTODATE.
 *
 * History durable, then currentEpoch durable, then the ACK (R5, B1-B4), then the fast path; deliver
 * and serve at UPTODATE, not before (R9). */
#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

static enum reason read_newleader(struct replica *r, const struct packet *p,
                                  struct replica_actions *a) {
  struct learning *l = &r->learn;
  if (p->zxid != zxid_make(l->epoch, 0) || p->data.len < 1) return REASON_PACKET_BAD;
  const uint8_t *end = memchr(p->data.data, 0, (size_t)p->data.len);
  if (!end) return REASON_EXTENSION_BAD;
  struct span text = {p->data.data, (int32_t)(end - p->data.data)};
  struct extension e;
  enum reason bad = extension_read(&e, end + 1, (size_t)(p->data.len - text.len - 1));
  if (bad) return bad;
  if (!e.present || e.iteration == 0) return REASON_EXTENSION_BAD;
  if (l->resumes && !(e.features & FEATURE_RESUMES)) return REASON_EXTENSION_BAD;
  l->iteration = e.iteration;
  l->requests = e.requests;
  l->pos = e.position;
  return match_config(r, l->leader_idx, text, a);
}

void learner_on_newleader(struct replica *r, const struct packet *p, struct replica_actions *a) {
  struct learning *l = &r->learn;
  enum reason bad = read_newleader(r, p, a);
  if (bad) {
    learner_abandon(r, bad, false, a);
    return;
  }
  assert(r->durable.accepted_epoch == l->epoch); /* R5: else abandon; LEADERINFO saw to it */
  if (l->len == 0) {
    learner_on_history(r, a);
    return;
  }
  l->step = LEARNING_HISTORY;
  act_disk(r, DISK_LEARNER,
           (struct disk_msg){.type = DISK_APPEND, .buf = r->memory.buffer[0], .len = l->len}, a);
}

/* All history is durable: now, and not before, the epoch (B2). */
void learner_on_history(struct replica *r, struct replica_actions *a) {
  struct learning *l = &r->learn;
  assert(l->len == 0 && r->durable.last_zxid == l->tail);
  if (r->durable.no_state) { /* it sent no snapshot, and we have none: not what we asked for */
    learner_abandon(r, REASON_SYNC_ORDER, false, a);
    return;
  }
  if (r->durable.faulty) {
    repair_learn(r, a);
    return;
  }
  if (r->durable.current_epoch == l->epoch) {
    learner_on_current(r, a);
    return;
  }
  l->step = LEARNING_CURRENT;
  act_disk(r, DISK_LEARNER, (struct disk_msg){.type = DISK_CURRENT, .epoch = l->epoch}, a);
}

void learner_on_current(struct replica *r, struct replica_actions *a) {
  struct learning *l = &r->learn;
  assert(r->durable.current_epoch == l->epoch && r->durable.last_zxid == l->tail);
  act_send_empty(a, 0, PACKET_ACK, zxid_make(l->epoch, 0));
  struct replica_action *positions = act(a, ACT_POSITIONS);
  positions->pos = l->pos;
  struct disk_msg start = {.type = DISK_START, .epoch = l->epoch, .pos = l->pos};
  act_disk(r, DISK_REPLICA, start, a);
  act_fast(a, (struct fast_msg){.type = FAST_OPEN,
                                .peer_idx = l->leader_idx,
                                .epoch = l->epoch,
                                .iteration = l->iteration,
                                .pos = l->pos,
                                .zxid = l->tail,
                                .tcp = l->tcp,
                                .resumes = l->resumes,
                                .requests = l->requests});
  r->fast_open = true;
  l->step = LEARNING_UPTODATE;
  l->deadline_us = r->now_us + init_limit_us(r);
}

static void settle(struct replica *r, struct replica_actions *a) {
  struct learning *l = &r->learn;
  l->step = LEARNING_SETTLED;
  if (l->in_place) counters_add(r->counters, REASON_EPOCH_IN_PLACE, 1);
  l->in_place = false;
  r->failures = 0;
  r->refused[l->leader_idx] = REASON_NONE;
  replica_set_phase(r, PHASE_BROADCAST);
  election_established(&r->election, l->epoch);
  act(a, ACT_KEEP_CONN)->conn = 0;
  act_app(a, (struct app_msg){.type = APP_FOLLOW,
                              .leader_idx = l->leader_idx,
                              .epoch = l->epoch,
                              .pos = l->pos,
                              .zxid = l->tail});
  act_log(a, (struct log_event){.id = LOG_FOLLOWING,
                                .peer = r->config->peers[l->leader_idx].id,
                                .epoch = l->epoch,
                                .zxid = l->tail});
}

/* We hold what an established leader had appended: from now on we vote and count (E5, design 6). */
static void grant(struct replica *r, struct replica_actions *a) {
  bool was_counting = replica_counting(r);
  r->unclean = false;
  if (!r->durable.may_vote)
    act_disk(r, DISK_VOTE, (struct disk_msg){.type = DISK_MAY_VOTE, .flag = 1}, a);
  else if (!was_counting)
    act_log(a, (struct log_event){.id = LOG_MAY_VOTE, .epoch = r->learn.epoch});
}

void learner_on_uptodate(struct replica *r, const struct packet *p, struct replica_actions *a) {
  struct extension e;
  size_t len = p->data.len > 0 ? (size_t)p->data.len : 0;
  enum reason bad = extension_read(&e, p->data.data, len);
  if (bad) {
    learner_abandon(r, bad, false, a);
    return;
  }
  if (r->learn.step == LEARNING_UPTODATE) settle(r, a);
  if (e.present && (e.features & FEATURE_MAY_VOTE)) grant(r, a);
}

void replica_on_may_vote(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  r->durable.may_vote = m->state.may_vote;
  if (replica_counting(r))
    act_log(a, (struct log_event){.id = LOG_MAY_VOTE, .epoch = r->learn.epoch});
  if (r->phase == PHASE_LOOKING) looking_restart(r, a);
  if (r->role == ROLE_LEADING && !replica_counting(r)) leader_step_down(r, REASON_FAULTY, a);
}
