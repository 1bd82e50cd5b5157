#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/snapshot.h"

struct files {
  zxid_t snaps[SNAP_FILES], installs[SNAP_FILES];
  int snap_cnt, install_cnt;
  bool too_many;
};

static bool parse(const char *name, const char *format, zxid_t *zxid) {
  unsigned long long z;
  int end = 0;
  if (sscanf(name, format, &z, &end) != 1 || end == 0 || name[end] != '\0') return false;
  *zxid = z;
  return true;
}

static void collect(void *ctx, const char *name) {
  struct files *f = ctx;
  zxid_t zxid;
  f->too_many = f->too_many || f->snap_cnt == SNAP_FILES || f->install_cnt == SNAP_FILES;
  if (f->too_many) return;
  if (parse(name, "snap.%16llx%n", &zxid)) f->snaps[f->snap_cnt++] = zxid;
  if (parse(name, "inst.%16llx%n", &zxid)) f->installs[f->install_cnt++] = zxid;
}

static int remove_above(struct snapshots *s, const struct files *f, zxid_t zxid) {
  char name[IO_NAME_LEN];
  for (int i = 0; i < f->snap_cnt; i++) {
    snap_name(name, f->snaps[i], false);
    if (f->snaps[i] > zxid && io_unlink(s->io, name)) return -1;
  }
  return io_sync_dir(s->io);
}

/* An install counts from the moment the log begins behind it; before that the old state is whole.
 * The order is that of snap_install. */
static int settle_installs(struct snapshots *s, const struct files *f, zxid_t base,
                           bool restarted) {
  char from[IO_NAME_LEN], to[IO_NAME_LEN];
  for (int i = 0; i < f->install_cnt; i++) {
    snap_name(from, f->installs[i], true);
    snap_name(to, f->installs[i], false);
    bool valid = restarted && f->installs[i] == base;
    if (valid && remove_above(s, f, base)) return -1;
    if (valid ? io_rename(s->io, from, to) : io_unlink(s->io, from)) return -1;
  }
  return f->install_cnt ? io_sync_dir(s->io) : 0;
}

static int check_one(struct snapshots *s, zxid_t zxid) {
  char name[IO_NAME_LEN], text[LIMIT_TEXT_LEN];
  snap_name(name, zxid, false);
  int ok = snap_check(s, name, zxid, text);
  if (ok < 0) return -1;
  if (!ok) snprintf(s->note, sizeof s->note, "%s is damaged %.100s; it is not used", name, text);
  snap_list_add(s, zxid, ok == 1);
  return 0;
}

/* A snapshot above the end of the log, and no install that was cut short: the log has lost what it
 * once held durably (E7). */
static int check_above(struct snapshots *s, zxid_t last_zxid) {
  int newest = snap_newest(s, ZXID_NONE);
  if (newest < 0 || s->list[newest].zxid <= last_zxid) return 0;
  return io_fail(s->io, REASON_CORRUPT,
                 "the log ends at zxid 0x%llx, below the snapshot of 0x%llx: it has lost its end; "
                 "this node must not vote",
                 (unsigned long long)last_zxid, (unsigned long long)s->list[newest].zxid);
}

int snap_recover(struct snapshots *s, zxid_t base, zxid_t last_zxid, bool restarted) {
  struct files f = {.snap_cnt = 0};
  if (io_list(s->io, collect, &f)) return -1;
  if (!f.too_many && settle_installs(s, &f, base, restarted)) return -1;
  if (!f.too_many && f.install_cnt) {
    f = (struct files){.snap_cnt = 0};
    if (io_list(s->io, collect, &f)) return -1;
  }
  if (f.too_many)
    return io_fail(s->io, REASON_CORRUPT, "more than %d snapshot files", SNAP_FILES - 1);
  for (int i = 0; i < f.snap_cnt; i++)
    if (check_one(s, f.snaps[i])) return -1;
  /* left over from before an install */
  if (base > 0 && restarted && snap_remove_range(s, 0, base - 1)) return -1;
  return check_above(s, last_zxid);
}
