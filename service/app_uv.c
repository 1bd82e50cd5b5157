#include "service/app_uv.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "config/log.h"
#include "config/memory.h"
#include "proto/exit_code.h"
#include "service/client/client.h"
#include "service/control.h"

#define TICK_MS 100
#define FREE_TICKS 10    /* free space is asked every second */
#define POLL_IO_TURNS 64 /* while polling: one look at the sockets in so many empty turns */

struct app_loop {
  struct app_thread thread;
  struct control control;
  struct client_port clients;
  uv_loop_t loop;
  uv_poll_t wake;
  uv_timer_t tick, retry;
  uint32_t ticks;
  uint32_t polls; /* turns, while polling */
  bool busy;      /* there was work since the last sleep */
};

static void on_wake(uv_poll_t *h, int status, int events) {
  (void)h, (void)status, (void)events; /* the turn that follows looks everywhere */
}

/* Timers that are due when uv_run begins fire before it waits: without uv_stop it would wait on,
 * and no turn would follow. */
static void on_retry(uv_timer_t *h) { uv_stop(h->loop); }

static void read_clock(struct app_thread *t) {
  uv_timeval64_t now;
  uv_gettimeofday(&now);
  t->now_ms = now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void on_tick(uv_timer_t *h) {
  struct app_loop *l = h->data;
  uv_stop(h->loop);
  if (l->thread.state == APP_DEAD) return;
  app_thread_tick(&l->thread);
  client_port_tick(&l->clients);
  if (l->ticks++ % FREE_TICKS == 0) app_thread_ask_free(&l->thread);
}

static void sleep_until_woken(struct app_loop *l) {
  const struct app_rings *r = &l->thread.c->rings;
  bool lazy = l->busy && !control_urgent(&l->control) && !client_port_urgent(&l->clients);
  bool waits = control_waits(&l->control) || client_port_waits(&l->clients);
  l->busy = false;
  struct app_nap nap = app_thread_nap(&l->thread, waits, lazy);
  if (!nap.sleep) {
    uv_run(&l->loop, UV_RUN_NOWAIT);
    return;
  }
  if (nap.retry) {
    uv_update_time(&l->loop); /* else it counts from the last run, and is due before the sleep */
    uv_timer_start(&l->retry, on_retry, APP_RETRY_MS, 0);
  }
  uv_run(&l->loop, UV_RUN_ONCE);
  r->awake(r->self);
  if (nap.retry) uv_timer_stop(&l->retry);
}

static void idle(struct app_loop *l) {
  if (!l->thread.c->poll)
    sleep_until_woken(l);
  else if (++l->polls % POLL_IO_TURNS == 0)
    uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void serve(struct app_loop *l) {
  while (!l->thread.exiting || l->thread.lent) { /* the disk thread answers until we have ended */
    read_clock(&l->thread);
    bool worked = app_thread_turn(&l->thread);
    worked |= control_turn(&l->control);
    worked |= client_port_turn(&l->clients);
    if (!worked) {
      idle(l);
      continue;
    }
    l->busy = true;
    if (!l->thread.c->poll || ++l->polls % POLL_IO_TURNS == 0) uv_run(&l->loop, UV_RUN_NOWAIT);
  }
}

static void open_timers(struct app_loop *l) {
  uv_timer_init(&l->loop, &l->tick);
  uv_timer_init(&l->loop, &l->retry);
  l->tick.data = l;
  uv_timer_start(&l->tick, on_tick, 0, TICK_MS);
  uv_poll_init(&l->loop, &l->wake, l->thread.c->rings.wake_fd);
  uv_poll_start(&l->wake, UV_READABLE, on_wake);
}

static void close_timers(struct app_loop *l) {
  uv_close((uv_handle_t *)&l->tick, NULL);
  uv_close((uv_handle_t *)&l->retry, NULL);
  uv_close((uv_handle_t *)&l->wake, NULL);
}

/* A client that closes while we write is EPIPE, not a signal. */
static void block_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int app_uv_run(const struct app_uv_config *c) {
  struct app_loop *l = memory_or_end(calloc(1, sizeof *l), sizeof *l);
  block_sigpipe();
  app_thread_init(&l->thread, c);
  if (uv_loop_init(&l->loop)) {
    log_line(LEVEL_ERROR, c->config->id, "no event loop for the app thread");
    app_thread_free(&l->thread);
    free(l);
    return EXIT_CODE_UNEXPECTED;
  }
  int exit_code = control_open(&l->control, &l->thread, &l->loop);
  if (!exit_code) {
    exit_code = client_port_open(&l->clients, &l->thread, &l->loop);
    if (exit_code) control_close(&l->control);
  }
  if (!exit_code) {
    open_timers(l);
    serve(l);
    close_timers(l);
    control_close(&l->control);
    client_port_close(&l->clients);
  }
  uv_run(&l->loop, UV_RUN_DEFAULT); /* the closing handles */
  uv_loop_close(&l->loop);
  app_thread_free(&l->thread);
  if (!l->control.status_asked)
    free(l); /* else slow still has the status struct: left to the end */
  return exit_code;
}
