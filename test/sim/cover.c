#include "test/sim/cover.h"

#include <stdio.h>
#include <string.h>

#include "proto/phase.h"
#include "test/sim/world.h"

#define ROLES 4 /* enum role, and starting */
#define ROLE_NONE 3

static const char *const files[] = {"epoch", "log", "snap", "tmp", "format", "directory or mark"};
enum { FILES = sizeof files / sizeof files[0], MOMENT = FILES };
static_assert((FILES + 1) * DRIVE_OPS * ROLES * PHASE_CNT == COVER_CELLS,
              "every cell has a number");

static struct cover run;

void cover_begin(void) { memset(&run, 0, sizeof run); }
const struct cover *cover_of_run(void) { return &run; }

static int file_of(const char *name) {
  for (int i = 0; i < FILES; i++)
    if (!strncmp(name, files[i], strlen(files[i]))) return i;
  return FILES - 1;
}

static int cell_of(const struct machine *m, int file, int op) {
  const struct replica *r = m->slow ? &m->slow->replica : NULL;
  int role = r ? (int)r->role : ROLE_NONE;
  int phase = r ? (int)r->phase : (int)PHASE_STARTING;
  return ((file * DRIVE_OPS + op) * ROLES + role) * PHASE_CNT + phase;
}

static void hit(int cell, bool dies) {
  run.reached[cell / 64] |= 1ull << cell % 64;
  if (dies && run.hit_cnt < COVER_HITS) run.hit[run.hit_cnt++] = (uint16_t)cell;
}

void cover_point(const struct machine *m, enum drive_op op, const char *file, bool dies) {
  hit(cell_of(m, file_of(file), (int)op), dies);
}

void cover_moment(const struct machine *m) {
  hit(cell_of(m, MOMENT, END_KILL), false);
  hit(cell_of(m, MOMENT, END_POWER), false);
}

void cover_end(const struct machine *m, enum machine_end how) {
  hit(cell_of(m, MOMENT, (int)how), true);
}

void cover_name(int cell, char *dst, size_t len) {
  static const char *const ops[DRIVE_OPS] = {
      [DRIVE_OPEN] = "open",     [DRIVE_READ] = "read",
      [DRIVE_WRITE] = "write",   [DRIVE_SYNC] = "sync",
      [DRIVE_RENAME] = "rename", [DRIVE_UNLINK] = "unlink",
      [DRIVE_SYNC_DIR] = "sync", [DRIVE_WRITE_DURABLE] = "durable write"};
  int phase = cell % PHASE_CNT, role = cell / PHASE_CNT % ROLES;
  int op = cell / PHASE_CNT / ROLES % DRIVE_OPS, file = cell / PHASE_CNT / ROLES / DRIVE_OPS;
  const char *what = file < FILES      ? ops[op]
                     : op == END_KILL  ? "kill -9"
                     : op == END_POWER ? "power loss"
                                       : NULL;
  snprintf(dst, len, "%s", "");
  if (!what) return;
  snprintf(dst, len, "%s %s|%s|%s", what, file < FILES ? files[file] : "at any moment",
           role == ROLE_NONE ? "starting" : role_name((enum role)role),
           phase_name((enum phase)phase));
}
