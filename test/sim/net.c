#include "test/sim/net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "test/sim/fault.h"
#include "test/sim/probe.h"
#include "test/sim/scene.h"
#include "test/sim/tcp.h"
#include "test/sim/zk.h"

#define POLL_NS 1500

void network_init(void) {
  struct network *n = world->network;
  struct datagram *keep = n ? n->free : NULL;
  if (!n) n = world->network = malloc(sizeof *n);
  assert(n);
  memset(n, 0, sizeof *n);
  n->free = keep;
  for (int i = 0; i < world->plan.nodes; i++) world->machines[i].rx = n->queues[i];
}

struct datagram *datagram_new(void) {
  struct network *n = world->network;
  struct datagram *d = n->free;
  if (d)
    n->free = d->next;
  else
    d = malloc(sizeof *d + FRAME_BYTES);
  assert(d);
  return d;
}

void datagram_free(struct datagram *d) {
  d->next = world->network->free;
  world->network->free = d;
}

/* Those in flight are in the heap. */
void network_free(void) {
  struct network *n = world->network;
  struct sim_event e;
  while (heap_pop(&world->heap, &e))
    if (e.kind == EVENT_DATAGRAM) datagram_free(e.ptr);
  for (int i = 0; i < world->plan.nodes; i++) datagram_forget(&world->machines[i]);
  struct net_link *links = &n->link[0][0][0];
  for (size_t i = 0; i < sizeof n->link / sizeof *links; i++)
    for (int k = 0; k < KEPT_FRAMES; k++)
      if (links[i].kept[k]) datagram_free(links[i].kept[k]);
}

uint64_t network_delay(int from, int to) {
  (void)from, (void)to;
  return random_tail(&world->random_net, world->plan.delay_min, world->plan.delay_max);
}

void datagram_fly(struct datagram *d, uint64_t delay) {
  struct net_link *l = &world->network->link[d->from][d->to][d->path];
  uint64_t at = world->now + delay + l->extra;
  if (at < l->clogged_to) {
    at = l->clogged_to + random_below(&world->random_net, 10 * US);
    world->network->effects[NET_CLOGGED]++;
    fault_hit(FAULT_CLOG, d->from);
  }
  heap_push(&world->heap, (struct sim_event){.at = at, .kind = EVENT_DATAGRAM, .ptr = d});
}

static struct datagram *copy(const struct datagram *d) {
  struct datagram *c = datagram_new();
  memcpy(c, d, sizeof *d + d->len);
  return c;
}

/* Some frames of every link are kept, and come again when they are long out of date. */
static void keep_or_replay(struct net_link *l, const struct datagram *d) {
  struct random *r = &world->random_net;
  if (!world->plan.replay) return;
  if (random_below(r, 8) == 0) {
    struct datagram **slot = &l->kept[l->kept_cnt++ % KEPT_FRAMES];
    if (*slot) datagram_free(*slot);
    *slot = copy(d);
    (*slot)->stale = true;
  }
  if (!random_chance(r, world->plan.replay) || !l->kept_cnt) return;
  uint64_t filled = l->kept_cnt < KEPT_FRAMES ? l->kept_cnt : KEPT_FRAMES;
  world->network->effects[NET_REPLAYED]++;
  datagram_fly(copy(l->kept[random_below(r, filled)]), network_delay(d->from, d->to));
}

static void corrupt(struct datagram *d) {
  struct random *r = &world->random_net;
  d->corrupt = true;
  uint64_t flips = 1 + random_below(r, 3);
  for (uint64_t i = 0; i < flips; i++) {
    uint64_t bit = random_below(r, 8ull * d->len);
    d->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  if (random_below(r, 8) == 0) d->len = (uint32_t)random_below(r, d->len + 1);
  world->network->effects[NET_CORRUPTED]++;
}

void datagram_send(int from, struct port_to port, const void *head, struct span payload) {
  int to = port.peer_idx, path = port.fast_idx;
  uint32_t len = (uint32_t)payload.len;
  struct network *n = world->network;
  struct net_link *l = &n->link[from][to][path];
  const struct plan *p = &world->plan;
  struct random *r = &world->random_net;
  n->effects[NET_SENT]++;
  if (l->cut) {
    n->effects[NET_CUT]++;
    fault_link_hit(from, to, path);
    return;
  }
  bool by_fault = random_chance(r, l->loss);
  if (by_fault) fault_hit(FAULT_LOSSY, from);
  if (by_fault || random_chance(r, p->loss)) {
    n->effects[NET_LOST]++;
    return;
  }
  struct datagram *d = datagram_new();
  *d = (struct datagram){.from = from, .to = to, .path = path};
  d->len = (uint32_t)sizeof(struct frame_header) + len;
  memcpy(d->bytes, head, sizeof(struct frame_header));
  if (len) memcpy(d->bytes + sizeof(struct frame_header), payload.data, len);
  if (!scene_datagram(d)) return;
  if (probe && probe->datagram && !probe->datagram(d)) return;
  keep_or_replay(l, d);
  if (random_chance(r, p->duplication)) {
    n->effects[NET_DUPLICATED]++;
    datagram_fly(copy(d), network_delay(from, to));
  }
  uint64_t delay = network_delay(from, to);
  if (random_chance(r, p->reorder)) {
    n->effects[NET_REORDERED]++;
    delay += random_below(r, 20 * p->delay_max);
  }
  if (random_chance(r, p->corruption)) corrupt(d);
  datagram_fly(d, delay);
}

void datagram_arrive(void *ptr) {
  struct datagram *d = ptr;
  struct machine *m = &world->machines[d->to];
  struct sim_queue *q = &m->rx[d->path];
  bool off = m->state != MACHINE_UP;
  if (off || q->cnt >= world->plan.rx_ring) {
    if (!off) world->network->effects[NET_OVERFLOW]++;
    datagram_free(d);
    return;
  }
  q->at[(q->head + q->cnt++) % NIC_MAX] = d;
  actor_wake(&m->actor[THREAD_FAST], random_below(&world->random_turn, POLL_NS));
}

void datagram_forget(struct machine *m) {
  for (int p = 0; p < LIMIT_FAST_PATHS; p++) {
    struct sim_queue *q = &m->rx[p];
    for (; q->cnt; q->cnt--) {
      datagram_free(q->at[q->head]);
      q->head = (q->head + 1) % NIC_MAX;
    }
  }
}

bool stream_is_cut(int from, int to, uint16_t port) {
  const struct network *n = world->network;
  if (from >= HOST_CLIENTS) return zk_client_is_cut(from - HOST_CLIENTS);
  if (to >= HOST_CLIENTS) return zk_client_is_cut(to - HOST_CLIENTS);
  bool election = port == world->machines[from].config.peers[0].election_port;
  return n->stream_cut[from][to] || (election ? n->election_cut : n->quorum_cut)[from][to];
}

bool network_is_cut(int from, int to, int path) {
  if (path < 0) return world->network->stream_cut[from][to];
  return world->network->link[from][to][path].cut;
}

void network_calm(void) {
  struct plan *p = &world->plan;
  p->loss = p->duplication = p->reorder = p->corruption = p->replay = 0;
  if (p->rx_ring < 512) p->rx_ring = 512;
  for (int a = 0; a < p->nodes; a++)
    for (int b = 0; b < p->nodes; b++)
      for (int i = 0; i < LIMIT_FAST_PATHS; i++)
        world->network->link[a][b][i].clogged_to = world->network->link[a][b][i].loss = 0;
}
