/* handover.h - rings slow_fast and fast_slow: the hand-over between the two paths.
 *
 * Every message carries (epoch, iteration); one that does not match the present attachment is
 * ignored and counted (REASON_HANDOVER_STALE).  Peers are named by their index in config.peers.
 *
 * slow -> fast                                   fast -> slow
 *   LEAD       epoch, zxid = Z0: stream starts     ATTACHED  P, Z: all after P is kept for peer
 *              at 0 behind Z0, nothing counted     HEARD     peer echoes us in this iteration,
 *                                                            and holds what was appended at ATTACH
 *   ATTACH     peer, iteration, zxid = F's last    DETACHED  peer fell behind or is silent (reason)
 *   DETACH     peer, iteration: TCP is gone        LOST      the path as a whole stopped (reason)
 *   COUNT      peer, iteration: durable counts     CLOSED    answer to CLOSE; pos = appended: all
 *   ESTABLISH  epoch: may propose and commit                 whole records; nothing in flight
 *   OPEN       (follower) leader = peer, epoch, iteration, P, Z
 *   CLOSE      stop at once; answered by CLOSED whatever the state
 *
 * In-place epoch change: CLOSE says that the role goes on in the next epoch (keeps), so what the
 * app has submitted waits.  ATTACH and OPEN name the iteration whose REQUEST stream goes on
 * (resumes); ATTACHED says whether it does and how far the leader holds it (requests), and OPEN
 * hands that to the follower, who sends from there.
 *
 * MOVED (fast -> slow) is only for people: the attachment's frames take another path (pos: enum
 * path_id) than before (left), and why.
 * STALLED (fast -> its own driver): peer answers on the path (left), but what is large does not
 * arrive there.
 *
 * Source: design 5.2. */
#ifndef ZABLINE_PROTO_HANDOVER_H
#define ZABLINE_PROTO_HANDOVER_H

#include <stdint.h>

#include "proto/reason.h"
#include "proto/zxid.h"

enum fast_msg_type {
  FAST_LEAD = 1,
  FAST_ATTACH,
  FAST_DETACH,
  FAST_COUNT,
  FAST_ESTABLISH,
  FAST_OPEN,
  FAST_CLOSE,
  FAST_ATTACHED,
  FAST_HEARD,
  FAST_DETACHED,
  FAST_LOST,
  FAST_CLOSED,
  FAST_MOVED,
  FAST_STALLED,
};

struct fast_msg {
  enum fast_msg_type type;
  int peer_idx;
  uint32_t epoch;
  enum reason reason;
  uint64_t iteration; /* of the attachment; LEAD: 0 */
  pos_t pos;
  zxid_t zxid;
  uint64_t tcp;     /* ATTACH, OPEN: 1: frames may go over the TCP connection too */
  int left;         /* MOVED: enum path_id used before; STALLED: the one in use */
  int keeps;        /* CLOSE: 1: what was submitted stays for the next OPEN */
  uint64_t resumes; /* ATTACH, ATTACHED, OPEN: the iteration that goes on; 0: a new stream */
  pos_t requests;   /* ATTACHED, OPEN: the leader holds the resumed one up to here */
};

#endif
