/* quota.h - how many znodes there may be at and below a path, and how many bytes of data in them.
 *
 *   /zookeeper/quota/a/b/zookeeper_limits  "count=4,bytes=5=;byteHardLimit=10;countHardLimit=10"
 *   /zookeeper/quota/a/b/zookeeper_stats   "count=3,bytes=2": what is there, kept by apply
 *
 * The quota of a path is the deepest one at or above it, and it alone.  -1, nothing, and what is no
 * number: no limit.  A hard limit takes the soft one's place.  The stats change without a
 * transaction of their own: their Stat stays, nobody is told, and the digest has none of it.
 *
 * Owner: app thread.  Blocks: no.  Allocates: the data of stats.
 * Source: zookeeper/client.md 17; 3.8.0 asked by hand where that is silent. */
#ifndef ZABLINE_SERVICE_TREE_QUOTA_H
#define ZABLINE_SERVICE_TREE_QUOTA_H

#include "service/tree/tree.h"

struct quota_use {
  int64_t cnt, bytes;
};

/* What the leader does about limits. */
struct quota_policy {
  int node_id;    /* for the log */
  bool warn_only; /* a hard limit is one to warn of, as a ZooKeeper without enforceQuota has it */
  int64_t logged_ms;
};

/* quota_count: path has come, gone, or has other data, by so much.  quota_made: path is new, and if
 * it is a stats node, what is there already is counted. */
void quota_count(struct tree *t, struct span path, struct quota_use more);
void quota_made(struct tree *t, struct span path);
/* quota_check: would path with so much more exceed its quota?  ZK_OK or ZK_QUOTAEXCEEDED; a line is
 * logged in either case, at most one a second.  What is outstanding does not count, as there. */
int32_t quota_check(struct quota_policy *p, const struct tree *t, struct span path,
                    struct quota_use more, int64_t now_ms);

#endif
