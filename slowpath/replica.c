#include "slowpath/replica.h"

#include <assert.h>
#include <string.h>

#include "proto/exit_code.h"
#include "slowpath/replica_parts.h"

void replica_init(struct replica *r, const struct config *c, const struct replica_memory *m,
                  struct counters *counters, const char *build) {
  memset(r, 0, sizeof *r);
  r->config = c;
  r->memory = *m;
  r->counters = counters;
  r->deadline_us = UINT64_MAX;
  r->lost_idx = -1;
  strncpy(r->build, build, sizeof r->build - 1);
  r->config_text_len = config_quorum_text(c, r->config_text);
  nodeset_t voters = 0;
  for (int i = 0; i < c->peer_cnt; i++)
    if (c->peers[i].role == ROLE_VOTER) voters |= node_bit(i);
  quorum_init(&r->quorum, voters);
  election_init(&r->election, c);
  r->phase = PHASE_STARTING;
  r->role = ROLE_LOOKING;
  for (int i = 0; i <= LIMIT_LEARNERS; i++) r->conns[i].peer_idx = -1;
}

/* In `memory` a node whose last stop was not clean may have lost what it acknowledged (design 6).
 */
static void on_opened(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  assert(r->phase == PHASE_STARTING);
  r->durable = m->state;
  r->seen_epoch = m->state.accepted_epoch;
  r->needs_snap = m->state.no_state;
  /* A node that never promised an epoch never acknowledged anything: a new one votes at once. */
  r->unclean = r->config->durability == DURABILITY_MEMORY && !m->state.clean_stop &&
               m->state.accepted_epoch > 0;
  act_log(a, (struct log_event){.id = LOG_STARTED,
                                .a = m->state.accepted_epoch,
                                .b = m->state.current_epoch,
                                .zxid = m->state.last_zxid});
  replica_fence(r, REASON_NONE, -1, a);
}

/* What an answer may say without being an error of the disk (R15). */
static bool tolerable(const struct disk_msg *m) {
  switch (m->type) {
    case DISK_LOOKUP:
    case DISK_READ:
    case DISK_SNAP_OPEN:
    case DISK_TRUNCATE:
      return m->reason == REASON_BELOW_LOG;
    case DISK_ASK:
      return m->reason == REASON_BELOW_LOG || m->reason == REASON_FAULTY ||
             m->reason == REASON_NOT_HELD;
    case DISK_REPAIR:
    case DISK_APPEND:
      return m->reason == REASON_RECORD_CRC || m->reason == REASON_RECORD_ORDER;
    default:
      return false;
  }
}

static void on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  if (m->reason != REASON_NONE && !tolerable(m)) {
    replica_fail(r, EXIT_CODE_STORAGE, m->reason, a);
    return;
  }
  if (m->type == DISK_OPENED) {
    on_opened(r, m, a);
    return;
  }
  int owner = (int)(m->tag & ((1u << DISK_OWNER_BITS) - 1));
  bool was_lent = owner <= LIMIT_LEARNERS && r->lent[owner] == m->tag;
  if (was_lent) r->lent[owner] = 0;
  if (r->role == ROLE_LEADING && m->type == DISK_REPAIR) {
    repair_on_disk(r, m, a);
  } else if (owner == DISK_LEARNER) {
    learner_on_disk(r, m, a);
  } else if (owner <= LIMIT_LEARNERS) {
    if (r->conns[owner].tag == m->tag)
      sync_on_disk(r, owner, m, a);
    else if (was_lent)
      sync_buffer_back(r, owner, a);
  } else if (owner == DISK_LEADER) {
    leader_on_disk(r, m, a);
  } else if (owner == DISK_VOTE) {
    replica_on_may_vote(r, m, a);
  } else if (m->type == DISK_DRAIN) {
    fence_on_drained(r, m, a);
  } else if (m->type == DISK_CLEAN_STOP) {
    replica_on_clean_stop(r, a);
  }
}

static void on_lost(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  if (m->reason == REASON_DIGEST_DIFFERS) {
    replica_fail(r, EXIT_CODE_UNEXPECTED, m->reason, a);
  } else if (r->role == ROLE_LEADING) {
    leader_step_down(r, m->reason, a);
  } else {
    learner_abandon(r, m->reason, m->reason == REASON_LEADER_SILENT, a);
  }
}

/* Does the message belong to the path that is open now? (design 5.2) */
static bool is_current(const struct replica *r, const struct fast_msg *m) {
  if (!r->fast_open || r->phase == PHASE_FENCING) return false;
  if (r->role == ROLE_LEADING) return m->epoch == r->lead.epoch;
  return m->epoch == r->learn.epoch && m->iteration == r->learn.iteration;
}

static void on_fast(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  bool leading = r->role == ROLE_LEADING;
  if (m->type == FAST_CLOSED) {
    fence_on_closed(r, m, a);
  } else if (m->type == FAST_MOVED) {
    if (is_current(r, m)) frames_on_moved(r, m, a);
  } else if (!is_current(r, m) || (m->type != FAST_LOST && !leading)) {
    counters_add(r->counters, REASON_HANDOVER_STALE, 1);
  } else if (m->type == FAST_LOST) {
    on_lost(r, m, a);
  } else if (m->type == FAST_ATTACHED) {
    leader_on_attached(r, m, a);
  } else if (m->type == FAST_HEARD) {
    leader_on_heard(r, m, a);
  } else if (m->type == FAST_DETACHED) {
    leader_on_detached(r, m, a);
  }
}

/* `zabctl recover --accept-loss`: the operator lets us vote with what the disk holds.  Not while a
 * snapshot may have shortened that: a leader is about to give us more. */
static void on_recover(struct replica *r, struct replica_actions *a) {
  if (repair_accept_loss(r, a)) return;
  if (r->phase == PHASE_STARTING || r->phase == PHASE_SYNC || replica_counting(r) ||
      r->durable.no_state)
    return;
  act_log(a, (struct log_event){.id = LOG_LOSS_ACCEPTED, .zxid = r->durable.last_zxid});
  r->unclean = r->needs_snap = false;
  if (!r->durable.may_vote)
    act_disk(r, DISK_VOTE, (struct disk_msg){.type = DISK_MAY_VOTE, .flag = 1}, a);
  else if (r->phase == PHASE_LOOKING)
    looking_restart(r, a);
}

static void on_app(struct replica *r, const struct app_msg *m, struct replica_actions *a) {
  switch (m->type) {
    case APP_STOPPED:
      fence_on_stopped(r, m, a);
      break;
    case APP_STEP_DOWN:
      if (r->role != ROLE_LEADING || (r->phase != PHASE_BROADCAST && !r->lead.in_place)) break;
      r->shy_us = r->now_us + SHY_US;
      leader_step_down(r, REASON_STEP_DOWN, a);
      break;
    case APP_DRAINED:
      leader_on_drained(r, m, a);
      break;
    case APP_RECOVER:
      on_recover(r, a);
      break;
    case APP_FAILED:
      replica_fail(r, EXIT_CODE_UNEXPECTED, m->reason, a);
      break;
    case APP_STATUS:
      replica_status(r, m->status);
      act_app(a, (struct app_msg){.type = APP_STATUS, .status = m->status});
      break;
    default:
      break;
  }
}

static void on_packet(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  assert(replica_wants_input(r, e->conn));
  if (e->conn == 0) {
    if (r->role == ROLE_FOLLOWING && r->learn.open) learner_on_packet(r, e->packet, a);
  } else if (r->role == ROLE_LEADING && r->conns[e->conn].step != CONN_FREE) {
    leader_on_packet(r, e->conn, e->packet, a);
  }
}

static void on_conn_closed(struct replica *r, const struct replica_event *e,
                           struct replica_actions *a) {
  if (e->conn == 0) {
    if (r->role == ROLE_FOLLOWING) learner_on_disconnected(r, e->reason, a);
  } else if (r->role == ROLE_LEADING && r->conns[e->conn].step != CONN_FREE) {
    leader_dropped(r, e->conn, e->reason, a);
  }
}

static void on_accepted(struct replica *r, int conn, struct replica_actions *a) {
  assert(conn >= 1 && conn <= LIMIT_LEARNERS);
  if (r->role == ROLE_LEADING) {
    leader_on_accepted_conn(r, conn, a);
    return;
  }
  counters_add(r->counters, REASON_NOT_LEADER, 1);
  struct replica_action *close = act(a, ACT_CLOSE_CONN);
  close->conn = conn;
  close->reason = REASON_NOT_LEADER;
}

static void on_tick(struct replica *r, struct replica_actions *a) {
  if (r->phase == PHASE_FENCING && r->now_us >= r->fence_warn_us) {
    r->fence_warn_us = r->now_us + init_limit_us(r);
    act_log(a, (struct log_event){.id = LOG_FENCE_SLOW, .a = r->fence});
  }
  if (r->phase == PHASE_LOOKING)
    looking_on_tick(r, a);
  else if (r->role == ROLE_FOLLOWING)
    learner_on_tick(r, a);
  else if (r->role == ROLE_LEADING)
    leader_on_tick(r, a);
}

static void dispatch(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  switch (e->type) {
    case EV_TICK:
      on_tick(r, a);
      break;
    case EV_NOTIFICATION:
      replica_on_notification(r, e, a);
      break;
    case EV_LINK:
      replica_on_link(r, e, a);
      break;
    case EV_CONNECTED:
      learner_on_connected(r, a);
      break;
    case EV_CONNECT_FAILED:
      learner_on_disconnected(r, e->reason, a);
      break;
    case EV_ACCEPTED:
      on_accepted(r, e->conn, a);
      break;
    case EV_PACKET:
      on_packet(r, e, a);
      break;
    case EV_WRITABLE:
      if (e->conn > 0 && r->role == ROLE_LEADING) sync_on_writable(r, e->conn, a);
      break;
    case EV_CONN_CLOSED:
      on_conn_closed(r, e, a);
      break;
    case EV_DISK:
      on_disk(r, &e->disk, a);
      break;
    case EV_FAST:
      on_fast(r, &e->fast, a);
      break;
    case EV_FRAME:
      frames_on_fast(r, e, a);
      break;
    case EV_APP:
      on_app(r, &e->app, a);
      break;
    case EV_STOP:
      replica_stop(r, a);
      break;
  }
}

static uint64_t next_deadline(const struct replica *r) {
  if (r->phase == PHASE_STOPPED || r->phase == PHASE_STARTING) return UINT64_MAX;
  if (r->phase == PHASE_FENCING && r->role == ROLE_LEADING && leader_deadline(r) < r->fence_warn_us)
    return leader_deadline(r);
  if (r->phase == PHASE_FENCING) return r->fence_warn_us;
  if (r->role == ROLE_FOLLOWING) return learner_deadline(r);
  if (r->role == ROLE_LEADING) return leader_deadline(r);
  if (r->stopping) return UINT64_MAX;
  if (r->hold_us) return r->hold_us;
  uint64_t d = r->election.deadline_us;
  return r->shy_us && r->shy_us < d ? r->shy_us : d;
}

void replica_step(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  a->cnt = 0;
  r->arena_len = 0;
  r->now_us = e->now_us;
  r->random = e->random;
  r->committed = e->committed;
  if (r->phase != PHASE_STOPPED) dispatch(r, e, a);
  r->deadline_us = next_deadline(r);
}

bool replica_wants_input(const struct replica *r, int conn) {
  if (conn != 0 || r->role != ROLE_FOLLOWING)
    return true; /* a leader never waits to read (B3, C5) */
  switch (r->learn.step) {
    case LEARNING_FENCE:
    case LEARNING_PROMISE:
    case LEARNING_ANSWER:
    case LEARNING_REPAIR:
    case LEARNING_TRUNCATE:
    case LEARNING_SNAP_WRITE:
    case LEARNING_SNAP_INSTALL:
    case LEARNING_APPEND:
    case LEARNING_HISTORY:
    case LEARNING_CURRENT:
      return false;
    default:
      return true;
  }
}
