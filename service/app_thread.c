#include "service/app_thread.h"

#include <assert.h>
#include <stdlib.h>

#include "config/log.h"
#include "config/memory.h"
#include "proto/record.h"

static void *take_memory(size_t len) { return memory_or_end(malloc(len), len); }

void app_thread_init(struct app_thread *t, const struct app_uv_config *c) {
  *t = (struct app_thread){.c = c, .app = c->app, .leader_idx = -1, .free_bytes = UINT64_MAX};
  t->catchup.cap = record_size(LIMIT_RECORD_MAX); /* old ones may be larger than ours now */
  t->catchup.buf = take_memory(t->catchup.cap);
  t->snapshot.buf = take_memory(LIMIT_SNAP_CHUNK);
  t->txn = take_memory(c->config->largest_record);
}

void app_thread_free(struct app_thread *t) {
  free(t->catchup.buf);
  free(t->snapshot.buf);
  free(t->txn);
}

void app_fail(struct app_thread *t, enum reason r, const char *what) {
  if (t->state == APP_DEAD) return;
  char zxid[ZXID_TEXT_LEN];
  log_line(LEVEL_ERROR, t->c->config->id, "application stops at %s: %s: %s",
           zxid_text(zxid, t->app.ops->applied(&t->app)), what, reason_text(r));
  t->state = APP_DEAD;
  t->takes_requests = t->pending = false; /* what is in the ring stays there */
  t->c->rings.to_slow(t->c->rings.self, &(struct app_msg){.type = APP_FAILED, .reason = r});
}

static void on_free(struct app_thread *t, const struct disk_msg *m) {
  bool was_low = app_space_low(t);
  t->free_asked = false;
  t->free_bytes = m->pos;
  if (app_space_low(t)) app_snapshot_space_low(t);
  if (app_space_low(t) == was_low) return;
  log_line(was_low ? LEVEL_INFO : LEVEL_WARN, t->c->config->id,
           "free space of %s is %s min_free_bytes: %llu bytes", t->c->config->data_dir,
           was_low ? "again above" : "below", (unsigned long long)m->pos);
}

bool app_space_low(const struct app_thread *t) {
  return t->free_bytes < t->c->config->min_free_bytes;
}

void app_thread_ask_free(struct app_thread *t) {
  if (t->free_asked) return;
  t->free_asked = true;
  t->c->rings.to_disk(t->c->rings.self, &(struct disk_msg){.type = DISK_FREE});
}

static void on_disk(struct app_thread *t, const struct disk_msg *m) {
  if (m->buf) t->lent--;
  if (m->reason == REASON_DISK_ERROR) {
    app_fail(t, m->reason, "storage"); /* R15 */
    return;
  }
  switch (m->type) {
    case DISK_FREE:
      on_free(t, m);
      break;
    case DISK_LOOKUP:
    case DISK_READ:
    case DISK_SNAP_OPEN:
    case DISK_SNAP_READ:
    case DISK_SNAP_CLOSE:
      app_catchup_on_disk(t, m);
      break;
    case DISK_SNAP_BEGIN:
    case DISK_SNAP_WRITE:
    case DISK_SNAP_COMMIT:
    case DISK_SNAP_ABORT:
      app_snapshot_on_disk(t, m);
      break;
    default:
      assert(0 && "an answer to what the app never asks");
  }
}

bool app_thread_turn(struct app_thread *t) {
  const struct app_rings *r = &t->c->rings;
  bool worked = false;
  struct app_msg from_slow;
  struct disk_msg from_disk;
  for (int i = 0; i < LIMIT_RING_DEPTH && r->from_slow(r->self, &from_slow); i++, worked = true)
    app_role_on_message(t, &from_slow);
  for (int i = 0; i < LIMIT_RING_DEPTH && r->from_disk(r->self, &from_disk); i++, worked = true)
    on_disk(t, &from_disk);
  if (t->state == APP_DEAD) return worked;
  worked |= app_catchup_turn(t);
  worked |= app_apply_stream(t);
  worked |= app_propose_turn(t);
  worked |= app_snapshot_step(t);
  return worked;
}

struct app_nap app_thread_nap(const struct app_thread *t, bool client_waits, bool lazy) {
  const struct app_rings *r = &t->c->rings;
  struct app_nap nap = {.retry = client_waits || lazy || t->pending || app_catchup_waits(t) ||
                                 app_drains(t)};
  struct app_watch watch = {.requests = t->takes_requests,
                            .lazy = lazy && !t->pending && !app_drains(t)};
  /* Only when serving does a committed record mean work. */
  watch.committed = t->state == APP_SERVING ? t->pos : position_get(&t->c->positions->committed);
  nap.sleep = r->may_sleep(r->self, &watch);
  return nap;
}
