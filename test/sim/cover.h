/* cover.h - where processes have died: failpoint x role x phase, and which of these cells a seed
 * has come by at all.
 *
 * A failpoint is a disk operation on a kind of file, or any moment (kill -9, power loss). */
#ifndef ZABLINE_TEST_SIM_COVER_H
#define ZABLINE_TEST_SIM_COVER_H

#include <stddef.h>
#include <stdint.h>

#include "test/sim/drive.h"

enum {
  COVER_CELLS = 7 * DRIVE_OPS * 4 * 7, /* file or moment, operation, role, phase */
  COVER_WORDS = (COVER_CELLS + 63) / 64,
  COVER_HITS = 64 /* of one seed, at most */
};

struct cover {
  uint64_t reached[COVER_WORDS]; /* bit: cell */
  uint16_t hit_cnt, hit[COVER_HITS];
};

void cover_begin(void);
const struct cover *cover_of_run(void);
/* cover_point: m is about to do this; dies: and dies of it. */
void cover_point(const struct machine *m, enum drive_op op, const char *file, bool dies);
/* cover_moment: m is what it is; dies: and dies, of `how`. */
void cover_moment(const struct machine *m);
void cover_end(const struct machine *m, enum machine_end how);
/* cover_name writes "write log|following|broadcast"; "" for a number that stands for nothing. */
void cover_name(int cell, char *dst, size_t len);

#endif
