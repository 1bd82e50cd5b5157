/* What the segments say after a stop or a power cut.
 *
 * The chain is followed from the first segment (or the last RESTART).  Where it breaks off, a later
 * segment that continues it shows that an earlier recovery left that tail behind.  If none does but
 * something later is intact, what stands there is damaged: a hole (log_damage.c).  If nothing is,
 * this is the end of the log: nothing; a write torn by a power cut (a block of it still holds the
 * zeros from before), of which whole records are kept; or a group that may have been complete and
 * counts as "have, faulty", because to shorten the log would lose what was acknowledged (E1,
 * E2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/log_recover.h"

#define RECOVER_READ_AHEAD (1u << 20)

struct names {
  uint64_t ids[LIMIT_SEGMENTS];
  int cnt;
};

static void collect(void *ctx, const char *name) {
  struct names *n = ctx;
  unsigned long long id;
  int end = 0;
  if (sscanf(name, "log.%8llx%n", &id, &end) != 1 || name[end] != '\0') return;
  if (n->cnt < LIMIT_SEGMENTS) n->ids[n->cnt++] = id;
}

static int by_id(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int log_damaged(struct log *l, const struct segment *s, uint64_t offset, const char *what) {
  char name[IO_NAME_LEN];
  log_segment_name(name, s->id);
  return io_fail(l->io, REASON_CORRUPT,
                 "%s is damaged at offset %llu, after zxid 0x%llx: %s; this node must not vote",
                 name, (unsigned long long)offset, (unsigned long long)l->last_zxid, what);
}

static int add_file(struct log *l, uint64_t id) {
  struct io_file f;
  char name[IO_NAME_LEN];
  log_segment_name(name, id);
  if (io_open(l->io, &f, name, DISK_READ_ONLY)) return -1;
  int64_t size = io_size(l->io, &f);
  io_close(l->io, &f);
  if (size < 0) return -1;
  struct segment *s = log_add_segment(l, id, (uint64_t)size, 0);
  if (!s) return -1;
  if (size == 0 || size % LIMIT_SECTOR) return log_damaged(l, s, (uint64_t)size, "the file is cut");
  return 0;
}

static int add_files(struct log *l) {
  struct names *n = calloc(1, sizeof *n);
  if (!n) return io_fail(l->io, REASON_DISK_ERROR, "no memory for names");
  int rc = io_list(l->io, collect, n);
  qsort(n->ids, (size_t)n->cnt, sizeof n->ids[0], by_id);
  for (int i = 0; i < n->cnt && !rc; i++) rc = add_file(l, n->ids[i]);
  if (!rc && n->cnt == 0) rc = io_fail(l->io, REASON_CORRUPT, "no log.<n> file: the log is gone");
  free(n);
  return rc;
}

enum found log_look(struct log *l, const struct segment *s, uint64_t offset,
                    struct group_header *h) {
  const uint8_t *p = log_window(l, s, s->size, offset, LIMIT_SECTOR);
  if (!p) return FOUND_ERROR;
  if (!group_read_header(h, p, s->id, l->owner)) return FOUND_NOTHING;
  if (h->segment_size != s->size) {
    log_damaged(l, s, s->size, "the file does not have the length it was made with");
    return FOUND_ERROR;
  }
  uint32_t size = group_size(h->len);
  if (h->len > l->group_cap || size > l->group_cap || size > s->size - offset) return FOUND_NOTHING;
  p = log_window(l, s, s->size, offset, size);
  if (!p) return FOUND_ERROR;
  return group_payload_ok(h, p) ? FOUND_GROUP : FOUND_HEADER;
}

/* walk_records checks the order inside a group whose checksum is right. */
static int walk_records(struct log *l, const struct segment *s, uint64_t offset,
                        const struct group_header *h) {
  const uint8_t *p = log_window(l, s, s->size, offset, group_size(h->len));
  if (!p) return -1;
  zxid_t last = l->last_zxid;
  for (uint32_t at = 0; at < h->len;) {
    struct record r;
    uint8_t header[LIMIT_RECORD_HEADER] = {0};
    if (h->len - at >= sizeof header) memcpy(header, p + GROUP_HEADER + at, sizeof header);
    group_unmask(h, header, sizeof header);
    if (record_peek(&r, header, sizeof header, LIMIT_RECORD_MAX) == RECORD_BAD_LENGTH ||
        r.size > h->len - at || !zxid_follows(last, r.zxid))
      return log_damaged(l, s, offset, "records out of order");
    last = r.zxid;
    at += r.size;
  }
  return last == h->last_zxid ? 0 : log_damaged(l, s, offset, "last zxid of the group");
}

int log_accept(struct log *l, int idx, const struct group_header *h, struct log_recovery *rec) {
  struct segment *s = &l->segs[idx];
  uint64_t offset = s->tail;
  log_index_add(s,
                h->type == GROUP_TRUNCATE || h->type == GROUP_RESTART ? h->last_zxid : l->last_zxid,
                offset);
  s->tail = offset + group_size(h->len);
  s->end = h->last_zxid;
  rec->last_segment = s->id;
  rec->last_offset = offset;
  rec->last_size = group_size(h->len);
  rec->last_crc = h->crc;
  if (h->type == GROUP_TRUNCATE) log_clamp(l, h->last_zxid);
  if (h->type == GROUP_TRUNCATE && h->last_zxid <= rec->doubt) rec->doubt = 0; /* or repaired */
  l->last_zxid = h->last_zxid;
  l->sequence = h->sequence + 1;
  l->chain = h->crc;
  l->sealed = h->type != GROUP_RECORDS;
  if (h->accepted_epoch > rec->accepted_epoch) rec->accepted_epoch = h->accepted_epoch;
  return 0;
}

static int apply(struct log *l, int idx, uint64_t offset, const struct group_header *h,
                 struct log_recovery *rec) {
  struct segment *s = &l->segs[idx];
  bool starts = h->type == GROUP_TRUNCATE || h->type == GROUP_RESTART;
  if (starts && offset) return log_damaged(l, s, offset, "group type inside a segment");
  if (h->type == GROUP_RESTART && h->last_zxid != l->last_zxid)
    return log_damaged(l, s, offset, "restart inside the log");
  if (h->type == GROUP_TRUNCATE && h->last_zxid > l->last_zxid)
    return log_damaged(l, s, offset, "truncation above the log");
  if (!starts && h->prev_zxid != l->last_zxid)
    return log_damaged(l, s, offset, "group does not follow");
  if (!starts && walk_records(l, s, offset, h)) return -1;
  return log_accept(l, idx, h, rec);
}

static void begin_segment(struct log *l, int idx) {
  l->segs[idx].base = l->segs[idx].end = l->last_zxid;
}

/* is_first_whole: the first group of segment idx was once complete.  Returns 1, 0 or -1. */
static int is_first_whole(struct log *l, int idx, const struct group_header *h) {
  const struct segment *s = &l->segs[idx];
  const uint8_t *p = log_window(l, s, s->size, 0, group_size(h->len));
  if (!p) return -1;
  return group_has_zero_block(p, group_size(h->len)) ? log_is_followed(l, idx, h) : 1;
}

/* What is not in the header is filling, if there are no records; but as the first of a segment the
 * group may be torn, and left behind.  Returns 1, 0 or -1. */
static int is_whole(struct log *l, int idx, enum found found, const struct group_header *h) {
  if (found != FOUND_HEADER || h->len) return found == FOUND_GROUP;
  bool counts = l->segs[idx].tail || h->type == GROUP_RESTART;
  return counts ? 1 : is_first_whole(l, idx, h);
}

static int scan_segment(struct log *l, int idx, struct log_recovery *rec) {
  struct segment *s = &l->segs[idx];
  struct group_header h;
  while (s->tail < s->size) {
    enum found found = log_look(l, s, s->tail, &h);
    if (found == FOUND_ERROR) return -1;
    if (found >= FOUND_HEADER && !log_continues(l, &h) && h.sequence > rec->highest)
      rec->highest = h.sequence;
    if (!log_continues(l, &h)) return 0;
    int whole = is_whole(l, idx, found, &h);
    if (whole <= 0) return whole;
    if (apply(l, idx, s->tail, &h, rec)) return -1;
  }
  return 0;
}

/* find_start returns the segment of the last RESTART, or 0; -1 on error. */
static int find_start(struct log *l, struct log_recovery *rec) {
  struct group_header h;
  int start = 0;
  for (int i = l->seg_cnt - 1; i >= 0 && !rec->restarted; i--) {
    enum found found = log_look(l, &l->segs[i], 0, &h);
    if (found == FOUND_ERROR) return -1;
    rec->restarted = found >= FOUND_HEADER && h.type == GROUP_RESTART;
    if (rec->restarted) start = i;
  }
  const struct segment *s = &l->segs[start];
  enum found found = log_look(l, s, 0, &h);
  if (found == FOUND_ERROR) return -1;
  if (found < FOUND_HEADER) return log_find_beginning(l, start) ? -1 : start;
  l->sequence = h.sequence;
  l->chain = h.chain;
  l->last_zxid = h.type == GROUP_RESTART ? h.last_zxid : h.prev_zxid;
  return start;
}

/* find_successor returns the segment behind idx whose first group continues the chain; 0: none. 
 * One that is whole comes before those of which only the header is: these may be torn, and left
 * behind. */
static int find_successor(struct log *l, int idx) {
  struct group_header h;
  for (int i = idx + 1; i < l->seg_cnt; i++) {
    enum found found = log_look(l, &l->segs[i], 0, &h);
    if (found == FOUND_ERROR) return -1;
    if (found == FOUND_GROUP && log_continues(l, &h)) return i;
    l->segs[i].base = l->segs[i].end = l->last_zxid;
  }
  for (int i = l->seg_cnt - 1; i > idx; i--) {
    enum found found = log_look(l, &l->segs[i], 0, &h);
    if (found == FOUND_ERROR) return -1;
    if (found != FOUND_HEADER || !log_continues(l, &h)) continue;
    int whole = is_first_whole(l, i, &h);
    if (whole) return whole < 0 ? -1 : i;
  }
  return 0;
}

/* is_dirty: the rest of s is not all zeros.  Nothing intact stands there: log_pass_damage has
 * looked. */
static bool is_dirty(struct log *l, const struct segment *s) {
  for (uint64_t at = s->tail; at < s->size; at += LIMIT_SECTOR) {
    const uint8_t *p = log_window(l, s, s->size, at, LIMIT_SECTOR);
    if (!p || !group_all_zero(p, LIMIT_SECTOR)) return true;
  }
  return false;
}

/* is_torn returns 1 if the write at the end of s is provably torn, 0 if that is undecidable, -1. */
static int is_torn(struct log *l, const struct segment *s, struct group_header *h, bool *header) {
  enum found found = log_look(l, s, s->tail, h);
  if (found == FOUND_ERROR) return -1;
  *header = found == FOUND_HEADER && log_continues(l, h);
  uint32_t size = *header ? group_size(h->len) : LIMIT_SECTOR;
  const uint8_t *p = log_window(l, s, s->size, s->tail, size);
  if (!p) return -1;
  return group_has_zero_block(p, size);
}

/* salvage copies the whole records from the start of a torn group. */
static int salvage(struct log *l, const struct segment *s, const struct group_header *h,
                   uint8_t *out, size_t *len) {
  const uint8_t *p = log_window(l, s, s->size, s->tail, group_size(h->len));
  if (!p) return -1;
  memcpy(out, p + GROUP_HEADER, h->len);
  group_unmask(h, out, h->len - h->len % 8);
  struct record r;
  zxid_t last = l->last_zxid;
  *len = 0;
  while (record_read(&r, out + *len, h->len - *len, LIMIT_RECORD_MAX) == RECORD_OK &&
         zxid_follows(last, r.zxid)) {
    last = r.zxid;
    *len += r.size;
  }
  return 0;
}

/* Keeps the last segment, if it is all zeros, as the spare. */
static int keep_spare(struct log *l) {
  struct segment *s = &l->segs[l->seg_cnt - 1];
  char name[IO_NAME_LEN];
  log_segment_name(name, s->id);
  free(s->index);
  l->seg_cnt--;
  log_forget_reads(l);
  if (s->size < l->segment_bytes) /* made by a smaller config; it never held anything */
    return io_unlink(l->io, name) || io_sync_dir(l->io) ? -1 : 0;
  l->spare = (struct log_spare){SPARE_READY, {NULL, ""}, s->id, s->size, s->size};
  return io_open(l->io, &l->spare.file, name, DISK_READ_WRITE);
}

/* Reads the last group again, into l->group (free until the log is open).  Returns 1: it is whole,
 * 0: its records are not, or there is none in the tail segment; -1. */
static int read_last(struct log *l, const struct segment *s, const struct log_recovery *rec) {
  struct group_header h;
  if (!rec->last_size || rec->last_segment != s->id) return 0; /* something was written after it */
  const uint8_t *p = log_window(l, s, s->size, rec->last_offset, rec->last_size);
  if (!p) return -1;
  memcpy(l->group, p, rec->last_size);
  if (!group_read_header(&h, l->group, s->id, l->owner) || h.crc != rec->last_crc ||
      group_size(h.len) != rec->last_size)
    return log_damaged(l, s, rec->last_offset, "the last group reads otherwise than before");
  return group_payload_ok(&h, l->group);
}

/* After a mere kill the last group may be readable and not yet durable (R12), and of no use is a
 * sync: one that failed in an earlier start has marked its pages clean (E6).  So it is written
 * again, with the bytes it has. */
static int open_tail(struct log *l, const struct log_recovery *rec) {
  char name[IO_NAME_LEN];
  const struct segment *s = &l->segs[l->seg_cnt - 1];
  log_segment_name(name, s->id);
  if (io_open(l->io, &l->tail_file, name, DISK_READ_WRITE)) return -1;
  int whole = read_last(l, s, rec);
  if (whole < 0) return -1;
  return whole ? io_write_durable(l->io, &l->tail_file, l->group, rec->last_size, rec->last_offset)
               : io_sync(l->io, &l->tail_file);
}

/* A new segment continues the chain, with what was saved.  (A copy of the torn one: the array may
 * move.) */
int log_mend(struct log *l, struct log_recovery *rec) {
  struct group_header h;
  bool header = false;
  size_t len = 0;
  if (rec->torn < 0) return 0;
  struct segment torn = l->segs[rec->torn];
  if (is_torn(l, &torn, &h, &header) < 0) return -1;
  uint8_t *saved = header ? io_alloc(l->io, l->group_cap) : NULL;
  if (header && (!saved || salvage(l, &torn, &h, saved, &len))) {
    free(saved);
    return -1;
  }
  char name[IO_NAME_LEN];
  log_segment_name(name, torn.id);
  snprintf(rec->note, sizeof rec->note,
           "%s: %s at offset %llu, after zxid 0x%llx; kept %zu bytes of whole records", name,
           rec->lost_tail ? "unreadable" : "torn write", (unsigned long long)torn.tail,
           (unsigned long long)l->last_zxid, len);
  int rc = log_truncate(l, l->last_zxid) || log_append(l, saved, len) ? -1 : 0;
  free(saved);
  return rc;
}

/* find_torn returns the first of the segments from idx on that has a torn tail, -1 if none.  There
 * are several if the power went in log_mend, too. */
static int find_torn(struct log *l, int idx, struct log_recovery *rec) {
  int torn = -1;
  for (int i = idx; i < l->seg_cnt && l->io->reason == REASON_NONE; i++) {
    struct group_header h;
    bool header;
    if (!is_dirty(l, &l->segs[i])) continue;
    if (is_torn(l, &l->segs[i], &h, &header) == 0) rec->lost_tail = true;
    if (torn < 0) torn = i;
  }
  return torn;
}

/* A last group whose header is intact and of which nothing says that it was torn may have been
 * acknowledged: it stays, and what of it cannot be read is a hole. */
static int keep_undecided(struct log *l, int idx, struct log_recovery *rec) {
  struct segment *s = &l->segs[idx];
  while (s->tail < s->size) {
    struct group_header h;
    bool header;
    int torn = is_torn(l, s, &h, &header);
    if (torn < 0) return -1;
    if (torn || !header) return 0;
    if (log_keep_damaged(l, idx, &h, rec)) return -1;
  }
  return 0;
}

/* finish decides what stands behind the end of the chain, in segment idx and in all later ones. */
static int finish(struct log *l, int idx, struct log_recovery *rec) {
  if (keep_undecided(l, idx, rec)) return -1;
  for (int i = idx + 1; i < l->seg_cnt; i++) begin_segment(l, i); /* behind that, too */
  rec->torn = find_torn(l, idx, rec);
  bool nothing = l->sequence == 0;              /* not even the beginning that every log has */
  bool elsewhere = rec->highest >= l->sequence; /* here it was never written */
  rec->lost_tail |= nothing || elsewhere;
  if (l->io->reason != REASON_NONE) return -1;
  int last = l->seg_cnt - 1;
  bool empty = last != idx && last != rec->torn && !is_dirty(l, &l->segs[last]);
  if (l->io->reason != REASON_NONE || (empty && keep_spare(l))) return -1;
  return open_tail(l, rec);
}

/* enter begins with segment idx, or with the later one that begins in its place.  Returns it, or
 * -1. */
static int enter(struct log *l, int idx) {
  if (l->segs[idx].tail) return idx;
  int first = find_successor(l, idx - 1);
  if (first > 0) idx = first;
  begin_segment(l, idx);
  return first < 0 ? -1 : idx;
}

/* follow_chain returns the segment in which the chain ends, or -1. */
static int follow_chain(struct log *l, int start, struct log_recovery *rec) {
  for (int idx = enter(l, start);;) {
    if (idx < 0 || scan_segment(l, idx, rec)) return -1;
    int next = find_successor(l, idx);
    if (next > 0) begin_segment(l, next);
    if (next == 0) next = log_pass_damage(l, idx, rec);
    if (next == LOG_ENDS) return idx;
    idx = next < 0 ? -1 : enter(l, next);
  }
}

/* What the head of log.h draws; purge and every search rely on it. */
static bool is_ordered(const struct log *l) {
  for (int i = 0; i < l->seg_cnt; i++) {
    const struct segment *s = &l->segs[i];
    if (s->base > s->end || (i && l->segs[i - 1].end > s->base)) return false;
  }
  return l->segs[l->seg_cnt - 1].end <= l->last_zxid;
}

int log_recover(struct log *l, struct log_recovery *rec) {
  memset(rec, 0, sizeof *rec);
  rec->torn = -1;
  l->read_ahead = RECOVER_READ_AHEAD;
  if (add_files(l)) return -1;
  int start = find_start(l, rec);
  if (start < 0) return -1;
  rec->start = start;
  int idx = follow_chain(l, start, rec);
  if (idx < 0 || finish(l, idx, rec)) return -1;
  log_forget_reads(l);
  l->read_ahead = LOG_READ_AHEAD;
  if (rec->torn >= 0) rec->torn -= start;
  /* or they could be back, and their successor be gone, when purge is cut short */
  if (start && (log_drop(l, start) || io_sync_dir(l->io))) return -1;
  assert(is_ordered(l));
  return 0;
}
