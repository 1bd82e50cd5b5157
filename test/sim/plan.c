#include "test/sim/plan.h"

#include "test/sim/world.h"
#include "test/sim/zk.h"

static uint32_t pick(struct random *r, const uint32_t *from, uint32_t cnt) {
  return from[random_below(r, cnt)];
}

#define PICK(r, ...)                       \
  pick(r, (const uint32_t[]){__VA_ARGS__}, \
       (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))

/* Off in two of three seeds. */
static uint32_t sometimes(struct random *r, uint32_t ppm_max) {
  if (random_below(r, 3)) return 0;
  return (uint32_t)random_tail(r, 1000, ppm_max);
}

static void draw_network(struct plan *p, struct random *r) {
  p->delay_min = random_between(r, 2 * US, 20 * US);
  p->delay_max = p->delay_min + random_tail(r, 5 * US, 2 * MS);
  p->loss = sometimes(r, 500000);
  p->duplication = sometimes(r, 500000);
  p->reorder = sometimes(r, 300000);
  p->corruption = sometimes(r, 100000);
  p->replay = sometimes(r, 300000);
  p->rx_ring = PICK(r, 16, 64, 512, 512);
  p->segment_max = PICK(r, 7, 100, 1500, 65536, 65536);
}

static void draw_node(struct plan *p, struct random *r) {
  p->heartbeat_us = PICK(r, 1000, 2000, 5000);
  p->timeout_us = p->heartbeat_us * PICK(r, 4, 8, 16);
  p->largest_record = PICK(r, 512, 2048, 8192);
  p->record_max = p->largest_record / 2;
  p->ring_bytes = 65536;
  p->mtu = PICK(r, LIMIT_MTU_MIN, 576, 1500);
  p->paths = (int)PICK(r, 1, 1, 2);
  p->segment_bytes = PICK(r, 65536, 131072, 262144);
  p->snapshot_log_bytes = PICK(r, 16384, 65536, 1u << 20, 1u << 30);
  p->counter_limit = PICK(r, 100, UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1);
  p->poll_us = PICK(r, 200, 500);
  p->preemption = sometimes(r, 20000);
  p->write_min = random_between(r, 10 * US, 60 * US);
  p->write_max = p->write_min + random_tail(r, 10 * US, 3 * MS);
}

void plan_draw(struct plan *p, struct random *r) {
  *p = (struct plan){0};
  p->nodes = (int)PICK(r, 3, 3, 3, 3, 4, 5, 5, 5, 1, 2, 7);
  p->memory = random_below(r, 8) == 0;
  p->clients = (int)random_between(r, 1, 6);
  p->window = (int)PICK(r, 1, 4, 16, 64);
  p->transactions = 500 + (uint32_t)random_below(r, 500);
  draw_network(p, r);
  draw_node(p, r);
  p->fault_gap = random_between(r, 5 * MS, 50 * MS);
  p->faults = 24 + (uint32_t)random_below(r, 16);
  p->pace = p->fault_gap * p->faults * (uint64_t)p->clients / p->transactions;
  p->classes = (uint32_t)random_next(r) | (uint32_t)random_next(r) | 1u; /* at least one */
}

void plan_reads(struct plan *p, struct random *r) {
  p->read_ahead = PICK(r, 0, 4096, 16384);
  p->read_budget = PICK(r, 0, 4096, 32768);
}

void plan_tree(struct plan *p, struct random *r) {
  p->tree = true;
  p->largest_record = PICK(r, 2048, 8192);
  p->snapshot_log_bytes = PICK(r, 8192, 16384, 65536, 1u << 20);
  p->transactions = 300 + (uint32_t)random_below(r, 300);
  p->clients = (int)random_between(r, 2, ZK_CLIENTS);
  p->window = (int)PICK(r, 1, 2, 4, ZK_WINDOW);
  p->pace = p->fault_gap * p->faults * (uint64_t)p->clients / p->transactions / 3; /* it is away */
}

struct plan plan_benign(void) {
  return (struct plan){.nodes = 3,
                       .heartbeat_us = 5000,
                       .timeout_us = 50000,
                       .largest_record = 2048,
                       .record_max = 200,
                       .ring_bytes = 65536,
                       .mtu = 1500,
                       .paths = 1,
                       .segment_bytes = 65536,
                       .snapshot_log_bytes = 1u << 30,
                       .counter_limit = UINT32_MAX - 1,
                       .poll_us = 500,
                       .write_min = 50 * US,
                       .write_max = 60 * US,
                       .delay_min = 20 * US,
                       .delay_max = 30 * US,
                       .rx_ring = 512,
                       .segment_max = 65536,
                       .window = 16};
}
