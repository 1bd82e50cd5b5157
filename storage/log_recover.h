/* log_recover.h - between log_recover.c and log_damage.c: what stands where in the segments.
 *
 * Part of storage/.  Owner: the disk thread.  Source: design 6 "Recovery"; zab-rules E1, E2, E7. */
#ifndef ZABLINE_STORAGE_LOG_RECOVER_H
#define ZABLINE_STORAGE_LOG_RECOVER_H

#include "storage/log.h"

enum found { FOUND_ERROR = -1, FOUND_NOTHING, FOUND_HEADER, FOUND_GROUP };

/* log_look tells what stands at offset: a group that is whole, only an intact header, or
 * neither. */
enum found log_look(struct log *l, const struct segment *s, uint64_t offset,
                    struct group_header *h);

static inline bool log_continues(const struct log *l, const struct group_header *h) {
  return h->sequence == l->sequence && h->chain == l->chain;
}

/* log_accept takes the group at the tail of segment idx into the history. */
int log_accept(struct log *l, int idx, const struct group_header *h, struct log_recovery *rec);

/* log_keep_damaged accepts the group at the tail of segment idx, whose header alone is intact; what
 * cannot be read in it becomes holes. */
int log_keep_damaged(struct log *l, int idx, const struct group_header *h,
                     struct log_recovery *rec);

/* log_pass_damage: the chain breaks off at the tail of segment idx.  Returns the segment in which
 * it goes on behind a hole (tail, last_zxid, sequence, chain are set), LOG_ENDS: nowhere, or -1. */
#define LOG_ENDS (-2)
int log_pass_damage(struct log *l, int idx, struct log_recovery *rec);

/* log_is_followed: is anything intact behind h, the first group of segment idx?  Returns 1, 0,
 * -1. */
int log_is_followed(struct log *l, int idx, const struct group_header *h);

/* log_find_beginning: the first group of the oldest segment is damaged; begins behind it, or, where
 * nothing of the segment is readable, with what later ones say: if nothing, the end is lost. */
int log_find_beginning(struct log *l, int idx);

/* log_damaged fails with the line about damage that is not understood. */
int log_damaged(struct log *l, const struct segment *s, uint64_t offset, const char *what);

#endif
