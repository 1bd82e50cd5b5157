/* fault.h - the nemesis: what goes wrong beyond the plan's bad luck, when, and for how long.
 *
 * Faults are drawn one after the other from a random stream of their own, so a run that stops after
 * k of them is a prefix of the longer one.  A fault stands until its undo; it is counted when it
 * first took effect (a cut on which nobody spoke is none).
 *
 * Source: issue "simulation" 1; reliability.md 3. */
#ifndef ZABLINE_TEST_SIM_FAULT_H
#define ZABLINE_TEST_SIM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "test/sim/drive.h"

enum fault_class {
#define FAULT(id, name) FAULT_##id,
#include "test/sim/fault.def"
#undef FAULT
  FAULT_CLASSES
};

/* The classes that damage what a node holds, beyond what it can always be repaired from (LOG_ROT is
 * not among them).  A minority of nodes (the damaged and the rotten, for the whole run) is hit, so
 * one intact copy of everything stays in every quorum.  Off unless asked for. */
#define FAULTS_OF_STORAGE \
  (1u << FAULT_ROT | 1u << FAULT_LOST_WRITE | 1u << FAULT_MISDIRECTED | 1u << FAULT_STALE_READ)

const char *fault_name(enum fault_class c);

void faults_init(uint64_t max);
void fault_event(void);
void fault_undo_event(int slot, uint64_t serial);
/* fault_hit: a fault of this class took effect at node (or between node and peer); -1: any. */
void fault_hit(enum fault_class c, int node);
/* fault_link_hit: something did not pass from -> to; path: of the fast path, -1: TCP. */
void fault_link_hit(int from, int to, int path);
/* faults_heal ends everything; the nemesis rests from now on. */
void faults_heal(void);
/* faults_done: as many as planned have been drawn. */
bool faults_done(void);
/* faults_drawn counts; faults_effective counts by class those that took effect. */
uint64_t faults_drawn(void);
const uint64_t *faults_effective(void);
/* fault_at_boot: what m's disk says that it did before. */
void fault_at_boot(struct machine *m);
/* fault_at_point: does the machine die at this point (a disk operation just done)? */
void fault_at_point(struct machine *m, enum drive_op op);

#endif
