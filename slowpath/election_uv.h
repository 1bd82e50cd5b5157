/* election_uv.h - election port 3888: one connection per pair of nodes, opened by the larger id.
 *
 *   larger id:  dial -> hello -> keeps it; a doorbell heard -> dials
 *   smaller id: dial -> hello -> closes it (doorbell); takes the larger one's connection,
 *               replacing any
 *
 * What there is to say is one message per peer: the newest replaces an unsent one, and the last one
 * is sent again when a connection stands again.  The driver reconnects as long as a message is
 * unsent.  An old connection is kept until its successor stands: a replacement is no LINK_DOWN.
 *
 * Owner: slow thread.  Blocks: no.  Source: election.md 1, 2, 8; design 5.3. */
#ifndef ZABLINE_SLOWPATH_ELECTION_UV_H
#define ZABLINE_SLOWPATH_ELECTION_UV_H

#include "config/config.h"
#include "proto/event.h"
#include "proto/notification.h"
#include "slowpath/complaint_uv.h"
#include "slowpath/dial_uv.h"
#include "slowpath/lobby_uv.h"

#define ELECTION_MESSAGE_LEN (48 + LIMIT_CONFIG_TEXT)

struct election_uv_peer {
  struct sock_uv *sock; /* the pair's connection */
  struct dial_uv dial;
  bool called;            /* the dial answers a doorbell: what stood before is dead */
  uint64_t try_us;        /* next attempt; UINT64_MAX: nothing to say */
  uint64_t not_before_us; /* no attempt before, whatever there is to say */
  uint64_t delay_us;      /* grows from attempt to attempt, until one succeeds */
  bool unsent;
  size_t message_len; /* 0: nothing was ever said */
  uint8_t message[ELECTION_MESSAGE_LEN];
  bool link_due; /* EV_LINK to give: link */
  enum link_state link;
};

struct election_uv {
  const struct config *config;
  bool dirty;
  int turn; /* the peer looked at last */
  struct complaints complaints;
  struct lobby_uv lobby;
  struct election_uv_peer peer[LIMIT_PEERS]; /* own entry unused */
  struct notification own;                   /* config: our server list */
  struct notification heard;                 /* what EV_NOTIFICATION points to */
};

/* election_uv_open binds the own election address.  Returns 0, or -1 after one line. */
int election_uv_open(struct election_uv *e, uv_loop_t *loop, const struct config *c,
                     struct counters *counters);
void election_uv_close(struct election_uv *e);

/* election_uv_forget carries ACT_FORGET out, election_uv_notify ACT_NOTIFY. */
void election_uv_forget(struct election_uv *e);
void election_uv_notify(struct election_uv *e, uint64_t now_us, int peer_idx, enum peer_state state,
                        const struct vote *vote);

/* election_uv_next fills the next EV_NOTIFICATION or EV_LINK; false: none now.  To be called after
 * each run of the loop and at the deadline, until false. */
bool election_uv_next(struct election_uv *e, uint64_t now_us, struct replica_event *ev);
uint64_t election_uv_deadline_us(const struct election_uv *e);

#endif
