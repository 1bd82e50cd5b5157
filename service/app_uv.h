/* app_uv.h - the app thread: a libuv loop around the application and its clients.
 *
 * Applies the committed stream, prepares on the leader, forwards on a follower, takes snapshots,
 * and serves the control socket (control.h: submit, tail, digest, bench, status, step-down).
 *
 * Owner: app thread.  Blocks: in the loop.  Source: design 1, 7. */
#ifndef ZABLINE_SERVICE_APP_UV_H
#define ZABLINE_SERVICE_APP_UV_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/app_msg.h"
#include "proto/disk_msg.h"
#include "proto/drops.h"
#include "proto/positions.h"
#include "proto/reason.h"
#include "service/app.h"

/* What ends the app thread's sleep: more committed than `committed` (lazy: much more), a ring;
 * REQUESTs that are there only if it takes them now: else it would spin, on a core that the disk
 * thread may need. */
struct app_watch {
  pos_t committed;
  bool requests;
  bool lazy;
};

struct app_rings {
  void *self;
  /* propose, forward: the bytes are copied; false: app_fast is full, stop reading requests */
  bool (*propose)(void *self, zxid_t zxid, const void *txn, uint32_t len);
  bool (*forward)(void *self, const void *request, uint32_t len);
  /* one_at_a_time: the fast lcore proposes the next only when all before it is committed, so that a
   * closed loop is closed there and not by this thread (bench) */
  void (*one_at_a_time)(void *self, bool on);
  /* next_request: the oldest REQUEST of a follower, in ring memory until request_done */
  bool (*next_request)(void *self, const void **request, uint32_t *len);
  void (*request_done)(void *self);
  void (*to_disk)(void *self, const struct disk_msg *m);
  void (*to_slow)(void *self, const struct app_msg *m);
  bool (*from_disk)(void *self, struct disk_msg *m);
  bool (*from_slow)(void *self, struct app_msg *m);
  int wake_fd;
  /* may_sleep: false if what ends the sleep is there already */
  bool (*may_sleep)(void *self, const struct app_watch *w);
  void (*awake)(void *self);
};

struct app_uv_config {
  const struct config *config;
  const char *build;
  struct app app;
  struct app_rings rings;
  struct positions *positions;
  const uint8_t *stream_ring; /* mapped twice: a record at (pos & mask) is linear */
  uint64_t stream_mask;
  const struct counters *counters[4]; /* fast, disk, slow, app: for status */
  struct counters *own_counters;
  const struct drops *drops;     /* by whom; may be NULL */
  const struct latency *latency; /* commit latency of the fast lcore (proto/latency.h) */
  int poll;
};

/* app_uv_run serves until APP_EXIT.  Returns 0, or an exit code (zabd.h) with the line logged. */
int app_uv_run(const struct app_uv_config *c);

#endif
