/* sweep.h - the leader's look for containers and TTL nodes that are to be deleted, in slices.
 *
 * A container goes when it has had children and has none; a TTL node when it has none and has not
 * been written for its time.  Nobody is promised when: the first look after it.
 *
 * One look goes through all of them, SWEEP_SLICE in each tick, less than 1 ms.
 *
 * Owner: app thread.  Blocks: no.  Allocates: the paths found in one slice.
 * Source: zookeeper/client.md 5. */
#ifndef ZABLINE_SERVICE_TREE_SWEEP_H
#define ZABLINE_SERVICE_TREE_SWEEP_H

#include "service/tree/tree.h"

#define SWEEP_SLICE 2000

enum sweep_what { SWEEP_NONE, SWEEP_CONTAINERS, SWEEP_TTLS };

struct sweep {
  uint32_t every_ms;
  int64_t last_ms;  /* of the tracker's clock: of the last look, */
  int64_t slice_ms; /* and of the last slice */
  enum sweep_what what;
  struct buffer paths; /* str after str: found, and not yet asked for */
};

/* sweep_tick does a slice if it is time to and nothing of the last is left; now_ms: wall clock. */
void sweep_tick(struct sweep *s, struct tree *t, int64_t clock_ms, int64_t now_ms);
/* sweep_is_over: of a node without children that is a container or has a TTL. */
bool sweep_is_over(const struct znode_stat *s, int64_t now_ms);
void sweep_clear(struct sweep *s);

#endif
