#include "storage/log.h"

static bool joins(const struct log_hole *before, const struct log_hole *h) {
  return before->segment == h->segment && before->to == h->from && before->upto == h->after;
}

int log_hole_add(struct log *l, struct log_hole h) {
  struct log_hole *last = l->hole_cnt ? &l->holes[l->hole_cnt - 1] : NULL;
  if (last && joins(last, &h)) {
    last->to = h.to;
    last->upto = h.upto;
    return 0;
  }
  if (l->hole_cnt == LIMIT_HOLES)
    return io_fail(l->io, REASON_CORRUPT,
                   "the log is damaged in more than %d places: this node may come back only by "
                   "`zabd --config FILE --format --rejoin`",
                   LIMIT_HOLES);
  l->holes[l->hole_cnt++] = h;
  return 0;
}

/* A reader that skips a group may come out inside a hole that has begun in it. */
const struct log_hole *log_hole_at(const struct log *l, const struct log_place *p) {
  uint64_t at = p->group + p->inner;
  for (int i = 0; i < l->hole_cnt; i++) {
    const struct log_hole *h = &l->holes[i];
    bool begins_or_inside = h->from == at || (h->from < at && at < h->to);
    if (h->segment == l->segs[p->seg_idx].id && begins_or_inside) return h;
  }
  return NULL;
}

const struct log_hole *log_hole_of(const struct log *l, zxid_t zxid) {
  if (zxid <= l->segs[0].base) return NULL;
  for (int i = 0; i < l->hole_cnt; i++)
    if (l->holes[i].after < zxid && zxid <= l->holes[i].upto) return &l->holes[i];
  return NULL;
}

const struct log_hole *log_first_hole(const struct log *l) {
  for (int i = 0; i < l->hole_cnt; i++)
    if (l->holes[i].upto > l->holes[i].after && l->holes[i].upto > l->segs[0].base)
      return &l->holes[i];
  return NULL;
}

zxid_t log_last_hole_below(const struct log *l, zxid_t zxid) {
  zxid_t upto = 0;
  for (int i = 0; i < l->hole_cnt && l->holes[i].upto <= zxid; i++)
    if (l->holes[i].upto > l->holes[i].after) upto = l->holes[i].upto;
  return upto;
}

void log_forget_below(struct log *l, zxid_t zxid) {
  for (int i = 0; i < l->seg_cnt; i++) {
    if (l->segs[i].base < zxid) l->segs[i].base = zxid;
    if (l->segs[i].end < zxid) l->segs[i].end = zxid;
  }
}
