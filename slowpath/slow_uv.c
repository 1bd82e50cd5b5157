#include "slowpath/slow_uv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include "config/log.h"
#include "proto/action.h"
#include "proto/exit_code.h"
#include "proto/path_id.h"
#include "slowpath/election_uv.h"
#include "slowpath/quorum_uv.h"
#include "slowpath/replica.h"

#define CLOSE_MS 1000 /* a name still being resolved holds the end up no longer */

struct slow_uv {
  const struct slow_uv_config *c;
  uv_loop_t loop;
  uv_timer_t timer;
  uv_poll_t wake;
  uint64_t random[4];
  int source;           /* the source of events looked at last */
  bool ticked, stopped; /* EV_TICK in this turn, EV_STOP ever: given */
  bool frame_held;      /* the frame of the last EV_FRAME is still in its ring */
  bool exiting;
  int exit_code;
  struct election_uv election;
  struct quorum_uv quorum;
  struct replica replica;
  struct replica_memory memory;
  struct replica_actions actions;
};

/* ---- randomness: xoshiro256**, seeded by the kernel ---- */

static uint64_t rotated(uint64_t x, int k) { return x << k | x >> (64 - k); }

static uint64_t random_next(uint64_t *r) {
  uint64_t result = rotated(r[1] * 5, 7) * 9, t = r[1] << 17;
  r[2] ^= r[0];
  r[3] ^= r[1];
  r[1] ^= r[2];
  r[0] ^= r[3];
  r[2] ^= t;
  r[3] = rotated(r[3], 45);
  return result;
}

static int random_seed(uint64_t *r) {
  size_t len = 4 * sizeof *r;
  return getrandom(r, len, 0) == (ssize_t)len ? 0 : -1; /* all zero: 1 in 2^256 */
}

/* ---- actions ---- */

static void say(const struct slow_uv *s, const struct log_event *l) {
  char text[LIMIT_TEXT_LEN];
  log_event_text(text, sizeof text, l);
  log_line(log_event_level(l->id), s->c->config->id, "%s", text);
}

/* The fast path is closed, disk and app have stopped: nobody else touches them now (design 5.2). */
static void reset_positions(struct positions *p, pos_t pos) {
  position_set(&p->appended, pos);
  position_set(&p->durable, pos);
  position_set(&p->committed, pos);
  position_set(&p->applied, pos);
  position_set(&p->app_holds, 0);
  position_set(&p->held, 0);
}

static void give_frame(struct slow_uv *s, const struct replica_action *a) {
  struct tcp_frame f = {a->packet.data.data, (uint32_t)a->packet.data.len, a->peer_idx};
  if (!s->c->rings.frame_to_fast(s->c->rings.self, &f))
    counters_add(s->c->counters, REASON_TCP_FULL, 1);
}

static void carry_out(struct slow_uv *s, const struct replica_action *a, uint64_t now_us) {
  const struct slow_rings *r = &s->c->rings;
  switch (a->type) {
    case ACT_NOTIFY:
      election_uv_notify(&s->election, now_us, a->peer_idx, a->state, &a->vote);
      break;
    case ACT_CONNECT:
      quorum_uv_connect(&s->quorum, now_us, a->peer_idx);
      break;
    case ACT_CLOSE_CONN:
      quorum_uv_close_conn(&s->quorum, a->conn);
      break;
    case ACT_SEND:
      quorum_uv_send(&s->quorum, a->conn, &a->packet);
      break;
    case ACT_SEND_CHUNK:
      quorum_uv_send_chunk(&s->quorum, a->conn, a->packet.data);
      break;
    case ACT_SEND_FRAME:
      quorum_uv_send_frame(&s->quorum, a->conn, &a->packet);
      break;
    case ACT_FRAME:
      give_frame(s, a);
      break;
    case ACT_KEEP_CONN:
      quorum_uv_keep_conn(&s->quorum, a->conn);
      break;
    case ACT_DISK:
      r->to_disk(r->self, &a->disk);
      break;
    case ACT_FAST:
      r->to_fast(r->self, &a->fast);
      break;
    case ACT_APP:
      r->to_app(r->self, &a->app);
      break;
    case ACT_POSITIONS:
      reset_positions(s->c->positions, a->pos);
      break;
    case ACT_LOG:
      say(s, &a->log);
      break;
    case ACT_EXIT:
      s->exiting = true;
      s->exit_code = a->exit_code;
      break;
  }
}

static void step(struct slow_uv *s, struct replica_event *e) {
  e->now_us = sock_now_us();
  e->random = random_next(s->random);
  e->committed = position_get(&s->c->positions->committed);
  s->actions.cnt = 0;
  replica_step(&s->replica, e, &s->actions);
  replica_check(&s->replica); /* before anything of it leaves this node */
  assert(s->actions.cnt <= LIMIT_SLOW_ACTIONS);
  for (uint32_t i = 0; i < s->actions.cnt; i++) carry_out(s, &s->actions.at[i], e->now_us);
  if (e->type != EV_FRAME) quorum_uv_flush(&s->quorum); /* frames of one turn go in one write */
}

/* ---- events ---- */

static void tell_paths(struct status_peer *peer, uint64_t told) {
  peer->path = path_name((int)(told & PATH_TOLD_USE) - 1);
  for (int i = 0; i < LIMIT_PATHS; i++) peer->paths[i] = (uint8_t)path_state_of(told, i);
}

/* The machine knows who is attached, the positions say how far each is. */
static void answer_status(struct slow_uv *s, const struct app_msg *m) {
  const struct positions *p = s->c->positions;
  replica_status(&s->replica, m->status);
  pos_t appended = position_get(&p->appended);
  for (int i = 0; i < m->status->peer_cnt; i++) {
    struct status_peer *peer = &m->status->peers[i];
    int idx = config_peer_idx(s->c->config, (uint8_t)peer->id);
    bool on_path = strcmp(peer->path, "none") != 0;
    bool attached = m->status->role == ROLE_LEADING && on_path;
    uint64_t path = idx >= 0 ? position_get(&p->peer_path[idx]) : 0;
    if (on_path && path) tell_paths(peer, path);
    pos_t durable = attached && idx >= 0 ? position_get(&p->peer_durable[idx]) : appended;
    peer->lag_bytes = appended > durable ? appended - durable : 0;
  }
  s->c->rings.to_app(s->c->rings.self, m);
}

static bool next_app(struct slow_uv *s, struct replica_event *e) {
  if (!s->c->rings.from_app(s->c->rings.self, &e->app)) return false;
  if (e->app.type == APP_STATUS) {
    answer_status(s, &e->app);
    return false; /* what else is in the ring keeps the thread awake */
  }
  e->type = EV_APP;
  return true;
}

static bool next_frame(struct slow_uv *s, struct replica_event *e) {
  const struct slow_rings *r = &s->c->rings;
  struct tcp_frame f;
  if (s->frame_held) r->frame_done(r->self);
  s->frame_held = r->frame_from_fast(r->self, &f);
  if (!s->frame_held) return false;
  e->type = EV_FRAME;
  e->peer_idx = f.peer_idx;
  e->frame = (struct span){f.data, (int32_t)f.len};
  return true;
}

static bool next_tick(struct slow_uv *s, uint64_t now_us, struct replica_event *e) {
  if (s->ticked || now_us < s->replica.deadline_us) return false;
  s->ticked = true;
  e->type = EV_TICK;
  return true;
}

static bool next_stop(struct slow_uv *s, struct replica_event *e) {
  if (s->stopped || !atomic_load_explicit(s->c->stop, memory_order_acquire)) return false;
  s->stopped = true;
  e->type = EV_STOP;
  return true;
}

static uint32_t wanted(const struct slow_uv *s) {
  uint32_t set = 0;
  for (int i = 0; i < QUORUM_CONNS; i++)
    if (replica_wants_input(&s->replica, i)) set |= 1u << i;
  return set;
}

enum {
  SOURCE_FAST,
  SOURCE_DISK,
  SOURCE_APP,
  SOURCE_FRAME,
  SOURCE_TICK,
  SOURCE_STOP,
  SOURCE_3888,
  SOURCE_2888,
  SOURCES
};

static bool next_of(struct slow_uv *s, int source, struct replica_event *e) {
  const struct slow_rings *r = &s->c->rings;
  uint64_t now_us = sock_now_us();
  memset(e, 0, sizeof *e);
  switch (source) {
    case SOURCE_FAST:
      e->type = EV_FAST;
      return r->from_fast(r->self, &e->fast);
    case SOURCE_DISK:
      e->type = EV_DISK;
      return r->from_disk(r->self, &e->disk);
    case SOURCE_APP:
      return next_app(s, e);
    case SOURCE_FRAME:
      return next_frame(s, e);
    case SOURCE_TICK:
      return next_tick(s, now_us, e);
    case SOURCE_STOP:
      return next_stop(s, e);
    case SOURCE_3888:
      return election_uv_next(&s->election, now_us, e);
    case SOURCE_2888:
      return quorum_uv_next(&s->quorum, now_us, wanted(s), e);
    default:
      assert(false);
      return false;
  }
}

/* One event of each source in turn, so that none starves another. */
static bool next_event(struct slow_uv *s, struct replica_event *e) {
  for (int n = 0; n < SOURCES; n++) {
    s->source = (s->source + 1) % SOURCES;
    if (next_of(s, s->source, e)) return true;
  }
  return false;
}

/* Returns whether there may be more events without a look at the sockets. */
static bool turn(struct slow_uv *s) {
  struct replica_event e;
  bool more = true;
  s->ticked = false;
  for (int n = 0; n < LIMIT_SLOW_TURN && more && !s->exiting; n++) {
    more = next_event(s, &e);
    if (more) step(s, &e);
  }
  quorum_uv_flush(&s->quorum);
  return more && !s->exiting;
}

/* ---- the loop ---- */

/* Timers that are due when uv_run begins fire before it waits: without uv_stop it would wait for
 * ever. */
static void on_timer(uv_timer_t *timer) { uv_stop(timer->loop); }

static void on_wake(uv_poll_t *wake, int status, int events) {
  (void)wake, (void)status, (void)events; /* the rings are looked at after each run of the loop */
}

static void arm(struct slow_uv *s) {
  uint64_t deadline = s->replica.deadline_us, now_us = sock_now_us();
  if (election_uv_deadline_us(&s->election) < deadline)
    deadline = election_uv_deadline_us(&s->election);
  if (quorum_uv_deadline_us(&s->quorum) < deadline) deadline = quorum_uv_deadline_us(&s->quorum);
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
    bool more = turn(s);
    if (s->exiting) return;
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

static int memory_take(struct replica_memory *m) {
  for (int i = 0; i <= LIMIT_LEARNERS; i++)
    if (!(m->buffer[i] = malloc(LIMIT_SYNC_BUFFER))) return -1;
  return 0;
}

/* After a failure the disk thread may still have some of it; the process ends. */
static bool memory_is_lent(const struct replica *r) {
  uint32_t any = 0;
  for (int i = 0; i <= LIMIT_LEARNERS; i++) any |= r->lent[i];
  return any != 0;
}

static void memory_free(struct replica_memory *m) {
  for (int i = 0; i <= LIMIT_LEARNERS; i++) free(m->buffer[i]);
}

static int open_all(struct slow_uv *s) {
  const struct slow_uv_config *c = s->c;
  int fail = election_uv_open(&s->election, &s->loop, c->config, c->counters);
  fail |= quorum_uv_open(&s->quorum, &s->loop, c->config, c->counters);
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
  election_uv_close(&s->election);
  quorum_uv_close(&s->quorum);
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
  replica_init(&s->replica, s->c->config, &s->memory, s->c->counters, s->c->build);
  run(s);
  return s->exit_code;
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
  ignore_sigpipe();
  if (!s || memory_take(&s->memory) != 0 || random_seed(s->random) != 0 ||
      uv_loop_init(&s->loop) != 0) {
    log_line(LEVEL_ERROR, c->config->id, "slow thread: no memory, randomness or event loop");
    if (s) memory_free(&s->memory);
    free(s);
    return EXIT_CODE_UNEXPECTED;
  }
  s->c = c;
  int exit_code = run_all(s);
  if (close_all(s) != 0) return exit_code; /* the process ends; a resolver thread may still write */
  if (memory_is_lent(&s->replica)) return exit_code;
  memory_free(&s->memory);
  free(s);
  return exit_code;
}
