/* repair_learn.c - a learner's damaged records come from its leader, before currentEpoch and the
 * ACK of NEWLEADER (R5, E1); and our answers to whoever asks.
 *
 * After DIFF or TRUNC and the records our history is the leader's, so what we cannot read it has;
 * if it cannot send just that, we take a snapshot. */
#include <string.h>

#include "proto/repair.h"
#include "slowpath/replica_parts.h"

/* We were heard now: the leader waits for init_limit more (B23). */
static void heard(struct replica *r) { r->learn.ping_us = r->now_us + init_limit_us(r) / 2; }

/* Much may have to be copied between two holes.  That it goes on is progress; a disk that stands
 * sends nothing. */
static void tell_progress(struct replica *r, struct replica_actions *a) {
  if (r->now_us < r->learn.ping_us) return;
  heard(r);
  act_send_empty(a, 0, PACKET_PING, 0);
}

static void ask_disk(struct replica *r, struct disk_msg m, struct replica_actions *a) {
  m.type = DISK_REPAIR;
  r->learn.step = LEARNING_REPAIR;
  act_disk(r, DISK_LEARNER, m, a);
}

void repair_learn(struct replica *r, struct replica_actions *a) {
  if (!r->learn.repairs) {
    log_refusal(r, r->learn.leader_idx, r->config->peers[r->learn.leader_idx].id, REASON_FAULTY, a);
    learner_abandon(r, REASON_FAULTY, false, a);
    return;
  }
  act_log(a, (struct log_event){
                 .id = LOG_FAULTY, .zxid = r->durable.faulty, .a = r->durable.faulty_cnt});
  r->learn.ping_us = UINT64_MAX; /* not before it knows what for */
  ask_disk(r, (struct disk_msg){.flag = REPAIR_BEGIN}, a);
}

void repair_on_learner_disk(struct replica *r, const struct disk_msg *m,
                            struct replica_actions *a) {
  if (m->reason != REASON_NONE) { /* the leader sent something else */
    learner_abandon(r, m->reason, false, a);
  } else if (m->flag == REPAIR_COPIES) {
    tell_progress(r, a);
    ask_disk(r, (struct disk_msg){.flag = REPAIR_GO_ON}, a);
  } else if (m->flag == REPAIR_NEEDS) {
    r->learn.step = LEARNING_ASK;
    heard(r);
    act_send(a, 0, repair_ask(arena_take(r, REPAIR_ASK_LEN), m->zxid, m->upto));
  } else {
    r->durable = m->state;
    act_log(a, (struct log_event){.id = LOG_REPAIRED, .zxid = r->durable.last_zxid});
    learner_on_history(r, a);
  }
}

/* Our history is the leader's, but not record by record here: it has purged this one, and so it is
 * committed; or the last one before the hole was truncated, and that stood in the hole.  Nothing is
 * lost by a snapshot of its, but on the way to it our log is short.  So the vote goes first (E5),
 * durably. */
static void take_snapshot(struct replica *r, struct replica_actions *a) {
  act_log(a, (struct log_event){.id = LOG_VOTE_GIVEN_UP, .zxid = r->durable.faulty});
  r->needs_snap = true;
  act_disk(r, DISK_VOTE, (struct disk_msg){.type = DISK_MAY_VOTE, .flag = 0}, a);
  learner_abandon(r, REASON_FAULTY, false, a);
}

void repair_on_learner_answer(struct replica *r, const struct packet *p,
                              struct replica_actions *a) {
  struct repair_msg m;
  enum reason bad = repair_read(&m, p);
  if (bad) {
    learner_abandon(r, bad, false, a);
  } else if (m.answer != ANSWER_HAVE) {
    take_snapshot(r, a);
  } else {
    memcpy(r->memory.buffer[0], m.record.data, (size_t)m.record.len);
    ask_disk(r, (struct disk_msg){.buf = r->memory.buffer[0], .len = (uint32_t)m.record.len}, a);
  }
}

/* ---- what we are asked for ---- */

void repair_on_ask(struct replica *r, int conn, const struct packet *p, struct replica_actions *a) {
  struct repair_msg m;
  enum reason bad = repair_read(&m, p);
  if (!bad && conn && r->conns[conn].tag) bad = REASON_PACKET_PHASE; /* one at a time */
  if (bad) {
    if (conn)
      leader_close(r, conn, bad, a);
    else
      learner_abandon(r, bad, false, a);
    return;
  }
  struct disk_msg ask = {.type = DISK_ASK,
                         .zxid = m.after,
                         .upto = m.upto,
                         .buf = (uint8_t *)r->memory.buffer[conn] + REPAIR_ANSWER_HEAD,
                         .cap = LIMIT_SYNC_BUFFER - REPAIR_ANSWER_HEAD};
  r->ask[conn].after = m.after;
  r->ask[conn].upto = m.upto;
  uint32_t tag = act_disk(r, conn, ask, a);
  if (conn) {
    r->conns[conn].tag = tag;
    r->conns[conn].repairs = true;
  } else {
    r->learn.step = LEARNING_ANSWER;
  }
}

static enum repair_answer answer_of(enum reason reason) {
  return reason == REASON_NONE        ? ANSWER_HAVE
         : reason == REASON_NOT_HELD  ? ANSWER_DONT_HAVE
         : reason == REASON_BELOW_LOG ? ANSWER_BELOW_LOG
                                      : ANSWER_FAULTY;
}

void repair_send_answer(struct replica *r, int conn, const struct disk_msg *m,
                        struct replica_actions *a) {
  struct repair_msg answer = {.after = r->ask[conn].after,
                              .upto = r->ask[conn].upto,
                              .answer = answer_of(m->reason),
                              .record = {NULL, (int32_t)m->len}};
  act_send(a, conn, repair_answer(r->memory.buffer[conn], &answer));
}
