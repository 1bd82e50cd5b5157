#include "test/fastpath/fast_net.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/fastpath/ring_map.h"

uint64_t net_random(struct fast_net *net) { /* splitmix64 */
  uint64_t z = (net->seed += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

bool net_chance(struct fast_net *net, uint32_t permille) {
  return permille && net_random(net) % 1000 < permille;
}

uint64_t net_now_us(const struct fast_net *net) { return net->now_ns / 1000; }

void net_fail(struct fast_net *net, int node, const char *what) {
  if (net->error[0]) return;
  snprintf(net->error, sizeof net->error, "at %llu us, node %d: %s",
           (unsigned long long)net_now_us(net), node, what);
}

static void configure(struct fast_net *net, struct config *c, int self, struct net_options o) {
  c->cluster_id = 77;
  c->peer_cnt = net->n;
  c->self_idx = self;
  c->id = (uint8_t)(10 + self);
  c->durability = o.durability;
  c->mtu = o.mtu;
  c->ring_bytes = o.ring_bytes;
  c->largest_record = o.largest_record;
  c->heartbeat_us = 100;
  c->timeout_us = 2000;
  c->disk_timeout_ms = 10;
  c->sync_limit = 3;
  c->tick_ms = 10;
  c->counter_limit = 0xfffffffe;
  for (int i = 0; i < net->n; i++) {
    c->peers[i].id = (uint8_t)(10 + i);
    c->peers[i].role = ROLE_VOTER;
    c->peers[i].fast_cnt = o.fast_cnt ? o.fast_cnt : 1;
  }
}

static void open_node(struct fast_net *net, int i, struct net_options o) {
  struct net_node *node = &net->nodes[i];
  configure(net, &node->config, i, o);
  node->memory.stream_ring = ring_map(o.ring_bytes);
  uint64_t bytes = LIMIT_RING_MIN;
  while (bytes < record_size(o.largest_record + 8)) bytes *= 2;
  node->memory.request_ring_bytes = bytes;
  for (int k = 0; k < net->n; k++) node->memory.request_ring[k] = ring_map(bytes);
  node->m = malloc(sizeof *node->m);
  assert(node->m);
  bcast_init(node->m, &node->config, &node->memory, &node->counters, &node->latency);
  node->running = node->fenced = true;
  node->disk_busy_ns = 80000;
  node->app_busy_ns = 20000;
}

struct fast_net *net_open(uint64_t seed, struct net_options o) {
  struct fast_net *net = NULL;
  if (posix_memalign((void **)&net, CACHE_LINE, sizeof *net)) abort();
  memset(net, 0, sizeof *net);
  net->seed = seed;
  net->n = o.n ? o.n : 3;
  net->tcp = o.tcp;
  net->tcp_ns = NET_TCP_NS;
  if (!o.ring_bytes) o.ring_bytes = LIMIT_RING_MIN;
  if (!o.largest_record) o.largest_record = 8192;
  if (!o.mtu) o.mtu = 576;
  net->now_ns = 1000000000ull + seed % 1000 * 1000;
  net->packets = malloc(NET_PACKETS * sizeof *net->packets);
  net->old = malloc(NET_OLD * sizeof *net->old);
  net->truth = malloc(NET_TRUTH);
  net->ends = malloc(NET_RECORDS * sizeof *net->ends);
  assert(net->packets && net->old && net->truth && net->ends);
  net->record_max = 300;
  for (int i = 0; i < net->n; i++) open_node(net, i, o);
  return net;
}

void net_close(struct fast_net *net) {
  for (int i = 0; i < net->n; i++) {
    struct net_node *node = &net->nodes[i];
    ring_unmap(node->memory.stream_ring, node->config.ring_bytes);
    for (int k = 0; k < net->n; k++)
      ring_unmap(node->memory.request_ring[k], node->memory.request_ring_bytes);
    free(node->m);
  }
  free(net->packets);
  free(net->old);
  free(net->truth);
  free(net->ends);
  free(net);
}

static void take_request(struct fast_net *net, struct net_node *node,
                         const struct bcast_action *act) {
  if (node->request_cnt - node->request_done == LIMIT_REQUESTS)
    net_fail(net, node->config.self_idx, "more REQUESTs than the app can hold");
  node->requests[node->request_cnt++ % LIMIT_REQUESTS] =
      (struct net_given){.payload = act->payload,
                         .len = act->len,
                         .from = act->peer_idx,
                         .iteration = net->root[node->m->peers[act->peer_idx].iteration]};
}

void net_step(struct fast_net *net, int i, struct bcast_event *e) {
  struct bcast_actions a;
  struct net_node *node = &net->nodes[i];
  e->now_ns = net->now_ns;
  bcast_step(node->m, e, &a);
  for (uint32_t k = 0; k < a.cnt; k++) {
    switch (a.at[k].type) {
      case BCAST_ACT_SEND:
        net_check_sent(net, i, &a.at[k]);
        net_transmit(net, i, &a.at[k]);
        break;
      case BCAST_ACT_FAST:
        net_slow_on(net, i, &a.at[k].fast);
        break;
      case BCAST_ACT_REQUEST:
        take_request(net, node, &a.at[k]);
        break;
    }
  }
}

/* A request carries its sender's running number; memory lent must not have changed meanwhile. */
static void consume(struct fast_net *net, struct net_node *node) {
  struct net_given *r = &node->requests[node->request_done++ % LIMIT_REQUESTS];
  uint64_t number = 0;
  memcpy(&number, r->payload, sizeof number);
  if (r->len < 8) net_fail(net, node->config.self_idx, "REQUEST of another length");
  for (uint32_t i = 8; i < r->len; i++)
    if (r->payload[i] != (uint8_t)(number + i))
      net_fail(net, node->config.self_idx, "REQUEST's bytes differ");
  if (number <= node->given_from[r->from])
    net_fail(net, node->config.self_idx, "REQUEST twice or out of order");
  if (r->iteration == node->given_iteration[r->from] && number != node->given_from[r->from] + 1)
    net_fail(net, node->config.self_idx, "REQUEST lost within an attachment");
  node->given_iteration[r->from] = r->iteration;
  node->given_from[r->from] = number;
}

static void disk_round(struct fast_net *net, struct net_node *node) {
  if (node->disk_stalled || node->fenced) return;
  pos_t durable = position_get(&node->positions.durable);
  pos_t appended = position_get(&node->positions.appended);
  if (node->disk_goal > durable && net->now_ns >= node->disk_due_ns)
    position_set(&node->positions.durable, node->disk_goal);
  if (node->disk_goal <= position_get(&node->positions.durable) && appended > node->disk_goal) {
    node->disk_goal = appended;
    node->disk_due_ns = net->now_ns + net_random(net) % node->disk_busy_ns;
  }
}

/* From where the ring is held to the committed position its bytes are the leader's. */
static void read_ring(struct fast_net *net, struct net_node *node) {
  pos_t from = position_get(&node->positions.held) - 1;
  pos_t applied = position_get(&node->positions.applied);
  pos_t committed = position_get(&node->positions.committed);
  if (from < applied) from = applied;
  const uint8_t *ring = node->memory.stream_ring;
  if (memcmp(ring + (from & (node->config.ring_bytes - 1)), net->truth + from, committed - from))
    net_fail(net, node->config.self_idx, "overwrites what the app holds");
}

/* A follower's app reads the log for some time, then asks for the ring.  True: it may apply. */
static bool joined(struct fast_net *net, struct net_node *node) {
  struct positions *p = &node->positions;
  if (!position_get(&p->app_holds)) {
    if (net_chance(net, net->late_permille)) return net_chance(net, 300);
    position_set(&p->app_holds, 1);
  }
  if (!position_get(&p->held)) return false;
  read_ring(net, node);
  return true;
}

static void app_round(struct fast_net *net, struct net_node *node) {
  if (node->fenced) return;
  bool may_apply = node->config.self_idx == net->leader || joined(net, node);
  if (node->app_stalled || net->now_ns < node->app_due_ns) return;
  node->app_due_ns = net->now_ns + net_random(net) % node->app_busy_ns;
  if (may_apply) position_set(&node->positions.applied, position_get(&node->positions.committed));
  while (node->request_done < node->request_cnt && !net_chance(net, 100)) consume(net, node);
}

bool net_propose(struct fast_net *net, uint32_t len) {
  static uint8_t payload[LIMIT_RECORD_MAX];
  struct net_node *node = &net->nodes[net->leader];
  if (net->truth_len + record_size(len) > NET_TRUTH || net->record_cnt == NET_RECORDS) return false;
  if (!bcast_room(node->m, BCAST_PROPOSE, len)) return false;
  uint32_t number = (uint32_t)net->record_cnt + 1;
  for (uint32_t i = 0; i < len; i++) payload[i] = (uint8_t)(number * 7 + i * 13 + (i >> 8));
  struct bcast_event e = {
      .type = BCAST_PROPOSE, .data = payload, .len = len, .zxid = zxid_make(net->epoch, number)};
  record_write(net->truth + net->truth_len, e.zxid, payload, len);
  net->truth_len += record_size(len);
  net->ends[net->record_cnt++] = net->truth_len;
  net_step(net, net->leader, &e);
  return true;
}

bool net_request(struct fast_net *net, int i, uint32_t len) {
  uint8_t payload[4096];
  struct net_node *node = &net->nodes[i];
  assert(len >= 8 && len <= sizeof payload);
  if (!bcast_room(node->m, BCAST_REQUEST, len)) return false;
  uint64_t number = ++node->submitted;
  memcpy(payload, &number, sizeof number);
  for (uint32_t k = 8; k < len; k++) payload[k] = (uint8_t)(number + k);
  struct bcast_event e = {.type = BCAST_REQUEST, .data = payload, .len = len};
  net_step(net, i, &e);
  return true;
}

static uint32_t random_len(struct fast_net *net) {
  uint32_t max = net->record_max;
  if (net_chance(net, 20)) max = net->nodes[0].config.largest_record;
  return LIMIT_RECORD_MIN + (uint32_t)(net_random(net) % (max - LIMIT_RECORD_MIN + 1));
}

static void submissions(struct fast_net *net, int i) {
  struct net_node *node = &net->nodes[i];
  if (node->fenced) return;
  if (i == net->leader) {
    for (int k = 0; k < 8 && net_chance(net, net->propose_permille); k++)
      if (!net_propose(net, random_len(net))) break;
  } else if (net_chance(net, net->request_permille)) {
    net_request(net, i, 8 + (uint32_t)(net_random(net) % 1000));
  }
}

void net_mail(struct fast_net *net, int i, struct fast_msg m) {
  struct net_node *node = &net->nodes[i];
  assert(node->mail_cnt < NET_MAILS);
  node->mails[node->mail_cnt++] = m;
}

static void take_mails(struct fast_net *net, int i) {
  struct net_node *node = &net->nodes[i];
  for (int k = 0; k < node->mail_cnt; k++) {
    struct fast_msg m = node->mails[k];
    if (m.type == FAST_LEAD || m.type == FAST_OPEN) { /* the slow path resets the positions (5.2) */
      pos_t pos = m.type == FAST_OPEN ? m.pos : 0;
      position_set(&node->positions.appended, pos);
      position_set(&node->positions.durable, pos);
      position_set(&node->positions.committed, pos);
      position_set(&node->positions.applied, pos);
      position_set(&node->positions.app_holds, 0);
      position_set(&node->positions.held, 0);
      node->disk_goal = node->checked = node->acked_sent = pos;
      node->fenced = false;
      node->lost = REASON_NONE;
    }
    if (m.type == FAST_CLOSE) node->fenced = true;
    struct bcast_event e = {.type = BCAST_CONTROL, .fast = &m};
    net_step(net, i, &e);
  }
  node->mail_cnt = 0;
}

static void node_round(struct fast_net *net, int i) {
  struct net_node *node = &net->nodes[i];
  take_mails(net, i);
  submissions(net, i);
  struct bcast_event e = {.type = BCAST_TURN,
                          .durable = position_get(&node->positions.durable),
                          .applied = position_get(&node->positions.applied),
                          .app_holds = position_get(&node->positions.app_holds) != 0,
                          .requests_consumed = node->request_done};
  do net_step(net, i, &e);
  while (bcast_more(node->m));
  bcast_publish(node->m, &node->positions);
  net_check_node(net, i);
}

bool net_run(struct fast_net *net, uint64_t us) {
  uint64_t end_ns = net->now_ns + us * 1000;
  while (net->now_ns < end_ns && !net->error[0]) {
    net->now_ns += NET_ROUND_NS;
    net_slow_round(net);
    net_deliver(net);
    for (int i = 0; i < net->n; i++) {
      disk_round(net, &net->nodes[i]);
      app_round(net, &net->nodes[i]);
      if (net->nodes[i].running) node_round(net, i);
    }
  }
  return !net->error[0];
}

static bool all_there(const struct fast_net *net) {
  if (!net->established) return false;
  for (int i = 0; i < net->n; i++) {
    const struct net_node *node = &net->nodes[i];
    if (position_get(&node->positions.applied) != net->truth_len) return false;
    if (i != net->leader && (node->sync != SYNC_OPEN || !node->counted)) return false;
  }
  return true;
}

/* Who is where, for the line of a run that makes no progress. */
static void explain(struct fast_net *net) {
  size_t at = strlen(net->error);
  for (int i = 0; i < net->n; i++) {
    const struct net_node *node = &net->nodes[i];
    const struct bcast_peer *p = &node->m->peers[i == net->leader ? 0 : net->leader];
    int len =
        snprintf(net->error + at, sizeof net->error - at,
                 "; node %d phase %d sync %d counted %d lost %s whole %llu applied %llu limit %llu",
                 i, node->m->phase, node->sync, node->counted, reason_name(node->lost),
                 (unsigned long long)node->m->stream.whole,
                 (unsigned long long)position_get(&node->positions.applied),
                 (unsigned long long)p->out.limit);
    at += (size_t)len;
    if (at >= sizeof net->error) return;
  }
}

bool net_quiet(struct fast_net *net, uint64_t max_us) {
  net->propose_permille = net->request_permille = 0;
  net->faults = (struct net_faults){0};
  memset(net->cut, 0, sizeof net->cut);
  memset(net->cut_path, 0, sizeof net->cut_path);
  for (uint64_t us = 0; us < max_us; us += 100) {
    if (all_there(net)) return true;
    if (!net_run(net, 100)) return false;
  }
  if (!all_there(net)) {
    net_fail(net, net->leader, "no progress after healing");
    explain(net);
  }
  return !net->error[0];
}

uint64_t net_count(const struct fast_net *net, enum reason r) {
  uint64_t sum = 0;
  for (int i = 0; i < net->n; i++) sum += counters_get(&net->nodes[i].counters, r);
  return sum;
}
