/* Damaged records: what we answer to a peer's question, and what peers' answers do to our log. */
#include "storage/store_impl.h"

/* Histories are branches of one tree, a zxid names a record and all before it.  So whoever has one
 * record of upto's epoch, up to upto, has before it what the asker has, or had. */
static bool is_same_branch(struct store *s, zxid_t at, zxid_t upto) {
  const struct log_hole *hole = log_hole_of(&s->log, upto);
  zxid_t held = hole ? hole->upto : at;
  return zxid_epoch(held) == zxid_epoch(upto) && zxid_counter(held) > 0;
}

/* The next record of the hole (after, upto] of whoever asks: within one epoch it is after + 1. */
static enum reason find_record(struct store *s, zxid_t after, zxid_t upto, struct log_place *p) {
  bool one_epoch = zxid_epoch(after) == zxid_epoch(upto);
  zxid_t wanted = one_epoch ? after + 1 : upto;
  struct log_place at;
  if (one_epoch && log_hole_of(&s->log, wanted)) return REASON_FAULTY;
  if (log_find(&s->log, wanted, &at) || log_find(&s->log, after, p)) return store_result(s, -1);
  bool ours = one_epoch ? at.zxid == wanted : is_same_branch(s, at.zxid, upto);
  if (ours && p->zxid == after) return REASON_NONE;
  /* not ours; but of what stands between the two we may have a part */
  bool part = !one_epoch && (at.zxid > after || log_hole_of(&s->log, at.zxid + 1));
  return part ? REASON_FAULTY : REASON_NOT_HELD;
}

struct store_slice store_ask(struct store *s, zxid_t after, zxid_t upto, void *buf, uint32_t cap) {
  struct store_slice slice = {REASON_NONE, 0, after};
  struct log_place p;
  struct record r;
  if (s->io.reason != REASON_NONE) slice.reason = REASON_DISK_ERROR;
  if (after < log_base(&s->log)) slice.reason = REASON_BELOW_LOG;
  if (upto <= after) slice.reason = REASON_NOT_HELD;
  if (slice.reason == REASON_NONE) slice.reason = find_record(s, after, upto, &p);
  if (slice.reason != REASON_NONE) return slice;
  int rc = log_next(&s->log, &p, &r);
  if (rc == LOG_DAMAGED) slice.reason = REASON_FAULTY;
  if (rc == 1 && r.size > cap) slice.reason = REASON_TOO_LARGE;
  if (rc < 0 || (rc == 1 && r.size <= cap && log_copy(&s->log, &p, &r, buf)))
    slice.reason = store_result(s, -1);
  if (slice.reason != REASON_NONE) return slice;
  assert(rc == 1);
  return (struct store_slice){REASON_NONE, r.size, r.zxid};
}

static struct store_repair outcome(struct store *s, int rc) {
  struct store_repair o = {.reason = store_result(s, rc < 0 ? -1 : 0)};
  if (rc < 0) return o;
  if (rc == LOG_FULL) {
    log_repair_abort(&s->repair, &s->log);
    return (struct store_repair){.reason = REASON_RECORD_ORDER};
  }
  o.step = rc == LOG_DAMAGED ? REPAIR_NEEDS : rc == 1 ? REPAIR_COPIES : REPAIR_DONE;
  o.after = s->repair.place.zxid;
  if (rc == LOG_DAMAGED) o.upto = log_hole_at(&s->log, &s->repair.place)->upto;
  return o;
}

static struct store_repair go_on(struct store *s) {
  int rc = log_repair_copy(&s->repair, &s->log);
  if (rc == 0) rc = log_repair_finish(&s->repair, &s->log);
  return outcome(s, rc);
}

struct store_repair store_repair_begin(struct store *s) {
  if (s->io.reason != REASON_NONE) return (struct store_repair){.reason = REASON_DISK_ERROR};
  log_repair_abort(&s->repair, &s->log);
  if (!log_first_hole(&s->log)) return (struct store_repair){.step = REPAIR_DONE};
  if (log_repair_begin(&s->repair, &s->log)) return outcome(s, -1);
  return go_on(s);
}

struct store_repair store_repair_put(struct store *s, const void *record, size_t len) {
  struct record r;
  if (s->io.reason != REASON_NONE) return (struct store_repair){.reason = REASON_DISK_ERROR};
  if (!s->repair.open) return store_repair_begin(s); /* it was given up: from the first hole on */
  if (len && record_read(&r, record, len, LIMIT_RECORD_MAX) != RECORD_OK)
    return (struct store_repair){.reason = REASON_RECORD_CRC};
  if (len && (r.size != len || !log_repair_fits(&s->repair, &s->log, &r)))
    return (struct store_repair){.reason = REASON_RECORD_ORDER};
  int rc = len ? log_repair_put(&s->repair, &s->log, &r, record) : 0;
  return rc ? outcome(s, rc) : go_on(s);
}

/* Snapshots above go first, as with store_truncate. */
struct store_repair store_repair_discard(struct store *s) {
  if (s->io.reason != REASON_NONE) return (struct store_repair){.reason = REASON_DISK_ERROR};
  if (!s->repair.open) return store_repair_begin(s);
  zxid_t to = s->repair.place.zxid;
  for (int i = 0; i < STORE_ASKERS; i++)
    if (s->snaps.writer[i].zxid > to) s->snaps.writer[i].doomed = true;
  int rc = snap_remove_range(&s->snaps, to + 1, ZXID_NONE);
  return outcome(s, rc ? rc : log_repair_finish(&s->repair, &s->log));
}

void store_repair_abort(struct store *s) { log_repair_abort(&s->repair, &s->log); }
