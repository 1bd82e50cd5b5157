/* tracker.h - the leader's watch over sessions: which are valid, who serves them, when they end.
 *
 * What is here is the leader's alone, and made anew by each: every session then has its whole
 * timeout again, so that a fail-over delays an expiry and never hastens one.
 *
 * Time is counted here and not read: each tick adds what has passed, but at most TRACKER_STEP_MS,
 * and nothing while requests are held back, so that no stall of our own and no step of the clock
 * ends a session.  A sign of life may come just before the tick that counts the time up to it, and
 * another node tells us of it only at its next telling: a session has so much more than its
 * timeout.
 *
 * A heap has them by when they are to be looked at.  A sign of life, the common event, only moves
 * the deadline; who is found on top with a later one is put back, at most once in each timeout.
 *
 * Owner: app thread.  Blocks: no.  Allocates: per session.  Source: zookeeper/client.md 2.2;
 * features.md complaint 2. */
#ifndef ZABLINE_SERVICE_TREE_TRACKER_H
#define ZABLINE_SERVICE_TREE_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "service/tree/tree.h"

#define TRACKER_STEP_MS 100 /* between two ticks */

struct tracked {
  int64_t id;
  int32_t timeout_ms;
  uint8_t node; /* that serves it; 0: not heard of yet */
  int64_t deadline_ms;
  int64_t due_ms; /* when it is to be looked at: not after its deadline */
  uint32_t heap_idx;
  UT_hash_handle hh;
};

struct tracker {
  struct tracked *sessions;
  struct tracked **heap; /* by due_ms, the first one on top */
  uint32_t heap_cnt, heap_cap;
  int64_t clock_ms; /* own count */
  int32_t told_ms;  /* between two tellings of other nodes; who creates the tracker sets it */
  int64_t last_ms;  /* wall clock of the last tick, 0: none yet */
  uint64_t expired; /* sessions ended for their silence */
};

void tracker_clear(struct tracker *k);
/* tracker_start takes over all sessions of t, each with its whole timeout.  Of those that k has
 * already, because the same leader goes on in another epoch, it keeps node and timeout: no client
 * comes anew then, and the tree has only what each was made with. */
void tracker_start(struct tracker *k, const struct tree *t);
void tracker_add(struct tracker *k, int64_t id, int32_t timeout_ms, uint8_t node);
void tracker_remove(struct tracker *k, int64_t id);
/* tracker_check: may node ask in the name of session id?  ZK_OK, ZK_SESSIONEXPIRED,
 * ZK_SESSIONMOVED.  A session that no node had becomes node's.  It counts as a sign of life. */
int32_t tracker_check(struct tracker *k, int64_t id, uint8_t node);
/* tracker_move: the session's client has come to node, which promised it that timeout. */
int32_t tracker_move(struct tracker *k, int64_t id, uint8_t node, int32_t timeout_ms);
void tracker_touch(struct tracker *k, int64_t id);
void tracker_tick(struct tracker *k, int64_t now_ms, bool held);
/* tracker_expired returns a session whose time is over, or NULL. */
const struct tracked *tracker_expired(struct tracker *k);

#endif
