/* log_repair.h - the log behind the first hole, written anew with what peers gave for the holes.
 *
 *      old   | ... z0 | hole | good | hole | good |          stays as it is, dead from now on
 *      new                     | TRUNCATE(z0) good and given records ... | zeros |
 *
 * One new segment, as long as it must be, filled under a name of its own and renamed when it is
 * whole: before that the old log counts, with its holes; after it the new one.  So nothing that a
 * node has is ever given up on the way (E1).
 *
 * Part of storage/.  Owner: the disk thread.  Blocks: yes.  Allocates: yes.
 * Source: design 6 "Recovery"; zab-rules E1, E3. */
#ifndef ZABLINE_STORAGE_LOG_REPAIR_H
#define ZABLINE_STORAGE_LOG_REPAIR_H

#include "storage/log.h"

#define LOG_REPAIR_TMP "tmp.repair"

struct log_repair {
  bool open;
  struct log to;          /* its only segment is the new one */
  zxid_t from;            /* z0 */
  uint64_t begun;         /* sequence of the log then: it must not have moved meanwhile */
  struct log_place place; /* in the old log: all up to it is in the new one, or pending */
  uint8_t *pending;
  uint32_t len;
};

/* Functions that return int: 0, -1 with io failed, or LOG_FULL: peers gave more than can have stood
 * there, and log_repair_abort is to follow.  The log has a hole. */
#define LOG_FULL 3
int log_repair_begin(struct log_repair *p, struct log *l);
/* log_repair_copy copies what is good, some at a time.  Returns 1: more to copy, LOG_DAMAGED:
 * place is before a hole, 0: all is copied, -1. */
int log_repair_copy(struct log_repair *p, struct log *l);
/* log_repair_fits: is r the next record of the hole at place?  log_repair_put takes it. */
bool log_repair_fits(const struct log_repair *p, const struct log *l, const struct record *r);
int log_repair_put(struct log_repair *p, struct log *l, const struct record *r, const void *bytes);
/* log_repair_finish: the history ends at place from now on, durably. */
int log_repair_finish(struct log_repair *p, struct log *l);
void log_repair_abort(struct log_repair *p, struct log *l);

#endif
