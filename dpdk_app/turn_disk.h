/* turn_disk.h - one turn of the disk thread: group commit of the epoch stream, and what slow and
 * app ask of the store (proto/disk_msg.h).
 *
 * Between two requests it writes whatever the fast lcore has appended meanwhile, as one group: so
 * groups grow by themselves when the disk is slower than the wire, and nobody waits for a batch.
 * After any failed write (R15) nothing more is written, published or answered: `failed` says so,
 * and the thread around (loop_disk.c) ends the process.
 *
 * Owner: the disk thread.  Blocks: in disk.h and wake.h.  Source: design 1, 6. */
#ifndef ZABLINE_DPDK_APP_TURN_DISK_H
#define ZABLINE_DPDK_APP_TURN_DISK_H

#include "dpdk_app/node.h"

struct diskd {
  struct node *node;
  bool running;   /* between START and DRAIN: the ring is written to the log */
  bool sealed;    /* nothing was written since the idle trailer */
  int quiet;      /* it has rested to the end: so many steps that are not due may come */
  int busy_turns; /* with work, since the last step in the background */
  bool rested;    /* it has waited, or done something else, since the log was written */
  uint32_t idle_turns;
  enum reason failed; /* NONE: the store is good */
};

/* disk_init says OPENED. */
void disk_init(struct diskd *d, struct node *n);
/* disk_turn writes one group and serves one request of each asker; false: nothing was to do. */
bool disk_turn(struct diskd *d);
/* disk_idle: after a turn without work: one step in the background, or sleep. */
void disk_idle(struct diskd *d);

#endif
