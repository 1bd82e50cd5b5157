/* sim.h - one seed, from the first boot to the last check. */
#ifndef ZABLINE_TEST_SIM_SIM_H
#define ZABLINE_TEST_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_options {
  uint64_t seed;
  uint64_t faults_max; /* the nemesis stops after so many; UINT64_MAX: as planned */
  bool live;           /* print the trace */
  bool storage;        /* disks damage what they hold, too (FAULTS_OF_STORAGE) */
};

struct sim_result {
  uint64_t events, virtual_us, heal_us, hash;
  uint64_t elections, committed, acked, faults;
};

/* sim_catch: asserts and worse are reported with their seed, too. */
void sim_catch(void);
/* sim_run returns when everything held; else the process ends (violation). */
struct sim_result sim_run(const struct sim_options *o);

#endif
