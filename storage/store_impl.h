/* store_impl.h - what store.h's functions share.  Part of storage/. */
#ifndef ZABLINE_STORAGE_STORE_IMPL_H
#define ZABLINE_STORAGE_STORE_IMPL_H

#include "storage/epoch_file.h"
#include "storage/log.h"
#include "storage/log_repair.h"
#include "storage/snapshot.h"
#include "storage/store.h"

#define STORE_NOTES 8
#define STOP_MARK_NAME "clean"

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

/* stop_mark.c */
struct stop_mark {
  bool file;  /* there is one */
  bool there; /* and it is intact, and ours */
  bool clean;
  uint64_t sequence; /* the log had all groups below */
  uint64_t generation;
  uint32_t chain;
  zxid_t last_zxid;
};
/* stop_mark_write: io may be another one than the store's, which has failed. */
int stop_mark_write(const struct store *s, struct io *io, bool clean);
int stop_mark_read(struct store *s, struct stop_mark *mark);
/* stop_mark_is_end: the log and the epochs are as they were when m was made. */
bool stop_mark_is_end(const struct store *s, const struct stop_mark *m);
/* stop_mark_remove is durable. */
int stop_mark_remove(struct store *s, const struct stop_mark *m);

#endif
