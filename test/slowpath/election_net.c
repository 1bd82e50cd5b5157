#include "test/slowpath/election_net.h"

#include <assert.h>
#include <string.h>

#define TURN_US 100
#define GIVE_UP_US 50000 /* a follower without a leader who leads */
#define INIT_US 300000   /* a leader without followers */
#define TIMEOUT_US 20000 /* an established leader without a quorum */

/* ---- randomness and the queue ---- */

uint64_t election_net_random(struct election_net *n) { /* splitmix64 */
  uint64_t z = n->random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static bool chance(struct election_net *n, uint32_t percent) {
  return election_net_random(n) % 100 < percent;
}

static uint64_t delay(struct election_net *n) {
  return n->delay_min_us + election_net_random(n) % (n->delay_max_us - n->delay_min_us + 1);
}

static void trace(struct election_net *n, uint64_t v) {
  n->trace = (n->trace ^ v) * 0x100000001b3u;
}

static struct net_event *push(struct election_net *n, int from, int to, uint64_t in_us) {
  assert(n->event_cnt < NET_EVENTS); /* else somebody answers without end */
  struct net_event *e = &n->event[n->event_cnt++];
  memset(e, 0, sizeof *e);
  e->when_us = n->now_us + in_us;
  e->seq = n->seq++;
  e->from = from;
  e->to = to;
  e->iteration = n->iteration[from][to];
  if (e->when_us < n->next_us) n->next_us = e->when_us;
  return e;
}

/* Takes the first event that is due into *out. */
static bool take_event(struct election_net *n, struct net_event *out) {
  if (n->now_us < n->next_us) return false;
  struct net_event *first = NULL;
  for (struct net_event *e = n->event; e < n->event + n->event_cnt; e++)
    if (!first || e->when_us < first->when_us ||
        (e->when_us == first->when_us && e->seq < first->seq))
      first = e;
  n->next_us = first ? first->when_us : UINT64_MAX;
  if (!first || first->when_us > n->now_us) return false;
  *out = *first;
  *first = n->event[--n->event_cnt];
  return true;
}

/* ---- what a node does ---- */

static bool is_up(const struct election_net *n, int idx) { return n->node[idx].role != NET_DOWN; }

static bool connected(const struct election_net *n, int a, int b) {
  return is_up(n, a) && is_up(n, b) && !n->cut[a][b] && !n->cut[b][a];
}

static void tell_link(struct election_net *n, int to, int about, enum link_state link) {
  struct net_event *e = push(n, about, to, delay(n));
  e->is_link = true;
  e->link = link;
}

static void transmit(struct election_net *n, int from, const struct replica_action *act) {
  int to = act->peer_idx;
  n->sent++;
  if (!is_up(n, to)) {
    tell_link(n, from, to, LINK_REFUSED);
    return;
  }
  if (n->cut[from][to]) return;
  int copies = chance(n, n->loss_percent) ? 0 : 1;
  if (chance(n, n->dup_percent)) copies++;
  for (int i = 0; i < copies; i++) {
    uint64_t late = i ? delay(n) * (election_net_random(n) % 20) : 0;
    struct net_event *e = push(n, from, to, delay(n) + late);
    e->state = act->state;
    e->vote = act->vote;
  }
}

static void decided(struct election_net *n, int idx, struct election_result r) {
  struct net_node *x = &n->node[idx];
  if (!r.decided) return;
  x->decisions++;
  x->leader_idx = r.leader_idx;
  x->role = r.leader_idx == idx ? NET_LEADING : NET_FOLLOWING;
  x->established = false;
  x->since_us = n->now_us;
  trace(n, (uint64_t)(idx * 16 + r.leader_idx));
}

static void carry_out(struct election_net *n, int idx, const struct replica_actions *a) {
  for (uint32_t i = 0; i < a->cnt; i++)
    if (a->at[i].type == ACT_NOTIFY) transmit(n, idx, &a->at[i]);
}

void election_net_look(struct election_net *n, int idx, int lost_idx) {
  static _Thread_local struct replica_actions a;
  struct net_node *x = &n->node[idx];
  struct vote initial = {.leader = x->config.peers[idx].id,
                         .zxid = x->may_vote ? x->zxid : ZXID_NONE,
                         .peer_epoch = x->peer_epoch};
  a.cnt = 0;
  x->role = NET_LOOKING;
  x->established = false;
  struct election_result r = election_start(&x->election, n->now_us, initial, lost_idx, &a);
  carry_out(n, idx, &a);
  decided(n, idx, r);
}

static void deliver(struct election_net *n, const struct net_event *e) {
  static _Thread_local struct replica_actions a;
  static _Thread_local struct notification heard;
  struct net_node *x = &n->node[e->to];
  struct election_result r;
  if (!is_up(n, e->to) || e->iteration != n->iteration[e->from][e->to]) return;
  if (!e->is_link && n->cut[e->from][e->to]) return;
  a.cnt = 0;
  heard.state = e->state;
  heard.vote = e->vote;
  heard.version = 2;
  trace(n, n->now_us * 64 + (uint64_t)(e->from * 8 + e->to));
  if (e->is_link)
    r = election_on_link(&x->election, n->now_us, e->from, e->link, &a);
  else
    r = election_on_notification(&x->election, n->now_us, e->from, &heard, &a);
  carry_out(n, e->to, &a);
  decided(n, e->to, r);
}

static bool follows(const struct election_net *n, int idx, int leader_idx) {
  const struct net_node *x = &n->node[idx];
  return x->role == NET_FOLLOWING && x->leader_idx == leader_idx && connected(n, idx, leader_idx);
}

static bool has_followers(const struct election_net *n, int idx) {
  nodeset_t with = 1u << idx;
  for (int i = 0; i < n->cnt; i++)
    if (follows(n, i, idx) && n->node[i].may_vote) with |= 1u << i;
  return quorum_has(&n->node[idx].election.quorum, with);
}

static void lead(struct election_net *n, int idx) {
  struct net_node *x = &n->node[idx];
  if (!has_followers(n, idx)) {
    if (!x->since_us) x->since_us = n->now_us;
    uint64_t limit = x->established ? TIMEOUT_US : INIT_US;
    if (n->now_us - x->since_us >= limit) election_net_look(n, idx, -1);
    return;
  }
  x->since_us = 0;
  if (x->established) return;
  x->established = true;
  x->peer_epoch = ++n->epoch;
  election_established(&x->election, (uint32_t)x->peer_epoch);
}

static void follow(struct election_net *n, int idx) {
  struct net_node *x = &n->node[idx];
  const struct net_node *leader = &n->node[x->leader_idx];
  if (!connected(n, idx, x->leader_idx) || leader->role != NET_LEADING) {
    if (!x->since_us) x->since_us = n->now_us;
    uint64_t limit = x->established ? 0 : GIVE_UP_US;
    if (n->now_us - x->since_us >= limit) election_net_look(n, idx, x->leader_idx);
    return;
  }
  x->since_us = 0;
  if (!leader->established || x->established) return;
  x->established = true; /* UPTODATE */
  x->may_vote = true;
  x->peer_epoch = leader->peer_epoch;
  if (x->zxid < leader->zxid) x->zxid = leader->zxid;
  election_established(&x->election, (uint32_t)x->peer_epoch);
}

static void turn(struct election_net *n, int idx) {
  static _Thread_local struct replica_actions a;
  struct net_node *x = &n->node[idx];
  if (x->role == NET_LEADING) lead(n, idx);
  if (x->role == NET_FOLLOWING) follow(n, idx);
  if (x->role == NET_LOOKING && n->now_us >= x->election.deadline_us) {
    a.cnt = 0;
    struct election_result r = election_on_tick(&x->election, n->now_us, &a);
    carry_out(n, idx, &a);
    decided(n, idx, r);
  }
}

/* ---- the network ---- */

void election_net_init(struct election_net *n, int cnt, uint64_t seed) {
  assert(cnt >= 1 && cnt <= NET_NODES);
  memset(n, 0, sizeof *n);
  n->cnt = cnt;
  n->random = seed;
  n->now_us = 1000000;
  n->next_us = UINT64_MAX;
  n->delay_min_us = 100;
  n->delay_max_us = 300;
  for (int i = 0; i < cnt; i++) {
    struct config *c = &n->node[i].config;
    c->peer_cnt = cnt;
    c->self_idx = i;
    c->finalize_ms = 20;
    for (int j = 0; j < cnt; j++) c->peers[j].id = (uint8_t)(j + 1);
    c->id = c->peers[i].id;
    n->node[i].may_vote = true;
  }
}

static void renew(struct election_net *n, int a, int b) {
  n->iteration[a][b]++;
  n->iteration[b][a] = n->iteration[a][b];
}

void election_net_start(struct election_net *n, int idx) {
  struct net_node *x = &n->node[idx];
  assert(x->role == NET_DOWN);
  election_init(&x->election, &x->config);
  x->role = NET_LOOKING;
  for (int i = 0; i < n->cnt; i++) {
    if (i == idx || !connected(n, i, idx)) continue;
    renew(n, i, idx);
    tell_link(n, i, idx, LINK_UP);
    tell_link(n, idx, i, LINK_UP);
  }
  election_net_look(n, idx, -1);
}

void election_net_crash(struct election_net *n, int idx) {
  n->node[idx].role = NET_DOWN;
  for (int i = 0; i < n->cnt; i++) {
    if (i == idx) continue;
    renew(n, i, idx);
    if (is_up(n, i) && !n->cut[idx][i]) tell_link(n, i, idx, LINK_DOWN);
  }
}

void election_net_cut(struct election_net *n, int from, int to) { n->cut[from][to] = true; }

void election_net_break(struct election_net *n, int a, int b) {
  n->cut[a][b] = n->cut[b][a] = true;
  renew(n, a, b);
  tell_link(n, a, b, LINK_DOWN);
  tell_link(n, b, a, LINK_DOWN);
}

void election_net_heal(struct election_net *n) {
  for (int a = 0; a < n->cnt; a++)
    for (int b = 0; b < a; b++) {
      bool was_cut = n->cut[a][b] || n->cut[b][a];
      n->cut[a][b] = n->cut[b][a] = false;
      if (!was_cut || !connected(n, a, b)) continue;
      renew(n, a, b);
      tell_link(n, a, b, LINK_UP);
      tell_link(n, b, a, LINK_UP);
    }
}

void election_net_run(struct election_net *n, uint64_t duration_us) {
  for (uint64_t end = n->now_us + duration_us; n->now_us < end; n->now_us += TURN_US) {
    struct net_event e;
    while (take_event(n, &e)) deliver(n, &e);
    for (int i = 0; i < n->cnt; i++) turn(n, i);
  }
}

int election_net_leader(const struct election_net *n) {
  for (int i = 0; i < n->cnt; i++)
    if (n->node[i].role == NET_LEADING && n->node[i].established && has_followers(n, i)) return i;
  return -1;
}

bool election_net_whole(const struct election_net *n) {
  int leader_idx = election_net_leader(n);
  if (leader_idx < 0) return false;
  for (int i = 0; i < n->cnt; i++) {
    if (!is_up(n, i) || i == leader_idx) continue;
    if (!follows(n, i, leader_idx) || !n->node[i].established) return false;
  }
  return true;
}

uint64_t election_net_settle(struct election_net *n, uint64_t limit_us) {
  for (uint64_t start = n->now_us; n->now_us - start <= limit_us; election_net_run(n, TURN_US))
    if (election_net_whole(n)) return n->now_us - start;
  return UINT64_MAX;
}
