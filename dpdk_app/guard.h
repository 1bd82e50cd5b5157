/* guard.h - the memif driver takes nothing away from the fast lcore while it is inside a burst.
 *
 * When a peer dies, the driver unmaps the memory shared with it and closes its descriptors on EAL's
 * interrupt thread, whatever the lcore is doing; the lcore then faults, or writes its 8 bytes of
 * "interrupt" into whatever file was opened next.  guard.c therefore takes the place of munmap and
 * close for that one thread: they first wait until every lcore has been seen outside its bursts.
 * Also recvmsg: descriptors that come with a message that bears none are closed, since the driver
 * would forget them.  And connect: a hung peer must not block that thread, so the connect of a
 * memif client waits at most 1 ms.
 *
 * The readers are those of a rte_rcu_qsbr variable in a memzone: an lcore pays one load per turn.
 *
 * Owner of a reader: the fast lcore.  Blocks: guard_wait only.  Source: design 8. */
#ifndef ZABLINE_DPDK_APP_GUARD_H
#define ZABLINE_DPDK_APP_GUARD_H

#include <stdbool.h>

#include <rte_rcu_qsbr.h>

#define GUARD_READERS 16 /* nodes of one process */

struct guard_reader {
  struct rte_rcu_qsbr *rcu;
  unsigned id;
  bool online;
};

/* guard_open adds a reader, which is offline.  Main only, after EAL.  0, or -1 (no memory, too
 * many). */
int guard_open(struct guard_reader *r);
/* guard_close takes it out; its lcore makes no bursts any more.  Frees a waiting guard_wait. */
void guard_close(struct guard_reader *r);

/* guard_quiescent: the lcore is outside its bursts.  Called at least once per turn, by one lcore.
 */
static inline void guard_quiescent(struct guard_reader *r) {
  if (r->online) {
    rte_rcu_qsbr_quiescent(r->rcu, r->id);
    return;
  }
  r->online = true;
  rte_rcu_qsbr_thread_online(r->rcu, r->id);
}

/* guard_leave: no bursts until the next guard_quiescent, which may be long after. */
static inline void guard_leave(struct guard_reader *r) {
  if (r->online) rte_rcu_qsbr_thread_offline(r->rcu, r->id);
  r->online = false;
}

/* guard_wait returns when every reader that is online has been outside its bursts since the call.
 */
void guard_wait(void);

#endif
