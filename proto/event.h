/* event.h - every input of the two machines.  Time and randomness come in here (law 3).
 *
 * Owner: the driver that builds it; pointers are valid during the step only, unless said otherwise.
 * Source: design 2 (law 3), 5.2. */
#ifndef ZABLINE_PROTO_EVENT_H
#define ZABLINE_PROTO_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/app_msg.h"
#include "proto/disk_msg.h"
#include "proto/handover.h"
#include "proto/notification.h"
#include "proto/packet.h"

/* ---- broadcast machine (fast lcore) ---- */

enum bcast_event_type {
  BCAST_FRAME,   /* frame, len: from the frame header on, as received */
  BCAST_CONTROL, /* fast: from slow_fast */
  BCAST_PROPOSE, /* payload, len, zxid: leader's app; only when bcast_room says it fits */
  BCAST_REQUEST, /* payload, len: follower's app, to forward; only when bcast_room says it fits */
  BCAST_COUNT,   /* the first half of BCAST_TURN: positions in, losses, commits; nothing leaves */
  BCAST_TURN,    /* after all others, once per peer: positions in, sends are decided */
};

/* Small: one is made for every step. */
struct bcast_event {
  enum bcast_event_type type;
  uint64_t now_ns; /* monotonic */
  union {
    struct { /* BCAST_FRAME, PROPOSE, REQUEST */
      const void *data;
      uint32_t len;
      int path;              /* FRAME: on which it came (enum path_id) */
      zxid_t zxid;           /* PROPOSE */
      struct counters *from; /* FRAME: of who sent it (proto/drops.h), NULL: not counted */
    };
    struct {                      /* BCAST_COUNT, TURN */
      pos_t durable, applied;     /* from struct positions */
      uint64_t requests_consumed; /* how many BCAST_ACT_REQUESTs the app has taken, since start */
      bool app_holds;             /* from struct positions; follower */
    };
    const struct fast_msg *fast; /* BCAST_CONTROL */
  };
};

/* ---- replica machine (slow thread) ---- */

enum replica_event_type {
  EV_TICK,           /* replica.deadline_us has come (or earlier; harmless) */
  EV_NOTIFICATION,   /* peer_idx, notification */
  EV_LINK,           /* election connection: peer_idx, link */
  EV_CONNECTED,      /* learner: connection 0 to the leader stands */
  EV_CONNECT_FAILED, /* learner: reason */
  EV_ACCEPTED,       /* conn: somebody connected to 2888 */
  EV_PACKET,         /* conn, packet */
  EV_WRITABLE,    /* conn: all that was sent on it is with the kernel; comes after every step that
                   * sent on conn, also when nothing had to wait */
  EV_CONN_CLOSED, /* conn, reason: by the peer or an error; never after ACT_CLOSE_CONN */
  EV_DISK,        /* disk: answer from disk_slow */
  EV_FAST,        /* fast: from fast_slow */
  EV_FRAME,       /* peer_idx, frame: the fast path wants it sent over TCP */
  EV_APP,         /* app: from app_slow */
  EV_STOP,        /* SIGTERM: clean stop */
};

enum link_state {
  LINK_UP,      /* connection stands */
  LINK_DOWN,    /* it was closed or reset */
  LINK_REFUSED, /* nobody listens there */
};

struct replica_event {
  enum replica_event_type type;
  uint64_t now_us; /* monotonic */
  uint64_t random; /* fresh in every event */
  int peer_idx;
  int conn; /* 0: ours to the leader; 1..LIMIT_LEARNERS: accepted ones */
  enum link_state link;
  enum reason reason;
  pos_t committed; /* struct positions, in every event: UPTODATE waits for P (R7) */
  const struct notification *notification;
  const struct packet *packet;
  struct span frame; /* header and payload */
  struct disk_msg disk;
  struct fast_msg fast;
  struct app_msg app;
};

#endif
