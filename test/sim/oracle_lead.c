/* Who leads, and with whom: a leader has heard a quorum lately (R16, C7, F9), and counts nobody who
 * has not been COUNTed in this iteration (R6, J2). */
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

/* By the clock that the lcore read for this turn.  Twice the timeout: what it heard late counts from
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
