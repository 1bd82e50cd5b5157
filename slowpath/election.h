/* election.h - fast leader election: the part of the replica machine that decides whom to follow.
 *
 * Embedded by value in struct replica.  Answers notifications in every state (election.md 4) and
 * runs the loop of election.md 5 while looking, with the improvements of design 5.3: decides at
 * once when every voter has answered except those known to be unreachable; else after finalize_ms;
 * back-off that resets.  A node that may not vote uses ZXID_NONE: it neither wins nor counts, and
 * joins a settled ensemble only.  All counting: proto/quorum.h.
 *
 * Owner: slow thread.  Blocks: no.  Allocates: no.
 * Source: zookeeper/election.md 3-7; zab-rules R12, F1-F5, A5, A14; design 5.3. */
#ifndef ZABLINE_SLOWPATH_ELECTION_H
#define ZABLINE_SLOWPATH_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/action.h"
#include "proto/event.h"
#include "proto/notification.h"
#include "proto/quorum.h"

struct election_ballot { /* the last vote heard of one peer */
  bool present;
  enum peer_state state;
  struct vote vote;
  int32_t version;
};

struct election {
  const struct config *config;
  struct quorum quorum;
  bool looking;
  int64_t round;         /* logicalclock: ++ at each election_start; 0: not yet started */
  struct vote initial;   /* own vote from durable state (R12) */
  struct vote proposal;  /* while looking; its round is `round` */
  struct vote current;   /* the answer to others when settled */
  enum peer_state state; /* own state as told to others */
  struct election_ballot votes[LIMIT_PEERS];  /* recvset: this round */
  struct election_ballot others[LIMIT_PEERS]; /* outofelection: settled peers, any round */
  nodeset_t abstaining;                       /* voters who said that they may not vote */
  nodeset_t unreachable;                      /* election connection refused or closed */
  nodeset_t lost;       /* leaders just lost, until a notification of theirs comes */
  uint64_t backoff_us;  /* time to the next repetition of the notifications */
  uint64_t resend_us;   /* when */
  uint64_t finalize_us; /* decide then; 0: no quorum yet */
  uint64_t deadline_us; /* when election_on_tick wants to be called; UINT64_MAX: never */
};

struct election_result {
  bool decided;
  int leader_idx;     /* index in config.peers */
  enum reason reason; /* why a notification was ignored whole: to be counted */
};

void election_init(struct election *e, const struct config *c);

/* election_start begins a round with the vote from durable state (leader: own id; the round is
 * filled in); lost_idx: the leader whom the fast path just lost (unreachable until heard of), -1:
 * none.  Sends notifications; a lone voter decides here. */
struct election_result election_start(struct election *e, uint64_t now_us, struct vote initial,
                                      int lost_idx, struct replica_actions *a);

/* The three inputs; each may decide while looking.  When settled, on_notification answers (section
 * 4). Links are told in every state; a new connection comes before the notifications that arrive on
 * it. */
struct election_result election_on_notification(struct election *e, uint64_t now_us, int from_idx,
                                                const struct notification *n,
                                                struct replica_actions *a);
struct election_result election_on_link(struct election *e, uint64_t now_us, int peer_idx,
                                        enum link_state link, struct replica_actions *a);
struct election_result election_on_tick(struct election *e, uint64_t now_us,
                                        struct replica_actions *a);

/* election_established: broadcast has begun in epoch; what we answer now carries it
 * (ZOOKEEPER-1732). */
void election_established(struct election *e, uint32_t epoch);

/* vote_beats: strict total order on (peerEpoch, zxid, id) (F1). */
bool vote_beats(const struct vote *a, const struct vote *b);

#endif
