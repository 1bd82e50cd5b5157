#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/slowpath/slow_cluster_parts.h"

static uint64_t latency(struct cluster *c) { return 10 + cluster_random(c) % 90; }

/* ---- 3888 ---- */

static void link_event(struct cluster *c, int from, int to, enum link_state s) {
  struct link *l = &c->links[from][to];
  l->event = s;
  l->event_at = c->now + 5;
}

void net_notify(struct cluster *c, int node, const struct replica_action *a) {
  int to = a->peer_idx;
  struct link *l = &c->links[node][to];
  if (c->cut[node][to] || c->cut[to][node]) return;
  if (!c->nodes[to].up) {
    l->up = c->links[to][node].up = false;
    link_event(c, node, to, LINK_REFUSED);
    return;
  }
  if (!l->up) {
    l->up = c->links[to][node].up = true;
    link_event(c, node, to, LINK_UP);
    link_event(c, to, node, LINK_UP);
  }
  l->message = true;
  l->at = c->now + latency(c);
  l->state = a->state;
  l->vote = a->vote;
}

static void deliver_link(struct cluster *c, int from, int to) {
  struct link *l = &c->links[from][to];
  if (l->event_at && l->event_at <= c->now) {
    l->event_at = 0;
    struct replica_event e = {.type = EV_LINK, .peer_idx = to, .link = l->event};
    if (c->nodes[from].up) cluster_step(c, from, &e);
    return;
  }
  l->message = false;
  if (!c->nodes[to].up || c->nodes[to].frozen || c->cut[from][to]) return;
  struct notification n = {.state = l->state, .vote = l->vote, .version = 2};
  struct replica_event e = {.type = EV_NOTIFICATION, .peer_idx = from, .notification = &n};
  cluster_step(c, to, &e);
}

static uint64_t link_next(const struct cluster *c, int from, int to) {
  const struct link *l = &c->links[from][to];
  uint64_t at = l->message ? l->at : UINT64_MAX;
  return l->event_at && l->event_at < at ? l->event_at : at;
}

/* ---- 2888 ---- */

void net_connect(struct cluster *c, int node, int to) {
  net_close(c, node, 0);
  c->nodes[node].connect_at = c->now + latency(c);
  c->nodes[node].connect_to = to;
}

static struct conn *find(struct cluster *c, int node, int id) {
  for (int i = 0; i < CONNS; i++) {
    struct conn *k = &c->conns[i];
    if (!k->used) continue;
    if (id == 0 ? (k->learner == node && k->open[0])
                : (k->leader == node && k->open[1] && k->id == id))
      return k;
  }
  return NULL;
}

static void push(struct cluster *c, struct conn *k, int dir, struct message m) {
  struct pipe *p = &k->to[dir];
  CHECK(p->cnt < QUEUE);
  uint64_t at = c->now + latency(c);
  if (at <= p->last) at = p->last + 1;
  m.at = p->last = at;
  p->at[(p->head + p->cnt++) % QUEUE] = m;
}

static void forget(struct conn *k) {
  if (k->open[0] || k->open[1]) return;
  for (int d = 0; d < 2; d++)
    for (int i = 0; i < k->to[d].cnt; i++) free(k->to[d].at[(k->to[d].head + i) % QUEUE].data);
  memset(k, 0, sizeof *k);
}

/* Closing with unread input resets: what is still on its way to this end is lost, the other end
 * hears of it in order behind what was sent. */
static void close_end(struct cluster *c, struct conn *k, int end) {
  k->open[end] = false;
  if (k->open[!end]) push(c, k, !end, (struct message){.type = 0});
  forget(k);
}

void net_close(struct cluster *c, int node, int conn) {
  if (conn == 0) c->nodes[node].connect_at = 0;
  struct conn *k = find(c, node, conn);
  if (k) close_end(c, k, conn == 0 ? 0 : 1);
}

static const char *name_of(const struct packet *p) {
  if (p->type == PACKET_SNAP_CHUNK) return "CHUNK";
  if (p->type == PACKET_SNAP_END) return "END";
  return packet_name(p->type);
}

static void trace(struct cluster *c, const struct conn *k, int dir, const struct packet *p) {
  size_t *len = &c->trace_len[k->learner];
  char *at = c->trace[k->learner] + *len;
  if (TRACE - *len < 128) return;
  *len += (size_t)snprintf(at, TRACE - *len, "%s %s 0x%llx\n", dir == 0 ? "L" : "F", name_of(p),
                           (unsigned long long)p->zxid);
}

void net_send(struct cluster *c, int node, int conn, const struct packet *p) {
  struct conn *k = find(c, node, conn);
  CHECK(k != NULL); /* no action for a connection that is not there */
  if (!k) return;
  int dir = conn == 0 ? 1 : 0;
  struct message m = {
      .type = p->type, .zxid = p->zxid, .len = p->data.len, .crc = p->crc, .has_crc = p->has_crc};
  if (p->data.len > 0) {
    m.data = malloc((size_t)p->data.len);
    memcpy(m.data, p->data.data, (size_t)p->data.len);
  }
  trace(c, k, dir, p);
  if (!k->open[dir == 0 ? 0 : 1])
    free(m.data);
  else
    push(c, k, dir, m);
  k->to[dir].writable = c->now + 20 + latency(c);
}

void net_gone(struct cluster *c, int node) {
  c->nodes[node].connect_at = 0;
  for (int i = 0; i < CONNS; i++) {
    struct conn *k = &c->conns[i];
    if (k->used && k->learner == node && k->open[0]) close_end(c, k, 0);
    if (k->used && k->leader == node && k->open[1]) close_end(c, k, 1);
  }
  for (int i = 0; i < c->options.nodes; i++) {
    struct link *out = &c->links[node][i], *in = &c->links[i][node];
    if (in->up && c->nodes[i].up) link_event(c, i, node, LINK_DOWN);
    in->up = out->up = out->message = in->message = false;
    out->event_at = 0;
  }
}

static int free_id(struct cluster *c, int leader) {
  for (int id = 1; id <= LIMIT_LEARNERS; id++)
    if (!find(c, leader, id)) return id;
  return -1;
}

static void finish_connect(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  int to = n->connect_to;
  n->connect_at = 0;
  struct replica_event e = {.type = EV_CONNECT_FAILED, .reason = REASON_CONNECT_FAILED};
  int id = c->nodes[to].up ? free_id(c, to) : -1;
  struct conn *k = NULL;
  for (int i = 0; i < CONNS && !k; i++)
    if (!c->conns[i].used) k = &c->conns[i];
  CHECK(k != NULL);
  if (id > 0 && k) {
    *k = (struct conn){.used = true, .learner = node, .leader = to, .id = id};
    k->open[0] = k->open[1] = k->accepted_due = true;
    e = (struct replica_event){.type = EV_CONNECTED};
  }
  cluster_step(c, node, &e);
}

static bool stalled(const struct cluster *c, const struct conn *k, int dir) {
  int to = dir == 0 ? k->learner : k->leader;
  if (c->cut[k->learner][k->leader] || c->cut[k->leader][k->learner]) return true;
  return c->nodes[to].frozen || !replica_wants_input(&c->nodes[to].replica, dir == 0 ? 0 : k->id);
}

static uint64_t pipe_next(const struct cluster *c, const struct conn *k, int dir) {
  const struct pipe *p = &k->to[dir];
  uint64_t at = UINT64_MAX;
  bool end = p->cnt && p->at[p->head].type == 0;
  if (p->cnt && k->open[dir == 0 ? 0 : 1] && (end || !stalled(c, k, dir))) at = p->at[p->head].at;
  /* what was sent leaves the sender's buffer unless the reader has stopped */
  int sender = dir == 0 ? 1 : 0;
  bool full = stalled(c, k, dir) && p->cnt > 16;
  if (p->writable && k->open[sender] && !full && p->writable < at) at = p->writable;
  return at;
}

static void deliver_packet(struct cluster *c, struct conn *k, int dir) {
  struct pipe *p = &k->to[dir];
  int to = dir == 0 ? k->learner : k->leader, id = dir == 0 ? 0 : k->id;
  struct message m = p->at[p->head];
  struct replica_event e = {.conn = id};
  if (dir == 1 && k->accepted_due) {
    k->accepted_due = false;
    e.type = EV_ACCEPTED;
    cluster_step(c, to, &e);
    return;
  }
  p->head = (p->head + 1) % QUEUE;
  p->cnt--;
  struct packet packet = {
      .type = m.type, .zxid = m.zxid, .data = {m.data, m.len}, .crc = m.crc, .has_crc = m.has_crc};
  e.type = m.type ? EV_PACKET : EV_CONN_CLOSED;
  e.reason = m.type ? REASON_NONE : REASON_CONN_CLOSED;
  e.packet = &packet;
  if (!m.type) {
    k->open[dir == 0 ? 0 : 1] = false;
    bool told = dir == 0 || !k->accepted_due;
    forget(k);
    if (!told) return;
  }
  cluster_step(c, to, &e);
  free(m.data);
}

static void deliver_pipe(struct cluster *c, struct conn *k, int dir) {
  struct pipe *p = &k->to[dir];
  int sender = dir == 0 ? 1 : 0;
  if (p->writable && p->writable <= c->now && k->open[sender] &&
      !(stalled(c, k, dir) && p->cnt > 16)) {
    p->writable = 0;
    struct replica_event e = {.type = EV_WRITABLE, .conn = sender == 0 ? 0 : k->id};
    cluster_step(c, sender == 0 ? k->learner : k->leader, &e);
    return;
  }
  deliver_packet(c, k, dir);
}

/* ---- both ---- */

struct source {
  uint64_t at;
  int kind, a, b;
};

static void consider(struct source *best, uint64_t at, int kind, int a, int b) {
  if (at < best->at) *best = (struct source){at, kind, a, b};
}

static uint64_t connect_next(const struct cluster *c, int i) {
  const struct node *n = &c->nodes[i];
  bool cut = c->cut[i][n->connect_to] || c->cut[n->connect_to][i];
  return n->up && n->connect_at && !cut ? n->connect_at : UINT64_MAX;
}

static struct source first(struct cluster *c) {
  struct source best = {UINT64_MAX, 0, 0, 0};
  int n = c->options.nodes;
  for (int i = 0; i < n; i++) {
    consider(&best, connect_next(c, i), 1, i, 0);
    for (int j = 0; j < n; j++) consider(&best, link_next(c, i, j), 2, i, j);
  }
  for (int i = 0; i < CONNS; i++) {
    if (!c->conns[i].used) continue;
    for (int d = 0; d < 2; d++) consider(&best, pipe_next(c, &c->conns[i], d), 3, i, d);
  }
  return best;
}

uint64_t net_next(struct cluster *c) { return first(c).at; }

void net_deliver(struct cluster *c) {
  struct source s = first(c);
  if (s.kind == 1) finish_connect(c, s.a);
  if (s.kind == 2) deliver_link(c, s.a, s.b);
  if (s.kind == 3) deliver_pipe(c, &c->conns[s.a], s.b);
}
