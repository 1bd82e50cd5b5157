/* reason.h - why something was dropped, refused or closed; and the counters of it.
 *
 * A peer's or user's mistake returns a reason, never an assert.  Rows: reason.def.
 * Owner of a struct counters: the one thread that adds; anybody may read.  Source: style, "Shape of
 * a module". */
#ifndef ZABLINE_PROTO_REASON_H
#define ZABLINE_PROTO_REASON_H

#include <stdint.h>

#include "proto/atomic.h"

enum reason {
#define REASON(id, name, text) REASON_##id,
#include "proto/reason.def"
#undef REASON
  REASON_CNT
};

/* reason_name returns the counter's name ("stale_epoch"); reason_text one line for people. */
const char *reason_name(enum reason r);
const char *reason_text(enum reason r);

struct counters {
  _Atomic uint64_t value[REASON_CNT]; /* relaxed; one writer */
};

static inline void counters_add(struct counters *c, enum reason r, uint64_t n) {
  uint64_t old = atomic_load_explicit(&c->value[r], memory_order_relaxed);
  atomic_store_explicit(&c->value[r], old + n, memory_order_relaxed);
}

static inline uint64_t counters_get(const struct counters *c, enum reason r) {
  return atomic_load_explicit(&c->value[r], memory_order_relaxed);
}

#endif
