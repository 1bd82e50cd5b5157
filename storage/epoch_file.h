/* epoch_file.h - acceptedEpoch and currentEpoch in two checksummed copies, epoch.a and epoch.b.
 *
 * Both are durable, one after the other, before a change returns; so one whole copy survives any
 * power cut, and the promise with it.  Two damaged ones stop the node: it cannot know what it
 * promised.
 *
 * Part of storage/.  Owner: the disk thread.  Blocks: yes.  Source: design 6; zab-rules R1, R14,
 * E4. */
#ifndef ZABLINE_STORAGE_EPOCH_FILE_H
#define ZABLINE_STORAGE_EPOCH_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/zxid.h"
#include "storage/io.h"

struct epochs {
  uint64_t generation;
  uint32_t accepted, current;
  bool may_vote;
  /* The log when this was written, 0: not known.  Group numbers never go back, so a log that ends
   * before has lost its last groups (E7). */
  uint64_t log_sequence; /* of its next group */
  zxid_t log_end;
};

struct epoch_file {
  struct io *io;
  struct io_file copy[2];
  uint32_t owner;
  struct epochs now;
  uint8_t *sector;
  char note[LIMIT_TEXT_LEN];
};

/* All return 0, or -1 with io failed.  epoch_create leaves the names to the caller's io_sync_dir.
 */
int epoch_create(struct epoch_file *e, struct io *io, uint32_t owner, bool may_vote);
int epoch_open(struct epoch_file *e, struct io *io, uint32_t owner);
void epoch_close(struct epoch_file *e);
/* epoch_write makes *next durable, then e->now; its generation is given here. */
int epoch_write(struct epoch_file *e, struct epochs next);

#endif
