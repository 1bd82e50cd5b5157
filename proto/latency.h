/* latency.h - a log-linear histogram of nanoseconds, one writer, any reader.
 *
 * A value below 32 has its own bucket; above, 32 buckets per power of two (3 % wide), up to 2^44.
 * Owner: the thread that adds.  Source: performance.md "How a number is made". */
#ifndef ZABLINE_PROTO_LATENCY_H
#define ZABLINE_PROTO_LATENCY_H

#include <stdint.h>

#include "proto/atomic.h"

#define LATENCY_BUCKETS 1280

struct latency {
  _Atomic uint64_t cnt[LATENCY_BUCKETS];
};

/* latency_add counts one sample. */
void latency_add(struct latency *l, uint64_t ns);
/* latency_clear empties it; only while nobody adds, or by the writer. */
void latency_clear(struct latency *l);
/* latency_percentile returns the ns (upper bound of the bucket) at p per 100,000, 0 if empty;
 * latency_us the same in microseconds. */
uint64_t latency_percentile(const struct latency *l, uint32_t p);
double latency_us(const struct latency *l, uint32_t p);
uint64_t latency_total(const struct latency *l);

#endif
