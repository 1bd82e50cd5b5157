/* turn_fast.h - one turn of the fast lcore: ports, rings and the broadcast machine.
 *
 * One rx burst per port, the hand-over messages, what that committed, what the app wants to send,
 * then a round of BCAST_TURNs decides what leaves, peer by peer; then the positions are published
 * and the received packets given back.  No clock, no system call: loop_fast.c is the thread around
 * it, test/sim the other one.
 *
 * Owner: the fast lcore.  Blocks: no.  Allocates: no.  Source: design 1, 3, 5.2. */
#ifndef ZABLINE_DPDK_APP_TURN_FAST_H
#define ZABLINE_DPDK_APP_TURN_FAST_H

#include "dpdk_app/node.h"

struct fast {
  struct node *node;
  struct bcast_actions actions;
  uint64_t now_ns, turned_ns;
  pos_t durable;  /* at the last BCAST_TURN */
  uint32_t epoch; /* of the last LEAD or OPEN; epochs begin at 1 */
  bool closed;    /* neither LEAD nor OPEN since the last CLOSE */
  bool keeps;     /* ... which said that what was submitted stays (in-place epoch change) */
  bool holding;   /* `held` was taken from app_fast and waits for room */
  struct bytes_msg held;
  uint64_t requests_given;             /* BCAST_ACT_REQUESTs put into fast_app */
  pos_t appended, committed, held_pos; /* as last published */
};

void fast_init(struct fast *f, struct node *n);
/* fast_turn does one turn at now_ns (monotonic, not near 0); returns how much there was to do. */
int fast_turn(struct fast *f, uint64_t now_ns);

#endif
