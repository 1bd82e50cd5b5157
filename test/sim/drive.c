#include "test/sim/drive.h"

int drive_fault(struct sim_disk *s, enum drive_op op) {
  s->ops[op]++;
  return 0;
}
