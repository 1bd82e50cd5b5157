/* log.h - the history as groups in numbered segments.
 *
 *      log.00000007           log.00000008                 log.00000009
 *      | g g g g | torn  |    | TRUNCATE g g IDLE g g |    | 0 0 0 ...  (spare: zeros, synced)
 *                               ^ continues the chain    ^ tail
 *
 * Groups are appended, one durable write each; a persisted sector is never rewritten, but for the
 * last group at start, with the bytes it has.  Truncation is a TRUNCATE group in a new segment;
 * what it removed stays in the files but is dead: segment.base and segment.end are clamped to it.
 *
 *      log_base == segs[0].base <= segs[0].end <= segs[1].base <= ... <= last segment's end ==
 * last_zxid
 *
 * Part of storage/.  Owner: the disk thread.  Blocks: yes.  Allocates: at open and per segment.
 * Source: design 6; zab-rules R10, B10, B11, B14, D1-D3, E1, E2, E7.
 *
 * A damaged place in the middle is a hole: what stood there is "have, faulty".  It is in base, end
 * and last_zxid, it is never read, and log_repair.c replaces it (E1). */
#ifndef ZABLINE_STORAGE_LOG_H
#define ZABLINE_STORAGE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/record.h"
#include "storage/group.h"
#include "storage/io.h"

#define LOG_INDEX_STRIDE (256u << 10) /* bytes of a segment per entry of the sparse index */
#define LOG_READ_AHEAD (256u << 10)
#define LOG_READ_BUDGET (1u << 20) /* bytes from disk after which a slice ends early */
#define LOG_FILL_SLICE (64u << 10) /* bytes of zeros written by one step of log_prepare */
#define LOG_HINTS 16               /* places kept where a reader may go on */
#define LOG_SPARE_TMP "tmp.log"    /* a spare segment that is not yet filled */

static_assert(LIMIT_GROUP <= LIMIT_RECORD_MAX, "the largest group holds one largest record");

struct log_index {
  zxid_t before; /* last zxid before the group */
  uint64_t offset;
};

struct segment {
  uint64_t id;
  uint64_t size; /* of the file */
  uint64_t tail; /* bytes of good groups from the start */
  zxid_t base;   /* last live zxid before it */
  zxid_t end;    /* last live zxid in it, base if none */
  uint32_t index_cnt, index_cap;
  struct log_index *index; /* ascending */
};

/* A damaged place: records (after, upto] of the history stood there, none if they are equal. */
struct log_hole {
  uint64_t segment; /* id */
  uint64_t from, to;
  zxid_t after, upto;
};

enum spare_state { SPARE_NONE, SPARE_FILLING, SPARE_READY };

struct log_spare {
  enum spare_state state;
  struct io_file file;
  uint64_t id;
  uint64_t size;
  uint64_t filled;
};

/* A place in the live history: right behind zxid. */
struct log_place {
  zxid_t zxid;
  int seg_idx;
  uint64_t group;        /* offset of the group in the segment */
  uint32_t inner;        /* offset in the group; 0: its header is not read yet */
  struct group_header h; /* if inner */
};

struct log_window { /* a part of one segment, as read */
  uint8_t *buf;
  size_t cap, len;
  uint64_t segment, offset;
};

struct log {
  struct io *io;
  uint32_t owner;
  uint64_t segment_bytes;
  uint32_t group_aim;      /* bytes of records in a group; one record may be more */
  uint32_t accepted_epoch; /* goes into each group; kept by the store */
  struct segment *segs;
  int seg_cnt, seg_cap;
  struct io_file tail_file; /* of the last segment */
  struct log_spare spare;
  uint64_t sequence; /* of the next group */
  uint32_t chain;    /* crc of the last one */
  zxid_t last_zxid;
  bool sealed;    /* the last group is a trailer, or starts the segment */
  uint8_t *group; /* buffer of one group */
  uint32_t group_cap;
  uint8_t *zeros;
  struct log_window window;
  uint32_t read_ahead, read_budget;
  uint64_t read_bytes; /* from disk, ever */
  struct io_file read_file;
  uint64_t read_segment;
  struct log_place hints[LOG_HINTS];
  int hint_cnt, hint_next;
  struct log_hole holes[LIMIT_HOLES]; /* in the order of the history */
  int hole_cnt;
};

/* What recovery found; notes for people. */
struct log_recovery {
  uint32_t accepted_epoch; /* largest in any group */
  uint64_t highest;        /* largest sequence in any header */
  int start;               /* segment with which the history begins, until log_recover returns */
  bool restarted;          /* the log begins with a RESTART behind its base */
  bool lost_tail;          /* it held more, and nobody can say to where */
  zxid_t doubt;      /* nobody can say whether records up to here are of the history; 0: no doubt */
  zxid_t doubt_upto; /* a snapshot from here on, or a truncation to `doubt`, ends that */
  int torn;          /* segment whose tail log_mend leaves behind; -1: none */
  char note[LIMIT_TEXT_LEN];
  uint64_t last_segment, last_offset; /* the last group of the history; last_size 0: none */
  uint32_t last_size, last_crc;
};

/* Functions return 0, or -1 with io failed. */
/* largest: payload bytes of the largest record expected; for a larger one segments grow. */
int log_init(struct log *l, struct io *io, uint32_t owner, uint32_t largest,
             uint64_t segment_bytes);
void log_free(struct log *l);

/* log_create starts the log of a new data directory; its name is durable then. */
int log_create(struct log *l);
/* log_recover reads; if it says lost_tail, the store must give up the vote before log_mend, which
 * leaves a torn or unreadable tail behind. */
int log_recover(struct log *l, struct log_recovery *r);
int log_mend(struct log *l, struct log_recovery *r);

/* log_append writes whole records, already checked, as groups of about LIMIT_GROUP bytes. */
int log_append(struct log *l, const uint8_t *records, size_t len);
int log_truncate(struct log *l, zxid_t zxid); /* zxid: one of the history, or its base */
int log_restart(struct log *l, zxid_t base);  /* the commit point of a snapshot install */
int log_seal(struct log *l);                  /* the idle trailer */

/* log_prepare does one step for the spare segment: *more is set while there is one left.
 * log_spare_due: whether it is time for one.  The spare is filled in step with the segment in use
 * where there is time: a durable write waits for all that the disk was given before it. */
int log_prepare(struct log *l, bool *more);
bool log_spare_due(const struct log *l);

/* log_drop unlinks the cnt oldest segments.  More than one without io_sync_dir in between only
 * before a RESTART: else a power cut could leave a hole. */
int log_drop(struct log *l, int cnt);

zxid_t log_base(const struct log *l);

/* log_find sets p behind the largest zxid of the log (or its base) that is <= zxid; zxid >= base.
 */
int log_find(struct log *l, zxid_t zxid, struct log_place *p);
/* log_next parses the record after p, in the window until the next call; moves p behind it. Returns
 * 1, 0 at the end, LOG_DAMAGED before a hole (p stays there until log_pass), -1.  The record's
 * crc is checked by log_copy only. */
#define LOG_DAMAGED 2
int log_next(struct log *l, struct log_place *p, struct record *r);
/* log_copy copies the record that log_next found last into buf (r->size bytes) and checks it. */
int log_copy(struct log *l, const struct log_place *p, const struct record *r, uint8_t *buf);
void log_pass(struct log *l, struct log_place *p); /* p is before a hole, then behind it */
void log_keep_hint(struct log *l, const struct log_place *p);

/* ---- holes ---- */
/* log_hole_add: behind all others.  log_hole_at: the one there, NULL if none. */
int log_hole_add(struct log *l, struct log_hole h);
const struct log_hole *log_hole_at(const struct log *l, const struct log_place *p);
/* log_hole_of: the one in which the record zxid is missing; NULL: none. */
const struct log_hole *log_hole_of(const struct log *l, zxid_t zxid);
const struct log_hole *log_first_hole(const struct log *l); /* with records behind the base */
/* log_forget_below: the log begins behind zxid from now on; a snapshot holds what was before. */
void log_forget_below(struct log *l, zxid_t zxid);
zxid_t log_last_hole_below(const struct log *l, zxid_t zxid); /* its upto, 0: none */

/* Between the log_*.c files. */
void log_segment_name(char *name, uint64_t id);
struct segment *log_add_segment(struct log *l, uint64_t id, uint64_t size, zxid_t base);
void log_index_add(struct segment *s, zxid_t before, uint64_t offset);
int log_switch(struct log *l);
int log_write_group(struct log *l, enum group_type type, const uint8_t *records, uint32_t len,
                    zxid_t last_zxid);
void log_clamp(struct log *l, zxid_t zxid);
/* log_window returns [offset, offset + len) of a segment and reads ahead, but not past limit. */
const uint8_t *log_window(struct log *l, const struct segment *s, uint64_t limit, uint64_t offset,
                          size_t len);
void log_forget_reads(struct log *l);

#endif
