/* sync_decide.c - which of DIFF, TRUNC, SNAP (zab-rules 6). */
#include <assert.h>

#include "slowpath/replica_parts.h"

struct sync_decision sync_decide(zxid_t peer, zxid_t floor, bool below_log, uint32_t epoch) {
  assert(below_log || floor <= peer);
  if (below_log) return (struct sync_decision){SYNC_SNAP, 0};
  if (floor == peer) return (struct sync_decision){SYNC_DIFF, peer};
  /* It has records of our own epoch that our disk has not yet: wait for our disk, never TRUNC. */
  if (zxid_epoch(peer) == epoch && zxid_counter(peer) != 0)
    return (struct sync_decision){SYNC_ATTACH_FIRST, peer};
  if (zxid_epoch(peer) > epoch) return (struct sync_decision){SYNC_REFUSE, 0};
  /* (e,0): it acked NEWLEADER of e with nothing after; no record to take away (quorum.md 13.2). */
  if (zxid_counter(peer) == 0) return (struct sync_decision){SYNC_DIFF, floor};
  return (struct sync_decision){SYNC_TRUNC, floor};
}
