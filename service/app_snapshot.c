/* Own snapshots: every config.snapshot_log_bytes of applied log, and when a learner needs one; in
 * slices between requests.
 *
 * The state is fixed at BEGIN; COMMIT waits until the own disk holds the log to that point, because
 * in `memory` the applied position runs ahead of the disk and a snapshot must not (design 6). */
#include <assert.h>

#include "config/log.h"
#include "service/app_thread.h"

static void ask(struct app_thread *t, struct disk_msg m) {
  assert(!t->snapshot.asked);
  t->snapshot.asked = true;
  t->lent++;
  m.buf = t->snapshot.buf;
  t->c->rings.to_disk(t->c->rings.self, &m);
}

static bool is_due(const struct app_thread *t) {
  const struct app_snapshot *s = &t->snapshot;
  return s->applied_bytes >= t->c->config->snapshot_log_bytes || s->wanted;
}

/* One that is being written will do. */
void app_snapshot_want(struct app_thread *t) {
  if (t->snapshot.step == SNAPSHOT_NONE) t->snapshot.wanted = true;
}

/* For one more like the last; none is worth the space that the log needs. */
static bool has_room(const struct app_thread *t) {
  return t->free_bytes >= t->c->config->min_free_bytes + t->snapshot.size;
}

static bool begin(struct app_thread *t) {
  struct app_snapshot *s = &t->snapshot;
  if (t->state != APP_SERVING || !is_due(t) || !has_room(t)) return false;
  s->step = SNAPSHOT_BEGUN;
  s->wanted = false;
  s->zxid = t->app.ops->applied(&t->app);
  s->pos = t->pos;
  s->generation = t->generation;
  s->applied_bytes = s->size = 0;
  t->app.ops->snapshot_begin(&t->app);
  ask(t, (struct disk_msg){.type = DISK_SNAP_BEGIN, .zxid = s->zxid});
  return true;
}

static void write_slice(struct app_thread *t) {
  struct app_snapshot *s = &t->snapshot;
  uint32_t len = t->app.ops->snapshot_next(&t->app, s->buf, LIMIT_SNAP_CHUNK);
  s->size += len;
  if (len) {
    ask(t, (struct disk_msg){.type = DISK_SNAP_WRITE, .len = len});
    return;
  }
  t->app.ops->snapshot_end(&t->app);
  s->step = SNAPSHOT_ENDED;
}

/* Under a later role all of the earlier one has been drained to disk (CLOSED, 5.2). */
static bool log_reaches(const struct app_thread *t) {
  if (t->state != APP_SERVING && t->state != APP_CATCHING_UP) return false;
  if (t->snapshot.generation != t->generation) return true;
  return position_get(&t->c->positions->durable) >= t->snapshot.pos;
}

bool app_snapshot_step(struct app_thread *t) {
  struct app_snapshot *s = &t->snapshot;
  if (s->asked || t->exiting) return false;
  switch (s->step) {
    case SNAPSHOT_NONE:
      return begin(t);
    case SNAPSHOT_BEGUN:
      write_slice(t);
      return true;
    case SNAPSHOT_ENDED:
      if (!log_reaches(t)) return false;
      s->step = SNAPSHOT_COMMITTING;
      ask(t, (struct disk_msg){.type = DISK_SNAP_COMMIT, .flag = SNAP_OWN, .zxid = s->zxid});
      return true;
    case SNAPSHOT_COMMITTING:
      break;
    case SNAPSHOT_ABORTING:
      s->step = SNAPSHOT_NONE;
      ask(t, (struct disk_msg){.type = DISK_SNAP_ABORT});
      return true;
  }
  return false;
}

void app_snapshot_on_disk(struct app_thread *t, const struct disk_msg *m) {
  struct app_snapshot *s = &t->snapshot;
  char zxid[ZXID_TEXT_LEN];
  assert(s->asked);
  s->asked = false;
  if (m->reason == REASON_BUSY && m->type == DISK_SNAP_COMMIT && s->step == SNAPSHOT_COMMITTING) {
    s->step = SNAPSHOT_ENDED; /* it stays open, to be committed again (store.h) */
  } else if (m->reason != REASON_NONE && s->step != SNAPSHOT_NONE) {
    log_line(LEVEL_WARN, t->c->config->id, "snapshot at %s given up: %s", zxid_text(zxid, s->zxid),
             reason_text(m->reason));
    app_snapshot_abort(t);
  } else if (m->type == DISK_SNAP_COMMIT) {
    s->step = SNAPSHOT_NONE;
    log_line(LEVEL_INFO, t->c->config->id, "snapshot at %s written", zxid_text(zxid, s->zxid));
  }
}

void app_snapshot_space_low(struct app_thread *t) {
  struct app_snapshot *s = &t->snapshot;
  char zxid[ZXID_TEXT_LEN];
  if (s->step != SNAPSHOT_BEGUN && s->step != SNAPSHOT_ENDED) return;
  log_line(LEVEL_WARN, t->c->config->id, "snapshot at %s given up: the log needs the space",
           zxid_text(zxid, s->zxid));
  s->wanted = true; /* as soon as there is room */
  app_snapshot_abort(t);
}

/* The answer to what was asked last, if any, comes before ABORT is sent. */
void app_snapshot_abort(struct app_thread *t) {
  struct app_snapshot *s = &t->snapshot;
  if (s->step == SNAPSHOT_BEGUN) t->app.ops->snapshot_end(&t->app);
  if (s->step == SNAPSHOT_BEGUN || s->step == SNAPSHOT_ENDED)
    s->step = SNAPSHOT_ABORTING;
  else if (s->step == SNAPSHOT_COMMITTING && !s->asked)
    s->step = SNAPSHOT_NONE;
}
