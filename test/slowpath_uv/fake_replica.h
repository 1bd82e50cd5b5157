/* fake_replica.h - a replica machine for the tests of the slow thread: what it does is the test's.
 *
 * Installed for the calling thread before slow_uv_run, so that several run side by side. */
#ifndef ZABLINE_TEST_SLOWPATH_UV_FAKE_REPLICA_H
#define ZABLINE_TEST_SLOWPATH_UV_FAKE_REPLICA_H

#include "slowpath/replica.h"

struct fake_replica {
  void *self;
  /* returns the new deadline_us */
  uint64_t (*step)(void *self, const struct replica_event *e, struct replica_actions *a);
  bool (*wants)(void *self, int conn);
  void (*status)(void *self, struct status *s);
};

void fake_replica_install(const struct fake_replica *f);

#endif
