/* fence.c - leaving a role.  After CLOSED no ACK, no count of ours and no COMMIT of the old epoch
 * can arise here; after DRAIN the last zxid is the disk's (B8, B9, R12; design 5.2 "Fencing"). */
#include <assert.h>

#include "proto/exit_code.h"
#include "slowpath/replica_parts.h"

void replica_set_phase(struct replica *r, enum phase p) {
  if (r->phase == p) return;
  assert(phase_may_move(r->phase, p));
  r->phase = p;
}

static void leave_role(struct replica *r, enum reason why, struct replica_actions *a) {
  if (r->role == ROLE_LEADING) leader_leave(r, why, a);
  if (r->role == ROLE_FOLLOWING) learner_leave(r, why, a);
  r->role = ROLE_LOOKING;
}

static void close_all(struct replica *r, int keeps, struct replica_actions *a) {
  replica_set_phase(r, PHASE_FENCING);
  r->fence = FENCE_FAST | FENCE_APP | FENCE_DISK;
  r->fence_warn_us = r->now_us + init_limit_us(r);
  act_fast(a, (struct fast_msg){.type = FAST_CLOSE, .keeps = keeps});
}

void fence_in_place(struct replica *r, struct replica_actions *a) {
  assert(r->phase == PHASE_BROADCAST);
  close_all(r, 1, a);
}

/* The role ends while it was to go on: the fence that stands is its own, but the clients of an app
 * that pauses must come again. */
static void give_up_in_place(struct replica *r, struct replica_actions *a) {
  if (r->fence & FENCE_FAST) return; /* the app has not been told yet */
  r->fence |= FENCE_APP;
  act_app(a, (struct app_msg){.type = APP_STOP});
}

void replica_fence(struct replica *r, enum reason why, int lost_idx, struct replica_actions *a) {
  bool in_place = r->phase == PHASE_FENCING;
  assert(r->phase != PHASE_STOPPED && (!in_place || r->role != ROLE_LOOKING));
  if (why != REASON_NONE) r->last_loss = why;
  if (r->role != ROLE_LOOKING) r->failures = r->phase == PHASE_BROADCAST ? 0 : r->failures + 1;
  leave_role(r, why, a);
  r->lost_idx = lost_idx;
  act(a, ACT_FORGET);
  if (in_place)
    give_up_in_place(r, a);
  else
    close_all(r, 0, a);
}

void fence_on_closed(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  if (r->phase != PHASE_FENCING || !(r->fence & FENCE_FAST)) {
    counters_add(r->counters, REASON_HANDOVER_STALE, 1);
    return;
  }
  r->fence &= ~(unsigned)FENCE_FAST;
  r->fast_open = false;
  act_app(a, (struct app_msg){.type = r->role == ROLE_LOOKING ? APP_STOP : APP_PAUSE});
  act_disk(r, DISK_REPLICA, (struct disk_msg){.type = DISK_DRAIN, .pos = m->pos}, a);
}

static void clean_stop(struct replica *r, struct replica_actions *a) {
  /* Not clean in `memory` and not synchronised since: the mark would let a loss vote. */
  if (r->unclean)
    replica_on_clean_stop(r, a);
  else
    act_disk(r, DISK_REPLICA, (struct disk_msg){.type = DISK_CLEAN_STOP}, a);
}

static void try_fenced(struct replica *r, struct replica_actions *a) {
  if (r->fence) return;
  for (int i = 0; i <= LIMIT_LEARNERS; i++) assert(r->lent[i] == 0); /* DRAIN answers last */
  if (r->role == ROLE_LEADING)
    leader_fenced(r, a);
  else if (r->role == ROLE_FOLLOWING)
    learner_fenced(r, a);
  else if (r->stopping)
    clean_stop(r, a);
  else
    looking_start(r, a);
}

void fence_on_stopped(struct replica *r, const struct app_msg *m, struct replica_actions *a) {
  if (m->on && r->role == ROLE_LOOKING) return; /* paused; the answer to STOP comes behind it */
  if (r->phase != PHASE_FENCING || (r->fence & FENCE_FAST) || !(r->fence & FENCE_APP)) {
    counters_add(r->counters, REASON_HANDOVER_STALE, 1);
    return;
  }
  r->fence &= ~(unsigned)FENCE_APP;
  try_fenced(r, a);
}

void fence_on_drained(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  assert(r->phase == PHASE_FENCING && (r->fence & FENCE_DISK));
  r->durable = m->state; /* votes and CEPOCH come from here only (R12) */
  /* A promise that became durable behind the fence was never answered, and binds all the same. */
  if (m->state.accepted_epoch > r->seen_epoch) r->seen_epoch = m->state.accepted_epoch;
  r->fence &= ~(unsigned)FENCE_DISK;
  try_fenced(r, a);
}

void replica_stop(struct replica *r, struct replica_actions *a) {
  if (r->stopping) return;
  r->stopping = true;
  act_log(a, (struct log_event){.id = LOG_STOPPING});
  if (r->phase == PHASE_STARTING) return; /* OPENED comes; the mark of the last stop is gone */
  if (r->phase == PHASE_LOOKING)
    clean_stop(r, a); /* fenced already */
  else if (r->phase != PHASE_FENCING || r->role != ROLE_LOOKING)
    replica_fence(r, REASON_STOPPING, -1, a);
}

static void leave(struct replica *r, int exit_code, enum reason why, struct replica_actions *a) {
  act_app(a, (struct app_msg){.type = APP_EXIT});
  struct replica_action *end = act(a, ACT_EXIT);
  end->exit_code = exit_code;
  end->reason = why;
  r->fence = 0;
  replica_set_phase(r, PHASE_STOPPED);
}

void replica_on_clean_stop(struct replica *r, struct replica_actions *a) {
  leave(r, EXIT_CODE_CLEAN, REASON_NONE, a);
}

/* Never half-dead (R15, C3): nothing is sent or acknowledged after this. */
void replica_fail(struct replica *r, int exit_code, enum reason why, struct replica_actions *a) {
  counters_add(r->counters, why, 1);
  leave_role(r, why, a);
  r->last_loss = why;
  act_log(a, (struct log_event){.id = LOG_FAILED, .reason = why});
  act_fast(a, (struct fast_msg){.type = FAST_CLOSE});
  leave(r, exit_code, why, a);
}
