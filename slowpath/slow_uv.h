/* slow_uv.h - the slow thread: a libuv loop around the replica machine.
 *
 * Sockets of 3888 (election_uv.c) and 2888 (quorum_uv.c), the timer, the rings to the other
 * threads. The rings are given as functions, because rte_ring is dpdk_app's (law 1).
 *
 * Owner: slow thread.  Blocks: in the loop.  Source: design 1, 5. */
#ifndef ZABLINE_SLOWPATH_SLOW_UV_H
#define ZABLINE_SLOWPATH_SLOW_UV_H

#include <stdbool.h>

#include "config/config.h"
#include "proto/app_msg.h"
#include "proto/disk_msg.h"
#include "proto/handover.h"
#include "proto/positions.h"
#include "proto/reason.h"

/* A frame of the broadcast between fast path and TCP; header and payload in one piece. */
struct tcp_frame {
  const void *data;
  uint32_t len;
  int32_t peer_idx;
};

struct slow_rings {
  void *self;
  void (*to_fast)(void *self,
                  const struct fast_msg *m); /* never full: depth > all that can be out */
  void (*to_disk)(void *self, const struct disk_msg *m);
  void (*to_app)(void *self, const struct app_msg *m);
  bool (*from_fast)(void *self, struct fast_msg *m);
  bool (*from_disk)(void *self, struct disk_msg *m);
  bool (*from_app)(void *self, struct app_msg *m);
  /* The oldest frame to send stays valid until frame_done.  frame_to_fast copies; false: full. */
  bool (*frame_from_fast)(void *self, struct tcp_frame *f);
  void (*frame_done)(void *self);
  bool (*frame_to_fast)(void *self, const struct tcp_frame *f);
  int wake_fd;                   /* readable after a wake-up write */
  bool (*may_sleep)(void *self); /* sets the sleeping flag; false (flag cleared): rings not empty */
  void (*awake)(void *self);     /* clears the flag and empties wake_fd */
};

struct slow_uv_config {
  const struct config *config;
  const char *build; /* "zabline-0.1.0 (gcc 12.2.0)" */
  struct slow_rings rings;
  struct positions *positions; /* reset on ACT_POSITIONS; lags of status */
  struct counters *counters;
  const _Atomic int *stop; /* set and woken by the signal handler's thread: clean stop */
  int poll;                /* IDLE_SPIN: poll, never sleep */
};

/* slow_uv_run binds both ports, waits for DISK_OPENED, runs until the machine exits.  Returns the
 * exit code (zabd.h); each error has been logged in one line. */
int slow_uv_run(const struct slow_uv_config *c);

#endif
