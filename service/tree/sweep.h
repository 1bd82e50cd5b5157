/* sweep.h - the leader's look for containers and TTL nodes that are to be deleted.
 *
 * A container goes when it has had children and has none; a TTL node when it has none and has not
 * been written for its time.  Nobody is promised when: the first look after it.
 *
 * Owner: app thread.  Blocks: no.  Allocates: the paths found, at most SWEEP_MOST.
 * Source: zookeeper/client.md 5. */
#ifndef ZABLINE_SERVICE_TREE_SWEEP_H
#define ZABLINE_SERVICE_TREE_SWEEP_H

#include "service/tree/tree.h"

#define SWEEP_MOST 10000 /* paths found in one look */

struct sweep {
  uint32_t every_ms;
  int64_t last_ms;     /* of the tracker's clock */
  struct buffer paths; /* str after str: found, and not yet asked for */
};

/* sweep_tick looks if it is time to, and nothing of the last look is left; now_ms: wall clock. */
void sweep_tick(struct sweep *s, const struct tree *t, int64_t clock_ms, int64_t now_ms);
/* sweep_is_over: of a node without children that is a container or has a TTL. */
bool sweep_is_over(const struct znode_stat *s, int64_t now_ms);
void sweep_clear(struct sweep *s);

#endif
