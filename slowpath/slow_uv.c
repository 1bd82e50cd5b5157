#include "slowpath/slow_uv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <uv.h>

#include "config/log.h"
#include "proto/exit_code.h"
#include "slowpath/slow_turn_uv.h"

#define CLOSE_MS 1000 /* a name still being resolved holds the end up no longer */

struct slow_uv {
  const struct slow_uv_config *c;
  uv_loop_t loop;
  uv_timer_t timer;
  uv_poll_t wake;
  struct slow_turn *turn;
};

/* ---- the loop ---- */

/* Timers that are due when uv_run begins fire before it waits: without uv_stop it would wait for
 * ever. */
static void on_timer(uv_timer_t *timer) { uv_stop(timer->loop); }

static void on_wake(uv_poll_t *wake, int status, int events) {
  (void)wake, (void)status, (void)events; /* the rings are looked at after each run of the loop */
}

static void arm(struct slow_uv *s) {
  uint64_t deadline = slow_turn_deadline_us(s->turn), now_us = sock_now_us();
  if (deadline == UINT64_MAX) {
    uv_timer_stop(&s->timer);
    return;
  }
  uv_update_time(&s->loop);
  uv_timer_start(&s->timer, on_timer, deadline > now_us ? (deadline - now_us + 999) / 1000 : 0, 0);
}

static void run(struct slow_uv *s) {
  const struct slow_rings *r = &s->c->rings;
  for (;;) {
    bool more = slow_turn(s->turn);
    if (s->turn->exiting) return;
    arm(s);
    if (!more && !s->c->poll && r->may_sleep(r->self)) {
      /* a stop set before may_sleep has its wake-up write, which ends the wait */
      uv_run(&s->loop, UV_RUN_ONCE);
      r->awake(r->self);
    } else {
      uv_run(&s->loop, UV_RUN_NOWAIT);
    }
  }
}

/* ---- start and end ---- */

static int random_seed(uint64_t *r) {
  size_t len = 4 * sizeof *r;
  return getrandom(r, len, 0) == (ssize_t)len ? 0 : -1; /* all zero: 1 in 2^256 */
}

static int open_all(struct slow_uv *s) {
  const struct slow_uv_config *c = s->c;
  int fail = slow_turn_open(s->turn, &s->loop);
  uv_timer_init(&s->loop, &s->timer);
  if (!c->poll && !fail) {
    int error = uv_poll_init(&s->loop, &s->wake, c->rings.wake_fd);
    assert(error == 0);
    uv_poll_start(&s->wake, UV_READABLE, on_wake);
  }
  return fail ? -1 : 0;
}

static void on_late(uv_timer_t *timer) {
  *(bool *)timer->data = true;
  uv_stop(timer->loop);
}

/* Returns 0, or -1 if libuv still holds on to something. */
static int close_all(struct slow_uv *s) {
  bool late = false;
  slow_turn_close(s->turn);
  if (s->wake.loop) uv_close((uv_handle_t *)&s->wake, NULL);
  s->timer.data = &late;
  uv_timer_start(&s->timer, on_late, CLOSE_MS, 0);
  uv_unref((uv_handle_t *)&s->timer);
  while (!late && uv_loop_alive(&s->loop)) uv_run(&s->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&s->timer, NULL);
  uv_run(&s->loop, UV_RUN_NOWAIT);
  return uv_loop_close(&s->loop) == 0 ? 0 : -1;
}

static int run_all(struct slow_uv *s) {
  if (open_all(s) != 0) return EXIT_CODE_PORT;
  run(s);
  return s->turn->exit_code;
}

/* libuv writes without MSG_NOSIGNAL; a peer that went away is an error of its connection only. */
static void ignore_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int slow_uv_run(const struct slow_uv_config *c) {
  struct slow_uv *s = calloc(1, sizeof *s);
  uint64_t random[4];
  ignore_sigpipe();
  bool seeded = s && random_seed(random) == 0;
  if (seeded) s->turn = slow_turn_new(c, random);
  if (!seeded || !s->turn || uv_loop_init(&s->loop) != 0) {
    log_line(LEVEL_ERROR, c->config->id, "slow thread: no memory, randomness or event loop");
    if (seeded && s->turn) slow_turn_free(s->turn);
    free(s);
    return EXIT_CODE_UNEXPECTED;
  }
  s->c = c;
  int exit_code = run_all(s);
  if (close_all(s) != 0) return exit_code; /* the process ends; a resolver thread may still write */
  slow_turn_free(s->turn);
  free(s);
  return exit_code;
}
