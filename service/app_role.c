/* What the slow thread says: LEAD, FOLLOW, DRAIN, PAUSE, STOP, STATUS, PUSH_BACK, SNAPSHOT,
 * EXIT. */
#include <assert.h>

#include "config/log.h"
#include "service/app_thread.h"

static void take_role(struct app_thread *t, const struct app_msg *m) {
  assert(t->state == APP_IDLE); /* 5.2: STOPPED comes before the next role */
  assert(!t->paused || t->leading == (m->type == APP_LEAD));
  t->state = APP_CATCHING_UP;
  t->generation++;
  t->leading = m->type == APP_LEAD;
  t->epoch = m->epoch;
  t->leader_idx = m->leader_idx;
  t->pos = m->pos;
  t->target = m->zxid;
  t->next_counter = 1;
  t->draining = t->told_drained = t->pushed_back = false;
  assert(!t->pending);
  if (!t->paused) t->proposals.last_len = t->proposals.min_len = t->proposals.max_len = -1;
  app_catchup_start(t);
}

static void say_stopped(struct app_thread *t) {
  app_catchup_step(t); /* closes a snapshot that is open */
  t->c->rings.to_slow(t->c->rings.self,
                      &(struct app_msg){.type = APP_STOPPED, .epoch = t->epoch, .on = t->paused});
}

/* The same role goes on in the next epoch.  REQUESTs of followers that are not yet prepared stay in
 * their ring; of our own nothing is outstanding (DRAINED); what a follower has forwarded is kept by
 * its fast lcore. */
static void pause(struct app_thread *t) {
  assert(!t->pending);
  if (t->state != APP_DEAD) t->state = APP_IDLE;
  t->paused = true;
  t->pushed_back = false;
  say_stopped(t);
}

static void stop(struct app_thread *t) {
  if (t->state != APP_DEAD) t->state = APP_IDLE;
  t->paused = t->pushed_back = false;
  app_propose_stop(t);
  t->app.ops->stop(&t->app);
  if (t->listener.stopped) t->listener.stopped(t->listener.self);
  if (t->clients.stopped) t->clients.stopped(t->clients.self);
  say_stopped(t);
}

static void tell_status(struct app_thread *t, const struct status *s) {
  const struct app_listener *l = t->clients.lent == s ? &t->clients : &t->listener;
  if (l->status) l->status(l->self);
}

void app_role_on_message(struct app_thread *t, const struct app_msg *m) {
  switch (m->type) {
    case APP_LEAD:
    case APP_FOLLOW:
      if (t->state != APP_DEAD) take_role(t, m);
      break;
    case APP_DRAIN:
      t->draining = t->leading && t->epoch == m->epoch;
      break;
    case APP_PAUSE:
      pause(t);
      break;
    case APP_STOP:
      stop(t);
      break;
    case APP_STATUS:
      tell_status(t, m->status);
      break;
    case APP_PUSH_BACK:
      t->pushed_back = m->on;
      break;
    case APP_SNAPSHOT:
      app_snapshot_want(t);
      break;
    case APP_EXIT:
      t->exiting = true;
      break;
    default:
      assert(0 && "slow does not say this to app");
  }
}
