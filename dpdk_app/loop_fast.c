/* loop_fast.c - the fast lcore: its clock, its idling, and one turn (turn_fast.h) after the other.
 * One clock read a turn; no system call in `spin`. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "config/memory.h"
#include "dpdk_app/turn_fast.h"

#define SLEEP_NS 50000 /* idle "sleep": between two looks at the ports */

static void idle(const struct node *n, uint32_t *empty_turns) {
  rte_pause();
  if (++*empty_turns < n->config.idle_turns) return;
  *empty_turns = 0;
  if (n->config.idle == IDLE_YIELD) sched_yield();
  if (n->config.idle == IDLE_SLEEP) nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
}

int loop_fast(void *node) {
  struct fast *f = memory_or_end(calloc(1, sizeof *f), sizeof *f); /* too large for a stack */
  struct node *n = node;
  fast_init(f, n);
  double ns_per_cycle = 1e9 / (double)rte_get_tsc_hz();
  uint64_t start = rte_rdtsc();
  uint32_t empty_turns = 0;
  while (!atomic_load_explicit(&n->halt, memory_order_relaxed)) {
    uint64_t now_ns = (uint64_t)((double)(rte_rdtsc() - start) * ns_per_cycle) + 1000000000u;
    if (fast_turn(f, now_ns))
      empty_turns = 0;
    else
      idle(n, &empty_turns);
  }
  free(f);
  return 0;
}
