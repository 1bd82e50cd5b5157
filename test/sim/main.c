/* main.c - sim: runs seeds.  See README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/sim.h"

int main(int argc, char **argv) {
  struct sim_options o = {.seed = 1, .faults_max = UINT64_MAX};
  uint64_t seeds = 1;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--trace")) o.live = true;
    if (!strcmp(argv[i], "--seed") && i + 1 < argc) o.seed = strtoull(argv[++i], NULL, 0);
    if (!strcmp(argv[i], "--seeds") && i + 1 < argc) seeds = strtoull(argv[++i], NULL, 0);
  }
  for (uint64_t i = 0; i < seeds; i++, o.seed++) {
    struct sim_result r = sim_run(&o);
    printf("seed %llu: %llu events, %llu us, %llu elections, %llu committed, hash %llx\n",
           (unsigned long long)o.seed, (unsigned long long)r.events,
           (unsigned long long)r.virtual_us, (unsigned long long)r.elections,
           (unsigned long long)r.committed, (unsigned long long)r.hash);
  }
  return 0;
}
