/* bcast.h - the broadcast machine: leader and follower of one epoch's stream.
 *
 *   CLOSED --LEAD--> LEADING --ESTABLISH--> LEADING(established)      any --CLOSE--> CLOSED
 *   CLOSED --OPEN--> FOLLOWING
 *
 * The driver calls bcast_step for each input, at the end BCAST_TURN, carries out the actions, then
 * calls bcast_publish.  The leader stamps one record at a time when it is appended and adds the time until
 * its commit to *latency.  In DURABILITY_MEMORY the own acknowledged position is stream.whole, in
 * DURABILITY_SYNC it is the durable position of the last BCAST_TURN.
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Reads no clock.
 * Source: design 3, 4, 5.2; zab-rules R6, R7, R10, R11, R13, R16, C3, C7, F11, F12, J1-J11. */
#ifndef ZABLINE_FASTPATH_BCAST_H
#define ZABLINE_FASTPATH_BCAST_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "fastpath/stream.h"
#include "proto/action.h"
#include "proto/event.h"
#include "proto/latency.h"
#include "proto/positions.h"
#include "proto/quorum.h"
#include "proto/reason.h"

enum bcast_phase { BCAST_CLOSED, BCAST_LEADING, BCAST_FOLLOWING, BCAST_LOST };

struct bcast_peer; /* attachment of one peer; the implementer's */

struct bcast { /* the implementer's: transparent, embedded by value in its owner */
  int todo;
};

struct bcast_memory {
  void *stream_ring;                 /* config.ring_bytes, mapped twice in a row */
  void *request_ring[LIMIT_PEERS];   /* [i]: REQUESTs from peers[i]; [self_idx]: our own to the leader */
  uint64_t request_ring_bytes;       /* power of two, each mapped twice in a row; > largest record */
};

void bcast_init(struct bcast *b, const struct config *c, const struct bcast_memory *m,
                struct counters *counters, struct latency *latency);
void bcast_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a);

/* bcast_room: may BCAST_PROPOSE or BCAST_REQUEST with len payload bytes be given now? */
bool bcast_room(const struct bcast *b, enum bcast_event_type type, uint32_t len);
/* bcast_more: the last BCAST_TURN filled its actions; give another before polling again. */
bool bcast_more(const struct bcast *b);

/* bcast_publish stores appended, committed (deliverable) and the peers' positions for the other threads;
 * the driver calls it after carrying out the actions of a turn. */
void bcast_publish(const struct bcast *b, struct positions *p);

/* bcast_appended: whole checked records end here (disk may write up to it). */
pos_t bcast_appended(const struct bcast *b);
/* bcast_committed: may be delivered; min(committed, own acknowledged). */
pos_t bcast_committed(const struct bcast *b);

#endif
