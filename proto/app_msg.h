/* app_msg.h - rings slow_app and app_slow.
 *
 * slow -> app                                          app -> slow
 *   LEAD    epoch, pos = P (0), zxid = Z: apply the      STOPPED    answer to STOP: touches no
 *           history to Z, then prepare and number                   position, no ring memory more
 *           (epoch,1), (epoch,2), ...                    STEP_DOWN, RECOVER, STATUS
 *   FOLLOW  epoch, leader idx, P, Z: apply to Z from     FAILED     the app cannot go on (reason)
 *           the log, then the stream from P: what the
 *           ring has no more from the log
 *   STOP    drop the outstanding view, stop applying
 *   DRAIN   number nothing more: an epoch ends; asked      DRAINED  nothing more is numbered, all
 *           when the leader wants it, not the counter               that was is applied (reason)
 *   PAUSE   as STOP, but the same role goes on in the      STOPPED  on: of PAUSE
 *           next epoch: what clients have outstanding
 *           waits for LEAD or FOLLOW (or STOP)
 *   STATUS  answer: *status filled
 *   PUSH_BACK  on: take no new requests; not on, LEAD,
 *           STOP: take them again (5.2 step 0)
 *   SNAPSHOT  take one when serving, however short the
 *           log is: a learner needs it, and there is none
 *   EXIT    the process stops: close clients, end the loop
 *
 * Source: design 1, 7. */
#ifndef ZABLINE_PROTO_APP_MSG_H
#define ZABLINE_PROTO_APP_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/reason.h"
#include "proto/status.h"
#include "proto/zxid.h"

enum app_msg_type {
  APP_LEAD = 1,
  APP_FOLLOW,
  APP_STOP,
  APP_STATUS, /* both ways: asked by app with status lent, answered by slow */
  APP_EXIT,
  APP_STOPPED,
  APP_STEP_DOWN, /* app -> slow */
  APP_RECOVER,   /* app -> slow: `zabctl recover --accept-loss` */
  APP_FAILED,
  APP_PUSH_BACK,
  APP_DRAIN,
  APP_DRAINED, /* app -> slow */
  APP_PAUSE,
  APP_SNAPSHOT,
};

struct app_msg {
  enum app_msg_type type;
  enum reason reason;
  int leader_idx;
  uint32_t epoch;
  pos_t pos;
  zxid_t zxid;
  struct status *status; /* lent with APP_STATUS */
  bool on;               /* PUSH_BACK; STOPPED: the answer to PAUSE */
};

#endif
