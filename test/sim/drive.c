#include "test/sim/drive.h"

#include "test/sim/fault.h"

int drive_fault(struct sim_disk *s, enum drive_op op) {
  s->ops[op]++;
  if (s->slow_ns) fault_hit(FAULT_SLOW_DISK, s->idx);
  if (!(s->broken >> op & 1u)) return 0;
  s->broken = 0;
  fault_hit(FAULT_DISK_ERROR, s->idx);
  return -s->broken_errno;
}
