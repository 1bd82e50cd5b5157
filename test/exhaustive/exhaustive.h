/* exhaustive.h - sets of schedules that are run to the last one, on the simulator (test/sim/).
 *
 *      run.c       processes that share the units of a set; progress; one case again
 *      ensemble.c  what all sets begin with and end with: three nodes, calm, nothing by chance
 *      rot.c       a set: damaged entries
 *      cuts.c      a set: cut links
 *      points.c    two sets: power losses
 *      orders.c    a set: orders of arrival
 *
 * A set is cut into units, a unit into cases.  A case is one run of the cluster, with all oracles
 * on; it passes, or its process ends.  See README.md.
 *
 * Source: issue "simulation" 3; zab-rules 7.2. */
#ifndef ZABLINE_TEST_EXHAUSTIVE_EXHAUSTIVE_H
#define ZABLINE_TEST_EXHAUSTIVE_EXHAUSTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "test/sim/world.h"

struct exhaustive_set {
  const char *name, *what;
  uint64_t (*units)(void);
  void (*run)(uint64_t unit);
};
extern const struct exhaustive_set exhaustive_cuts, exhaustive_points, exhaustive_pairs,
    exhaustive_orders, exhaustive_rot;

/* exhaustive_main: what stands behind `sim --exhaustive`; returns the exit status. */
int exhaustive_main(int argc, char **argv);

/* ---- for the sets ---- */

/* exhaustive_case begins the next case of the unit and says what it is; false: it is not to be run.
 * exhaustive_passed ends it. */
bool exhaustive_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
void exhaustive_passed(void);
/* exhaustive_count adds to what a set counts beside its cases. */
void exhaustive_count(const char *name, uint64_t n);
/* exhaustive_is_resumed: a case of this unit has failed; cases up to it are not run again. */
bool exhaustive_is_resumed(void);
/* exhaustive_is_sample: the set may leave out what is alike. */
bool exhaustive_is_sample(void);
uint64_t exhaustive_bound(uint64_t otherwise); /* --bound */

/* ---- ensemble.c ---- */

struct plan ensemble_plan(void);
void ensemble_begin(const struct plan *p); /* nobody runs */
void ensemble_boot(int node);
/* ensemble_serve waits until all of these nodes serve and have delivered all that is committed. */
void ensemble_serve(nodeset_t nodes, uint64_t limit);
void ensemble_want(int node, uint64_t writes); /* more of the client at this node */
void ensemble_acked(uint64_t limit);           /* waits for all that is wanted */
void ensemble_run_for(uint64_t ns);
int ensemble_leader(void); /* -1: none is established */
/* ensemble_end: one more write of each client, everybody takes part, the disks are read. */
void ensemble_end(uint64_t limit);

#define ENSEMBLE_ALL 7u

#endif
