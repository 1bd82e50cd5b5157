/* disk_powercut.h - a disk in memory whose power can go.
 *
 * What was written and not synced lives in volatile blocks of 512 bytes; when the power goes at the
 * k-th operation, each of them is kept or lost (so a sector or a group may tear), and so is each
 * name that was created, renamed or unlinked since the last sync_dir.  A file may have grown
 * without its data. It can also ignore one sync, fail one call, and be damaged by hand.
 *
 * One thread.  Allocates; never fails otherwise.  Source: design 2, 6; zab-rules D1, D6, E2, E6,
 * E9. */
#ifndef ZABLINE_TEST_HARNESS_DISK_POWERCUT_H
#define ZABLINE_TEST_HARNESS_DISK_POWERCUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/disk.h"

#ifdef __cplusplus
extern "C" {
#endif

struct powercut;

/* What of the unsynced survives.  HEADS and TAILS: the first or the last half of each run of
 * blocks; NAMES: only names; DATA: only data. */
enum powercut_survivors {
  SURVIVE_NONE,
  SURVIVE_ALL,
  SURVIVE_RANDOM,
  SURVIVE_HEADS,
  SURVIVE_TAILS,
  SURVIVE_NAMES,
  SURVIVE_DATA,
  SURVIVE_CNT
};

struct powercut *powercut_new(void);
void powercut_free(struct powercut *p);
/* powercut_clone copies a disk on which no file is open. */
struct powercut *powercut_clone(const struct powercut *p);
/* powercut_durable returns the disk that would be left if p's power went now and nothing unsynced
 * survived.  It copies what is written to it, no more; until it is freed p must not be written to.
 */
struct powercut *powercut_durable(const struct powercut *p);
void powercut_disk(struct powercut *p, struct disk *d);

/* Operations are creates, writes, syncs, renames, unlinks; counted from 1 since the last call of
 * powercut_arm.  0: never. */
struct powercut_plan {
  uint64_t cut_at;    /* the power goes during this operation; it and all later calls fail */
  uint64_t ignore_at; /* this operation says 0 but makes nothing durable */
  uint64_t fail_at;   /* this operation fails with fail_errno and changes nothing */
  int fail_errno;
  uint64_t fail_read_at; /* this read fails, counted on its own */
};
void powercut_arm(struct powercut *p, struct powercut_plan plan);
uint64_t powercut_ops(const struct powercut *p);
uint64_t powercut_reads(const struct powercut *p);
bool powercut_is_cut(const struct powercut *p);
/* powercut_is_sync tells whether operation op since arm was sync, sync_dir or write_durable; name:
 * of its file. */
bool powercut_is_sync(const struct powercut *p, uint64_t op, const char **name);

/* powercut_restore brings the power back; close all files first. */
void powercut_restore(struct powercut *p, enum powercut_survivors survivors, uint64_t seed);

/* powercut_unsynced counts what may be kept or lost: blocks, grown sizes, changed names.
 * powercut_restore_groups puts them, in this order, into so many groups (1 to 32) of like size; of
 * group g all is kept if bit g of kept is set, and none if not. */
uint32_t powercut_unsynced(const struct powercut *p);
void powercut_restore_groups(struct powercut *p, uint32_t kept, uint32_t groups);

/* powercut_abandon: a sync of the file has failed and the kernel has marked its pages clean (E6):
 * they can be read, no later sync writes them, and they are gone with the power. */
void powercut_abandon(struct powercut *p, struct disk_file *f);

/* powercut_kill: not the power went, only the process; what it wrote stays, still not durable. */
void powercut_kill(struct powercut *p);

/* powercut_file gives the bytes of a file to look at and to damage, both what is read and what is
 * durable; NULL if there is none.  powercut_resize cuts or grows it, if it is there. */
uint8_t *powercut_file(struct powercut *p, const char *name, size_t *len);
void powercut_resize(struct powercut *p, const char *name, size_t len);
/* powercut_put puts bytes there, durable, whoever has the file open. */
void powercut_put(struct powercut *p, int inode, const void *bytes, size_t len, uint64_t offset);
/* powercut_name_of returns the name by which the file was opened; powercut_inode and
 * powercut_name_now the name that leads to it now, NULL if none does. */
const char *powercut_name_of(const struct disk_file *f);
int powercut_inode(const struct disk_file *f);
const char *powercut_name_now(const struct powercut *p, int inode);
/* powercut_name returns the idx-th name, or NULL. */
const char *powercut_name(const struct powercut *p, int idx);
/* powercut_remove removes a name for good. */
void powercut_remove(struct powercut *p, const char *name);

#ifdef __cplusplus
}
#endif
#endif
