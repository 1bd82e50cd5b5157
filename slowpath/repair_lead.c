/* repair_lead.c - a prospective leader's damaged records (E1, E3), asked for one by one.
 *
 *   promises of a quorum -> REPAIR_BEGIN -> (NEEDS -> ASK everybody -> HAVE -> put)* -> DONE
 *                                              |  a quorum: DONT_HAVE -> discard -> DONE
 *                                              `  else: wait, and say for what; or let others lead
 *
 * Asked is who has sent ACKEPOCH.  It takes no record from an older leader any more, also if our
 * epoch is no promise because it had given that before it restarted (A2): its DONT_HAVE counts.  A
 * record that a quorum does not have is not committed, nor is what follows it. */
#include <assert.h>
#include <string.h>

#include "proto/repair.h"
#include "slowpath/replica_parts.h"

/* Whom we keep waiting hears our PINGs, whatever our disk does: a standing one must end that (C3).
 * One request may write a whole segment. */
static void wait_for_disk(struct replica *r) {
  r->lead.asking = false;
  r->lead.deadline_us = r->now_us + init_limit_us(r);
}

static void ask_disk(struct replica *r, uint32_t flag, struct replica_actions *a) {
  wait_for_disk(r);
  act_disk(r, DISK_LEADER, (struct disk_msg){.type = DISK_REPAIR, .flag = flag}, a);
}

void repair_lead(struct replica *r, struct replica_actions *a) {
  leader_set_step(r, LEADING_REPAIR);
  r->lead.ping_us = r->now_us + tick_us(r);
  act_log(a, (struct log_event){
                 .id = LOG_FAULTY, .zxid = r->durable.faulty, .a = r->durable.faulty_cnt});
  ask_disk(r, REPAIR_BEGIN, a);
}

/* The record's name, if it has one: where epochs meet only the end of the damage is known. */
static zxid_t wanted(const struct leading *l) {
  bool one_epoch = zxid_epoch(l->ask_after) == zxid_epoch(l->ask_upto);
  return one_epoch ? l->ask_after + 1 : l->ask_upto;
}

static void ask(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->step != CONN_READY || c->asked != ASKED_NOT || !(c->features & FEATURE_REPAIR)) return;
  c->asked = ASKED_OPEN;
  c->asked_wrong = false;
  c->deadline_us = r->now_us + init_limit_us(r);
  act_send(a, conn, repair_ask(arena_take(r, REPAIR_ASK_LEN), r->lead.ask_after, r->lead.ask_upto));
}

/* It is only in others' snapshots: committed, and out of our reach as a leader. */
static void give_up_vote(struct replica *r, struct replica_actions *a) {
  act_log(a, (struct log_event){.id = LOG_VOTE_GIVEN_UP, .zxid = wanted(&r->lead)});
  r->needs_snap = true;
  act_disk(r, DISK_VOTE, (struct disk_msg){.type = DISK_MAY_VOTE, .flag = 0}, a);
}

/* What a snapshot of ours holds is committed, whoever has it not. */
static bool may_discard(const struct replica *r) {
  return r->durable.snapshot_zxid <= r->lead.ask_after;
}

static bool any_open(const struct replica *r) {
  bool open = false;
  for (int i = 1; i <= LIMIT_LEARNERS; i++) open |= r->conns[i].asked == ASKED_OPEN;
  return open;
}

static void judge(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  if (!l->asking) return;
  if (quorum_has(&r->quorum, l->dont_have) && may_discard(r)) {
    act_log(a, (struct log_event){.id = LOG_DISCARDED, .zxid = wanted(l)});
    ask_disk(r, REPAIR_DISCARD, a);
    return;
  }
  if (!any_open(r)) l->waits = true;
}

static bool is_below_log(const struct replica *r) {
  bool below_log = false;
  for (int i = 1; i <= LIMIT_LEARNERS; i++) below_log |= r->conns[i].below_log;
  return below_log;
}

/* If the others were no better, or failed for a moment, our last zxid counts again (E1); then they
 * get longer and longer to change: nobody is thrown out again and again. */
static bool may_yield(struct replica *r) {
  const struct leading *l = &r->lead;
  bool again = r->yielded.after == l->ask_after && r->yielded.upto == l->ask_upto;
  if (again && r->now_us < r->yielded.again_us) return false;
  if (!again) r->yielded.wait_us = YIELD_AGAIN_US;
  r->yielded.after = l->ask_after;
  r->yielded.upto = l->ask_upto;
  r->yielded.again_us = r->now_us + r->yielded.wait_us;
  if (r->yielded.wait_us < YIELD_AGAIN_MAX_US) r->yielded.wait_us *= 2;
  return true;
}

/* Where epochs meet a peer may be intact and unable to answer: it has records that were perhaps
 * never ours.  A quorum without us needs none of ours: it may lead, and we learn. */
static bool yields(struct replica *r) {
  struct leading *l = &r->lead;
  nodeset_t others = 0;
  uint32_t from = l->ask_after ? zxid_epoch(l->ask_after) : 1; /* epoch 0 has no records */
  if (from == zxid_epoch(l->ask_upto) || l->salvage) return false;
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    const struct learner_conn *c = &r->conns[i];
    if (c->asked == ASKED_ANSWERED && c->counts) others |= node_bit(c->peer_idx);
  }
  if (!quorum_has(&r->quorum, others) || !may_yield(r)) return false;
  r->shy_us = r->now_us + SHY_US;
  return true;
}

/* Not at once: others may be on their way, also when people have been told. */
static void nobody_has_it(struct replica *r, struct replica_actions *a) {
  if (!r->lead.asking || !r->lead.waits || any_open(r)) return;
  if (is_below_log(r) && !r->needs_snap) {
    give_up_vote(r, a);
    return;
  }
  if (yields(r)) {
    leader_step_down(r, REASON_FAULTY, a);
    return;
  }
  if (r->lead.told) return;
  r->lead.told = true;
  act_log(a, (struct log_event){.id = LOG_REPAIR_WAITS, .zxid = wanted(&r->lead)});
}

static void on_needs(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct leading *l = &r->lead;
  zxid_t upto = l->salvage ? l->salvage : m->upto;
  bool again = l->ask_after == m->zxid && l->ask_upto == upto; /* what came did not fit */
  if (l->salvage && m->zxid >= l->salvage) {
    ask_disk(r, REPAIR_DISCARD, a);
    return;
  }
  l->asking = true;
  if (!again) {
    l->waits = l->told = false;
    l->ask_after = m->zxid;
    l->ask_upto = upto;
    l->hole_upto = m->upto;
    l->dont_have = 0;
    for (int i = 1; i <= LIMIT_LEARNERS; i++) {
      r->conns[i].asked = ASKED_NOT;
      r->conns[i].below_log = false;
    }
  }
  for (int i = 1; i <= LIMIT_LEARNERS; i++) ask(r, i, a);
  judge(r, a);
}

static void on_done(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  r->durable = m->state;
  act_log(a, (struct log_event){.id = LOG_REPAIRED, .zxid = r->durable.last_zxid});
  leader_set_current(r, a);
}

void repair_on_disk(struct replica *r, const struct disk_msg *m, struct replica_actions *a) {
  struct disk_msg needs = *m;
  assert(r->lead.step == LEADING_REPAIR);
  if (m->reason != REASON_NONE) { /* what a peer sent was not it: as if it had not answered */
    counters_add(r->counters, m->reason, 1);
    r->conns[r->lead.put_conn].asked_wrong = true;
    needs.flag = REPAIR_NEEDS;
    needs.zxid = r->lead.ask_after;
    needs.upto = r->lead.ask_upto;
  }
  if (needs.flag == REPAIR_NEEDS)
    on_needs(r, &needs, a);
  else if (needs.flag == REPAIR_COPIES)
    ask_disk(r, REPAIR_GO_ON, a);
  else
    on_done(r, m, a);
}

/* What came was damaged on the way, and its holder may be the only one. */
static void ask_again(struct replica *r, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    struct learner_conn *c = &r->conns[i];
    bool again = c->asked == ASKED_ANSWERED && c->asked_wrong && r->lead.asking;
    if (again) c->asked = ASKED_NOT;
    if (again) ask(r, i, a);
  }
}

/* An accepted loss was of what those could not read who were here: who comes is asked for all. */
void repair_on_ready(struct replica *r, int conn, struct replica_actions *a) {
  struct leading *l = &r->lead;
  bool anew = l->salvage && l->asking;
  l->salvage = 0;
  if (anew)
    on_needs(r, &(struct disk_msg){.zxid = l->ask_after, .upto = l->hole_upto}, a);
  else if (l->asking)
    ask(r, conn, a);
}

/* The record goes to the disk thread in buffer 0, which as a leader we do not need otherwise. */
static void put(struct replica *r, int conn, struct span record, struct replica_actions *a) {
  r->lead.put_conn = conn;
  memcpy(r->memory.buffer[0], record.data, (size_t)record.len);
  wait_for_disk(r);
  act_disk(r, DISK_LEARNER,
           (struct disk_msg){
               .type = DISK_REPAIR, .buf = r->memory.buffer[0], .len = (uint32_t)record.len},
           a);
}

void repair_on_answer(struct replica *r, int conn, const struct packet *p,
                      struct replica_actions *a) {
  struct leading *l = &r->lead;
  struct learner_conn *c = &r->conns[conn];
  struct repair_msg m;
  enum reason bad = repair_read(&m, p);
  if (bad || !(c->features & FEATURE_REPAIR)) {
    leader_close(r, conn, bad ? bad : REASON_PACKET_PHASE, a);
    return;
  }
  bool current = l->step == LEADING_REPAIR && c->asked == ASKED_OPEN && m.after == l->ask_after &&
                 m.upto == l->ask_upto;
  if (!current) return; /* another one was faster */
  c->asked = ASKED_ANSWERED;
  c->below_log = m.answer == ANSWER_BELOW_LOG;
  if (m.answer == ANSWER_DONT_HAVE && c->counts) /* one whose disk is new has nothing to say (E5) */
    l->dont_have |= node_bit(c->peer_idx);
  if (m.answer == ANSWER_HAVE && l->asking)
    put(r, conn, m.record, a);
  else if (m.answer == ANSWER_HAVE) /* another one's is at the disk; if it does not fit, again */
    c->asked = ASKED_NOT;
  else
    judge(r, a);
}

/* Who waits for us hears that we live; who has gone will not answer any more. */
void repair_on_tick(struct replica *r, struct replica_actions *a) {
  if (r->now_us < r->lead.ping_us) return;
  r->lead.ping_us = r->now_us + tick_us(r);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step == CONN_READY && r->conns[i].zabline) act_send_empty(a, i, PACKET_PING, 0);
  nobody_has_it(r, a);
  if (r->role != ROLE_LEADING) return;
  ask_again(r, a);
  judge(r, a);
}

zxid_t repair_waits_for(const struct replica *r) {
  bool waits = r->role == ROLE_LEADING && r->lead.step == LEADING_REPAIR && r->lead.waits;
  return waits && r->lead.asking ? wanted(&r->lead) : 0;
}

/* The last zxid of whoever has something in the hole and cannot say what of it was ours; 0: nobody.
 * Its records are intact, and those of ours that are given up end where they do not: what a peer
 * here can read is not lost with them. */
static zxid_t held_by_others(const struct replica *r) {
  const struct leading *l = &r->lead;
  zxid_t held = 0;
  if (zxid_epoch(l->ask_after) == zxid_epoch(l->ask_upto)) return 0;
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    const struct learner_conn *c = &r->conns[i];
    bool has = c->asked == ASKED_ANSWERED && c->last > l->ask_after && c->last < l->ask_upto;
    if (has && c->last > held) held = c->last;
  }
  return held;
}

bool repair_accept_loss(struct replica *r, struct replica_actions *a) {
  struct leading *l = &r->lead;
  if (r->role != ROLE_LEADING || l->step != LEADING_REPAIR || !l->asking) return false;
  if (!l->waits || any_open(r) || !may_discard(r)) return false; /* it may come yet */
  zxid_t held = l->salvage ? 0 : held_by_others(r); /* its holder has gone, or is damaged, too */
  act_log(a, (struct log_event){.id = LOG_LOSS_ACCEPTED, .zxid = held ? held : l->ask_after});
  l->salvage = held;
  if (held)
    on_needs(r, &(struct disk_msg){.zxid = l->ask_after, .upto = l->ask_upto}, a);
  else
    ask_disk(r, REPAIR_DISCARD, a);
  return true;
}
