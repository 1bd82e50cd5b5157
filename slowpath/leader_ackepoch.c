/* leader_ackepoch.c - ACKEPOCH: a promise (R3), or -1: only a wish to be synchronised (A2). */
#include "slowpath/replica_parts.h"

#define NO_PROMISE UINT32_MAX

static bool read_current(const struct packet *p, uint32_t *current) {
  struct cursor c;
  if (p->data.len != 4) return false;
  cursor_init(&c, p->data.data, 4);
  *current = (uint32_t)cursor_i32(&c);
  return true;
}

/* Lexicographic (currentEpoch, last zxid): the order of elections. */
static bool is_ahead(const struct replica *r, uint32_t current, zxid_t last) {
  if (current != r->durable.current_epoch) return current > r->durable.current_epoch;
  return last > r->durable.last_zxid;
}

/* R3 asks for a quorum of promises none of which is ahead: which quorum is free to choose.  Who has
 * just shown that it cannot lead is left out: what it has beyond our history, if there is a quorum
 * without it, is in none, so not committed.  The others may still be on their way; we wait no
 * longer than for who voted for us. */
static void do_without(struct replica *r) {
  uint64_t limit_us = r->now_us + CEPOCH_LIMIT_US;
  if (limit_us < r->lead.deadline_us) r->lead.deadline_us = limit_us;
}

void leader_on_ackepoch(struct replica *r, int conn, const struct packet *p,
                        struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  uint32_t current;
  if (!read_current(p, &current) || p->zxid == ZXID_NONE || zxid_epoch(p->zxid) > r->lead.epoch) {
    leader_close(r, conn, REASON_PACKET_BAD, a);
    return;
  }
  bool promise = current != NO_PROMISE && c->counts;
  bool open = r->lead.step == LEADING_ACKEPOCH || r->lead.step == LEADING_REPAIR;
  if (promise && open && is_ahead(r, current, p->zxid)) {
    if (!(c->features & FEATURE_YIELDS)) {
      leader_step_down(r, REASON_LEARNER_AHEAD, a); /* R3: it must lead, or lose what it has */
      return;
    }
    promise = false;
    if (r->lead.step == LEADING_ACKEPOCH)
      do_without(r); /* REPAIR has a quorum, and its own limit */
  }
  c->last = p->zxid;
  c->step = CONN_READY;
  if (promise) r->lead.promised |= node_bit(c->peer_idx);
  leader_try_promised(r, a);
  if (r->lead.step == LEADING_REPAIR) repair_on_ready(r, conn, a);
  if (!c->zabline) {
    log_refusal(r, c->peer_idx, r->config->peers[c->peer_idx].id, REASON_NO_TCP_BROADCAST, a);
    leader_close(r, conn, REASON_NO_TCP_BROADCAST, a);
  } else if (r->lead.step >= LEADING_SYNC) {
    sync_start(r, conn, a);
  }
}
