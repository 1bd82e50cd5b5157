/* Who is voted for, who leads, and with whom: a node changes its vote for a better one only (F1), a
 * leader has heard a quorum lately (R16, C7, F9), and counts nobody who was not COUNTed in this
 * iteration (R6, J2); nobody ends a connection for what came on it (I-11). */
#include "test/sim/oracle_state.h"

void oracle_heard(struct machine *m, int from) {
  oracle_state()->node[m->idx].heard_us[from] = machine_clock_ns(m) / US;
}

void oracle_counted(struct machine *m, const struct fast_msg *f) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  n->counted[f->peer_idx][n->counted_cnt[f->peer_idx]++ % ORACLE_COUNTED] = f->iteration;
}

static bool was_counted(const struct oracle_node *n, int peer, uint64_t iteration) {
  for (int i = 0; i < ORACLE_COUNTED; i++)
    if (n->counted[peer][i] == iteration) return true;
  return false;
}

static bool is_worse(const struct vote *a, const struct vote *than) {
  if (a->peer_epoch != than->peer_epoch) return a->peer_epoch < than->peer_epoch;
  if (a->zxid != than->zxid) return a->zxid < than->zxid;
  return a->leader < than->leader;
}

/* F1, F5: or the votes of a round never settle.  (A later ballot may come to the same round again,
 * when the one before has joined a leader of an earlier round.) */
void oracle_votes(struct machine *m) {
  struct oracle_node *n = &oracle_state()->node[m->idx];
  const struct replica *r = &m->slow->replica;
  const struct vote *now = &r->election.proposal, *then = &n->voted.vote;
  if (!r->election.looking || now->zxid == ZXID_NONE) return;
  bool same_round = n->voted.incarnation == m->incarnation && n->voted.ballot == r->elections &&
                    then->election_epoch == now->election_epoch;
  if (same_round && is_worse(now, then))
    violation("n%d votes for n%lld, in the same round as for n%lld, which is better (F1)",
              m->idx + 1, (long long)now->leader, (long long)then->leader);
  n->voted.incarnation = m->incarnation;
  n->voted.ballot = r->elections;
  n->voted.vote = *now;
}

/* I-11: TCP damages nothing here, so no packet is malformed, in a wrong phase, or no next step of a
 * sync (B6). */
void oracle_phases(struct machine *m) {
  static const enum reason never[] = {REASON_PACKET_BAD, REASON_PACKET_PHASE, REASON_SYNC_ORDER,
                                      REASON_EXTENSION_BAD};
  for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
    if (counters_get(&m->node->counters[THREAD_SLOW], never[i]))
      violation("n%d ends a connection, all being sound: %s (I-11)", m->idx + 1,
                reason_text(never[i]));
}

/* By the clock that the lcore read for this turn. Twice the timeout: what it heard late counts from
 * when it was sent. */
static bool hears_quorum(const struct machine *m, const struct oracle_node *n) {
  const struct bcast *b = &m->node->bcast;
  uint64_t limit_us = 2ull * m->config.timeout_us;
  int heard = 1;
  if (b->now_us < n->led_us + limit_us) return true;
  for (int i = 0; i < world->plan.nodes; i++)
    heard += i != m->idx && b->now_us < n->heard_us[i] + limit_us;
  return 2 * heard > world->plan.nodes;
}

void oracle_leads(struct machine *m) {
  const struct bcast *b = &m->node->bcast;
  struct oracle_node *n = &oracle_state()->node[m->idx];
  if (b->phase != BCAST_LEADING || !b->established) return;
  if (n->led_epoch != b->epoch) {
    n->led_epoch = b->epoch;
    n->led_us = b->now_us;
  }
  if (!hears_quorum(m, n))
    violation("n%d leads epoch %u without having heard a quorum (R16, F9)", m->idx + 1, b->epoch);
  for (int i = 0; i < world->plan.nodes; i++)
    if (i != m->idx && (b->counted >> i & 1u) && !was_counted(n, i, b->peers[i].iteration))
      violation("n%d counts n%d before its ACK of NEWLEADER (R6, J2)", m->idx + 1, i + 1);
}
