#include "storage/store_impl.h"

enum reason store_snap_open(struct store *s, int asker, zxid_t max_zxid, zxid_t *zxid) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  int idx = snap_newest(&s->snaps, max_zxid);
  if (idx < 0) return REASON_BELOW_LOG;
  *zxid = s->snaps.list[idx].zxid;
  return store_result(s, snap_reader_open(&s->snaps, asker, idx));
}

struct store_slice store_snap_read(struct store *s, int asker, uint64_t offset, void *buf,
                                   uint32_t cap) {
  struct store_slice slice = {REASON_DISK_ERROR, 0, s->snaps.reader[asker].zxid};
  if (s->io.reason != REASON_NONE) return slice;
  int64_t n = snap_reader_read(&s->snaps, asker, offset, buf, cap);
  slice.reason = store_result(s, n < 0 ? -1 : 0);
  slice.len = n < 0 ? 0 : (uint32_t)n;
  return slice;
}

void store_snap_close(struct store *s, int asker) { snap_reader_close(&s->snaps, asker); }

enum reason store_snap_begin(struct store *s, int asker, zxid_t zxid) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  return store_result(s, snap_writer_open(&s->snaps, asker, zxid));
}

enum reason store_snap_write(struct store *s, int asker, const void *buf, uint32_t len) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  return store_result(s, snap_writer_write(&s->snaps, asker, buf, len));
}

/* The caller can neither be told earlier nor go wrong later: the file goes, the reason says why. */
static enum reason refuse(struct store *s, int asker, enum reason why) {
  if (snap_writer_abort(&s->snaps, asker)) return REASON_DISK_ERROR;
  return why;
}

static enum reason commit_own(struct store *s, int asker) {
  const struct snap_writer *w = &s->snaps.writer[asker];
  zxid_t zxid = w->zxid;
  if (w->doomed) return refuse(s, asker, REASON_LEADER_CHANGED);
  if (zxid < log_base(&s->log)) return refuse(s, asker, REASON_BELOW_LOG);
  /* durability `memory`: the log must get there first, or a power cut leaves a snapshot above it */
  if (zxid > s->log.last_zxid) return REASON_BUSY;
  bool more = s->snaps.cnt > SNAP_FILES / 2 + STORE_ASKERS;
  while (more)
    if (snap_purge(&s->snaps, s->snapshots_kept, &more)) return store_result(s, -1);
  if (snap_writer_finish(&s->snaps, asker, false)) return store_result(s, -1);
  snap_list_add(&s->snaps, zxid, true);
  return REASON_NONE;
}

/* Old log and old snapshots stay whole until the RESTART group is durable; from then on the new
 * state counts, and what is left to do is done by recovery if the power goes (B14-B16). */
static enum reason commit_install(struct store *s, int asker) {
  zxid_t zxid = s->snaps.writer[asker].zxid;
  if (zxid_epoch(zxid) > s->epochs.now.accepted) return refuse(s, asker, REASON_RECORD_ORDER);
  int rc = snap_writer_finish(&s->snaps, asker, true);
  if (!rc) rc = log_restart(&s->log, zxid);
  if (!rc) rc = snap_install(&s->snaps, zxid);
  for (int i = 0; i < STORE_ASKERS; i++) s->snaps.writer[i].doomed = true;
  return store_result(s, rc);
}

enum reason store_snap_commit(struct store *s, int asker, uint32_t flag) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  assert(s->snaps.writer[asker].open);
  return flag == SNAP_INSTALL ? commit_install(s, asker) : commit_own(s, asker);
}

void store_snap_abort(struct store *s, int asker) {
  if (s->io.reason != REASON_NONE) return;
  snap_writer_abort(&s->snaps, asker);
}
