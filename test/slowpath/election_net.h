/* election_net.h - several elections in one thread: virtual time, seeded delay, loss, duplication,
 * cuts.
 *
 *      node 0 ---- node 1        every pair has one election connection; a cut may be one way,
 *         \        /             silent (nobody is told) or loud (LINK_DOWN on both sides)
 *           node 2
 *
 * What follows an election is a model: a follower that does not reach a leader who leads looks
 * again; a leader that no quorum follows looks again; one that a quorum follows is established, in
 * an epoch above all before.  Connections are FIFO-less inside (harsher than TCP) but hold messages
 * of one iteration only (as TCP).  Same seed, same run.
 *
 * Usable from C++.  Source: zab-rules 5 F; design 5.3. */
#ifndef ZABLINE_TEST_SLOWPATH_ELECTION_NET_H
#define ZABLINE_TEST_SLOWPATH_ELECTION_NET_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "slowpath/election.h"

#define NET_EVENTS 4096
#define NET_NODES LIMIT_VOTERS

enum net_role { NET_DOWN, NET_LOOKING, NET_FOLLOWING, NET_LEADING };

struct net_node {
  struct config config;
  struct election election;
  enum net_role role;
  int leader_idx;
  bool established;   /* leader: a quorum follows; follower: has had UPTODATE */
  uint64_t since_us;  /* unsupported (leader) or alone (follower) since then; 0: not */
  zxid_t zxid;        /* durable */
  int64_t peer_epoch; /* durable: currentEpoch */
  bool may_vote;
  int decisions; /* elections that ended here */
};

struct net_event {
  uint64_t when_us, seq;
  int from, to;
  uint32_t iteration; /* of the connection */
  bool is_link;
  enum link_state link;
  enum peer_state state;
  struct vote vote;
};

struct election_net {
  int cnt;
  uint64_t now_us, seq, random;
  uint32_t delay_min_us, delay_max_us, loss_percent, dup_percent;
  bool cut[NET_NODES][NET_NODES];           /* from, to */
  uint32_t iteration[NET_NODES][NET_NODES]; /* symmetric */
  int64_t epoch;                            /* the highest ever established */
  uint64_t sent, trace;                     /* messages; hash over all that happened */
  struct net_node node[NET_NODES];
  uint64_t next_us; /* no event is due before */
  int event_cnt;
  struct net_event event[NET_EVENTS];
};

/* All nodes down, no loss, delay 100..300 us, equal empty histories. */
void election_net_init(struct election_net *n, int cnt, uint64_t seed);
uint64_t election_net_random(struct election_net *n);

/* A node starts with what is durable; its process dies (others: LINK_DOWN, then LINK_REFUSED). */
void election_net_start(struct election_net *n, int idx);
void election_net_crash(struct election_net *n, int idx);

/* The node gives its role up and looks again; lost_idx as in election_start. */
void election_net_look(struct election_net *n, int idx, int lost_idx);

/* Messages from one to the other are lost from now on, nobody is told.  Heal: connections are new.
 */
void election_net_cut(struct election_net *n, int from, int to);
void election_net_break(struct election_net *n, int a, int b); /* both ways, both sides are told */
void election_net_heal(struct election_net *n);

void election_net_run(struct election_net *n, uint64_t duration_us);

/* The established leader whom a quorum follows, -1: none. */
int election_net_leader(const struct election_net *n);
/* All running nodes follow election_net_leader, or are it. */
bool election_net_whole(const struct election_net *n);
/* Runs until election_net_whole (checked every 100 us); returns the time it took, UINT64_MAX:
 * never. */
uint64_t election_net_settle(struct election_net *n, uint64_t limit_us);

#ifdef __cplusplus
}
#endif
#endif
