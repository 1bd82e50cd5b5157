/* Propose: the leader's app thread numbers (e,1), (e,2), ... and never skips, reorders or drops
 * one. A numbered transaction that app_fast has no room for waits in t->txn, and nothing is
 * prepared behind it (`stop reading requests`). */
#include <assert.h>

#include "config/log.h"
#include "service/app_thread.h"

#define REFUSAL_TICKS 10 /* of 100 ms */

static bool flush_pending(struct app_thread *t) {
  if (!t->pending) return true;
  const struct app_rings *r = &t->c->rings;
  t->pending = !r->propose(r->self, t->pending_zxid, t->txn, t->txn_len);
  return !t->pending;
}

static bool counter_used_up(const struct app_thread *t) {
  return t->next_counter > t->c->config->counter_limit;
}

static bool epoch_ends(const struct app_thread *t) { return t->draining || counter_used_up(t); }

static bool may_number(struct app_thread *t) { return flush_pending(t) && !epoch_ends(t); }

/* Pushed back, clients and followers wait, nobody hears an error; time's work (tick) goes on: it is
 * little, and every tick might fall into the time of rest. */
static bool may_take(struct app_thread *t) { return may_number(t) && !t->pushed_back; }

static void count_proposal(struct app_proposals *p, uint32_t len) {
  p->proposed++;
  p->last_len = len;
  if (p->min_len < 0 || len < p->min_len) p->min_len = len;
  if (len > p->max_len) p->max_len = len;
}

static void propose(struct app_thread *t, uint32_t len) {
  count_proposal(&t->proposals, len);
  t->pending = true;
  t->pending_zxid = zxid_make(t->epoch, t->next_counter++);
  t->txn_len = len;
  flush_pending(t);
}

static struct app_request request_of(const struct app_thread *t, const void *data, uint32_t len) {
  return (struct app_request){
      .zxid = zxid_make(t->epoch, t->next_counter), .time_ms = t->now_ms, .data = data, .len = len};
}

static enum reason prepare(struct app_thread *t, const struct app_request *r) {
  if (app_space_low(t)) return REASON_DISK_FULL;
  struct app_prepared p = t->app.ops->prepare(&t->app, r, t->txn, t->c->config->largest_record);
  if (p.reason == REASON_NONE && p.len) propose(t, p.len);
  return p.reason;
}

enum reason app_submit(struct app_thread *t, const void *request, uint32_t len) {
  const struct app_rings *r = &t->c->rings;
  if (t->paused) return REASON_BUSY;
  if (t->state != APP_SERVING) return REASON_NOT_SERVING;
  if (len > t->c->config->largest_record) return REASON_TOO_LARGE;
  if (!t->leading) return r->forward(r->self, request, len) ? REASON_NONE : REASON_BUSY;
  if (!may_take(t)) return REASON_BUSY;
  struct app_request q = request_of(t, request, len);
  return prepare(t, &q);
}

/* Each refusal is a record, and there is no space: one a second, so that the asker still hears why,
 * and none below half of min_free_bytes. */
static bool may_refuse(struct app_thread *t, enum reason reason) {
  if (reason != REASON_DISK_FULL) return true;
  if (t->refusal_ticks || t->free_bytes < t->c->config->min_free_bytes / 2) return false;
  t->refusal_ticks = REFUSAL_TICKS;
  return true;
}

/* A follower's REQUEST; false: it has to wait, and so have those behind it, which pushes back on
 * who sends them.  A duplicate needs no answer: its follower sees the original applied. */
static bool on_request(struct app_thread *t, const void *request, uint32_t len) {
  struct app_request q = request_of(t, request, len);
  enum reason reason = prepare(t, &q);
  if (reason == REASON_NONE || reason == REASON_SEQ_DUPLICATE) return true;
  uint32_t error = t->app.ops->refuse(&t->app, &q, reason, t->txn);
  if (error && !may_refuse(t, reason)) return false; /* asked again, it refuses in the same way */
  counters_add(t->c->own_counters, reason, 1);
  if (error) propose(t, error);
  return true;
}

bool app_drains(const struct app_thread *t) {
  return t->state == APP_SERVING && t->leading && epoch_ends(t) && !t->told_drained;
}

/* Clients and followers wait from now on: for the next epoch in place, or for an election. */
static void say_drained(struct app_thread *t) {
  if (!app_drains(t) || t->pending) return;
  /* While it changes, followers hear nothing: its own disk has to be through before (`memory`). */
  if (position_get(&t->c->positions->durable) < t->pos) return;
  zxid_t numbered = zxid_make(t->epoch, t->next_counter - 1);
  if (t->next_counter > 1 && t->app.ops->applied(&t->app) != numbered) return;
  t->told_drained = true;
  enum reason why = counter_used_up(t) ? REASON_COUNTER_LIMIT : REASON_EPOCH_AHEAD;
  t->c->rings.to_slow(t->c->rings.self,
                      &(struct app_msg){.type = APP_DRAINED, .epoch = t->epoch, .reason = why});
}

bool app_propose_turn(struct app_thread *t) {
  const struct app_rings *r = &t->c->rings;
  t->takes_requests = false;
  if (t->state != APP_SERVING || !t->leading) return false;
  const void *request;
  uint32_t len;
  bool worked = false, waits = false;
  for (int i = 0; i < LIMIT_APP_TURN && may_take(t); i++, worked = true) {
    if (!r->next_request(r->self, &request, &len)) break;
    waits = !on_request(t, request, len);
    if (waits) break;
    r->request_done(r->self);
  }
  t->takes_requests = may_take(t) && !waits;
  say_drained(t);
  return worked;
}

void app_propose_stop(struct app_thread *t) {
  const struct app_rings *r = &t->c->rings;
  const void *request;
  uint32_t len;
  t->pending = false;
  /* REQUESTs of the role that ends: their followers' clients send them again. */
  for (int i = 0; i < LIMIT_REQUESTS && r->next_request(r->self, &request, &len); i++)
    r->request_done(r->self);
}

/* One request of time's; false: there is none, or no room for it. */
static bool tick_once(struct app_thread *t) {
  if (!may_number(t)) return false;
  struct app_work w = t->app.ops->tick(&t->app, t->now_ms, t->pushed_back || app_space_low(t));
  struct app_request q = request_of(t, w.data, w.len);
  return w.len && prepare(t, &q) == REASON_NONE;
}

void app_thread_tick(struct app_thread *t) {
  if (t->refusal_ticks) t->refusal_ticks--;
  if (t->state != APP_SERVING || !t->leading) return;
  for (int i = 0; i < LIMIT_APP_TURN && tick_once(t); i++) continue;
}
