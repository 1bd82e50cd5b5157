/* The broadcast, in small: what bcast does for the replica machine, without frames. */
#include <string.h>

#include "proto/record.h"
#include "test/slowpath/slow_cluster_parts.h"

#define SILENCE_US 3000

void fast_say(struct cluster *c, int node, struct fast_msg m) {
  struct fast_queue *q = &c->nodes[node].fast_in;
  CHECK(q->cnt < 256);
  int at = (q->head + q->cnt) % 256;
  q->at[at] = m;
  q->ready[at] = c->now + 1 + cluster_random(c) % 30;
  q->cnt++;
}

static void lose(struct cluster *c, int node, enum reason why) {
  struct fake_fast *f = &c->nodes[node].fast;
  uint64_t iteration = f->state == FAKE_FOLLOWING ? f->iteration : 0;
  fast_say(c, node,
           (struct fast_msg){
               .type = FAST_LOST, .epoch = f->epoch, .reason = why, .iteration = iteration});
  f->state = FAKE_CLOSED;
}

static uint64_t pos_of(const struct fake_fast *f, int cnt) {
  uint64_t pos = f->pos0;
  for (int i = f->start; i < cnt; i++) pos += record_size(f->ring[i].len);
  return pos;
}

static void open_at(struct cluster *c, int node, const struct fast_msg *m) {
  struct node *n = &c->nodes[node];
  struct fake_fast *f = &n->fast;
  CHECK(f->state == FAKE_CLOSED && n->app_state == APP_STOP);
  memset(f->peers, 0, sizeof f->peers);
  memcpy(f->ring, n->image.entries, sizeof f->ring);
  if (m->type == FAST_OPEN) CHECK(!m->resumes || m->resumes == f->iteration);
  f->established = false;
  f->epoch = m->epoch;
  f->iteration = m->iteration;
  f->pos0 = m->pos;
  f->start = f->appended = n->image.entry_cnt;
  f->committed = m->type == FAST_OPEN ? f->start : 0;
  f->leader = m->peer_idx;
  f->silent_since = f->next_turn = c->now;
  f->state = m->type == FAST_OPEN ? FAKE_FOLLOWING : FAKE_LEADING;
  CHECK(m->zxid == n->image.state.last_zxid);
  CHECK(n->image.state.current_epoch == m->epoch && n->image.state.accepted_epoch == m->epoch);
}

void fast_tell(struct cluster *c, int node, const struct fast_msg *m) {
  struct fake_fast *f = &c->nodes[node].fast;
  struct fake_peer *p = &f->peers[m->peer_idx];
  bool of_peer = f->state == FAKE_LEADING && m->epoch == f->epoch && p->iteration == m->iteration;
  switch (m->type) {
    case FAST_LEAD:
    case FAST_OPEN:
      open_at(c, node, m);
      break;
    case FAST_ATTACH:
      if (f->state != FAKE_LEADING) break;
      CHECK(!m->resumes || m->resumes == f->attached[m->peer_idx]);
      *p = (struct fake_peer){
          .asked = true, .iteration = m->iteration, .resumes = m->resumes, .after = m->zxid};
      break;
    case FAST_DETACH:
      if (of_peer) memset(p, 0, sizeof *p);
      break;
    case FAST_COUNT:
      if (of_peer) p->counted = true;
      break;
    case FAST_ESTABLISH:
      judge_establish(c, node, m->epoch);
      CHECK(f->start >= c->committed_cnt); /* the new leader has all that was ever committed */
      judge_commit(c, node, f->ring, f->start);
      f->established = f->state == FAKE_LEADING;
      break;
    case FAST_CLOSE:
      f->state = FAKE_CLOSED;
      fast_say(c, node, (struct fast_msg){.type = FAST_CLOSED, .pos = pos_of(f, f->appended)});
      break;
    default:
      CHECK(false); /* slow to fast */
  }
}

static bool hears(const struct cluster *c, int a, int b) {
  return c->nodes[a].up && c->nodes[b].up && !c->nodes[a].frozen && !c->nodes[b].frozen &&
         !c->cut[a][b] && !c->cut[b][a] && !c->cut_fast[a][b] && !c->cut_fast[b][a];
}

static void attach(struct cluster *c, int node, int peer) {
  struct node *n = &c->nodes[node];
  struct fake_peer *p = &n->fast.peers[peer];
  if (zxid_epoch(p->after) == n->fast.epoch && n->image.state.last_zxid < p->after) return;
  p->asked = false;
  p->attached = true;
  n->fast.attached[peer] = p->iteration;
  p->start = n->image.entry_cnt;
  p->silent_since = c->now;
  fast_say(c, node,
           (struct fast_msg){.type = FAST_ATTACHED,
                             .peer_idx = peer,
                             .epoch = n->fast.epoch,
                             .iteration = p->iteration,
                             .pos = pos_of(&n->fast, p->start),
                             .zxid = n->image.state.last_zxid,
                             .resumes = p->resumes});
}

/* `memory`: on receipt. */
static int acknowledged(const struct cluster *c, int node) {
  const struct node *n = &c->nodes[node];
  return c->options.durability == DURABILITY_MEMORY ? n->fast.appended : n->image.entry_cnt;
}

static void talk(struct cluster *c, int node, int peer) {
  struct fake_fast *f = &c->nodes[node].fast, *g = &c->nodes[peer].fast;
  struct fake_peer *p = &f->peers[peer];
  if (!hears(c, node, peer) || g->state != FAKE_FOLLOWING || g->iteration != p->iteration ||
      g->epoch != f->epoch)
    return;
  CHECK(g->pos0 == pos_of(f, g->start)); /* P and Z belong together */
  p->silent_since = g->silent_since = c->now;
  while (g->appended < f->appended) {
    g->ring[g->appended] = f->ring[g->appended];
    g->appended++;
  }
  p->durable = acknowledged(c, peer);
  g->committed = f->committed < p->durable ? f->committed : p->durable;
  c->nodes[peer].committed = pos_of(g, g->committed > g->start ? g->committed : g->start);
  if (!p->heard)
    fast_say(
        c, node,
        (struct fast_msg){
            .type = FAST_HEARD, .peer_idx = peer, .epoch = f->epoch, .iteration = p->iteration});
  p->heard = true;
}

static void commit(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  struct fake_fast *f = &n->fast;
  uint64_t value[LIMIT_PEERS] = {0};
  nodeset_t counted = 1u << node, alive = 1u << node;
  value[node] = (uint64_t)acknowledged(c, node);
  for (int i = 0; i < c->options.nodes; i++) {
    const struct fake_peer *p = &f->peers[i];
    if (!p->attached || !p->counted) continue;
    counted |= 1u << i;
    value[i] = (uint64_t)p->durable;
    if (c->now - p->silent_since < SILENCE_US) alive |= 1u << i;
  }
  if (!f->established) return;
  int committed = (int)quorum_value(&n->replica.quorum, counted, value);
  if (committed > f->committed) {
    judge_commit(c, node, f->ring, committed);
    f->committed = committed;
  }
  n->committed = f->committed > f->start ? pos_of(f, f->committed) : 0;
  if (!quorum_has(&n->replica.quorum, alive)) lose(c, node, REASON_QUORUM_SILENT);
}

/* The app says once that all is applied, and is told PAUSE or STOP. */
static void drain(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  if (!n->drain_why || n->fast.committed < n->fast.appended) return;
  struct replica_event e = {.type = EV_APP};
  e.app = (struct app_msg){.type = APP_DRAINED, .epoch = n->fast.epoch, .reason = n->drain_why};
  cluster_step(c, node, &e);
}

/* Leading is asked of the fast paths, so a stopped leader is silent to its followers. */
void fast_turn(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  struct fake_fast *f = &n->fast;
  f->next_turn = c->now + TICK_US;
  if (n->started_disk && !n->disk_held && !n->disk.cnt) disk_write_ring(c, node, f->appended);
  if (f->state == FAKE_FOLLOWING && c->now - f->silent_since > SILENCE_US)
    lose(c, node, REASON_LEADER_SILENT);
  if (f->state != FAKE_LEADING) return;
  for (int i = 0; i < c->options.nodes; i++) {
    if (f->peers[i].asked) attach(c, node, i);
    if (f->peers[i].attached) talk(c, node, i);
    if (f->peers[i].heard && c->now - f->peers[i].silent_since > SILENCE_US) {
      fast_say(c, node,
               (struct fast_msg){.type = FAST_DETACHED,
                                 .peer_idx = i,
                                 .epoch = f->epoch,
                                 .iteration = f->peers[i].iteration,
                                 .reason = REASON_PEER_SILENT});
      memset(&f->peers[i], 0, sizeof f->peers[i]);
    }
  }
  commit(c, node);
  drain(c, node);
}

void cluster_propose(struct cluster *c, int node, int cnt, uint32_t len) {
  struct fake_fast *f = &c->nodes[node].fast;
  CHECK(f->state == FAKE_LEADING && f->established && !c->nodes[node].drain_why);
  for (int i = 0; i < cnt; i++) {
    uint64_t last = f->appended ? f->ring[f->appended - 1].zxid : 0;
    uint32_t counter = zxid_epoch(last) == f->epoch ? zxid_counter(last) + 1 : 1;
    CHECK(f->appended < CLUSTER_ENTRIES);
    f->ring[f->appended++] = (struct entry){zxid_make(f->epoch, counter), ++c->salt, len};
  }
}
