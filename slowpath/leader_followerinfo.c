/* leader_followerinfo.c - FOLLOWERINFO: who it is, whether we fit together, its acceptedEpoch. */
#include <assert.h>
#include <string.h>

#include "slowpath/replica_parts.h"

#define LEADERINFO_HEAD 4

static enum reason read_extension(const struct packet *p, struct extension *e) {
  memset(e, 0, sizeof *e);
  if (p->data.len <= LEARNER_INFO_LEN) return REASON_NONE;
  return extension_read(e, p->data.data + LEARNER_INFO_LEN,
                        (size_t)(p->data.len - LEARNER_INFO_LEN));
}

static int peer_of(const struct replica *r, int64_t sid) {
  if (sid < 1 || sid > LIMIT_NODE_ID) return -1;
  int idx = config_peer_idx(r->config, (uint8_t)sid);
  return idx == r->config->self_idx ? -1 : idx;
}

/* The newest connection of a node is the one it uses. */
static void replace_older(struct replica *r, int conn, struct replica_actions *a) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (i != conn && r->conns[i].step != CONN_FREE &&
        r->conns[i].peer_idx == r->conns[conn].peer_idx)
      leader_close(r, i, REASON_PEER_DUPLICATE, a);
}

/* A learner closes its fast path before it says FOLLOWERINFO (5.2 "Fencing"), so whoever still
 * answers there is another process, and this one is not let in its place: the two would throw each
 * other out for ever.  A node that has restarted comes again; what it was before is DETACHED after
 * timeout_us of silence. */
static bool is_alive(const struct replica *r, int idx) {
  for (int i = 1; i <= LIMIT_LEARNERS; i++)
    if (r->conns[i].step == CONN_SETTLED && r->conns[i].heard && r->conns[i].peer_idx == idx)
      return true;
  return false;
}

/* Two processes would be refused for ever.  Who died without a word and is back within timeout_us
 * is let in as soon as its former self is DETACHED: that is nothing to tell. */
static void refuse_twin(struct replica *r, int idx, struct replica_actions *a) {
  uint64_t *first_us = &r->twin[idx].first_us, *last_us = &r->twin[idx].last_us;
  if (!*first_us || r->now_us - *last_us > TWIN_GAP_US) *first_us = r->now_us;
  *last_us = r->now_us;
  if (r->now_us - *first_us > 2ull * r->config->timeout_us)
    log_refusal(r, idx, r->config->peers[idx].id, REASON_ID_IN_USE, a);
}

static enum reason admit(struct replica *r, int conn, const struct packet *p,
                         struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  struct learner_info info;
  struct extension e;
  enum reason bad = learner_info_read(&info, p->data);
  if (bad) return bad;
  int idx = peer_of(r, info.sid);
  if (idx < 0) {
    log_refusal(r, -1, info.sid, REASON_PEER_UNKNOWN, a);
    return REASON_PEER_UNKNOWN;
  }
  bad = read_extension(p, &e);
  if (!bad && e.present) bad = match_extension(r, idx, &e, a);
  if (!bad && !epoch_is_credible(r, zxid_epoch(p->zxid))) bad = REASON_EPOCH_AHEAD;
  if (bad) return bad;
  if (is_alive(r, idx)) {
    refuse_twin(r, idx, a);
    return REASON_ID_IN_USE;
  }
  r->twin[idx].first_us = 0;
  c->peer_idx = idx;
  c->zabline = e.present;
  c->tcp = e.features & FEATURE_TCP_FRAMES;
  c->in_place = e.features & FEATURE_IN_PLACE;
  c->features = e.features & (FEATURE_NON_COUNTING | FEATURE_REJOIN | FEATURE_YIELDS |
                              FEATURE_REPAIR | FEATURE_NEEDS_SNAP);
  c->counts = p->type == PACKET_FOLLOWERINFO && quorum_is_voter(&r->quorum, idx) &&
              !(c->features & FEATURE_NON_COUNTING); /* R16, 1294 */
  return REASON_NONE;
}

/* A10: the epoch is fixed below what the learner has promised.  A new one lets it in: in place, and
 * it waits where it is, or after an election. */
static void on_epoch_ahead(struct replica *r, int conn, struct replica_actions *a) {
  bool may_bump = r->bumped_us == 0 || r->now_us >= r->bumped_us + init_limit_us(r);
  if (may_bump && leader_may_change_epoch(r)) {
    r->bumped_us = r->now_us;
    leader_drain(r, a);
    return;
  }
  leader_close(r, conn, REASON_EPOCH_AHEAD, a);
  if (r->role != ROLE_LEADING || !may_bump) return;
  r->bumped_us = r->now_us;
  leader_step_down(r, REASON_EPOCH_AHEAD, a);
}

void leader_send_leaderinfo(struct replica *r, int conn, struct replica_actions *a) {
  assert(r->durable.accepted_epoch == r->lead.epoch); /* R2 */
  struct learner_conn *c = &r->conns[conn];
  uint8_t head[LEADERINFO_HEAD];
  struct writer w;
  writer_init(&w, head, sizeof head);
  writer_i32(&w, PROTOCOL_VERSION);
  struct packet p = {.type = PACKET_LEADERINFO, .zxid = zxid_make(r->lead.epoch, 0)};
  if (c->zabline) {
    struct extension e = own_extension(r);
    e.iteration = c->iteration;
    p.data = extension_span(r, head, sizeof head, &e);
  } else {
    uint8_t *data = arena_take(r, sizeof head);
    memcpy(data, head, sizeof head);
    p.data = (struct span){data, sizeof head};
  }
  act_send(a, conn, p);
  c->step = CONN_ACKEPOCH;
  c->deadline_us = r->now_us + init_limit_us(r);
}

void leader_on_followerinfo(struct replica *r, int conn, const struct packet *p,
                            struct replica_actions *a) {
  struct learner_conn *c = &r->conns[conn];
  enum reason bad = admit(r, conn, p, a);
  if (bad) {
    leader_close(r, conn, bad, a);
    return;
  }
  c->step = CONN_EPOCH;
  c->came_us = r->now_us;
  c->iteration = r->random ? r->random : 1;
  replace_older(r, conn, a);
  leader_check_support(r, a);
  if (r->role != ROLE_LEADING) return;
  uint32_t accepted = zxid_epoch(p->zxid);
  if (accepted > r->seen_epoch) r->seen_epoch = accepted;
  if (r->lead.step == LEADING_CEPOCH)
    leader_try_epoch(r, a);
  else if (r->lead.step == LEADING_FENCE || r->lead.drain_us)
    return; /* the next epoch is its first */
  else if (accepted > r->lead.epoch)
    on_epoch_ahead(r, conn, a);
  else if (r->lead.step != LEADING_PROMISE)
    leader_send_leaderinfo(r, conn, a);
}
