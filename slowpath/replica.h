/* replica.h - the replica machine: everything of Zab but the broadcast.
 *
 * Election (election.h), discovery, synchronisation, hand-over to the fast path, fencing, stepping
 * down.  Phases and their legal moves: proto/phase.h.  One file per received message:
 * slowpath/leader_followerinfo.c, learner_leaderinfo.c, ...; a handler is <role>_on_<message>.
 *
 * Owner: slow thread.  Blocks: no.  Allocates: no (struct replica_memory is taken at start).
 * Source: design 5; zab-rules R1-R16; zookeeper/quorum.md, election.md. */
#ifndef ZABLINE_SLOWPATH_REPLICA_H
#define ZABLINE_SLOWPATH_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/action.h"
#include "proto/event.h"
#include "proto/quorum.h"
#include "proto/reason.h"
#include "proto/status.h"

struct replica { /* the implementer's: transparent */
  uint64_t deadline_us; /* the driver gives EV_TICK at this time; UINT64_MAX: none */
  int todo;
};

/* Buffers of LIMIT_SYNC_BUFFER bytes each: [0] for the learner role, [conn] for a learner's connection. */
struct replica_memory {
  void *buffer[LIMIT_LEARNERS + 1];
};

void replica_init(struct replica *r, const struct config *c, const struct replica_memory *m,
                  struct counters *counters, const char *build);
void replica_step(struct replica *r, const struct replica_event *e, struct replica_actions *a);

/* replica_wants_input: false while packets of conn must wait in the driver (a disk write is under way). */
bool replica_wants_input(const struct replica *r, int conn);

/* replica_status fills *s (not the lags, which the driver adds from struct positions). */
void replica_status(const struct replica *r, struct status *s);

/* replica_check asserts the machine's invariants (law 6); called after every step by its drivers. */
void replica_check(const struct replica *r);

#endif
