/* learner_op.c - DIFF, TRUNC or SNAP: what our history must first become. */
#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

static void ask_disk(struct replica *r, enum learning_step step, struct disk_msg m,
                     struct replica_actions *a) {
  r->learn.step = step;
  act_disk(r, DISK_LEARNER, m, a);
}

/* A record of the leader's own epoch is never removed: it may count towards a commit (R6, 5.2). */
static bool removes_own_epoch(const struct replica *r, zxid_t to) {
  zxid_t last = r->durable.last_zxid;
  return zxid_epoch(last) == r->learn.epoch && to < last;
}

static void on_trunc(struct replica *r, zxid_t zxid, struct replica_actions *a) {
  if (zxid > r->durable.last_zxid || removes_own_epoch(r, zxid)) {
    learner_abandon(r, REASON_SYNC_ORDER, false, a);
    return;
  }
  r->learn.tail = zxid;
  ask_disk(r, LEARNING_TRUNCATE, (struct disk_msg){.type = DISK_TRUNCATE, .zxid = zxid}, a);
}

/* A snapshot below our last zxid would take away what we may have acknowledged, and give it back
 * only record by record: refused (design 9), unless we have given up our vote for it
 * (repair_*.c). */
static void on_snap(struct replica *r, zxid_t zxid, struct replica_actions *a) {
  bool shortens = zxid < r->durable.last_zxid && !(r->needs_snap && !r->durable.may_vote);
  if (shortens || zxid_epoch(zxid) > r->learn.epoch) {
    learner_abandon(r, REASON_SYNC_ORDER, false, a);
    return;
  }
  r->learn.tail = zxid;
  ask_disk(r, LEARNING_SNAP_WRITE, (struct disk_msg){.type = DISK_SNAP_BEGIN, .zxid = zxid}, a);
}

void learner_on_op(struct replica *r, const struct packet *p, struct replica_actions *a) {
  bool is_op = p->type == PACKET_DIFF || p->type == PACKET_TRUNC || p->type == PACKET_SNAP;
  if (!is_op || !r->learn.zabline) {
    learner_abandon(r, is_op ? REASON_NO_TCP_BROADCAST : REASON_PACKET_PHASE, false, a);
    return;
  }
  replica_set_phase(r, PHASE_SYNC);
  if (p->type == PACKET_TRUNC)
    on_trunc(r, p->zxid, a);
  else if (p->type == PACKET_SNAP)
    on_snap(r, p->zxid, a);
  else
    r->learn.step = LEARNING_RECORDS; /* DIFF's zxid moves nothing: only records do (B17) */
}

void learner_on_chunk(struct replica *r, const struct packet *p, struct replica_actions *a) {
  if (p->type == PACKET_SNAP_END) {
    ask_disk(r, LEARNING_SNAP_INSTALL,
             (struct disk_msg){.type = DISK_SNAP_COMMIT, .flag = SNAP_INSTALL}, a);
    return;
  }
  if (p->type != PACKET_SNAP_CHUNK || p->data.len < 1 || p->data.len > LIMIT_SNAP_CHUNK) {
    learner_abandon(r, REASON_PACKET_PHASE, false, a);
    return;
  }
  memcpy(r->memory.buffer[0], p->data.data, (size_t)p->data.len);
  ask_disk(r, LEARNING_SNAP_WRITE,
           (struct disk_msg){
               .type = DISK_SNAP_WRITE, .buf = r->memory.buffer[0], .len = (uint32_t)p->data.len},
           a);
}

/* TRUNC is exact: if the record to stay was never ours, what is left is told to the leader anew. */
static void on_truncated(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct learning *l = &r->learn;
  r->durable = m->state;
  act_log(a, (struct log_event){
                 .id = LOG_TRUNCATED, .peer = r->config->peers[l->leader_idx].id, .zxid = m->zxid});
  if (m->zxid == l->tail)
    l->step = LEARNING_RECORDS;
  else
    learner_abandon(r, REASON_SYNC_ORDER, false, a);
}

void learner_on_synced(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct learning *l = &r->learn;
  switch (l->step) {
    case LEARNING_TRUNCATE:
      on_truncated(r, m, a);
      break;
    case LEARNING_SNAP_INSTALL:
      assert(m->state.last_zxid == l->tail);
      r->durable = m->state;
      r->needs_snap = false;
      l->step = LEARNING_RECORDS;
      break;
    case LEARNING_APPEND:
    case LEARNING_HISTORY:
      assert(m->zxid == l->tail);
      r->durable.last_zxid = m->zxid;
      l->len = 0;
      if (l->step == LEARNING_HISTORY)
        learner_on_history(r, a);
      else
        l->step = LEARNING_RECORDS;
      break;
    default:
      assert(false); /* a step that waits for the disk */
  }
}
