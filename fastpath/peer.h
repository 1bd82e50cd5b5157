/* peer.h - one attachment: this node and one peer, in one iteration.
 *
 * The leader has one for each attached follower, a follower one for its leader.  It is forgotten
 * whole at DETACH and at a new ATTACH: nothing of one iteration reaches the next (R13, J3).
 *
 * Sequence numbers: a frame counts once; one that comes up to PEER_SEQ_WINDOW frames late is still
 * taken, an older one is dropped as if it were lost (and repaired).
 *
 * Liveness: a leader's peer was last alive when it was sent the frame whose send time it echoes; a
 * follower's leader, when a frame came that was sent later than all before (C7, F12).
 *
 * Owner: the thread that owns struct bcast.  Blocks: no.  Allocates: no.
 * Source: design 3, 4, 5.2; zab-rules R13, C7, F12, J3, J6. */
#ifndef ZABLINE_FASTPATH_PEER_H
#define ZABLINE_FASTPATH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/inflow.h"
#include "fastpath/outflow.h"
#include "fastpath/path.h"

#define PEER_SEQ_WINDOW 64

enum peer_phase {
  PEER_NONE,
  PEER_WAITING,  /* leader: ATTACH came; own durable position is below the peer's history */
  PEER_ATTACHED, /* leader: P is told; follower: OPEN came */
  PEER_HEARD,    /* a frame of this iteration came */
};

struct bcast_peer {
  enum peer_phase phase;
  int idx;
  uint8_t id;
  bool observer;
  bool told_heard;   /* FAST_HEARD was given */
  bool owes_answer;  /* a frame came since the last one sent */
  bool owes_at_once; /* ... that is answered in this turn */
  uint64_t iteration;
  uint64_t resumes;       /* leader: whose REQUEST stream goes on (in-place epoch change); 0: new */
  zxid_t last_zxid;       /* the peer's, at ATTACH */
  pos_t hold_to;          /* leader had appended this at ATTACHED */
  uint64_t requests_wait; /* REQUESTs wait until the app has consumed so many: old memory */

  uint64_t tx_seq, rx_seq, rx_seen; /* rx_seen bit i: rx_seq - i was seen */
  uint64_t attached_us;
  uint64_t alive_us;  /* see "Liveness" */
  uint64_t heard_us;  /* leader: the first frame came */
  uint64_t behind_us; /* leader: behind the ring since then; 0: is not */
  uint64_t sent_us;   /* last frame to the peer */
  uint32_t send_time; /* newest of the peer, on whatever path */
  uint32_t echo_time; /* newest that the peer echoed */
  uint64_t rtt_us;

  pos_t durable; /* leader: acknowledged by the peer; counts once COUNTed */
  pos_t told_committed, told_received, told_durable, told_edge; /* in the last frame sent */
  struct frame_range gaps[LIMIT_GAP_RANGES]; /* payload of the report being sent */
  struct path_set paths;
  struct inflow in;
  struct outflow out;
};

/* peer_attach forgets everything and begins a new iteration, on the paths that exist; streams start
 * at out_start and in_start. */
void peer_attach(struct bcast_peer *p, uint64_t iteration, uint64_t now_us, unsigned exist);
void peer_start(struct bcast_peer *p, pos_t out_start, pos_t in_start, uint32_t flight_max);

/* peer_take_seq returns false for a frame seen before or too old to tell. */
bool peer_take_seq(struct bcast_peer *p, uint64_t seq);

/* peer_send_stamp returns the send time for a frame that leaves at now_us; never 0. */
uint32_t peer_send_stamp(uint64_t now_us);

/* peer_echo_age returns how long ago the echoed time was; above INT32_MAX: it is in the future. */
uint32_t peer_echo_age(uint64_t now_us, uint32_t echo_time);

/* peer_heard_time notes the peer's send time; true when it is newer than all before. */
bool peer_heard_time(struct bcast_peer *p, uint32_t send_time);

/* peer_measure takes a round trip from an echo that is newer than all before. */
void peer_measure(struct bcast_peer *p, uint64_t now_us, uint32_t echo_time);

/* peer_rto_us: a few measured round trips, at least the floor. */
uint64_t peer_rto_us(const struct bcast_peer *p);

#endif
