/* quorum.h - all counting of votes, promises and ACKs (R2, R3, R7, R11).
 *
 * A node is counted by its index in config.peers.  Majority of voters now; weights and a second
 * configuration (reconfiguration) later change this file only.  Observers never count (R16, 1294).
 * Pure.  Source: zab-rules R2, R3, R11; election.md 3.3. */
#ifndef ZABLINE_PROTO_QUORUM_H
#define ZABLINE_PROTO_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"

typedef uint32_t nodeset_t; /* bit i: peers[i] */

struct quorum {
  nodeset_t voters;
};

/* quorum_init takes the set of voters; at least one, at most LIMIT_VOTERS (asserted). */
void quorum_init(struct quorum *q, nodeset_t voters);

/* quorum_is_voter says whether peers[idx] counts. */
bool quorum_is_voter(const struct quorum *q, int idx);

/* quorum_has is true when the voters of set form a quorum. */
bool quorum_has(const struct quorum *q, nodeset_t set);

/* quorum_value returns the largest v such that the nodes i of counted with value[i] >= v form a
 * quorum, or 0 if the nodes of counted form none.  value has LIMIT_PEERS entries. */
uint64_t quorum_value(const struct quorum *q, nodeset_t counted, const uint64_t *value);

#endif
