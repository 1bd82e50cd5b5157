/* slow_turn_uv.h - one turn of the slow thread: the replica machine between its rings and sockets.
 *
 * Bytes move in libuv's loop (sock_uv.h), which the thread (slow_uv.c) runs between two turns; a
 * turn itself calls nothing of it.  The simulator runs the same turns on sockets of its own.
 *
 * Owner: slow thread.  Blocks: no.  Allocates: at start; sockets.  Source: design 1, 5. */
#ifndef ZABLINE_SLOWPATH_SLOW_TURN_UV_H
#define ZABLINE_SLOWPATH_SLOW_TURN_UV_H

#include "slowpath/election_uv.h"
#include "slowpath/quorum_uv.h"
#include "slowpath/replica.h"
#include "slowpath/slow_uv.h"

struct slow_turn {
  const struct slow_uv_config *c;
  uint64_t random[4];
  int source;           /* the source of events looked at last */
  bool ticked, stopped; /* EV_TICK in this turn, EV_STOP ever: given */
  bool frame_held;      /* the frame of the last EV_FRAME is still in its ring */
  bool exiting;
  int exit_code;
  struct election_uv election;
  struct quorum_uv quorum;
  struct replica replica;
  struct replica_memory memory;
  struct replica_actions actions;
};

/* slow_turn_new returns NULL if there is no memory; random: not all zero. */
struct slow_turn *slow_turn_new(const struct slow_uv_config *c, const uint64_t random[4]);
/* slow_turn_open binds both ports.  Returns 0, or -1 after a line. */
int slow_turn_open(struct slow_turn *s, uv_loop_t *loop);
/* slow_turn takes events until there are none, or LIMIT_SLOW_TURN.  Returns whether there may be
 * more without a look at the sockets; false when `exiting`. */
bool slow_turn(struct slow_turn *s);
/* slow_turn_deadline_us: the next turn at the latest then. */
uint64_t slow_turn_deadline_us(const struct slow_turn *s);
/* slow_turn_close begins to close every socket; the loop must run until it is empty. */
void slow_turn_close(struct slow_turn *s);
/* slow_turn_free: what the disk thread still has is left to the end of the process. */
void slow_turn_free(struct slow_turn *s);

#endif
