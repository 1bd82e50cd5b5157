#include "proto/latency.h"

#define STEPS_LOG2 5 /* buckets per power of two */
#define STEPS (1u << STEPS_LOG2)

static unsigned bucket_of(uint64_t ns) {
  if (ns < STEPS) return (unsigned)ns;
  unsigned power = 63u - (unsigned)__builtin_clzll(ns), below = power - STEPS_LOG2;
  unsigned idx = (below + 1u) * STEPS + (unsigned)(ns >> below & (STEPS - 1u));
  return idx < LATENCY_BUCKETS ? idx : LATENCY_BUCKETS - 1;
}

static uint64_t bucket_bound(unsigned idx) {
  if (idx < STEPS) return idx;
  return ((uint64_t)STEPS + idx % STEPS + 1u) * (1ull << (idx / STEPS - 1u)) - 1u;
}

void latency_add(struct latency *l, uint64_t ns) {
  _Atomic uint64_t *b = &l->cnt[bucket_of(ns)];
  atomic_store_explicit(b, atomic_load_explicit(b, memory_order_relaxed) + 1, memory_order_relaxed);
}

void latency_clear(struct latency *l) {
  for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
    atomic_store_explicit(&l->cnt[i], 0, memory_order_relaxed);
}

uint64_t latency_total(const struct latency *l) {
  uint64_t total = 0;
  for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
    total += atomic_load_explicit(&l->cnt[i], memory_order_relaxed);
  return total;
}

uint64_t latency_percentile(const struct latency *l, uint32_t p) {
  uint64_t total = latency_total(l), seen = 0;
  if (!total) return 0;
  uint64_t want = (total * p + 99999u) / 100000u;
  for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
    seen += atomic_load_explicit(&l->cnt[i], memory_order_relaxed);
    if (seen >= want) return bucket_bound(i);
  }
  return bucket_bound(LATENCY_BUCKETS - 1);
}

double latency_us(const struct latency *l, uint32_t p) {
  return (double)latency_percentile(l, p) / 1000.0;
}
