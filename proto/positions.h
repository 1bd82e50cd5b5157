/* positions.h - the 64-bit counters by which the threads of one node see each other's progress.
 *
 *      applied <= committed <= acked;  durable <= appended
 *
 * Each has one writer, who stores with release; readers load with acquire (pairs: appended/durable,
 * committed/applied).  They belong to one (epoch, iteration) and are reset by the slow thread only
 * while the fast path is closed and disk and app have stopped (design 5.2).
 *
 * Source: design 1, 5.2. */
#ifndef ZABLINE_PROTO_POSITIONS_H
#define ZABLINE_PROTO_POSITIONS_H

#include <stdint.h>

#include "config/limits.h"
#include "proto/atomic.h"
#include "proto/zxid.h"

#define CACHE_LINE 64u

struct position {
  _Alignas(CACHE_LINE) _Atomic uint64_t pos;
};

struct positions {
  struct position appended;  /* writer fast: whole checked records in the ring end here */
  struct position durable;   /* writer disk */
  struct position committed; /* writer fast: may be delivered; min(committed, own acknowledged) */
  struct position applied;   /* writer app */
  /* A follower's app joins the ring; until then it reads the log and the ring is not kept for it */
  struct position app_holds; /* writer app: 1: reclaim no further than `applied` */
  struct position held;      /* writer fast: from here on it does, + 1; 0: not yet */
  /* for status only; writer fast */
  struct position peer_received[LIMIT_PEERS];
  struct position peer_durable[LIMIT_PEERS];
  struct position peer_path[LIMIT_PEERS]; /* see path_id.h */
};

static inline pos_t position_get(const struct position *p) {
  return atomic_load_explicit(&p->pos, memory_order_acquire);
}

static inline void position_set(struct position *p, pos_t v) {
  atomic_store_explicit(&p->pos, v, memory_order_release);
}

/* Who reads a position at leisure is woken when it is so far behind: the ring is needed again. */
static inline pos_t positions_much(uint64_t ring_bytes) { return ring_bytes / 8; }

#endif
