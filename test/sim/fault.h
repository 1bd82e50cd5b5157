/* fault.h - the nemesis: what goes wrong beyond the plan's bad luck, when, and for how long.
 *
 * Faults are drawn one after the other; each is counted when it took effect, by class.
 *
 * Source: issue "simulation" 1; reliability.md 3. */
#ifndef ZABLINE_TEST_SIM_FAULT_H
#define ZABLINE_TEST_SIM_FAULT_H

#include <stdint.h>

uint64_t faults_so_far(void);

#endif
