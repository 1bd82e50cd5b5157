#include "test/sim/drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/fault.h"

#define KIND_LEN 4 /* "log.", "epoc", "snap": files of one kind */

int drive_fault(struct sim_disk *s, enum drive_op op) {
  s->ops[op]++;
  if (s->slow_ns) fault_hit(FAULT_SLOW_DISK, s->idx);
  if (!(s->broken >> op & 1u)) return 0;
  s->broken = 0;
  fault_hit(FAULT_DISK_ERROR, s->idx);
  return -s->broken_errno;
}

static bool holds_data(const char *name) {
  return !strncmp(name, "log.", 4) || !strncmp(name, "snap.", 5) || !strncmp(name, "epoch.", 6);
}

bool drive_rot(struct sim_disk *s, struct random *r, const char *prefix) {
  int cnt = 0;
  while (powercut_name(s->power, cnt)) cnt++;
  for (int tries = 0; cnt && tries < 20; tries++) {
    size_t len;
    const char *name = powercut_name(s->power, (int)random_below(r, (uint64_t)cnt));
    if (!holds_data(name) || strncmp(name, prefix, strlen(prefix)) != 0) continue;
    uint8_t *bytes = powercut_file(s->power, name, &len);
    size_t at = len ? random_below(r, len) : 0;
    for (int k = 0; k < 20 && len && !bytes[at]; k++) at = random_below(r, at + 1);
    if (!len || !bytes[at]) continue; /* zeros of a spare segment would be no loss */
    bytes[at] ^= (uint8_t)(1u << random_below(r, 8));
    return true;
  }
  return false;
}

static void keep_old(struct sim_disk *s, struct disk_file *f, size_t len, uint64_t offset) {
  uint8_t *aligned = aligned_alloc(LIMIT_SECTOR, len);
  s->keep_next = false;
  if (aligned && s->under.ops->read(&s->under, f, aligned, len, offset) == (ssize_t)len) {
    free(s->old.bytes);
    s->old.bytes = aligned;
    s->old.there = true;
    s->old.inode = powercut_inode(f);
    s->old.offset = offset;
    s->old.len = len;
  } else {
    free(aligned);
  }
}

static void keep_lost(struct sim_disk *s, int inode, const void *buf, size_t len, uint64_t offset) {
  free(s->lost.bytes);
  s->lost.bytes = aligned_alloc(LIMIT_SECTOR, len);
  s->lost.there = s->lost.bytes != NULL;
  if (!s->lost.there) return;
  memcpy(s->lost.bytes, buf, len);
  s->lost.inode = inode;
  s->lost.offset = offset;
  s->lost.len = len;
}

/* The process still has the file open. */
void drive_give_back(struct sim_disk *s) {
  if (!s->lost.there) return;
  s->lost.there = false;
  if (!powercut_name_now(s->power, s->lost.inode)) return; /* purged */
  powercut_put(s->power, s->lost.inode, s->lost.bytes, s->lost.len, s->lost.offset);
}

/* A segment is written by the name that it had as a spare: what counts is the name it has. */
static bool is_of_kind(const struct sim_disk *s, int inode, const char *kind) {
  const char *name = powercut_name_now(s->power, inode);
  return name && kind && !strncmp(name, kind, KIND_LEN);
}

void drive_wrote(struct sim_disk *s, const struct disk_file *f) {
  if (!s->lost.there) return;
  int inode = powercut_inode(f);
  bool same = is_of_kind(s, inode, powercut_name_now(s->power, s->lost.inode));
  bool epochs = is_of_kind(s, inode, "epoch") && is_of_kind(s, s->lost.inode, "log.");
  if (same || epochs) s->lost.there = false;
}

bool drive_write_goes_wrong(struct sim_disk *s, struct disk_file *f, const void *buf, size_t len,
                            uint64_t offset) {
  if (s->lose_next) {
    s->lose_next = false;
    fault_hit(FAULT_LOST_WRITE, s->idx);
    keep_lost(s, powercut_inode(f), buf, len, offset);
    return true;
  }
  if (s->misdirect_next && offset >= LIMIT_SECTOR) {
    s->misdirect_next = false;
    fault_hit(FAULT_MISDIRECTED, s->idx);
    drive_wrote(s, f);
    uint64_t to = random_below(&world->random_disk, offset / LIMIT_SECTOR) * LIMIT_SECTOR;
    s->under.ops->write_durable(&s->under, f, buf, len, to);
    return true;
  }
  if (s->keep_next) keep_old(s, f, len, offset);
  return false;
}

void drive_read_stale(struct sim_disk *s, const struct disk_file *f, uint8_t *buf, size_t len,
                      uint64_t offset) {
  uint64_t from = s->old.offset > offset ? s->old.offset : offset;
  uint64_t old_end = s->old.offset + s->old.len, end = offset + len;
  if (!s->old.there || s->old.inode != powercut_inode(f)) return;
  if (old_end < end) end = old_end;
  if (from >= end) return;
  memcpy(buf + (from - offset), (uint8_t *)s->old.bytes + (from - s->old.offset), end - from);
  s->old.there = false;
  fault_hit(FAULT_STALE_READ, s->idx);
}
