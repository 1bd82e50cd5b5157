/* All 4,096 subsets of damaged copies of four entries on three nodes (zab-rules E1; Protocol-Aware
 * Recovery), all down when it happens.
 *
 * Where an intact copy of each entry is left, all three come back by themselves, repaired, and
 * serve; where none is left of one, all stay up, nobody leads or serves, one says what is missing,
 * and nobody gives up any of it. */
#include "storage/store_impl.h"
#include "test/exhaustive/exhaustive.h"
#include "test/sim/oracle.h"
#include "test/sim/scene.h"
#include "test/sim/sim.h"

#define NODES 3
#define ENTRIES 4
#define STARTS (10 * SECOND)
#define SETTLES (100 * MS) /* the idle trailers are written */
#define WAITS (400 * MS)   /* some ticks */

static uint64_t units(void) { return 1u << NODES * ENTRIES; }

static uint64_t entries_of(uint64_t set, int node) {
  return set >> node * ENTRIES & ((1u << ENTRIES) - 1);
}

static void check_store(const struct machine *m, zxid_t last, bool faulty) {
  if (m->state != MACHINE_UP) violation("n%d is not up", m->idx + 1);
  struct durable_state d = store_state(m->node->store);
  if (d.last_zxid < last || !d.may_vote)
    violation("n%d ends at 0x%llx and %s", m->idx + 1, (unsigned long long)d.last_zxid,
              d.may_vote ? "votes" : "does not vote");
  if (!faulty && d.faulty)
    violation("n%d serves, and 0x%llx is damaged", m->idx + 1, (unsigned long long)d.faulty);
}

static void run(uint64_t set) {
  uint64_t gone = (1u << ENTRIES) - 1;
  if (!exhaustive_case("damaged copies %03llx", (unsigned long long)set)) return;
  struct plan plan = ensemble_plan();
  ensemble_begin(&plan);
  for (int i = 0; i < NODES; i++) ensemble_boot(i);
  ensemble_serve(ENSEMBLE_ALL, STARTS);
  for (int i = 0; i < ENTRIES; i++) { /* each a group of its own */
    ensemble_want(ensemble_leader(), 1);
    ensemble_acked(STARTS);
    ensemble_serve(ENSEMBLE_ALL, STARTS);
  }
  ensemble_run_for(SETTLES);
  zxid_t last = oracle_committed();
  for (int i = 0; i < NODES; i++) machine_end(&world->machines[i], END_KILL);
  for (int i = 0; i < NODES; i++) {
    uint64_t bad = entries_of(set, i);
    gone &= bad;
    world->machines[i].rotten = bad != 0;
    for (int k = 0; k < ENTRIES; k++)
      if (bad >> k & 1u) scene_flip_record(&world->machines[i], last - ENTRIES + 1 + (zxid_t)k);
  }
  for (int i = 0; i < NODES; i++) ensemble_boot(i);
  if (gone)
    ensemble_run_for(WAITS);
  else
    ensemble_serve(ENSEMBLE_ALL, STARTS);
  for (int i = 0; i < NODES; i++) check_store(&world->machines[i], last, gone != 0);
  for (int i = 0; !gone && i < NODES; i++) world->machines[i].rotten = false; /* it is read back */
  if (gone && (ensemble_leader() >= 0 || !world->repairs[REPAIR_WAITED]))
    violation("no copy is left of one, and %s",
              ensemble_leader() >= 0 ? "somebody leads" : "nobody says so");
  exhaustive_count(gone ? "stopped safely, no copy is left" : "repaired", 1);
  if (gone)
    sim_finish();
  else
    ensemble_end(STARTS);
  exhaustive_passed();
}

const struct exhaustive_set exhaustive_rot = {
    .name = "rot", .what = "damaged entries", .units = units, .run = run};
