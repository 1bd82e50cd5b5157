/* samples.h - measured times and their percentiles as JSON; for the programs beside it. */
#ifndef ZABLINE_PERF_RAW_SAMPLES_H
#define ZABLINE_PERF_RAW_SAMPLES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int samples_compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static inline double samples_at(const uint64_t *sorted, size_t cnt, double share) {
  size_t idx = (size_t)(share * (double)cnt);
  return (double)sorted[idx < cnt ? idx : cnt - 1] / 1000.0;
}

/* samples_print sorts cnt times in ns and prints their members of a JSON object, without braces. */
static inline void samples_print(uint64_t *ns, size_t cnt) {
  qsort(ns, cnt, sizeof *ns, samples_compare);
  printf(
      "\"samples\": %zu, \"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, "
      "\"p99_9_us\": %.3f, \"min_us\": %.3f, \"max_us\": %.3f",
      cnt, samples_at(ns, cnt, 0.5), samples_at(ns, cnt, 0.9), samples_at(ns, cnt, 0.99),
      samples_at(ns, cnt, 0.999), samples_at(ns, cnt, 0), samples_at(ns, cnt, 1));
}

#endif
