/* disk.h and disk_real_*: one drive for each machine, a power-cut disk (test/harness) whose
 * operations take time and can fail.
 *
 * While an operation is under way the other threads run; a durable write is in the cache first and
 * durable at its end, so that power that goes in between tears it. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/sim/cover.h"
#include "test/sim/drive.h"
#include "test/sim/fault.h"
#include "test/sim/oracle.h"
#include "test/sim/probe.h"
#include "test/sim/scene.h"

static struct sim_disk *drive_of(const struct disk *d) { return d->self; }

struct sim_disk *sim_disk_new(int idx) {
  struct sim_disk *s = calloc(1, sizeof *s);
  assert(s);
  s->idx = idx;
  s->survivors = SURVIVE_CNT;
  s->power = powercut_new();
  powercut_disk(s->power, &s->under);
  return s;
}

void sim_disk_free(struct sim_disk *s) {
  free(s->old.bytes);
  free(s->lost.bytes);
  powercut_free(s->power);
  free(s);
}

void sim_disk_process_ends(struct sim_disk *s, enum machine_end how) {
  (void)how;
  s->dead = true;
}

static enum powercut_survivors survivors(const struct sim_disk *s) {
  uint64_t by_chance = random_below(&world->random_disk, SURVIVE_CNT);
  return s->survivors == SURVIVE_CNT ? (enum powercut_survivors)by_chance
                                     : (enum powercut_survivors)s->survivors;
}

void sim_disk_restore(struct sim_disk *s, enum machine_end how) {
  s->dead = false;
  s->broken = 0;
  s->unsynced = powercut_unsynced(s->power);
  if (how == END_KILL)
    powercut_kill(s->power);
  else if (s->groups)
    powercut_restore_groups(s->power, s->kept, s->groups);
  else
    powercut_restore(s->power, survivors(s), random_next(&world->random_disk));
}

/* An operation takes its time; 0, or the error that it ends with.  At start and end of the world
 * nobody waits. */
static int take_time(struct sim_disk *s, enum drive_op op, const char *name, uint64_t ns) {
  if (s->dead) return -EIO;
  struct actor *a = world->current;
  if (a && ns && !actor_block(world->now + ns + s->slow_ns)) return -EIO;
  if (s->dead) return -EIO;
  int failed = a ? drive_fault(s, op) : 0;
  struct machine *m = &world->machines[s->idx];
  if (a && op != DRIVE_READ) fault_at_point(m, op);
  if (a && op != DRIVE_READ) cover_point(m, op, name, m->dying);
  if (a && !failed) failed = scene_disk(m, op, name, false);
  if (a && probe && probe->disk && op != DRIVE_READ) probe->disk(m, op, name, false);
  if (m->dying && a) fiber_yield(); /* for ever: machine_reap finds it here */
  return s->dead ? -EIO : failed;
}

/* It has taken effect. */
static int over(struct sim_disk *s, enum drive_op op, const char *name, int rc) {
  struct machine *m = &world->machines[s->idx];
  if (rc < 0 || !world->current) return rc;
  scene_disk(m, op, name, true);
  if (probe && probe->disk) probe->disk(m, op, name, true);
  return rc;
}

static uint64_t write_time(void) {
  return random_tail(&world->random_disk, world->plan.write_min, world->plan.write_max);
}

static int sim_open(struct disk *d, const char *name, enum disk_mode mode, struct disk_file **out) {
  struct sim_disk *s = drive_of(d);
  int err = take_time(s, DRIVE_OPEN, name, mode == DISK_CREATE ? write_time() / 4 : 0);
  return err ? err : s->under.ops->open(&s->under, name, mode, out);
}

/* A segment is opened by the name that it has as a spare. */
static const char *name_of(const struct sim_disk *s, const struct disk_file *f) {
  const char *now = powercut_name_now(s->power, powercut_inode(f));
  return now ? now : powercut_name_of(f);
}

static void sim_close(struct disk *d, struct disk_file *f) {
  struct sim_disk *s = drive_of(d);
  s->under.ops->close(&s->under, f);
}

static ssize_t sim_read(struct disk *d, struct disk_file *f, void *buf, size_t len, uint64_t off) {
  struct sim_disk *s = drive_of(d);
  int err = take_time(s, DRIVE_READ, name_of(s, f), 10 * US);
  if (err) return err;
  ssize_t got = s->under.ops->read(&s->under, f, buf, len, off);
  if (got > 0) drive_read_stale(s, f, buf, (size_t)got, off);
  return got;
}

static int sim_write(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                     uint64_t off) {
  struct sim_disk *s = drive_of(d);
  const char *name = name_of(s, f);
  int err = take_time(s, DRIVE_WRITE, name, 5 * US);
  return err ? err : over(s, DRIVE_WRITE, name, s->under.ops->write(&s->under, f, buf, len, off));
}

static int sim_write_durable(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                             uint64_t off) {
  struct sim_disk *s = drive_of(d);
  const char *name = name_of(s, f);
  if (s->dead) return -EIO;
  if (scene_disk_loses(&world->machines[s->idx], name)) s->lose_next = true;
  if (drive_write_goes_wrong(s, f, buf, len, off))
    return take_time(s, DRIVE_SYNC, name, write_time());
  int err = s->under.ops->write(&s->under, f, buf, len, off);
  if (!err) err = take_time(s, DRIVE_WRITE_DURABLE, name, write_time());
  if (err && !s->dead) powercut_abandon(s->power, f);
  if (!err) err = s->under.ops->write_durable(&s->under, f, buf, len, off);
  if (!err) drive_wrote(s, f);
  return over(s, DRIVE_WRITE_DURABLE, name, err);
}

static int sim_sync(struct disk *d, struct disk_file *f) {
  struct sim_disk *s = drive_of(d);
  const char *name = name_of(s, f);
  int err = take_time(s, DRIVE_SYNC, name, write_time());
  if (err && !s->dead) powercut_abandon(s->power, f);
  return err ? err : over(s, DRIVE_SYNC, name, s->under.ops->sync(&s->under, f));
}

static int64_t sim_size(struct disk *d, struct disk_file *f) {
  struct sim_disk *s = drive_of(d);
  return s->under.ops->size(&s->under, f);
}

static int sim_rename(struct disk *d, const char *from, const char *to) {
  struct sim_disk *s = drive_of(d);
  int err = take_time(s, DRIVE_RENAME, to, 5 * US);
  if (err) return err;
  return over(s, DRIVE_RENAME, to, s->under.ops->rename(&s->under, from, to));
}

static int sim_unlink(struct disk *d, const char *name) {
  struct sim_disk *s = drive_of(d);
  int err = take_time(s, DRIVE_UNLINK, name, 5 * US);
  if (err) return err;
  return over(s, DRIVE_UNLINK, name, s->under.ops->unlink(&s->under, name));
}

static int sim_sync_dir(struct disk *d) {
  struct sim_disk *s = drive_of(d);
  int err = take_time(s, DRIVE_SYNC_DIR, ".", write_time());
  return err ? err : over(s, DRIVE_SYNC_DIR, ".", s->under.ops->sync_dir(&s->under));
}

static int sim_list(struct disk *d, void (*each)(void *ctx, const char *name), void *ctx) {
  struct sim_disk *s = drive_of(d);
  if (s->dead) return -EIO;
  return s->under.ops->list(&s->under, each, ctx);
}

static int64_t sim_free_bytes(struct disk *d) {
  struct sim_disk *s = drive_of(d);
  return s->free_bytes ? s->free_bytes : (int64_t)1 << 40;
}

static const struct disk_ops ops = {.open = sim_open,
                                    .close = sim_close,
                                    .read = sim_read,
                                    .write = sim_write,
                                    .write_durable = sim_write_durable,
                                    .sync = sim_sync,
                                    .size = sim_size,
                                    .rename = sim_rename,
                                    .unlink = sim_unlink,
                                    .sync_dir = sim_sync_dir,
                                    .list = sim_list,
                                    .free_bytes = sim_free_bytes};

/* ---- as node.c opens it: the directory's name is the machine's index ---- */

int disk_real_open(struct disk *d, const char *path) {
  *d = (struct disk){&ops, world->machines[atoi(path)].drive};
  return 0;
}

void disk_real_close(struct disk *d) { (void)d; }
int disk_real_create(const char *path) { return (void)path, 0; }

void disk_real_explain(const char *path, int err, char *error) {
  snprintf(error, LIMIT_TEXT_LEN, "drive %s: error %d", path, err);
}
