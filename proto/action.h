/* action.h - every output of the two machines, and the order contract.
 *
 * A driver carries the actions of one step out in their order.  Persist-before-send is in the
 * machine, not in the driver: an action that depends on something durable is emitted only in the
 * step of the event that reports it durable (EV_DISK), never together with the disk request (R1,
 * R5, R10).
 *
 * Owner: the driver; pointers stay valid until the next step of the same machine, unless said
 * otherwise.  Source: design 2 (law 3), 5.2. */
#ifndef ZABLINE_PROTO_ACTION_H
#define ZABLINE_PROTO_ACTION_H

#include "proto/event.h"
#include "proto/frame.h"
#include "proto/log_event.h"

/* ---- broadcast machine ---- */

enum bcast_action_type {
  BCAST_ACT_SEND,    /* header (sealed), payload, len -> peer_idx, by path (enum path_id) */
  BCAST_ACT_FAST,    /* fast -> fast_slow */
  BCAST_ACT_REQUEST, /* payload, len from peer_idx -> fast_app; memory stays until consumed */
};

struct bcast_action {
  enum bcast_action_type type;
  int peer_idx;
  int path;
  struct frame_header header;
  const void *payload; /* into the ring; stable until the next step */
  uint32_t len;
  struct fast_msg fast;
};

struct bcast_actions {
  uint32_t cnt;
  struct bcast_action at[LIMIT_FAST_ACTIONS];
};

/* ---- replica machine ---- */

enum replica_action_type {
  ACT_NOTIFY,     /* peer_idx, state, vote: 3888; newest replaces an unsent one; the driver adds
                   * the config text, and connects or rings the doorbell (election.md 1.5) */
  ACT_FORGET,     /* what was last said to each peer on 3888 is not repeated any more */
  ACT_CONNECT,    /* peer_idx: connect conn 0 to its quorum address; retries are the machine's */
  ACT_CLOSE_CONN, /* conn, reason: no further event of this conn */
  ACT_SEND,       /* conn, packet */
  ACT_SEND_CHUNK, /* conn, packet.data: one SNAP chunk; packet.data.len 0: the end of SNAP */
  ACT_SEND_FRAME, /* conn, packet: FRAME; dropped and counted when much waits there already */
  ACT_FRAME,      /* peer_idx, packet.data: a frame that came over TCP -> fast path */
  ACT_KEEP_CONN,  /* conn: silence ends it no more; the fast path says whether its peer lives */
  ACT_WATCH_CONN, /* conn: silence ends it again */
  ACT_DISK,       /* disk -> slow_disk */
  ACT_FAST,       /* fast -> slow_fast */
  ACT_APP,        /* app -> slow_app */
  ACT_POSITIONS,  /* pos: reset all four positions to it (fast closed, disk and app stopped) */
  ACT_LOG,        /* log: one line for people */
  ACT_EXIT,       /* exit_code, reason: the process ends */
};

struct replica_action {
  enum replica_action_type type;
  int peer_idx;
  int conn;
  enum reason reason;
  int exit_code;
  pos_t pos;
  enum peer_state state;
  struct vote vote;
  struct packet packet; /* data points into the machine's memory */
  struct disk_msg disk;
  struct fast_msg fast;
  struct app_msg app;
  struct log_event log;
};

struct replica_actions {
  uint32_t cnt;
  struct replica_action at[LIMIT_SLOW_ACTIONS];
};

#endif
