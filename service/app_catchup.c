/* Catch-up: everything after applied() up to Z, from the newest snapshot and the log, through the
 * disk thread.  A follower reads on beyond Z what is committed, because the ring is not kept for it
 * yet; near the committed position it asks the fast lcore to hold the ring (positions.app_holds,
 * held), reads to where that was done, and serves from there.  One request is out at a time; its
 * answer may come under a later role, then only the open snapshot is closed and the new role starts
 * from what has been applied. */
#include <assert.h>

#include "config/log.h"
#include "proto/record.h"
#include "service/app_thread.h"

#define NEAR_PART 4 /* this part of the ring is read from the log while the ring is held */

static zxid_t applied(const struct app_thread *t) { return t->app.ops->applied(&t->app); }

static void ask(struct app_thread *t, struct disk_msg m) {
  struct app_catchup *u = &t->catchup;
  assert(!u->asked);
  u->asked = true;
  t->lent++;
  u->asked_generation = t->generation;
  m.tag = t->generation;
  m.buf = u->buf;
  m.cap = u->cap;
  t->c->rings.to_disk(t->c->rings.self, &m);
}

/* Only after `recover --accept-loss`: what was applied here is no longer the ensemble's history. */
static void start_anew(struct app_thread *t) {
  log_line(LEVEL_WARN, t->c->config->id, "application is ahead of the history, starts anew");
  app_snapshot_abort(t);
  t->app.ops->restore_begin(&t->app);
}

/* Histories of one epoch are prefixes of each other; of a later one it must be asked whether what
 * was applied last is still in it. */
static bool is_unsure(const struct app_thread *t) {
  return applied(t) && zxid_epoch(applied(t)) < zxid_epoch(t->target);
}

void app_catchup_start(struct app_thread *t) {
  t->catchup.log_ended = t->catchup.holds = false;
  t->catchup.need_snapshot = t->catchup.tried_snapshot = false;
  if (applied(t) > t->target && !t->catchup.reading_snapshot) start_anew(t);
  t->catchup.unsure = is_unsure(t);
  app_catchup_step(t);
}

static void done(struct app_thread *t) {
  t->state = APP_SERVING;
  t->paused = false;
  if (t->leading) t->app.ops->lead(&t->app, t->epoch);
  if (t->listener.serving) t->listener.serving(t->listener.self);
  if (t->clients.serving) t->clients.serving(t->clients.self);
}

static bool is_near(const struct app_thread *t) {
  pos_t committed = position_get(&t->c->positions->committed);
  return t->catchup.log_ended || committed - t->pos <= (t->c->stream_mask + 1) / NEAR_PART;
}

/* The ring's bytes are ours from held - 1 on, and not before `held` is seen. */
static void join_ring(struct app_thread *t) {
  struct app_catchup *u = &t->catchup;
  if (!u->holds && is_near(t)) {
    u->holds = true;
    position_set(&t->c->positions->app_holds, 1);
  }
  pos_t held = position_get(&t->c->positions->held);
  if (u->holds && !held) return; /* app_catchup_turn looks again */
  if (u->holds && t->pos >= held - 1)
    done(t);
  else
    ask(t, (struct disk_msg){.type = DISK_READ, .zxid = applied(t)});
}

bool app_catchup_waits(const struct app_thread *t) {
  const struct app_catchup *u = &t->catchup;
  return t->state == APP_CATCHING_UP && u->holds && !u->asked && !t->exiting;
}

bool app_catchup_turn(struct app_thread *t) {
  if (!app_catchup_waits(t)) return false;
  app_catchup_step(t);
  return !app_catchup_waits(t);
}

void app_catchup_step(struct app_thread *t) {
  struct app_catchup *u = &t->catchup;
  if (u->asked || t->exiting) return;
  bool stale = t->state != APP_CATCHING_UP || u->generation != t->generation;
  if (u->reading_snapshot && stale) {
    t->app.ops->restore_begin(&t->app); /* half a state is none */
    u->reading_snapshot = false;
    ask(t, (struct disk_msg){.type = DISK_SNAP_CLOSE});
    return;
  }
  if (t->state != APP_CATCHING_UP) return;
  if (u->reading_snapshot) {
    ask(t, (struct disk_msg){.type = DISK_SNAP_READ, .pos = u->offset});
  } else if (applied(t) >= t->target) {
    if (t->leading)
      done(t);
    else
      join_ring(t);
  } else if (u->unsure && applied(t)) {
    ask(t, (struct disk_msg){.type = DISK_LOOKUP, .zxid = applied(t)});
  } else if (u->need_snapshot || (!applied(t) && !u->tried_snapshot)) {
    ask(t, (struct disk_msg){.type = DISK_SNAP_OPEN, .zxid = t->target});
  } else {
    ask(t, (struct disk_msg){.type = DISK_READ, .zxid = applied(t)});
  }
}

/* May r of the log be applied?  Behind Z it is the stream's next, and must be committed. */
static bool take(struct app_thread *t, const struct record *r) {
  if (r->zxid <= t->target) return true;
  if (t->leading || t->pos + r->size > position_get(&t->c->positions->committed)) return false;
  t->pos += r->size;
  return true;
}

static void apply_records(struct app_thread *t, const uint8_t *at, uint32_t len) {
  pos_t begin = t->pos;
  struct record r;
  while (len && t->state == APP_CATCHING_UP) {
    if (record_read(&r, at, len, LIMIT_RECORD_MAX) != RECORD_OK || r.zxid <= applied(t)) {
      app_fail(t, REASON_CORRUPT, "record read from the log");
      return;
    }
    if (!take(t, &r)) break;
    app_apply_one(t, r.zxid, r.payload, r.payload_len);
    at += r.size;
    len -= r.size;
  }
  if (t->pos == begin) return;
  position_set(&t->c->positions->applied, t->pos);
}

static void on_lookup(struct app_thread *t, const struct disk_msg *m) {
  t->catchup.unsure = false;
  if (m->reason == REASON_BELOW_LOG)
    t->catchup.need_snapshot = true;
  else if (m->reason != REASON_NONE)
    app_fail(t, m->reason, "looking into the log");
  else if (m->zxid != applied(t))
    start_anew(t);
}

static void on_read(struct app_thread *t, const struct disk_msg *m) {
  struct app_catchup *u = &t->catchup;
  bool beyond = applied(t) >= t->target;
  if (m->reason == REASON_BELOW_LOG && !beyond) {
    u->need_snapshot = true;
    return;
  }
  if (m->reason != REASON_NONE) {
    app_fail(t, m->reason, "reading the log");
    return;
  }
  zxid_t before = applied(t);
  apply_records(t, u->buf, m->len);
  if (applied(t) != before || t->state == APP_DEAD) return;
  if (beyond && !u->holds)
    u->log_ended = true;
  else /* what is below Z, or was reclaimed from the ring, is durable and committed */
    app_fail(t, REASON_CORRUPT, "the log ends before the history does");
}

static void on_open(struct app_thread *t, const struct disk_msg *m) {
  struct app_catchup *u = &t->catchup;
  u->tried_snapshot = true;
  if (m->reason == REASON_BELOW_LOG) {
    if (u->need_snapshot) app_fail(t, m->reason, "no snapshot where the log begins");
    return;
  }
  if (m->reason != REASON_NONE) {
    app_fail(t, m->reason, "opening a snapshot");
    return;
  }
  app_snapshot_abort(t);
  t->app.ops->restore_begin(&t->app);
  u->need_snapshot = false;
  u->reading_snapshot = true;
  u->generation = t->generation;
  u->snapshot_zxid = m->zxid;
  u->offset = 0;
}

static void on_snapshot_slice(struct app_thread *t, const struct disk_msg *m) {
  struct app_catchup *u = &t->catchup;
  bool good = m->reason == REASON_NONE;
  if (good && m->len) {
    u->offset += m->len;
    good = t->app.ops->restore_next(&t->app, u->buf, m->len);
    if (good) return;
  }
  good = good && t->app.ops->restore_end(&t->app, u->snapshot_zxid);
  u->reading_snapshot = false;
  ask(t, (struct disk_msg){.type = DISK_SNAP_CLOSE});
  if (!good) app_fail(t, m->reason ? m->reason : REASON_CORRUPT, "reading a snapshot");
}

void app_catchup_on_disk(struct app_thread *t, const struct disk_msg *m) {
  struct app_catchup *u = &t->catchup;
  assert(u->asked);
  u->asked = false;
  bool stale = u->asked_generation != t->generation || t->state != APP_CATCHING_UP;
  if (stale) {
    if (m->type == DISK_SNAP_OPEN && m->reason == REASON_NONE)
      ask(t, (struct disk_msg){.type = DISK_SNAP_CLOSE});
  } else if (m->type == DISK_LOOKUP) {
    on_lookup(t, m);
  } else if (m->type == DISK_READ) {
    on_read(t, m);
  } else if (m->type == DISK_SNAP_OPEN) {
    on_open(t, m);
  } else if (m->type == DISK_SNAP_READ) {
    on_snapshot_slice(t, m);
  }
  app_catchup_step(t);
}
