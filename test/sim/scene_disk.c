/* Lines of a scenario about a node's disk.
 *
 *      fail n1 sync snap.* EIO [2]   the next (two) of these operations end with that error
 *      flip n1 3:4 | epoch.a         a bit of the record, or of the first sector, turns
 *      flip n1 3:4 group             ... of the header of the group that holds the record
 *      flip n1 newest snap.*
 *      remove n1 snap.*              cut n1's file to 0 bytes: empty n1 snap.*
 *      fail n1 write log.* lost      its next durable write to it is acknowledged and lost
 *      full n1 [BYTES]               free space; 0: plenty */
#include <errno.h>
#include <string.h>

#include "proto/record.h"
#include "storage/group.h"
#include "test/sim/scene_parts.h"

#define FAILS 16

static struct fail {
  uint64_t times;
  int node, op, error;
  char pattern[32];
} fails[FAILS];

static const char *const op_names[DRIVE_OPS] = {
    [DRIVE_OPEN] = "open",           [DRIVE_READ] = "read",       [DRIVE_WRITE] = "buffered",
    [DRIVE_WRITE_DURABLE] = "write", [DRIVE_SYNC] = "sync",       [DRIVE_RENAME] = "rename",
    [DRIVE_UNLINK] = "unlink",       [DRIVE_SYNC_DIR] = "syncdir"};

int scene_disk_op(const char *name) {
  for (int i = 0; i < DRIVE_OPS; i++)
    if (!strcmp(name, op_names[i])) return i;
  return -1;
}

int scene_survivors(const char *name) {
  static const char *const names[SURVIVE_CNT] = {
      [SURVIVE_NONE] = "none",   [SURVIVE_ALL] = "all",     [SURVIVE_RANDOM] = "random",
      [SURVIVE_HEADS] = "heads", [SURVIVE_TAILS] = "tails", [SURVIVE_NAMES] = "names",
      [SURVIVE_DATA] = "data"};
  for (int i = 0; i < SURVIVE_CNT; i++)
    if (!strcmp(name, names[i])) return i;
  scene_fail("keep none, all, random, heads, tails, names or data", name);
}

static int error_of(const char *name) {
  static const struct {
    const char *name;
    int error;
  } errors[] = {
      {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}, {"lost", -1}};
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (!strcmp(name, errors[i].name)) return errors[i].error;
  scene_fail("no error (EIO, ENOSPC, EROFS, EDQUOT, lost)", name);
}

static void do_fail(struct words *w) {
  int i = 0;
  while (i < FAILS && fails[i].times) i++;
  if (i == FAILS) scene_fail("too many failures wait", "");
  struct fail *f = &fails[i];
  f->node = words_node(w);
  const char *op = words_next(w);
  f->op = scene_disk_op(op);
  if (f->op < 0 && strcmp(op, "any")) scene_fail("no disk operation", op);
  snprintf(f->pattern, sizeof f->pattern, "%s", words_next(w));
  f->error = error_of(words_next(w));
  f->times = 1;
  words_take_number(w, &f->times);
}

static struct fail *fail_for(const struct machine *m, int op, const char *name) {
  for (int i = 0; i < FAILS; i++) {
    struct fail *f = &fails[i];
    if (!f->times || f->node != m->idx || (f->op >= 0 && f->op != op)) continue;
    if (scene_matches(f->pattern, name)) return f;
  }
  return NULL;
}

int scene_disk_fails(struct machine *m, enum drive_op op, const char *name) {
  struct fail *f = fail_for(m, (int)op, name);
  if (!f || f->error < 0) return 0;
  f->times--;
  return -f->error;
}

bool scene_disk_loses(struct machine *m, const char *name) {
  struct fail *f = scene_is_on() ? fail_for(m, DRIVE_WRITE_DURABLE, name) : NULL;
  if (!f || f->error >= 0) return false;
  f->times--;
  m->damaged = true;
  return true;
}

/* ---- damage, while no process has the file open or reads it from its memory ---- */

static bool next_file(struct machine *m, const char *pattern, int *at, const char **name) {
  while ((*name = powercut_name(m->drive->power, (*at)++)))
    if (scene_matches(pattern, *name)) return true;
  return false;
}

typedef uint8_t *finder(uint8_t *bytes, size_t len, zxid_t zxid);

static uint8_t *find_group(uint8_t *bytes, size_t len, zxid_t zxid) {
  struct group_header h;
  for (size_t at = 0; at + LIMIT_SECTOR <= len; at += LIMIT_SECTOR) {
    memcpy(&h, bytes + at, sizeof h);
    if (h.magic != GROUP_MAGIC || h.type != GROUP_RECORDS) continue;
    if (zxid > h.prev_zxid && zxid <= h.last_zxid) return bytes + at;
  }
  return NULL;
}

static uint8_t *find_record(uint8_t *bytes, size_t len, zxid_t zxid) {
  struct group_header h;
  uint8_t *group = find_group(bytes, len, zxid);
  if (!group) return NULL;
  memcpy(&h, group, sizeof h);
  for (size_t i = GROUP_HEADER; i + LIMIT_RECORD_HEADER <= GROUP_HEADER + h.len; i += 8) {
    uint64_t word;
    memcpy(&word, group + i + 8, sizeof word);
    if ((word ^ h.mask) == zxid) return group + i;
  }
  return NULL;
}

static void flip(struct machine *m, zxid_t zxid, finder *find) {
  const char *name;
  uint8_t *found = NULL;
  size_t len;
  for (int at = 0; next_file(m, "log.*", &at, &name) && !found;) {
    uint8_t *bytes = powercut_file(m->drive->power, name, &len);
    found = find(bytes, len, zxid);
  }
  if (!found) scene_fail("the record is not on its disk", "");
  found[LIMIT_RECORD_HEADER + 3] ^= 0x20;
}

void scene_flip_record(struct machine *m, zxid_t zxid) { flip(m, zxid, find_record); }

/* snap.<zxid>, log.<id>: the largest. */
static void newest(struct machine *m, const char *pattern, char *dst, size_t len) {
  const char *name;
  *dst = '\0';
  for (int at = 0; next_file(m, pattern, &at, &name);)
    if (strcmp(name, dst) > 0) snprintf(dst, len, "%s", name);
}

static void do_flip(struct words *w) {
  struct machine *m = &world->machines[words_node(w)];
  zxid_t zxid;
  char found[64];
  if (words_take_zxid(w, &zxid)) { /* peers repair that */
    m->rotten = true;
    flip(m, zxid, words_take(w, "group") ? find_group : find_record);
    return;
  }
  m->damaged = true;
  bool one = words_take(w, "newest"), any = false;
  const char *pattern = words_next(w), *name;
  uint64_t offset = 20;
  words_take_number(w, &offset);
  if (one) {
    newest(m, pattern, found, sizeof found);
    pattern = found;
  }
  for (int at = 0; next_file(m, pattern, &at, &name); any = true) {
    size_t len;
    uint8_t *bytes = powercut_file(m->drive->power, name, &len);
    if (offset >= len) scene_fail("the file is not so long", name);
    bytes[offset] ^= 0x04;
  }
  if (!any) scene_fail("no such file on its disk", pattern);
}

static void do_remove(struct words *w) {
  struct machine *m = &world->machines[words_node(w)];
  const char *pattern = words_next(w), *name;
  m->damaged = true;
  bool any = false;
  for (int at = 0; next_file(m, pattern, &at, &name); at = 0, any = true)
    powercut_remove(m->drive->power, name);
  if (!any) scene_fail("no such file on its disk", pattern);
}

static void do_empty(struct words *w) {
  struct machine *m = &world->machines[words_node(w)];
  const char *pattern = words_next(w), *name;
  uint64_t len = 0;
  m->damaged = true;
  words_take_number(w, &len);
  bool any = false;
  for (int at = 0; next_file(m, pattern, &at, &name); any = true)
    powercut_resize(m->drive->power, name, len);
  if (!any) scene_fail("no such file on its disk", pattern);
}

static void do_full(struct words *w) {
  struct machine *m = &world->machines[words_node(w)];
  uint64_t bytes = 1;
  words_take_number(w, &bytes);
  m->drive->free_bytes = (int64_t)bytes;
}

void scene_heal_disks(void) {
  memset(fails, 0, sizeof fails);
  for (int i = 0; i < world->plan.nodes; i++) {
    struct sim_disk *d = world->machines[i].drive;
    d->slow_ns = 0;
    d->free_bytes = 0;
    d->lose_next = d->misdirect_next = d->keep_next = false;
  }
}

const struct scene_verb scene_disk_verbs[] = {{"fail", do_fail},     {"flip", do_flip},
                                              {"remove", do_remove}, {"empty", do_empty},
                                              {"full", do_full},     {NULL, NULL}};
