/* commit_loop.c - a leader and two followers in one thread, frames handed over by call: one record
 * at a time is proposed, acknowledged by both and committed, in the steps of the fast lcore
 * (dpdk_app/turn_fast.c).  What perf/commit_instructions counts.
 *
 *     commit_loop [COUNT]
 *
 * Nothing is lost and no time is measured: the number of instructions is the same in every run. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastpath/bcast.h"
#include "test/fastpath/ring_map.h"

#define NODES 3
#define RING (1u << 20)
#define RECORD 148 /* TxnHeader, sequence and 100 bytes, padded */
#define TURN_NS 500u

struct loop_node {
  struct bcast m;
  struct config config;
  struct bcast_memory memory;
  struct counters counters;
  struct latency latency;
  struct bcast_actions actions;
};

struct loop {
  struct loop_node nodes[NODES]; /* [0] leads */
  uint64_t now_ns;
};

/* The two names by which callgrind collects. */
__attribute__((noinline)) void leader_step(struct bcast *m, const struct bcast_event *e,
                                           struct bcast_actions *a) {
  bcast_step(m, e, a);
}

__attribute__((noinline)) void follower_step(struct bcast *m, const struct bcast_event *e,
                                             struct bcast_actions *a) {
  bcast_step(m, e, a);
}

static void transmit(struct loop *l, int from);

static void step(struct loop *l, int idx, struct bcast_event e) {
  struct loop_node *n = &l->nodes[idx];
  e.now_ns = l->now_ns;
  if (idx == 0)
    leader_step(&n->m, &e, &n->actions);
  else
    follower_step(&n->m, &e, &n->actions);
}

static struct bcast_event turn_event(const struct bcast *m, enum bcast_event_type type) {
  return (struct bcast_event){
      .type = type, .durable = bcast_appended(m), .applied = bcast_committed(m), .app_holds = true};
}

static void turn(struct loop *l, int idx) {
  struct bcast *m = &l->nodes[idx].m;
  l->now_ns += TURN_NS;
  do {
    step(l, idx, turn_event(m, BCAST_TURN));
    transmit(l, idx);
  } while (bcast_more(m));
}

/* Each frame is a step of its addressee; its own turn comes later. */
static void transmit(struct loop *l, int from) {
  struct loop_node *n = &l->nodes[from];
  for (uint32_t i = 0; i < n->actions.cnt; i++) {
    const struct bcast_action *a = &n->actions.at[i];
    if (a->type != BCAST_ACT_SEND) continue;
    uint8_t frame[2048];
    memcpy(frame, &a->header, sizeof a->header);
    if (a->len) memcpy(frame + sizeof a->header, a->payload, a->len);
    step(l, a->peer_idx,
         (struct bcast_event){
             .type = BCAST_FRAME, .data = frame, .len = (uint32_t)sizeof a->header + a->len});
  }
}

static void control(struct loop *l, int idx, enum fast_msg_type type, int peer_idx) {
  struct fast_msg m = {
      .type = type, .peer_idx = peer_idx, .epoch = 1, .iteration = type == FAST_LEAD ? 0 : 7};
  step(l, idx, (struct bcast_event){.type = BCAST_CONTROL, .fast = &m});
}

static void open_nodes(struct loop *l) {
  for (int i = 0; i < NODES; i++) {
    struct loop_node *n = &l->nodes[i];
    n->config = (struct config){.id = (uint8_t)(i + 1),
                                .self_idx = i,
                                .peer_cnt = NODES,
                                .durability = DURABILITY_MEMORY,
                                .mtu = 1500,
                                .ring_bytes = RING,
                                .largest_record = 4096,
                                .heartbeat_us = 5000,
                                .timeout_us = 1000000,
                                .disk_timeout_ms = 500,
                                .counter_limit = UINT32_MAX - 1};
    for (int p = 0; p < NODES; p++) {
      n->config.peers[p].id = (uint8_t)(p + 1);
      n->config.peers[p].fast_cnt = 1;
      n->memory.request_ring[p] = ring_map(65536);
    }
    n->memory.stream_ring = ring_map(RING);
    n->memory.request_ring_bytes = 65536;
    bcast_init(&n->m, &n->config, &n->memory, &n->counters, &n->latency);
  }
}

static void establish(struct loop *l) {
  control(l, 0, FAST_LEAD, 0);
  for (int i = 1; i < NODES; i++) control(l, 0, FAST_ATTACH, i);
  turn(l, 0);
  for (int i = 1; i < NODES; i++) {
    control(l, i, FAST_OPEN, 0);
    turn(l, i);
    control(l, 0, FAST_COUNT, i);
  }
  control(l, 0, FAST_ESTABLISH, 0);
}

static void count_commits(struct loop *l) {
  struct bcast *leader = &l->nodes[0].m;
  step(l, 0, turn_event(leader, BCAST_COUNT));
  assert(bcast_committed(leader) == bcast_appended(leader));
}

/* The record leaves with the commit of the one before. */
static void commit_one(struct loop *l, uint32_t number) {
  uint8_t record[RECORD] = {0};
  struct bcast *leader = &l->nodes[0].m;
  memcpy(record, &number, sizeof number);
  count_commits(l);
  assert(bcast_room(leader, BCAST_PROPOSE, RECORD));
  step(l, 0,
       (struct bcast_event){
           .type = BCAST_PROPOSE, .data = record, .len = RECORD, .zxid = zxid_make(1, number)});
  for (int i = 0; i < NODES; i++) turn(l, i);
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 1000;
  struct loop *l = calloc(1, sizeof *l);
  if (!l || count < 1) return 1;
  l->now_ns = 1000000000;
  open_nodes(l);
  establish(l);
  for (long i = 1; i <= count; i++) commit_one(l, (uint32_t)i);
  count_commits(l);
  printf("%ld committed\n", count);
  return 0;
}
