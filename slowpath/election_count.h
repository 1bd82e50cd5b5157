/* election_count.h - private to the election: which votes are equal, and who forms a quorum of
 * them.
 *
 * Source: zookeeper/election.md 3.1-3.3, 5 (checkLeader). */
#ifndef ZABLINE_SLOWPATH_ELECTION_COUNT_H
#define ZABLINE_SLOWPATH_ELECTION_COUNT_H

#include "slowpath/election.h"

static inline nodeset_t election_bit(int idx) { return (nodeset_t)1 << idx; }

/* election_voter_idx returns the index of the voter with this id, -1 if there is none. */
int election_voter_idx(const struct election *e, int64_t id);

/* election_may_vote is false for observers and for a node whose vote is ZXID_NONE. */
bool election_may_vote(const struct election *e);

/* election_has_quorum: a quorum of this round, own vote included, has our proposal. */
bool election_has_quorum(const struct election *e);

/* election_all_heard: no voter is missing but those known to be unreachable (design 5.3), and the
 * proposed leader is not one of these. */
bool election_all_heard(const struct election *e);

/* election_may_join: b, the ballot of a settled peer, is shared by a quorum of settled peers, and
 * its leader says itself that it leads; or it names us and all agree with what we propose. */
bool election_may_join(const struct election *e, const struct election_ballot *b);

#endif
