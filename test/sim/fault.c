#include "test/sim/fault.h"

uint64_t faults_so_far(void) { return 0; }
