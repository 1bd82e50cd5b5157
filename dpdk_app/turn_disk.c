#include "dpdk_app/turn_disk.h"

#include <assert.h>

#include "proto/record.h"

#define IDLE_WAIT_MS 20
#define GATHER_MS 5         /* `memory`: how long a little of the log may wait to be written */
#define QUIET_STEPS 4       /* in the background between two rests */
#define BUSY_TURNS 64       /* with work, before one step in the background all the same */
#define SEAL_TURNS 1000000u /* `spin`: empty turns before the idle trailer, some 10 ms */

static const uint8_t *ring_at(const struct diskd *d, pos_t pos) {
  const uint8_t *ring = d->node->bcast_memory.stream_ring;
  return ring + (pos & (d->node->config.ring_bytes - 1));
}

static void fail(struct diskd *d, enum reason r) {
  if (d->failed) return;
  d->failed = r ? r : REASON_DISK_ERROR;
  store_mark_corrupt(d->node->store);
}

/* The last record end within about LIMIT_GROUP bytes behind `from`; at least one record. */
static pos_t group_end(const struct diskd *d, pos_t from, pos_t to) {
  if (to - from <= LIMIT_GROUP) return to;
  pos_t end = from;
  while (end < to) {
    struct record r;
    enum record_status s =
        record_peek(&r, ring_at(d, end), to - end, d->node->config.largest_record);
    assert(s == RECORD_OK);
    if (end > from && end + r.size - from > LIMIT_GROUP) break;
    end += r.size;
  }
  return end;
}

static pos_t appended(const struct diskd *d) { return position_get(&d->node->positions.appended); }

static pos_t durable(const struct diskd *d) { return position_get(&d->node->positions.durable); }

/* Nobody waits for a log that is written behind, and each write takes the core from a fast lcore
 * that shares it: a little waits for more.  The fast lcore wakes us before it is much; and nothing
 * else that we do, a rest or other work, comes twice before a write: the log must move (F11). */
static bool gathers(const struct diskd *d) {
  const struct config *c = &d->node->config;
  return c->durability == DURABILITY_MEMORY && c->idle != IDLE_SPIN && !d->rested &&
         appended(d) - durable(d) <= positions_much(c->ring_bytes);
}

/* Writes one group of what stands before `to`, or nothing; true if it wrote. */
static bool write_group(struct diskd *d, pos_t to) {
  pos_t from = durable(d);
  if (from >= to) return false;
  pos_t end = group_end(d, from, to);
  enum reason r = store_append(d->node->store, ring_at(d, from), end - from);
  if (r) {
    fail(d, r);
    return false;
  }
  position_set(&d->node->positions.durable, end);
  d->sealed = false;
  return true;
}

static void on_drain(struct diskd *d, struct disk_msg *m) {
  while (d->running && write_group(d, m->pos)) continue;
  store_repair_abort(d->node->store); /* of a role that has ended */
  d->running = false;
  m->state = store_state(d->node->store);
}

static void with_state(struct diskd *d, struct disk_msg *m) {
  m->state = store_state(d->node->store);
}

static void on_slice(struct disk_msg *m, struct store_slice s) {
  m->reason = s.reason;
  m->len = s.len;
  m->zxid = s.last_zxid;
}

static void on_snapshot(struct store *s, int asker, struct disk_msg *m) {
  switch (m->type) {
    case DISK_SNAP_OPEN:
      m->reason = store_snap_open(s, asker, m->zxid, &m->zxid);
      break;
    case DISK_SNAP_READ:
      on_slice(m, store_snap_read(s, asker, m->pos, m->buf, m->cap));
      break;
    case DISK_SNAP_CLOSE:
      store_snap_close(s, asker);
      break;
    case DISK_SNAP_BEGIN:
      m->reason = store_snap_begin(s, asker, m->zxid);
      break;
    case DISK_SNAP_WRITE:
      m->reason = store_snap_write(s, asker, m->buf, m->len);
      break;
    case DISK_SNAP_COMMIT:
      m->reason = store_snap_commit(s, asker, m->flag);
      m->state = store_state(s);
      break;
    case DISK_SNAP_ABORT:
      store_snap_abort(s, asker);
      break;
    default:
      assert(!"a snapshot request");
  }
}

static void on_repair(struct store *s, struct disk_msg *m) {
  struct store_repair r = m->flag == REPAIR_BEGIN     ? store_repair_begin(s)
                          : m->flag == REPAIR_DISCARD ? store_repair_discard(s)
                                                      : store_repair_put(s, m->buf, m->len);
  m->reason = r.reason;
  m->flag = r.step;
  m->zxid = r.after;
  m->upto = r.upto;
  m->state = store_state(s);
}

static void on_request(struct diskd *d, int asker, struct disk_msg *m) {
  struct store *s = d->node->store;
  m->reason = REASON_NONE;
  switch (m->type) {
    case DISK_DRAIN:
      on_drain(d, m);
      break;
    case DISK_ACCEPTED:
      m->reason = store_set_accepted(s, m->epoch);
      with_state(d, m);
      break;
    case DISK_CURRENT:
      m->reason = store_set_current(s, m->epoch);
      with_state(d, m);
      break;
    case DISK_MAY_VOTE:
      m->reason = store_set_may_vote(s, m->flag);
      with_state(d, m);
      break;
    case DISK_APPEND:
      m->reason = store_append(s, m->buf, m->len);
      with_state(d, m);
      m->zxid = m->state.last_zxid;
      break;
    case DISK_TRUNCATE:
      m->reason = store_truncate(s, m->zxid);
      with_state(d, m);
      m->zxid = m->state.last_zxid;
      break;
    case DISK_LOOKUP:
      m->reason = store_lookup(s, m->zxid, &m->zxid);
      break;
    case DISK_READ:
      on_slice(m, store_read(s, m->zxid, UINT64_MAX, m->buf, m->cap));
      m->upto = store_state(s).last_zxid;
      break;
    case DISK_FREE:
      m->pos = (pos_t)store_free_bytes(s);
      break;
    case DISK_ASK:
      on_slice(m, store_ask(s, m->zxid, m->upto, m->buf, m->cap));
      break;
    case DISK_REPAIR:
      on_repair(s, m);
      break;
    case DISK_CLEAN_STOP:
      m->reason = store_mark_clean(s);
      break;
    default:
      on_snapshot(s, asker, m);
      break;
  }
}

static bool serve(struct diskd *d, enum ring_id in, enum ring_id out, int asker) {
  struct disk_msg m;
  if (d->failed || !topo_receive(&d->node->topo, in, &m)) return false;
  if (m.type == DISK_START) { /* no answer */
    d->running = true;
    return true;
  }
  on_request(d, asker, &m);
  d->sealed = false; /* what a sync appended wants its idle trailer, too */
  if (*store_error(d->node->store)) fail(d, m.reason);
  if (!d->failed) topo_must_send(&d->node->topo, out, &m);
  return true;
}

static bool is_behind(const struct diskd *d) { return d->running && appended(d) > durable(d); }

static bool anything_to_do(const struct diskd *d) {
  const struct topo *t = &d->node->topo;
  return !topo_empty(t, RING_SLOW_DISK) || !topo_empty(t, RING_APP_DISK) ||
         (is_behind(d) && !gathers(d));
}

/* After a while without a write, never at once: the trailer would be in the next group's way. */
static void seal(struct diskd *d) {
  if (d->sealed) return;
  d->sealed = true;
  enum reason r = store_seal(d->node->store);
  if (r) fail(d, r);
}

static void idle_polling(struct diskd *d) {
  if (++d->idle_turns < SEAL_TURNS) return;
  d->idle_turns = 0;
  d->quiet = QUIET_STEPS;
  seal(d);
}

/* In `memory` nobody waits for the log: it is written behind, and its thread woken only when the
 * ring fills (turn_fast.c). */
static void idle_sleeping(struct diskd *d) {
  struct waker *w = &d->node->topo.waker[THREAD_DISK];
  if (d->node->config.durability == DURABILITY_MEMORY)
    waker_prepare_lazy(w);
  else
    waker_prepare(w);
  if (anything_to_do(d)) {
    waker_cancel(w);
    return;
  }
  waker_wait(w, is_behind(d) ? GATHER_MS : IDLE_WAIT_MS);
  d->rested = true;
  if (anything_to_do(d)) return;
  d->quiet = QUIET_STEPS;
  seal(d);
}

/* One step in the background; false if there was none. */
static bool background(struct diskd *d) {
  bool quiet = d->quiet;
  if (d->quiet) d->quiet--;
  d->busy_turns = 0;
  bool worked = store_idle(d->node->store, quiet);
  d->rested |= worked;
  return worked;
}

void disk_idle(struct diskd *d) {
  if (d->failed || background(d)) return;
  if (*store_error(d->node->store)) {
    fail(d, REASON_DISK_ERROR);
  } else if (d->node->config.idle == IDLE_SPIN) {
    idle_polling(d);
  } else {
    idle_sleeping(d);
  }
}

void disk_init(struct diskd *d, struct node *n) {
  *d = (struct diskd){.node = n};
  struct disk_msg opened = {.type = DISK_OPENED, .state = store_state(n->store)};
  topo_must_send(&n->topo, RING_DISK_SLOW, &opened);
}

bool disk_turn(struct diskd *d) {
  pos_t to = appended(d);
  bool worked = d->running && !gathers(d) && write_group(d, to);
  if (durable(d) == to) d->rested = false;
  bool served = serve(d, RING_SLOW_DISK, RING_DISK_SLOW, STORE_SLOW);
  served |= serve(d, RING_APP_DISK, RING_DISK_APP, STORE_APP);
  if (served) d->rested = true;
  if (!worked && !served) return false;
  d->idle_turns = 0;
  d->quiet = 0;
  /* else nothing would be purged while there is always a group to write */
  if (++d->busy_turns >= BUSY_TURNS && !d->failed && !background(d) && *store_error(d->node->store))
    fail(d, REASON_DISK_ERROR);
  return true;
}
