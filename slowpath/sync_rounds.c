/* sync_rounds.c - "If rounds do not shrink, L pushes back on proposers" (5.2 step 0).
 *
 * A round ends when what was durable at its start has been sent.  The lag left then differs from
 * the lag at its start by what was committed meanwhile less what was sent, wherever in the history
 * the learner is.  Its app rests and works in turns until the learner is ATTACHED or gone. */
#include <assert.h>

#include "slowpath/replica_parts.h"

int rounds_push_back(const struct replica *r) {
  int most = 0;
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].push > most) most = r->conns[i].push;
  return most;
}

static void tell_app(struct replica *r, bool on, struct replica_actions *a) {
  if (r->lead.push_on == on) return;
  r->lead.push_on = on;
  act_app(a, (struct app_msg){.type = APP_PUSH_BACK, .epoch = r->lead.epoch, .on = on});
}

/* Rest, then work. */
static void turn(struct replica *r, struct replica_actions *a) {
  assert(rounds_push_back(r) > 0 && r->lead.step == LEADING_ESTABLISHED);
  tell_app(r, !r->lead.push_on, a);
  r->lead.push_us = r->now_us + (PUSH_BACK_US << (r->lead.push_on ? rounds_push_back(r) - 1 : 0));
}

void rounds_on_tick(struct replica *r, struct replica_actions *a) {
  if (r->lead.push_us && r->now_us >= r->lead.push_us) turn(r, a);
}

void rounds_over(struct replica *r, int conn, struct replica_actions *a) {
  r->conns[conn].push = 0;
  if (!r->lead.push_us || rounds_push_back(r)) return;
  r->lead.push_us = 0;
  act_log(a, (struct log_event){.id = LOG_PUSH_BACK_ENDED});
  tell_app(r, false, a);
}

/* Less than a quarter less is not shrinking: far behind it would take for ever. */
static bool has_shrunk(const struct replica *r, const struct learner_conn *c) {
  return r->committed - c->round_pos <= c->round_bytes - c->round_bytes / 4;
}

static void end(struct replica *r, struct learner_conn *c, struct replica_actions *a) {
  c->round_end = 0;
  c->stale_rounds = has_shrunk(r, c) ? 0 : c->stale_rounds + 1;
  if (c->stale_rounds < STALE_ROUNDS) return;
  c->stale_rounds = 0;
  if (c->push < PUSH_BACK_LEVELS) c->push++;
  if (r->lead.push_us) return;
  act_log(a, (struct log_event){.id = LOG_PUSH_BACK, .peer = r->config->peers[c->peer_idx].id});
  turn(r, a);
}

bool rounds_next(struct replica *r, int conn, struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  if (c->round_end && c->sent >= c->round_end) end(r, c, a);
  return !c->round_end && r->lead.step == LEADING_ESTABLISHED; /* before, nobody proposes */
}

void rounds_begin(struct replica *r, int conn, zxid_t end) {
  struct learner_conn *c = &r->conns[conn];
  c->round_end = end;
  c->round_bytes = 0;
  c->round_pos = r->committed;
}
