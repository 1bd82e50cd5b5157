#include "test/slowpath_uv/fake_replica.h"

static _Thread_local const struct fake_replica *fake;

void fake_replica_install(const struct fake_replica *f) { fake = f; }

void replica_init(struct replica *r, const struct config *c, const struct replica_memory *m,
                  struct counters *counters, const char *build) {
  (void)c, (void)m, (void)counters, (void)build;
  r->deadline_us = UINT64_MAX;
}

void replica_step(struct replica *r, const struct replica_event *e, struct replica_actions *a) {
  r->deadline_us = fake->step(fake->self, e, a);
}

bool replica_wants_input(const struct replica *r, int conn) {
  (void)r;
  return fake->wants(fake->self, conn);
}

void replica_status(const struct replica *r, struct status *s) {
  (void)r;
  fake->status(fake->self, s);
}

void replica_check(const struct replica *r) { (void)r; }
