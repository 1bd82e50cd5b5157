/* replica_status.c - the slow thread's view for `zabctl status`. */
#include <string.h>

#include "slowpath/replica_parts.h"

static const struct learner_conn *conn_of(const struct replica *r, int idx) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step >= CONN_EPOCH && r->conns[i].peer_idx == idx) return &r->conns[i];
  return NULL;
}

static const char *state_of(const struct replica *r, int idx) {
  if (idx == r->config->self_idx) return "self";
  const struct learner_conn *c = conn_of(r, idx);
  if (c)
    return c->step == CONN_SETTLED ? "following" : c->step >= CONN_LOOKUP ? "syncing" : "connected";
  if (r->role == ROLE_FOLLOWING && idx == r->learn.leader_idx)
    return r->learn.step == LEARNING_CONNECT ? "unknown" : "leading";
  return (r->election.unreachable >> idx) & 1u ? "unreachable" : "unknown";
}

static const char *path_to(const struct replica *r, int idx) {
  const struct learner_conn *c = conn_of(r, idx);
  bool heard = c && c->heard;
  bool led = r->role == ROLE_FOLLOWING && idx == r->learn.leader_idx && r->fast_open;
  return heard || led ? "fast" : "none";
}

static void fill_peer(const struct replica *r, int idx, struct status_peer *p) {
  p->id = r->config->peers[idx].id;
  p->state = state_of(r, idx);
  p->path = path_to(r, idx);
  p->lag_bytes = 0;
  memcpy(p->build, idx == r->config->self_idx ? r->build : r->builds[idx], sizeof p->build);
}

void replica_status(const struct replica *r, struct status *s) {
  const struct config *c = r->config;
  memset(s, 0, sizeof *s);
  s->id = c->id;
  s->role = r->role;
  s->phase = r->phase;
  if (r->role == ROLE_LEADING) {
    s->epoch = r->lead.epoch;
    s->leader_id = c->id;
    s->push_back = rounds_push_back(r);
  } else if (r->role == ROLE_FOLLOWING) {
    s->epoch = r->learn.epoch;
    s->leader_id = c->peers[r->learn.leader_idx].id;
  }
  s->durable = r->durable;
  s->waits_for = repair_waits_for(r);
  s->counting = replica_counting(r);
  s->last_loss = r->last_loss;
  s->elections = r->elections;
  s->diffs = r->diffs;
  s->snaps = r->snaps;
  s->peer_cnt = c->peer_cnt;
  for (int i = 0; i < c->peer_cnt; i++) fill_peer(r, i, &s->peers[i]);
}
