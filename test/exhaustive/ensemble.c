#include "test/exhaustive/exhaustive.h"
#include "test/sim/client.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"
#include "test/sim/sim.h"

#define SEED 1

struct plan ensemble_plan(void) { /* every time is a constant: what differs is the set's alone */
  struct plan p = plan_benign();
  p.clients = 3;
  p.heartbeat_us = 2000;
  p.timeout_us = 20000;
  p.largest_record = 1024;
  p.write_min = p.write_max = 20 * US;
  p.delay_min = p.delay_max = 10 * US;
  return p;
}

void ensemble_begin(const struct plan *p) {
  sim_begin(&(struct sim_options){.seed = SEED, .plan = p, .live = world->trace.live});
  submitters_settle();
}

void ensemble_boot(int node) { machine_boot(&world->machines[node]); }

static nodeset_t wanted;
static uint64_t until;

static bool serves(const struct machine *m) {
  if (m->state != MACHINE_UP || !m->app_runs || m->app.state != APP_SERVING) return false;
  struct app app = m->node->app;
  return app.ops->applied(&app) == oracle_committed();
}

static bool all_serve(void) {
  for (int i = 0; i < world->plan.nodes; i++)
    if ((wanted >> i & 1u) && !serves(&world->machines[i])) return false;
  return ensemble_leader() >= 0;
}

static bool all_acked(void) {
  for (int i = 0; i < world->submitters->cnt; i++)
    if (world->submitters->at[i].acked < world->submitters->at[i].wanted) return false;
  return true;
}

static bool time_is_over(void) { return world->now >= until; }

void ensemble_serve(nodeset_t nodes, uint64_t limit) {
  wanted = nodes;
  sim_run_until(all_serve, limit, "every node serves");
}

void ensemble_want(int node, uint64_t writes) { submitters_want(node, writes, 0); }

void ensemble_acked(uint64_t limit) {
  sim_run_until(all_acked, limit, "every write is acknowledged");
}

void ensemble_run_for(uint64_t ns) {
  until = world->now + ns;
  sim_run_until(time_is_over, NEVER - until, "");
}

int ensemble_leader(void) {
  for (int i = 0; i < world->plan.nodes; i++) {
    const struct machine *m = &world->machines[i];
    if (m->state == MACHINE_UP && m->node->bcast.phase == BCAST_LEADING &&
        m->node->bcast.established)
      return i;
  }
  return -1;
}

void ensemble_end(uint64_t limit) {
  for (int i = 0; i < world->plan.nodes; i++) {
    submitters_no_more(i);
    ensemble_want(i, 1);
  }
  ensemble_acked(limit);
  ensemble_serve((nodeset_t)((1u << world->plan.nodes) - 1), limit);
  oracle_end();
  sim_finish();
}
