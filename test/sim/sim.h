/* sim.h - one seed, from the first boot to the last check. */
#ifndef ZABLINE_TEST_SIM_SIM_H
#define ZABLINE_TEST_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "test/sim/cover.h"

struct plan;

struct sim_options {
  uint64_t seed;
  uint64_t faults_max;     /* the nemesis stops after so many; UINT64_MAX: as planned */
  bool live;               /* print the trace */
  uint32_t counter;        /* last number of each epoch, whatever the plan says; 0: as planned */
  bool memory;             /* durability `memory`, whatever the plan says */
  bool tree;               /* the application is the tree */
  bool storage;            /* disks damage what they hold, too (FAULTS_OF_STORAGE) */
  const struct plan *plan; /* NULL: drawn.  Else: no faults, and nobody boots by itself */
};

enum { SIM_COUNTS = 64 };

struct sim_result {
  uint64_t events, virtual_us, heal_us, hash;
  uint64_t elections, in_place, committed, acked, faults;
  uint64_t recoveries, images; /* of nodes; disks looked at as if their power had gone */
  uint64_t count[SIM_COUNTS];  /* what took effect, by sim_count_name */
  struct cover cover;
};

/* sim_count_name names the i-th count; NULL behind the last. */
const char *sim_count_name(int i);
/* sim_count_is_due: enough seeds with these options must have some of it. */
bool sim_count_is_due(int i, const struct sim_options *o);
/* sim_catch: asserts and worse are reported with their seed, too. */
void sim_catch(void);
/* sim_run returns when everything held; else the process ends (violation). */
struct sim_result sim_run(const struct sim_options *o);

/* ---- for runs that are not a seed's (scene.h) ---- */
void sim_begin(const struct sim_options *o);
/* sim_run_until goes on to the first event before which done() holds; a violation if that is not
 * within limit ns. */
void sim_run_until(bool (*done)(void), uint64_t limit, const char *what);
void sim_finish(void);

#endif
