/* leader_ack.c - ACK of NEWLEADER, HEARD, and what follows when both are there: COUNT, ESTABLISH,
 * UPTODATE (5.2 steps 5-7). */
#include <assert.h>

#include "slowpath/replica_parts.h"

/* Voters that are in this epoch now, as far as their connection and the path in use say. */
static nodeset_t present(const struct replica *r) {
  nodeset_t set = node_bit(r->config->self_idx);
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step >= CONN_ACKED && r->conns[i].heard) set |= node_bit(r->conns[i].peer_idx);
  return set;
}

/* Who was in this epoch once may have left it for a later one before the disk was lost, and have
 * the forgotten promise to that one.  A peer that has not answered what we sent within timeout_us
 * is DETACHED; so after twice that whoever is present was so when the node had come. */
static uint64_t grant_us(const struct replica *r, const struct learner_conn *c) {
  return c->came_us + 2ull * r->config->timeout_us;
}

/* May a node that neither votes nor counts do so from now on?  After an unclean stop in `memory`:
 * it holds what an established leader had appended (HEARD).  After a lost disk: when every other
 * voter is in this epoch, so that no promise it forgot can matter (E5). */
static bool may_grant_in_time(const struct replica *r, const struct learner_conn *c) {
  if (!(c->features & FEATURE_NON_COUNTING) || !quorum_is_voter(&r->quorum, c->peer_idx))
    return false;
  if (!(c->features & FEATURE_REJOIN)) return true;
  nodeset_t others = r->quorum.voters & ~node_bit(c->peer_idx);
  return (others & ~present(r)) == 0;
}

static bool may_grant(const struct replica *r, const struct learner_conn *c) {
  return may_grant_in_time(r, c) &&
         (!(c->features & FEATURE_REJOIN) || r->now_us >= grant_us(r, c));
}

static void count(struct replica *r, struct learner_conn *c, struct replica_actions *a) {
  if ((r->lead.counted & node_bit(c->peer_idx)) || !c->counts) return;
  r->lead.counted |= node_bit(c->peer_idx);
  act_fast(a, (struct fast_msg){.type = FAST_COUNT,
                                .peer_idx = c->peer_idx,
                                .epoch = r->lead.epoch,
                                .iteration = c->iteration});
}

static void send_uptodate(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  struct extension e = own_extension(r);
  e.iteration = c->iteration;
  if (may_grant(r, c)) {
    e.features |= FEATURE_MAY_VOTE;
    c->features = 0;
    c->counts = true;
  }
  act_send(a, conn,
           (struct packet){
               .type = PACKET_UPTODATE, .zxid = ZXID_NONE, .data = extension_span(r, NULL, 0, &e)});
  count(r, c, a);
}

/* All up to Z must be committed before the learner delivers it: with five voters it may end in
 * records that only we two hold (R9, R11). */
static void try_settle(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (r->lead.step != LEADING_ESTABLISHED || r->committed < c->pos) return;
  c->step = CONN_SETTLED;
  r->refused[c->peer_idx] = REASON_NONE;
  act_log(a, (struct log_event){.id = LOG_LEARNER_SETTLED,
                                .peer = r->config->peers[c->peer_idx].id,
                                .epoch = r->lead.epoch,
                                .zxid = c->target});
  send_uptodate(r, conn, a);
  act(a, ACT_KEEP_CONN)->conn = conn;
}

void leader_try_grant(struct replica *r, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step == CONN_SETTLED && may_grant(r, &r->conns[i])) send_uptodate(r, i, a);
}

uint64_t leader_grant_us(const struct replica *r, const struct learner_conn *c) {
  /* also if that is over: something else than a tick may come first */
  return c->step == CONN_SETTLED && may_grant_in_time(r, c) ? grant_us(r, c) : UINT64_MAX;
}

void leader_try_count(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->step != CONN_ACKED || !c->heard) return;
  assert(c->attachment == ATTACHMENT_OPEN);
  count(r, c, a);
  if (r->lead.step == LEADING_ESTABLISHED)
    try_settle(r, conn, a);
  else
    leader_try_establish(r, a); /* comes back here for each */
}

void leader_on_newleader_ack(struct replica *r, int conn, const struct packet *p,
                             struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (p->zxid != zxid_make(r->lead.epoch, 0)) {
    leader_close(r, conn, REASON_PACKET_BAD, a);
    return;
  }
  if (c->step == CONN_SETTLED) return; /* ZooKeeper's second one, quorum.md 13.6 */
  c->step = CONN_ACKED;
  r->lead.acked |= node_bit(c->peer_idx);
  leader_progress(r, conn);
  leader_try_count(r, conn, a);
  leader_try_grant(r, a);
}

void leader_on_heard(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    struct learner_conn *c = &r->conns[i];
    if (c->attachment != ATTACHMENT_OPEN || c->iteration != m->iteration ||
        c->peer_idx != m->peer_idx)
      continue;
    c->heard = true;
    r->lead.unheard &= ~node_bit(c->peer_idx);
    leader_try_count(r, i, a);
    leader_try_grant(r, a); /* it may be the one that a rejoined node waits for */
    return;
  }
  counters_add(r->counters, REASON_HANDOVER_STALE, 1);
}

void leader_on_detached(struct replica *r, const struct fast_msg *m, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++) {
    struct learner_conn *c = &r->conns[i];
    if (c->attachment == ATTACHMENT_NONE || c->iteration != m->iteration ||
        c->peer_idx != m->peer_idx)
      continue;
    leader_close(r, i, m->reason == REASON_NONE ? REASON_PEER_SILENT : m->reason, a);
    return;
  }
  counters_add(r->counters, REASON_HANDOVER_STALE, 1);
}
