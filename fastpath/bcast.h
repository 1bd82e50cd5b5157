/* bcast.h - the broadcast machine: leader and follower of one epoch's stream.
 *
 *   CLOSED --LEAD--> LEADING --ESTABLISH--> LEADING(established)      any --CLOSE--> CLOSED
 *   CLOSED --OPEN--> FOLLOWING
 *
 * The driver calls bcast_step for each input, at the end a round of BCAST_TURNs (one, and again
 * while bcast_more), carries out each step's actions, then calls bcast_publish.  The leader stamps
 * one record at a time when it is appended and adds the time until its commit to *latency.  In
 * DURABILITY_MEMORY the own acknowledged position is stream.whole, in DURABILITY_SYNC it is the
 * durable position of the last BCAST_TURN.
 *
 * A peer is reached on up to LIMIT_PATHS paths (path.h); FRAME says on which one a frame came, SEND
 * on which one it goes.
 *
 * Owner: fast lcore.  Blocks: no.  Allocates: no.  Reads no clock.
 * Source: design 3, 4, 5.2, 5.4; zab-rules R6, R7, R10, R11, R13, R16, C3, C7, F11, F12, J1-J11. */
#ifndef ZABLINE_FASTPATH_BCAST_H
#define ZABLINE_FASTPATH_BCAST_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "fastpath/peer.h"
#include "fastpath/stream.h"
#include "proto/action.h"
#include "proto/event.h"
#include "proto/latency.h"
#include "proto/positions.h"
#include "proto/quorum.h"
#include "proto/reason.h"

enum bcast_phase { BCAST_CLOSED, BCAST_LEADING, BCAST_FOLLOWING, BCAST_LOST };

/* REQUESTs given to the app, oldest first; at most LIMIT_REQUESTS not yet consumed. */
struct bcast_requests {
  uint64_t delivered, consumed; /* since start */
  struct {
    int peer_idx;
    uint64_t iteration;
    pos_t end; /* of the request in its peer's stream */
  } at[LIMIT_REQUESTS];
};

struct bcast {
  const struct config *config;
  struct counters *counters;
  struct counters *from; /* who sent the frame in hand; NULL: nobody */
  struct latency *latency;
  struct quorum quorum;
  uint32_t payload_max; /* of one frame: multiple of 8 */
  struct path_limits path_limits;
  int8_t idx_of_id[256];

  enum bcast_phase phase;
  bool established; /* leader: may propose and commit */
  bool more;        /* the last turn had more to send or deliver than one step does */
  bool round_again; /* a peer of this round had more to be sent than fits */
  bool count_again; /* leader: a durable position or the counted set changed */
  bool waiting;     /* leader: a peer may be PEER_WAITING */
  uint32_t epoch;
  int leader_idx;          /* follower */
  uint64_t now_ns, now_us; /* of the event in hand */

  struct stream stream; /* the epoch stream */
  zxid_t first_zxid;    /* behind which it began */
  pos_t durable;        /* on disk, as of the last turn */
  pos_t acked;          /* acknowledged by this node: durable, in `memory` whole */
  pos_t committed;      /* leader: counted; follower: told */
  pos_t deliverable;    /* the last record end up to min(committed, acked) */
  pos_t applied;        /* leader: by the own app, as of the last turn */
  pos_t held;           /* follower: reclaimed when the app first held the ring, + 1; 0: not yet */
  nodeset_t counted;    /* leader: COUNTed and attached, itself included */
  uint64_t quorum_us;   /* leader: a quorum was alive then */
  uint64_t durable_moved_us;
  uint64_t kept_us; /* last housekeeping */
  pos_t stamp_pos;  /* leader: record end whose commit is timed; 0: none */
  uint64_t stamp_ns;

  struct stream requests[LIMIT_PEERS]; /* leader: from peers; follower: [self] to the leader */
  pos_t requests_given[LIMIT_PEERS];   /* leader: delivered up to here */
  int request_turn;                    /* leader: whose REQUESTs are delivered first */
  struct bcast_requests outstanding;
  struct bcast_peer peers[LIMIT_PEERS];
  uint8_t order[LIMIT_PEERS]; /* in which they are sent to: whose answers made the quorum, first */
  nodeset_t unsent;           /* of this round (send_next); 0: a new one begins */
};

struct bcast_memory {
  void *stream_ring;               /* config.ring_bytes, mapped twice in a row */
  void *request_ring[LIMIT_PEERS]; /* [i]: REQUESTs from peers[i]; [self_idx]: our own */
  uint64_t request_ring_bytes;     /* power of two, each mapped twice in a row; at least
                                    * record_size(largest record + 8) */
};

void bcast_init(struct bcast *b, const struct config *c, const struct bcast_memory *m,
                struct counters *counters, struct latency *latency);

/* bcast_step overwrites *a: its cnt, and as many entries.  FRAME, CONTROL, PROPOSE and REQUEST only
 * note; frames leave in TURN, where every loss is decided before anything leaves, so that a stalled
 * node never acts on what waited in its queues (C7, F12, J8).
 *
 * CONTROL: LEAD and OPEN are legal only when CLOSED (asserted); what names another epoch, iteration
 * or attachment is counted (REASON_HANDOVER_STALE) and ignored.
 *
 * PROPOSE: of another epoch, or when not leading, it is counted and dropped; else it must be next
 * (asserted); one above config.counter_limit is LOST.
 *
 * COUNT is optional: given before PROPOSE, what came with the frames is committed and leaves in the
 * frames that carry the new records, and a proposer that waits for the commit need not wait for the
 * next turn.
 *
 * COUNT, TURN: durable, applied and app_holds must belong to the present LEAD or OPEN;
 * requests_consumed counts what the app has finished reading, not what it has only taken from a
 * ring.  The TURNs of one round have the same time and positions: what one decides is so for all
 * peers. */
void bcast_step(struct bcast *b, const struct bcast_event *e, struct bcast_actions *a);

/* bcast_room: may BCAST_PROPOSE or BCAST_REQUEST with len payload bytes be given now? */
bool bcast_room(const struct bcast *b, enum bcast_event_type type, uint32_t len);
/* bcast_more: the round is not over: a TURN sends to one peer, and there are more, or there is more
 * for one than its actions hold. */
bool bcast_more(const struct bcast *b);

/* bcast_publish stores appended, committed (deliverable), held and the peers' positions for the
 * other threads; the driver calls it after carrying out the actions of a turn. */
void bcast_publish(const struct bcast *b, struct positions *p);

/* bcast_appended: whole checked records end here (disk may write up to it). */
pos_t bcast_appended(const struct bcast *b);
/* bcast_committed: may be delivered; min(committed, own acknowledged). */
pos_t bcast_committed(const struct bcast *b);

#endif
