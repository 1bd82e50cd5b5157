#include "storage/store_impl.h"

/* check_records: a receiver rejects what is damaged or not next, before anything is written (J7,
 * B13), and what its promise does not cover (R10). */
static enum reason check_records(const struct store *s, const uint8_t *p, size_t len) {
  zxid_t last = s->log.last_zxid;
  for (size_t at = 0; at < len;) {
    struct record r;
    if (record_read(&r, p + at, len - at, LIMIT_RECORD_MAX) != RECORD_OK) return REASON_RECORD_CRC;
    if (!zxid_follows(last, r.zxid) || zxid_epoch(r.zxid) > s->epochs.now.accepted)
      return REASON_RECORD_ORDER;
    last = r.zxid;
    at += r.size;
  }
  return REASON_NONE;
}

enum reason store_append(struct store *s, const void *records, size_t len) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  enum reason reason = check_records(s, records, len);
  if (reason != REASON_NONE) return reason;
  return store_result(s, log_append(&s->log, records, len));
}

/* can_rebuild: the state at zxid needs a snapshot at or below it, or the log from its very
 * beginning. */
static bool can_rebuild(const struct store *s, zxid_t zxid) {
  zxid_t base = log_base(&s->log);
  if (zxid < base) return false;
  int snap = snap_newest(&s->snaps, zxid);
  return base == 0 || (snap >= 0 && s->snaps.list[snap].zxid >= base);
}

enum reason store_truncate(struct store *s, zxid_t zxid) {
  struct log_place p;
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  if (zxid >= s->log.last_zxid) return REASON_NONE;
  if (!can_rebuild(s, zxid)) return REASON_BELOW_LOG;
  if (log_find(&s->log, zxid, &p)) return store_result(s, -1);
  if (log_hole_of(&s->log, zxid)) p.zxid = zxid; /* faulty up to there, and no less (E1) */
  for (int i = 0; i < STORE_ASKERS; i++)         /* of a history that ends here (B21) */
    if (s->snaps.writer[i].zxid > p.zxid) s->snaps.writer[i].doomed = true;
  int rc = snap_remove_range(&s->snaps, p.zxid + 1, ZXID_NONE);
  if (!rc) rc = log_truncate(&s->log, p.zxid);
  return store_result(s, rc);
}

enum reason store_lookup(struct store *s, zxid_t zxid, zxid_t *floor) {
  struct log_place p;
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  if (zxid < log_base(&s->log)) return REASON_BELOW_LOG;
  if (log_find(&s->log, zxid, &p)) return store_result(s, -1);
  *floor = p.zxid;
  return REASON_NONE;
}

struct read_target {
  uint8_t *buf;
  uint32_t cap;
  zxid_t max_zxid;
};

/* read_records fills slice from p on; p stays behind the last record that was copied.  Many small
 * groups take many sectors: it ends early rather than hold up a group commit. */
static int read_records(struct store *s, struct log_place *p, const struct read_target *to,
                        struct store_slice *slice) {
  uint64_t end = s->log.read_bytes + s->log.read_budget;
  while (slice->len == 0 || s->log.read_bytes < end) {
    struct log_place next = *p;
    struct record r;
    int rc = log_next(&s->log, &next, &r);
    if (rc == LOG_DAMAGED && slice->len == 0) slice->reason = REASON_FAULTY;
    if (rc != 1) return rc < 0 ? -1 : 0;
    if (r.zxid > to->max_zxid) return 0;
    if (r.size > to->cap - slice->len) {
      if (slice->len == 0) slice->reason = REASON_TOO_LARGE;
      return 0;
    }
    if (log_copy(&s->log, &next, &r, to->buf + slice->len)) return -1;
    slice->len += r.size;
    slice->last_zxid = r.zxid;
    *p = next;
  }
  return 0;
}

struct store_slice store_read(struct store *s, zxid_t zxid, zxid_t max_zxid, void *buf,
                              uint32_t cap) {
  struct store_slice slice = {REASON_NONE, 0, zxid};
  struct read_target to = {buf, cap, max_zxid};
  struct log_place p;
  if (s->io.reason != REASON_NONE) slice.reason = REASON_DISK_ERROR;
  if (zxid < log_base(&s->log)) slice.reason = REASON_BELOW_LOG;
  if (slice.reason != REASON_NONE) return slice;
  int rc = log_find(&s->log, zxid, &p);
  if (!rc) rc = read_records(s, &p, &to, &slice);
  if (rc < 0) return (struct store_slice){store_result(s, rc), 0, zxid};
  if (slice.len) log_keep_hint(&s->log, &p);
  return slice;
}

/* purge drops what no kept or pinned snapshot needs: one file a call, oldest first. */
static int purge(struct store *s, bool *more) {
  if (snap_purge(&s->snaps, s->snapshots_kept, more) || *more) return *more ? 0 : -1;
  int oldest = snap_oldest(&s->snaps);
  if (oldest < 0 || s->log.seg_cnt < 2) return 0;
  /* the new base must be live: clamped bases of dead segments are (log.h) */
  if (s->log.segs[1].base > s->snaps.list[oldest].zxid) return 0;
  *more = true;
  return log_drop(&s->log, 1) || io_sync_dir(&s->io) ? -1 : 0;
}

bool store_idle(struct store *s, bool quiet) {
  bool more = false;
  if (s->io.reason != REASON_NONE || s->repair.open) return false; /* its place is in a segment */
  if (purge(s, &more)) return false;
  if (more) return true; /* before the spare, which would be due again and again under load */
  if (s->log.spare.state == SPARE_READY || (!quiet && !log_spare_due(&s->log))) return false;
  return log_prepare(&s->log, &more) == 0;
}

enum reason store_seal(struct store *s) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  if (s->repair.open) return REASON_NONE; /* the log must not move then */
  return store_result(s, log_seal(&s->log));
}
