/* phase.h - the phases of the replica machine and their legal moves.  No boolean encodes a phase.
 *
 *   STARTING -> FENCING -> LOOKING -> DISCOVERY -> SYNC -> BROADCAST
 *                  ^___________________|_____________|________|
 *
 * FENCING -> DISCOVERY: the role goes on in the next epoch, without an election (design 3).
 *
 * Pure.  Source: zab-rules 1; design 5.2 (fencing). */
#ifndef ZABLINE_PROTO_PHASE_H
#define ZABLINE_PROTO_PHASE_H

#include <stdbool.h>

enum role { ROLE_LOOKING, ROLE_FOLLOWING, ROLE_LEADING };

enum phase {
  PHASE_STARTING,  /* storage recovers */
  PHASE_FENCING,   /* CLOSE sent; fast, app and disk stop; then the last zxid is re-read */
  PHASE_LOOKING,   /* election */
  PHASE_DISCOVERY, /* FOLLOWERINFO, LEADERINFO, ACKEPOCH */
  PHASE_SYNC,      /* DIFF | TRUNC | SNAP, NEWLEADER, ACK */
  PHASE_BROADCAST, /* established: ESTABLISH (leader), UPTODATE (follower) */
  PHASE_STOPPED,   /* clean stop done, or failed */
  PHASE_CNT
};

/* phase_may_move says whether `to` may directly follow `from`. */
bool phase_may_move(enum phase from, enum phase to);
const char *phase_name(enum phase p);
const char *role_name(enum role r);

#endif
