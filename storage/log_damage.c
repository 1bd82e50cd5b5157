/* Damage in the middle of the log: what stood there, as far as what is intact around it says.
 *
 * A record is told by its own checksum, a group by its header; where both are gone, the next intact
 * header says which zxid stood before it, and how many groups.  A hole never hides a truncation: if
 * one may have been there and cannot be reconstructed, all of the log before it is faulty, or the
 * vote is given up (E1). */
#include <string.h>

#include "storage/log_recover.h"

/* ---- inside a group whose header is intact ---- */

struct walk {
  const uint8_t *records;
  uint32_t len, at;
  zxid_t last, end;
};

/* fits: a record header at `at` that may stand there. */
static bool fits(const struct walk *w, uint32_t at, zxid_t last, struct record *r) {
  enum record_status status = record_peek(r, w->records + at, w->len - at, LIMIT_RECORD_MAX);
  return status == RECORD_OK && zxid_follows(last, r->zxid) && r->zxid <= w->end;
}

/* The lengths lead exactly to the end: then all record headers are right. */
static bool lengths_hold(const struct walk *w) {
  zxid_t last = w->last;
  struct record r;
  for (uint32_t at = w->at; at < w->len; at += r.size) {
    if (!fits(w, at, last, &r)) return false;
    last = r.zxid;
  }
  return last == w->end;
}

static int add_holes(struct log *l, const struct segment *s, const struct group_header *h,
                     struct walk *w) {
  uint64_t begin = s->tail + GROUP_HEADER;
  while (w->at < w->len) {
    struct record r;
    bool good =
        record_read(&r, w->records + w->at, w->len - w->at, LIMIT_RECORD_MAX) == RECORD_OK &&
        zxid_follows(w->last, r.zxid) && r.zxid <= w->end;
    if (!good && !lengths_hold(w)) break;
    struct log_hole hole = {s->id, begin + w->at, begin + w->at + r.size, w->last, r.zxid};
    if (!good && log_hole_add(l, hole)) return -1;
    w->last = r.zxid;
    w->at += r.size;
  }
  if (w->at == w->len && w->last == w->end) return 0;
  return log_hole_add(
      l, (struct log_hole){s->id, begin + w->at, s->tail + group_size(h->len), w->last, w->end});
}

int log_keep_damaged(struct log *l, int idx, const struct group_header *h,
                     struct log_recovery *rec) {
  const struct segment *s = &l->segs[idx];
  if (h->prev_zxid != l->last_zxid) return log_damaged(l, s, s->tail, "group does not follow");
  const uint8_t *p = log_window(l, s, s->size, s->tail, group_size(h->len));
  if (!p) return -1;
  memcpy(l->group, p + GROUP_HEADER, h->len); /* free until the log is open */
  group_unmask(h, l->group, h->len - h->len % 8);
  struct walk w = {l->group, h->len, 0, l->last_zxid, h->last_zxid};
  if (add_holes(l, s, h, &w)) return -1;
  return log_accept(l, idx, h, rec);
}

/* ---- between groups ---- */

struct place {
  int seg;
  uint64_t offset;
  struct group_header h;
};

/* find_later finds the first intact header behind the tail of idx.  Returns 1, 0 or -1. */
static int find_later(struct log *l, int idx, struct place *c) {
  for (c->seg = idx; c->seg < l->seg_cnt; c->seg++) {
    const struct segment *s = &l->segs[c->seg];
    bool first = c->seg == idx;
    for (c->offset = first ? s->tail + LIMIT_SECTOR : 0; c->offset < s->size;
         c->offset += LIMIT_SECTOR) {
      enum found found = log_look(l, s, c->offset, &c->h);
      if (found == FOUND_ERROR) return -1;
      if (found < FOUND_HEADER) continue;
      /* a torn group left behind by an earlier recovery is not whole, and nothing is behind it */
      if (c->h.sequence > l->sequence || (c->h.sequence == l->sequence && found == FOUND_GROUP))
        return 1;
    }
  }
  return 0;
}

/* One that follows inside a later segment has that segment's first group before it: not h. */
int log_is_followed(struct log *l, int idx, const struct group_header *h) {
  struct place c;
  uint64_t sequence = l->sequence, tail = l->segs[idx].tail;
  l->sequence = h->sequence + 1;
  l->segs[idx].tail = group_size(h->len) - LIMIT_SECTOR;
  int rc = find_later(l, idx, &c);
  l->sequence = sequence;
  l->segs[idx].tail = tail;
  bool replaced = rc > 0 && c.seg != idx && c.offset && c.h.sequence == h->sequence + 1;
  return replaced ? 0 : rc;
}

/* The chain goes on at c; before it the history ends at zxid. */
static int go_on(struct log *l, const struct place *c, zxid_t zxid) {
  struct segment *s = &l->segs[c->seg];
  l->last_zxid = zxid;
  l->sequence = c->h.sequence;
  l->chain = c->h.chain;
  s->tail = c->offset;
  s->end = zxid;
  return c->seg;
}

static int pass_within(struct log *l, const struct place *c) {
  struct segment *s = &l->segs[c->seg];
  zxid_t upto = c->h.prev_zxid;
  if (upto < l->last_zxid || c->h.type == GROUP_TRUNCATE || c->h.type == GROUP_RESTART)
    return log_damaged(l, s, s->tail, "what stands behind it does not belong there");
  struct log_hole hole = {s->id, s->tail, c->offset, l->last_zxid, upto};
  return log_hole_add(l, hole) ? -1 : go_on(l, c, upto);
}

/* What earlier recoveries left between idx and to is dead, and has its place there. */
static void begin_segments(struct log *l, int idx, int to) {
  for (int i = idx + 1; i <= to; i++) l->segs[i].base = l->segs[i].end = l->last_zxid;
}

/* How many groups are missing before c. */
static uint64_t missing(const struct log *l, const struct place *c) {
  return c->h.sequence - l->sequence;
}

/* The same at c in a later segment; what of that is unreadable before c is within the hole. */
static int go_on_in(struct log *l, const struct place *c, zxid_t zxid) {
  struct segment *s = &l->segs[c->seg];
  struct log_hole nothing = {s->id, 0, c->offset, zxid, zxid};
  if (c->offset) log_index_add(s, zxid, 0);
  return c->offset && log_hole_add(l, nothing) ? -1 : go_on(l, c, zxid);
}

/* Among what is missing before c is the first group of a segment. */
static bool has_begun(int idx, const struct place *c) { return c->offset || c->seg > idx + 1; }

/* The end of one segment is damaged, and maybe what stands between it and c. */
static int pass_end(struct log *l, int idx, const struct place *c) {
  struct segment *s = &l->segs[idx];
  bool truncates = c->h.type == GROUP_TRUNCATE;
  zxid_t upto = c->h.prev_zxid; /* it may be torn and never have truncated */
  if (upto < l->last_zxid && has_begun(idx, c)) log_clamp(l, upto);
  if (!truncates && upto < l->last_zxid)
    return log_damaged(l, s, s->tail, "the next segment does not follow");
  if (upto > l->last_zxid) {
    struct log_hole hole = {s->id, s->tail, s->size, l->last_zxid, upto};
    if (log_hole_add(l, hole)) return -1;
    l->last_zxid = s->end = upto;
  }
  s->tail = s->size;
  begin_segments(l, idx, c->seg);
  return go_on_in(l, c, l->last_zxid);
}

/* One group is damaged, the first of a segment. */
static int pass_beginning(struct log *l, int idx, const struct place *c) {
  struct segment *s = &l->segs[c->seg];
  zxid_t upto = c->h.prev_zxid;
  if (upto < l->last_zxid) log_clamp(l, upto); /* it truncated */
  begin_segments(l, idx, c->seg);
  log_index_add(s, l->last_zxid, 0);
  struct log_hole hole = {s->id, 0, c->offset, l->last_zxid, upto};
  return log_hole_add(l, hole) ? -1 : go_on(l, c, upto);
}

/* may_hide_truncation: and nobody can say to where.  Within one epoch that does not matter: a zxid
 * names all before it; nor if nothing is live before c. */
static bool may_hide_truncation(const struct log *l, int idx, const struct place *c) {
  return has_begun(idx, c) && missing(l, c) > 1 && l->sequence > 0 &&
         zxid_epoch(c->h.prev_zxid) != zxid_epoch(l->last_zxid);
}

/* Nobody can say how much of what stands before c counts: all of it is faulty. */
static int pass_all(struct log *l, int start, const struct place *c) {
  struct segment *s = &l->segs[start];
  zxid_t base = s->base, upto = c->h.prev_zxid;
  if (upto < base) return log_damaged(l, s, 0, "what stands behind it does not belong there");
  log_clamp(l, base);
  s->index_cnt = 0;
  log_index_add(s, base, 0);
  struct log_hole hole = {s->id, 0, s->size, base, upto};
  if (log_hole_add(l, hole)) return -1;
  s->tail = s->size;
  l->last_zxid = s->end = upto;
  begin_segments(l, start, c->seg);
  return go_on_in(l, c, upto);
}

static bool is_complete(const struct log *l, int idx, int to) {
  return l->segs[to].id - l->segs[idx].id == (uint64_t)(to - idx);
}

/* A group inside the one at the tail was meant for another place; it may be there, too. */
static void note_misdirected(const struct segment *s, const struct group_header *h,
                             const struct place *c, struct log_recovery *rec) {
  bool inside = c->h.segment == s->id && c->offset < s->tail + group_size(h->len);
  if (inside && c->h.sequence > rec->highest) rec->highest = c->h.sequence;
}

/* is_live: h, at the tail, is of the history.  If one group is missing before c, which is in a
 * later segment, that is h only if c follows h; else an earlier recovery left h behind. */
static bool is_live(const struct log *l, int idx, const struct group_header *h,
                    const struct place *c) {
  if (!log_continues(l, h) || h->sequence >= c->h.sequence) return false;
  return c->seg == idx || missing(l, c) > 1 || c->h.chain == h->crc;
}

/* may_be_dead: h, at the tail, looks torn, and the TRUNCATE that left it behind may be among what
 * is missing.  Returns 1, 0 or -1. */
static int may_be_dead(struct log *l, int idx, const struct group_header *h,
                       const struct place *c) {
  const struct segment *s = &l->segs[idx];
  bool hidden = c->seg > idx && has_begun(idx, c) && missing(l, c) > 1;
  const uint8_t *p = log_window(l, s, s->size, s->tail, group_size(h->len));
  if (!p) return -1;
  return hidden && group_has_zero_block(p, group_size(h->len));
}

static int keep(struct log *l, int idx, const struct group_header *h, const struct place *c,
                struct log_recovery *rec) {
  int dead = may_be_dead(l, idx, h, c);
  if (dead < 0) return -1;
  if (dead && (!rec->doubt || h->last_zxid < rec->doubt)) rec->doubt = h->last_zxid;
  if (dead && c->h.prev_zxid > rec->doubt_upto) rec->doubt_upto = c->h.prev_zxid;
  note_misdirected(&l->segs[idx], h, c, rec);
  return log_keep_damaged(l, idx, h, rec) ? -1 : idx;
}

/* Only the first group of a segment truncates, and every group has its number: what c says before
 * it is missing tells whether a truncation is. */
int log_pass_damage(struct log *l, int idx, struct log_recovery *rec) {
  const struct segment *s = &l->segs[idx];
  struct group_header h;
  struct place c;
  int found = find_later(l, idx, &c);
  if (found <= 0) return found < 0 ? -1 : LOG_ENDS;
  enum found here = s->tail < s->size ? log_look(l, s, s->tail, &h) : FOUND_NOTHING;
  if (here == FOUND_ERROR) return -1;
  if (here == FOUND_HEADER && is_live(l, idx, &h, &c)) return keep(l, idx, &h, &c, rec);
  if (c.seg == idx) return pass_within(l, &c);
  if (!is_complete(l, idx, c.seg) || (c.offset && missing(l, &c) == 0))
    return log_damaged(l, s, s->tail, "and what follows it is missing or unreadable, too");
  if (may_hide_truncation(l, idx, &c)) return pass_all(l, rec->start, &c);
  return c.offset && missing(l, &c) == 1 ? pass_beginning(l, idx, &c) : pass_end(l, idx, &c);
}

int log_find_beginning(struct log *l, int idx) {
  struct segment *s = &l->segs[idx];
  struct place c = {.seg = idx};
  for (c.offset = LIMIT_SECTOR; c.offset < s->size; c.offset += LIMIT_SECTOR) {
    enum found found = log_look(l, s, c.offset, &c.h);
    if (found == FOUND_ERROR) return -1;
    if (found < FOUND_HEADER || c.h.type == GROUP_TRUNCATE || c.h.type == GROUP_RESTART) continue;
    struct log_hole none = {s->id, 0, c.offset, c.h.prev_zxid, c.h.prev_zxid};
    s->base = c.h.prev_zxid;
    log_index_add(s, s->base, 0);
    return log_hole_add(l, none) || go_on(l, &c, c.h.prev_zxid) < 0 ? -1 : 0;
  }
  log_index_add(s, 0, 0); /* a hole begins there, if later segments have anything */
  return 0;
}
