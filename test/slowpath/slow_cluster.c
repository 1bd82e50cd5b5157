#include "test/slowpath/slow_cluster.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/slowpath/slow_cluster_parts.h"

uint64_t cluster_random(struct cluster *c) { /* splitmix64 */
  uint64_t z = (c->random += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

static void configure(struct cluster *c, int node) {
  struct config *k = &c->nodes[node].config;
  int n = c->options.nodes;
  *k = (struct config){.id = (uint8_t)(node + 1),
                       .self_idx = node,
                       .peer_cnt = n,
                       .durability = c->options.durability,
                       .mtu = 1500,
                       .ring_bytes = 65536,
                       .largest_record = 70000,
                       .heartbeat_us = 500,
                       .timeout_us = 3000,
                       .tick_ms = 100,
                       .init_limit = 10,
                       .sync_limit = 5,
                       .finalize_ms = 20,
                       .counter_limit = UINT32_MAX - 1};
  strcpy(k->cluster, "test");
  for (int i = 0; i < n; i++) {
    struct config_peer *p = &k->peers[i];
    *p = (struct config_peer){.id = (uint8_t)(i + 1), .quorum_port = 2888, .election_port = 3888};
    p->role = i >= n - c->options.observers ? ROLE_OBSERVER : ROLE_VOTER;
    snprintf(p->address, sizeof p->address, "host%d", i + 1);
  }
}

/* Taken once for all clusters of this process: 45 MB a node. */
static void *shared_buffer(int node, int buffer) {
  static void *taken[CLUSTER_NODES][LIMIT_LEARNERS + 1];
  if (!taken[node][buffer]) taken[node][buffer] = malloc(LIMIT_SYNC_BUFFER);
  return taken[node][buffer];
}

struct cluster *cluster_new(struct cluster_options o) {
  struct cluster *c = calloc(1, sizeof *c);
  assert(o.nodes >= 1 && o.nodes <= CLUSTER_NODES);
  c->options = o;
  c->random = o.seed;
  c->now = 1000000;
  for (int i = 0; i < o.nodes; i++) {
    struct node *n = &c->nodes[i];
    configure(c, i);
    for (int b = 0; b <= LIMIT_LEARNERS; b++) n->memory.buffer[b] = shared_buffer(i, b);
    n->image.state.may_vote = n->image.state.clean_stop = true;
    n->exit_code = -1;
  }
  return c;
}

void cluster_free(struct cluster *c) {
  for (int i = 0; i < c->options.nodes; i++)
    if (c->nodes[i].up) cluster_crash(c, i);
  for (int i = 0; i < CONNS; i++)
    for (int d = 0; d < 2; d++)
      for (int k = 0; k < c->conns[i].to[d].cnt; k++)
        free(c->conns[i].to[d].at[(c->conns[i].to[d].head + k) % QUEUE].data);
  free(c);
}

struct image *cluster_image(struct cluster *c, int node) {
  return &c->nodes[node].image;
}
struct replica *cluster_replica(struct cluster *c, int node) {
  return &c->nodes[node].replica;
}
struct config *cluster_config(struct cluster *c, int node) {
  return &c->nodes[node].config;
}
struct counters *cluster_counters(struct cluster *c, int node) {
  return &c->nodes[node].counters;
}
bool cluster_up(const struct cluster *c, int node) { return c->nodes[node].up; }
int cluster_exit_code(const struct cluster *c, int node) { return c->nodes[node].exit_code; }
uint64_t cluster_now(const struct cluster *c) { return c->now; }
int cluster_committed(const struct cluster *c) { return c->committed_cnt; }
const char *cluster_trace(const struct cluster *c, int learner) { return c->trace[learner]; }
int cluster_app_state(const struct cluster *c, int node) { return c->nodes[node].app_state; }
bool cluster_pushed_back(const struct cluster *c, int node) { return c->nodes[node].pushed_back; }
int cluster_push_backs(const struct cluster *c, int node) { return c->nodes[node].push_backs; }
int cluster_logged(const struct cluster *c, int node, enum log_id id) {
  return c->nodes[node].logged[id];
}

void cluster_trace_clear(struct cluster *c) {
  memset(c->trace_len, 0, sizeof c->trace_len);
  for (int i = 0; i < CLUSTER_NODES; i++) c->trace[i][0] = 0;
}

/* ---- start and end ---- */

void cluster_start(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  assert(!n->up);
  replica_init(&n->replica, &n->config, &n->memory, &n->counters, "test");
  memset(&n->disk, 0, sizeof n->disk);
  memset(&n->fast_in, 0, sizeof n->fast_in);
  memset(&n->fast, 0, sizeof n->fast);
  n->started_disk = false;
  n->app_stopped_at = n->connect_at = n->committed = 0;
  n->pause_due = n->stop_due = false;
  n->drain_why = REASON_NONE;
  n->app_state = 0;
  n->pushed_back = false;
  n->snap_read_cnt = n->snap_write_cnt = -1;
  n->exit_code = -1;
  n->up = true;
  disk_ask(c, node, &(struct disk_msg){.type = DISK_OPENED, .state = n->image.state});
  n->disk.at[n->disk.head].state = n->image.state;
}

void cluster_start_all(struct cluster *c) {
  for (int i = 0; i < c->options.nodes; i++)
    if (!c->nodes[i].up) cluster_start(c, i);
}

void cluster_crash(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  n->up = false;
  n->crash_at = n->fail_at = 0;
  n->fast.state = FAKE_CLOSED;
  net_gone(c, node);
}

void cluster_stop(struct cluster *c, int node) {
  struct replica_event e = {.type = EV_STOP};
  cluster_step(c, node, &e);
}

void cluster_crash_at(struct cluster *c, int node, int completion, bool applied) {
  c->nodes[node].crash_at = completion;
  c->nodes[node].crash_applied = applied;
}

void cluster_fail_disk_at(struct cluster *c, int node, int completion) {
  c->nodes[node].fail_at = completion;
}

void cluster_cut(struct cluster *c, int a, int b, bool cut) { c->cut[a][b] = c->cut[b][a] = cut; }
void cluster_cut_fast(struct cluster *c, int a, int b, bool cut) {
  c->cut_fast[a][b] = c->cut_fast[b][a] = cut;
}
void cluster_freeze(struct cluster *c, int node, bool frozen) { c->nodes[node].frozen = frozen; }
void cluster_hold_disk(struct cluster *c, int node, bool held) { c->nodes[node].disk_held = held; }

void cluster_app(struct cluster *c, int node, enum app_msg_type type) {
  struct replica_event e = {.type = EV_APP};
  e.app.type = type;
  cluster_step(c, node, &e);
}

void cluster_end_epoch(struct cluster *c, int node) {
  CHECK(c->nodes[node].app_state == APP_LEAD);
  c->nodes[node].drain_why = REASON_COUNTER_LIMIT;
}

int cluster_resends(const struct cluster *c, int node) { return c->nodes[node].resends; }

void cluster_fast(struct cluster *c, int node, struct fast_msg m) {
  struct replica_event e = {.type = EV_FAST};
  e.fast = m;
  cluster_step(c, node, &e);
}

/* ---- actions ---- */

/* Of all that is established: none before it serves. */
static void take_snapshot(struct node *n) {
  if (n->snapshot_wanted) image_snapshot(&n->image, n->image.entry_cnt);
  n->snapshot_wanted = false;
}

static void tell_app(struct cluster *c, int node, const struct app_msg *m) {
  struct node *n = &c->nodes[node];
  if (m->type == APP_PUSH_BACK) {
    CHECK(n->app_state == APP_LEAD && n->pushed_back != m->on);
    n->pushed_back = m->on;
    n->push_backs += m->on;
    return;
  }
  if (m->type == APP_DRAIN) {
    CHECK(n->app_state == APP_LEAD && m->epoch == n->fast.epoch && !n->drain_why);
    n->drain_why = REASON_EPOCH_AHEAD;
    return;
  }
  if (m->type == APP_SNAPSHOT) {
    n->snapshot_wanted = true;
    if (n->app_state == APP_LEAD) take_snapshot(n);
    return;
  }
  bool stops = m->type == APP_STOP || m->type == APP_PAUSE;
  if (stops) CHECK(!n->pushed_back);
  if (m->type == APP_PAUSE) CHECK(n->app_state == APP_FOLLOW || n->drain_why);
  n->app_state = stops ? APP_STOP : (int)m->type;
  n->drain_why = REASON_NONE;
  n->pause_due |= m->type == APP_PAUSE;
  n->stop_due |= m->type == APP_STOP;
  if (stops && !n->app_stopped_at) n->app_stopped_at = c->now + 1 + cluster_random(c) % 50;
  n->resends += m->type == APP_STOP;
  if (m->type == APP_LEAD) take_snapshot(n);
  if (m->type == APP_FOLLOW) CHECK(n->fast.start <= c->committed_cnt); /* it delivers to Z (R9) */
  if (m->type == APP_FOLLOW || m->type == APP_LEAD) CHECK(m->epoch == n->fast.epoch);
}

static void set_positions(struct cluster *c, int node, uint64_t pos) {
  struct node *n = &c->nodes[node];
  CHECK(n->fast.state == FAKE_CLOSED && !n->started_disk && n->app_state == APP_STOP);
  n->committed = pos;
}

static void carry_out(struct cluster *c, int node, const struct replica_action *a) {
  struct node *n = &c->nodes[node];
  switch (a->type) {
    case ACT_NOTIFY:
      judge_notify(c, node, a);
      net_notify(c, node, a);
      break;
    case ACT_CONNECT:
      net_connect(c, node, a->peer_idx);
      break;
    case ACT_CLOSE_CONN:
      net_close(c, node, a->conn);
      break;
    case ACT_SEND:
    case ACT_SEND_CHUNK:
      judge_send(c, node, a->conn, &a->packet);
      net_send(c, node, a->conn, &a->packet);
      break;
    case ACT_SEND_FRAME:
    case ACT_FRAME:
      CHECK(false); /* the broadcast in small has no frames */
      break;
    case ACT_KEEP_CONN:
    case ACT_WATCH_CONN:
    case ACT_FORGET:
      break;
    case ACT_DISK:
      disk_ask(c, node, &a->disk);
      break;
    case ACT_FAST:
      fast_tell(c, node, &a->fast);
      break;
    case ACT_APP:
      tell_app(c, node, &a->app);
      break;
    case ACT_POSITIONS:
      set_positions(c, node, a->pos);
      break;
    case ACT_LOG: {
      char text[LIMIT_TEXT_LEN];
      log_event_text(text, sizeof text, &a->log);
      n->logged[a->log.id]++;
      if (getenv("SLOW_TRACE")) printf("%llu %d: %s\n", (unsigned long long)c->now, node + 1, text);
      break;
    }
    case ACT_EXIT:
      n->exit_code = a->exit_code;
      break;
  }
}

void cluster_step(struct cluster *c, int node, struct replica_event *e) {
  struct node *n = &c->nodes[node];
  if (!n->up) return;
  e->now_us = c->now;
  e->random = cluster_random(c);
  e->committed = n->committed;
  replica_step(&n->replica, e, &c->actions);
  replica_check(&n->replica);
  uint32_t cnt = c->actions.cnt;
  for (uint32_t i = 0; i < cnt; i++) carry_out(c, node, &c->actions.at[i]);
  if (n->exit_code >= 0) cluster_crash(c, node);
}

/* ---- time ---- */

static uint64_t node_next(const struct cluster *c, int i) {
  const struct node *n = &c->nodes[i];
  if (!n->up || n->frozen) return UINT64_MAX;
  uint64_t at = disk_next(c, i);
  if (n->fast_in.cnt && n->fast_in.ready[n->fast_in.head] < at)
    at = n->fast_in.ready[n->fast_in.head];
  if (n->app_stopped_at && n->app_stopped_at < at) at = n->app_stopped_at;
  if (n->replica.deadline_us < at) at = n->replica.deadline_us;
  if (n->fast.state != FAKE_CLOSED && n->fast.next_turn < at) at = n->fast.next_turn;
  return at;
}

static void node_act(struct cluster *c, int i) {
  struct node *n = &c->nodes[i];
  struct replica_event e = {.type = EV_TICK};
  if (disk_next(c, i) <= c->now) {
    disk_complete(c, i);
  } else if (n->fast_in.cnt && n->fast_in.ready[n->fast_in.head] <= c->now) {
    e.type = EV_FAST;
    e.fast = n->fast_in.at[n->fast_in.head];
    n->fast_in.head = (n->fast_in.head + 1) % 256;
    n->fast_in.cnt--;
    cluster_step(c, i, &e);
  } else if (n->app_stopped_at && n->app_stopped_at <= c->now) {
    e.type = EV_APP;
    e.app.type = APP_STOPPED;
    e.app.on = n->pause_due;
    if (n->pause_due && n->stop_due)
      n->pause_due = false;
    else
      n->app_stopped_at = n->pause_due = n->stop_due = 0;
    cluster_step(c, i, &e);
  } else if (n->fast.state != FAKE_CLOSED && n->fast.next_turn <= c->now) {
    fast_turn(c, i);
  } else {
    cluster_step(c, i, &e);
    CHECK(!n->up || n->replica.deadline_us > c->now); /* no spinning */
  }
}

static bool advance(struct cluster *c, uint64_t limit) {
  uint64_t best = net_next(c);
  int who = -1;
  for (int i = 0; i < c->options.nodes; i++) {
    uint64_t at = node_next(c, i);
    if (at < best) best = at, who = i;
  }
  if (best > limit) {
    c->now = limit;
    return false;
  }
  if (best > c->now) c->now = best;
  if (who < 0)
    net_deliver(c);
  else
    node_act(c, who);
  return true;
}

void cluster_run(struct cluster *c, uint64_t us) {
  uint64_t limit = c->now + us;
  while (advance(c, limit)) continue;
}

bool cluster_run_until_settled(struct cluster *c, uint64_t limit_us) {
  uint64_t limit = c->now + limit_us;
  while (!cluster_settled(c))
    if (!advance(c, limit)) return cluster_settled(c);
  return true;
}

/* ---- questions ---- */

int cluster_leader(const struct cluster *c) {
  int leader = -1;
  for (int i = 0; i < c->options.nodes; i++) {
    const struct replica *r = &c->nodes[i].replica;
    if (!c->nodes[i].up || r->role != ROLE_LEADING || r->phase != PHASE_BROADCAST) continue;
    if (leader < 0 || r->lead.epoch > c->nodes[leader].replica.lead.epoch) leader = i;
  }
  return leader;
}

bool cluster_same_history(const struct cluster *c, int a, int b) {
  const struct image *x = &c->nodes[a].image, *y = &c->nodes[b].image;
  if (x->entry_cnt != y->entry_cnt) return false;
  for (int i = 0; i < x->entry_cnt; i++)
    if (!entry_equal(&x->entries[i], &y->entries[i])) return false;
  return true;
}

bool cluster_settled(const struct cluster *c) {
  int leader = cluster_leader(c);
  if (leader < 0) return false;
  const struct fake_fast *f = &c->nodes[leader].fast;
  if (c->committed_cnt != f->appended) return false;
  for (int i = 0; i < c->options.nodes; i++) {
    const struct node *n = &c->nodes[i];
    if (!n->up || i == leader) continue;
    if (n->replica.phase != PHASE_BROADCAST || n->replica.role != ROLE_FOLLOWING) return false;
    if (n->replica.learn.leader_idx != leader || n->fast.epoch != f->epoch) return false;
    if (!cluster_same_history(c, i, leader)) return false;
  }
  return c->nodes[leader].image.entry_cnt == f->appended;
}
