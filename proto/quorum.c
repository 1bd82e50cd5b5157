#include "proto/quorum.h"

#include <assert.h>

void quorum_init(struct quorum *q, nodeset_t voters) {
  int cnt = __builtin_popcount(voters);
  assert(cnt >= 1 && cnt <= LIMIT_VOTERS);
  q->voters = voters;
}

bool quorum_is_voter(const struct quorum *q, int idx) { return (q->voters >> idx) & 1u; }

bool quorum_has(const struct quorum *q, nodeset_t set) {
  return 2 * __builtin_popcount(set & q->voters) > __builtin_popcount(q->voters);
}

uint64_t quorum_value(const struct quorum *q, nodeset_t counted, const uint64_t *value) {
  uint64_t best = 0;
  for (nodeset_t left = counted; left; left &= left - 1) {
    uint64_t v = value[__builtin_ctz(left)];
    if (v <= best) continue;
    nodeset_t at_least = 0;
    for (nodeset_t others = counted; others; others &= others - 1) {
      int i = __builtin_ctz(others);
      at_least |= (nodeset_t)(value[i] >= v) << i;
    }
    if (quorum_has(q, at_least)) best = v;
  }
  return best;
}
