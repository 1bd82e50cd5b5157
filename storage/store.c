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

static int write_epochs(struct store *s, struct epochs next) {
  next.log_sequence = s->log.sequence;
  next.log_end = s->log.last_zxid;
  return epoch_write(&s->epochs, next);
}

/* What it has acknowledged, or its state, is gone and cannot be named record by record: it comes
 * back like a node with a new disk, and before anything shortens the log (E5). */
static int give_up_vote(struct store *s, const struct log_recovery *rec) {
  int newest = snap_newest(&s->snaps, s->log.last_zxid);
  bool no_state =
      newest < 0 ? log_base(&s->log) > 0 : s->snaps.list[newest].zxid < log_base(&s->log);
  bool covered = newest >= 0 && s->snaps.list[newest].zxid >= rec->doubt_upto;
  bool lost = rec->lost_tail || (rec->doubt && !covered);
  if ((!no_state && !lost) || !s->epochs.now.may_vote) return 0;
  struct epochs next = s->epochs.now;
  next.may_vote = false;
  note(s, no_state ? "no intact snapshot reaches the beginning of the log: this node does not vote "
                     "until it has been synchronised, and all others with it, as after a lost disk"
                   : "the end of the log is unreadable: this node does not vote until it has been "
                     "synchronised, and all others with it, as after a lost disk");
  return write_epochs(s, next);
}

/* What a snapshot of ours holds needs no repair: the log begins behind it. */
static void pass_over_covered(struct store *s) {
  int newest = snap_newest(&s->snaps, s->log.last_zxid);
  zxid_t upto = newest < 0 ? 0 : log_last_hole_below(&s->log, s->snaps.list[newest].zxid);
  char text[LIMIT_TEXT_LEN];
  if (upto <= log_base(&s->log)) return;
  log_forget_below(&s->log, upto);
  snprintf(text, sizeof text,
           "the log is damaged before zxid 0x%llx; the snapshot of 0x%llx holds all that",
           (unsigned long long)upto + 1, (unsigned long long)s->snaps.list[newest].zxid);
  note(s, text);
}

static void note_faulty(struct store *s) {
  char text[LIMIT_TEXT_LEN], name[IO_NAME_LEN];
  for (int i = 0; i < s->log.hole_cnt; i++) {
    const struct log_hole *h = &s->log.holes[i];
    if (h->upto <= h->after || h->upto <= log_base(&s->log)) continue;
    log_segment_name(name, h->segment);
    snprintf(text, sizeof text,
             "%s is damaged at offset %llu: records after zxid 0x%llx up to 0x%llx are faulty; "
             "asking the peers for them",
             name, (unsigned long long)h->from, (unsigned long long)h->after,
             (unsigned long long)h->upto);
    note(s, text);
  }
}

/* Its last groups are gone whole, and nothing in the log says so.  (A trailer is no loss.) */
static void check_end(struct store *s, uint64_t sequence, zxid_t end, struct log_recovery *rec) {
  char text[LIMIT_TEXT_LEN];
  if (rec->lost_tail || sequence <= s->log.sequence || end == s->log.last_zxid) return;
  rec->lost_tail = true;
  snprintf(text, sizeof text,
           "the log has lost its end: it was written to zxid 0x%llx, it ends after 0x%llx",
           (unsigned long long)end, (unsigned long long)s->log.last_zxid);
  note(s, text);
}

static int recover(struct store *s, const struct store_config *c) {
  struct log_recovery rec;
  struct stop_mark mark;
  if (format_open(&s->io, &s->format, c)) return -1;
  /* after a mere kill, names may be there that are not yet durable */
  if (io_list(&s->io, remove_tmp, s) || io_sync_dir(&s->io)) return -1;
  if (epoch_open(&s->epochs, &s->io, s->owner)) return -1;
  s->log.accepted_epoch = s->epochs.now.accepted;
  if (log_recover(&s->log, &rec) || check_promise(s, rec.accepted_epoch)) return -1;
  if (snap_recover(&s->snaps, log_base(&s->log), s->log.last_zxid, rec.restarted)) return -1;
  if (stop_mark_read(s, &mark)) return -1;
  if (mark.there) check_end(s, mark.sequence, mark.last_zxid, &rec);
  check_end(s, s->epochs.now.log_sequence, s->epochs.now.log_end, &rec);
  if (give_up_vote(s, &rec) || log_mend(&s->log, &rec)) return -1;
  pass_over_covered(s);
  note_faulty(s);
  note(s, s->epochs.note);
  note(s, rec.note);
  note(s, s->snaps.note);
  s->clean_stop = mark.clean && stop_mark_is_end(s, &mark);
  return stop_mark_remove(s, &mark);
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
  log_repair_abort(&s->repair, &s->log);
  log_free(&s->log);
  snap_free(&s->snaps);
  epoch_close(&s->epochs);
  io_close(&s->io, &s->format);
  free(s);
}

/* Within one epoch the first record of a hole has a name; else the last one has. */
static zxid_t first_faulty(const struct log *l) {
  const struct log_hole *h = log_first_hole(l);
  if (!h) return 0;
  zxid_t after = h->after > log_base(l) ? h->after : log_base(l);
  return zxid_epoch(after) == zxid_epoch(h->upto) ? after + 1 : h->upto;
}

static uint32_t faulty_cnt(const struct log *l) {
  uint32_t cnt = 0;
  for (int i = 0; i < l->hole_cnt; i++)
    cnt += l->holes[i].upto > l->holes[i].after && l->holes[i].upto > log_base(l);
  return cnt;
}

struct durable_state store_state(const struct store *s) {
  int newest = snap_newest(&s->snaps, s->log.last_zxid);
  zxid_t reached = newest < 0 ? 0 : s->snaps.list[newest].zxid;
  return (struct durable_state){.accepted_epoch = s->epochs.now.accepted,
                                .current_epoch = s->epochs.now.current,
                                .last_zxid = s->log.last_zxid,
                                .log_base = log_base(&s->log),
                                .snapshot_zxid = reached,
                                .may_vote = s->epochs.now.may_vote,
                                .clean_stop = s->clean_stop,
                                .no_state = reached < log_base(&s->log),
                                .faulty = first_faulty(&s->log),
                                .faulty_cnt = faulty_cnt(&s->log)};
}

const char *store_error(const struct store *s) { return s->io.error; }

const char *store_note(const struct store *s, int idx) {
  return idx >= 0 && idx < s->note_cnt ? s->notes[idx] : NULL;
}

static enum reason set_epochs(struct store *s, struct epochs next) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  int rc = write_epochs(s, next);
  s->log.accepted_epoch = s->epochs.now.accepted;
  return store_result(s, rc);
}

enum reason store_set_accepted(struct store *s, uint32_t epoch) {
  struct epochs next = s->epochs.now;
  assert(epoch >= next.accepted); /* R1 */
  next.accepted = epoch;
  return set_epochs(s, next);
}

enum reason store_set_current(struct store *s, uint32_t epoch) {
  struct epochs next = s->epochs.now;
  assert(epoch >= next.current && epoch <= next.accepted); /* R5 */
  next.current = epoch;
  return set_epochs(s, next);
}

enum reason store_set_may_vote(struct store *s, bool may_vote) {
  struct epochs next = s->epochs.now;
  next.may_vote = may_vote;
  return set_epochs(s, next);
}

enum reason store_mark_clean(struct store *s) {
  if (s->io.reason != REASON_NONE) return REASON_DISK_ERROR;
  int rc = log_seal(&s->log);
  if (!rc) rc = stop_mark_write(s, &s->io, true);
  return store_result(s, rc);
}

void store_mark_corrupt(const struct store *s) {
  struct io io = {.disk = s->disk};
  if (s->io.reason == REASON_CORRUPT) stop_mark_write(s, &io, false);
}

int64_t store_free_bytes(struct store *s) { return s->disk->ops->free_bytes(s->disk); }
