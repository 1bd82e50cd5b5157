#include "storage/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/format_file.h"
#include "storage/store_impl.h"

#define KEPT_MAX (SNAP_FILES / 2)

enum reason store_result(const struct store *s, int rc) {
  if (!rc) return REASON_NONE;
  assert(s->io.reason != REASON_NONE);
  return s->io.reason;
}

static void note(struct store *s, const char *text) {
  if (!text[0] || s->note_cnt == STORE_NOTES) return;
  snprintf(s->notes[s->note_cnt++], LIMIT_TEXT_LEN, "%s", text);
}

static void remove_tmp(void *ctx, const char *name) {
  struct store *s = ctx;
  if (!strncmp(name, "tmp.", 4)) io_unlink(&s->io, name);
}

/* An epoch file that is older than a group of the log has lost a promise: the node might vote
 * twice. */
static int check_promise(struct store *s, uint32_t in_log) {
  if (in_log <= s->epochs.now.accepted) return 0;
  return io_fail(
      &s->io, REASON_CORRUPT,
      "epoch.a and epoch.b say accepted epoch %u, but the log was written in epoch %u or "
      "later: a promise is lost; this node may come back only by "
      "`zabd --config FILE --format --rejoin`",
      s->epochs.now.accepted, in_log);
}

static int recover(struct store *s, const struct store_config *c) {
  struct log_recovery rec;
  if (format_open(&s->io, &s->format, c)) return -1;
  /* after a mere kill, names may be there that are not yet durable */
  if (io_list(&s->io, remove_tmp, s) || io_sync_dir(&s->io)) return -1;
  if (epoch_open(&s->epochs, &s->io, s->owner)) return -1;
  s->log.accepted_epoch = s->epochs.now.accepted;
  if (log_recover(&s->log, &rec) || check_promise(s, rec.accepted_epoch)) return -1;
  if (snap_recover(&s->snaps, log_base(&s->log), s->log.last_zxid, rec.restarted)) return -1;
  note(s, s->epochs.note);
  note(s, rec.note);
  note(s, s->snaps.note);
  return clean_take(s);
}

struct store_opened store_open(struct disk *d, const struct store_config *c, char *error) {
  struct store *s = calloc(1, sizeof *s);
  error[0] = '\0';
  if (!s) {
    snprintf(error, LIMIT_TEXT_LEN, "no memory for the store");
    return (struct store_opened){.reason = REASON_DISK_ERROR};
  }
  s->io.disk = s->disk = d;
  s->epochs.io = &s->io;
  s->owner = format_owner(c);
  s->largest_record = c->largest_record;
  s->snapshots_kept = c->snapshots_kept < 1 ? 1 : c->snapshots_kept;
  if (s->snapshots_kept > KEPT_MAX) s->snapshots_kept = KEPT_MAX;
  int rc = log_init(&s->log, &s->io, s->owner, c->largest_record, c->segment_bytes);
  if (snap_init(&s->snaps, &s->io, s->owner)) rc = -1;
  if (!rc && !recover(s, c)) return (struct store_opened){.store = s};
  snprintf(error, LIMIT_TEXT_LEN, "%s", s->io.error);
  struct store_opened failed = {.reason = s->io.reason};
  store_close(s);
  return failed;
}

void store_close(struct store *s) {
  log_free(&s->log);
  snap_free(&s->snaps);
  epoch_close(&s->epochs);
  io_close(&s->io, &s->format);
  free(s);
}

struct durable_state store_state(const struct store *s) {
  int newest = snap_newest(&s->snaps, s->log.last_zxid);
  return (struct durable_state){.accepted_epoch = s->epochs.now.accepted,
                                .current_epoch = s->epochs.now.current,
                                .last_zxid = s->log.last_zxid,
                                .log_base = log_base(&s->log),
                                .snapshot_zxid = newest < 0 ? 0 : s->snaps.list[newest].zxid,
                                .may_vote = s->epochs.now.may_vote,
                                .clean_stop = s->clean_stop};
}

const char *store_error(const struct store *s) { return s->io.error; }

const char *store_note(const struct store *s, int idx) {
  return idx >= 0 && idx < s->note_cnt ? s->notes[idx] : NULL;
}

static enum reason write_epochs(struct store *s, struct epochs next) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  int rc = epoch_write(&s->epochs, next);
  s->log.accepted_epoch = s->epochs.now.accepted;
  return store_result(s, rc);
}

enum reason store_set_accepted(struct store *s, uint32_t epoch) {
  struct epochs next = s->epochs.now;
  assert(epoch >= next.accepted); /* R1 */
  next.accepted = epoch;
  return write_epochs(s, next);
}

enum reason store_set_current(struct store *s, uint32_t epoch) {
  struct epochs next = s->epochs.now;
  assert(epoch >= next.current && epoch <= next.accepted); /* R5 */
  next.current = epoch;
  return write_epochs(s, next);
}

enum reason store_set_may_vote(struct store *s, bool may_vote) {
  struct epochs next = s->epochs.now;
  next.may_vote = may_vote;
  return write_epochs(s, next);
}

enum reason store_mark_clean(struct store *s) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  int rc = log_seal(&s->log);
  if (!rc) rc = clean_write(s);
  return store_result(s, rc);
}

int64_t store_free_bytes(struct store *s) { return s->disk->ops->free_bytes(s->disk); }
