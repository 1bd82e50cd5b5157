/* disk.h - the seam between storage and the machine's file system, and so the seam for power cuts.
 *
 * Two implementations: disk_real.c (O_DIRECT + O_DSYNC where the file system has it, else buffered
 * + fdatasync) and test/harness/disk_powercut.c (unsynced sectors in memory; each kept, lost or
 * torn when the power goes).  Names are relative to the data directory; there are no
 * subdirectories.
 *
 * Contract: data is durable after write_durable returned 0, or after sync returned 0; a created,
 * renamed or unlinked name is durable after sync_dir returned 0.
 * Errors are negative errno values; for the role they are final (R15), never retried (E6).
 *
 * Owner: the disk thread.  Blocks: yes.  Source: design 2, 6. */
#ifndef ZABLINE_STORAGE_DISK_H
#define ZABLINE_STORAGE_DISK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/limits.h"

struct disk_file; /* an open file: the implementation's */

enum disk_mode {
  DISK_CREATE,     /* new file, read and write; -EEXIST if there */
  DISK_READ_WRITE, /* locked, as is DISK_CREATE: -EWOULDBLOCK while open for writing elsewhere */
  DISK_READ_ONLY,
};

struct disk {
  const struct disk_ops *ops;
  void *self; /* the implementation's state */
};

struct disk_ops {
  int (*open)(struct disk *d, const char *name, enum disk_mode mode, struct disk_file **out);
  void (*close)(struct disk *d, struct disk_file *f);
  /* read returns the bytes read (short at the end of the file) or -errno; buf (the address), len
   * and offset are multiples of LIMIT_SECTOR, here and in both writes */
  ssize_t (*read)(struct disk *d, struct disk_file *f, void *buf, size_t len, uint64_t offset);
  /* write: not durable */
  int (*write)(struct disk *d, struct disk_file *f, const void *buf, size_t len, uint64_t offset);
  /* write_durable: as write, durable on return; each LIMIT_SECTOR may still tear if power goes
   * during it */
  int (*write_durable)(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                       uint64_t offset);
  int (*sync)(struct disk *d, struct disk_file *f);
  int64_t (*size)(struct disk *d, struct disk_file *f);
  int (*rename)(struct disk *d, const char *from, const char *to);
  int (*unlink)(struct disk *d, const char *name);
  int (*sync_dir)(struct disk *d);
  /* list calls each(ctx, name) for every file; returns 0 or -errno */
  int (*list)(struct disk *d, void (*each)(void *ctx, const char *name), void *ctx);
  int64_t (*free_bytes)(struct disk *d);
};

/* disk_real_open opens the directory path (which must exist).  Returns 0 or -errno. */
int disk_real_open(struct disk *d, const char *path);
void disk_real_close(struct disk *d);
/* disk_real_explain writes the line for people about an error of disk_real_open or _create
 * (LIMIT_TEXT_LEN bytes); it names the command that makes a missing directory. */
void disk_real_explain(const char *path, int err, char *error);
/* disk_real_create makes the directory path and its parents, durably.  Returns 0 (also if it is
 * there already) or -errno. */
int disk_real_create(const char *path);

#endif
