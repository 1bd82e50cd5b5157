/* store_impl.h - what store.h's functions share.  Part of storage/. */
#ifndef ZABLINE_STORAGE_STORE_IMPL_H
#define ZABLINE_STORAGE_STORE_IMPL_H

#include "storage/epoch_file.h"
#include "storage/log.h"
#include "storage/log_repair.h"
#include "storage/snapshot.h"
#include "storage/store.h"

#define STORE_NOTES 8
#define CLEAN_NAME "clean"

struct store {
  struct io io;
  struct disk *disk;
  struct io_file format;
  struct epoch_file epochs;
  struct log log;
  struct log_repair repair;
  struct snapshots snaps;
  uint32_t owner;
  uint32_t snapshots_kept;
  bool clean_stop;
  char notes[STORE_NOTES][LIMIT_TEXT_LEN];
  int note_cnt;
};

/* store_result turns 0 or -1 of the parts into a reason: CORRUPT once, for what was read; then, and
 * for all else, DISK_ERROR. */
enum reason store_result(const struct store *s, int rc);

/* clean.c */
int clean_write(struct store *s);
/* clean_take removes the mark durably and sets s->clean_stop if it was made at this end of the log.
 */
int clean_take(struct store *s);

#endif
