/* latency.h - a log-linear histogram of microseconds x 1/16, one writer, any reader.
 *
 * Value v (in 1/16 us) below 16 has its own bucket; above, 16 buckets per power of two (6 % wide).
 * Owner: the thread that adds.  Source: performance.md "How a number is made". */
#ifndef ZABLINE_PROTO_LATENCY_H
#define ZABLINE_PROTO_LATENCY_H

#include <stdint.h>

#include "proto/atomic.h"

#define LATENCY_BUCKETS 512

struct latency {
  _Atomic uint64_t cnt[LATENCY_BUCKETS];
};

/* latency_add counts one sample of v sixteenths of a microsecond. */
void latency_add(struct latency *l, uint64_t v);
/* latency_clear empties it; only while nobody adds, or by the writer. */
void latency_clear(struct latency *l);
/* latency_percentile returns the value (1/16 us, upper bound of the bucket) at p per 100,000; 0 if
 * empty. */
uint64_t latency_percentile(const struct latency *l, uint32_t p);
uint64_t latency_total(const struct latency *l);

#endif
