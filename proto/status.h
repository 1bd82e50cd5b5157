/* status.h - what `zabctl status` shows of the slow thread's view.  Filled by replica_status.
 * Source: issue "spine" 7; design 5.1 (build of each peer). */
#ifndef ZABLINE_PROTO_STATUS_H
#define ZABLINE_PROTO_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/disk_msg.h"
#include "proto/path_id.h"
#include "proto/phase.h"
#include "proto/reason.h"
#include "proto/zxid.h"

struct status_peer {
  int id;
  const char *state; /* static text: "self", "unknown", "unreachable", "connected", "syncing",
                         "following", "leading" */
  const char *path;  /* static text: "none", "fast", "fast2", "tcp" */
  uint8_t paths[LIMIT_PATHS]; /* enum path_state of each */
  uint64_t lag_bytes;         /* leader: appended - peer's durable; 0 if not attached */
  char build[LIMIT_NAME_LEN];
};

struct status {
  uint8_t id;
  enum role role;
  enum phase phase;
  uint32_t epoch; /* of the established or prospective leader; 0 while looking */
  int leader_id;  /* 0: none */
  struct durable_state durable;
  zxid_t waits_for;      /* a damaged record that nobody here has: no leader before it is there */
  bool counting;         /* this node votes and counts */
  enum reason last_loss; /* why the last leadership or following ended */
  uint64_t elections;
  uint64_t diffs, snaps; /* syncs of learners begun here: with records, or with a snapshot */
  int push_back; /* leader: how hard it pushes back on proposers; 0: it does not (5.2 step 0) */
  int peer_cnt;
  struct status_peer peers[LIMIT_PEERS];
};

#endif
