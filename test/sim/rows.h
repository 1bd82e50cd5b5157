/* rows.h - what one seed has shown, as one line of JSON, for test/reliability/. */
#ifndef ZABLINE_TEST_SIM_ROWS_H
#define ZABLINE_TEST_SIM_ROWS_H

#include "test/sim/sim.h"

void rows_print(uint64_t seed, const struct sim_result *r);
/* rows_print_names: a line with the names of the counts, and one with those of the cells. */
void rows_print_names(void);

#endif
