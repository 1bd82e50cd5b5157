#include "slowpath/slow_turn_uv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/log.h"
#include "proto/action.h"
#include "proto/exit_code.h"
#include "proto/path_id.h"

/* ---- randomness: xoshiro256**, seeded by the driver ---- */

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

/* ---- actions ---- */

static void say(const struct slow_turn *s, const struct log_event *l) {
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

static void give_frame(struct slow_turn *s, const struct replica_action *a) {
  struct tcp_frame f = {a->packet.data.data, (uint32_t)a->packet.data.len, a->peer_idx};
  if (!s->c->rings.frame_to_fast(s->c->rings.self, &f))
    counters_add(s->c->counters, REASON_TCP_FULL, 1);
}

static void carry_out(struct slow_turn *s, const struct replica_action *a, uint64_t now_us) {
  const struct slow_rings *r = &s->c->rings;
  switch (a->type) {
    case ACT_NOTIFY:
      election_uv_notify(&s->election, now_us, a->peer_idx, a->state, &a->vote);
      break;
    case ACT_FORGET:
      election_uv_forget(&s->election);
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
    case ACT_WATCH_CONN:
      quorum_uv_watch_conn(&s->quorum, a->conn);
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

static void step(struct slow_turn *s, struct replica_event *e) {
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
static void answer_status(struct slow_turn *s, const struct app_msg *m) {
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

static bool next_app(struct slow_turn *s, struct replica_event *e) {
  if (!s->c->rings.from_app(s->c->rings.self, &e->app)) return false;
  if (e->app.type == APP_STATUS) {
    answer_status(s, &e->app);
    return false; /* what else is in the ring keeps the thread awake */
  }
  e->type = EV_APP;
  return true;
}

static bool next_frame(struct slow_turn *s, struct replica_event *e) {
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

static bool next_tick(struct slow_turn *s, uint64_t now_us, struct replica_event *e) {
  if (s->ticked || now_us < s->replica.deadline_us) return false;
  s->ticked = true;
  e->type = EV_TICK;
  return true;
}

static bool next_stop(struct slow_turn *s, struct replica_event *e) {
  if (s->stopped || !atomic_load_explicit(s->c->stop, memory_order_acquire)) return false;
  s->stopped = true;
  e->type = EV_STOP;
  return true;
}

static uint32_t wanted(const struct slow_turn *s) {
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

static bool next_of(struct slow_turn *s, int source, struct replica_event *e) {
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
static bool next_event(struct slow_turn *s, struct replica_event *e) {
  for (int n = 0; n < SOURCES; n++) {
    s->source = (s->source + 1) % SOURCES;
    if (next_of(s, s->source, e)) return true;
  }
  return false;
}

bool slow_turn(struct slow_turn *s) {
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

struct slow_turn *slow_turn_new(const struct slow_uv_config *c, const uint64_t random[4]) {
  struct slow_turn *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->c = c;
  memcpy(s->random, random, sizeof s->random);
  if (memory_take(&s->memory) == 0) return s;
  memory_free(&s->memory);
  free(s);
  return NULL;
}

int slow_turn_open(struct slow_turn *s, uv_loop_t *loop) {
  const struct slow_uv_config *c = s->c;
  int fail = election_uv_open(&s->election, loop, c->config, c->counters);
  fail |= quorum_uv_open(&s->quorum, loop, c->config, c->counters);
  if (!fail) replica_init(&s->replica, c->config, &s->memory, c->counters, c->build);
  return fail ? -1 : 0;
}

void slow_turn_close(struct slow_turn *s) {
  election_uv_close(&s->election);
  quorum_uv_close(&s->quorum);
}

void slow_turn_free(struct slow_turn *s) {
  if (memory_is_lent(&s->replica)) return;
  memory_free(&s->memory);
  free(s);
}

uint64_t slow_turn_deadline_us(const struct slow_turn *s) {
  uint64_t deadline = s->replica.deadline_us;
  if (election_uv_deadline_us(&s->election) < deadline)
    deadline = election_uv_deadline_us(&s->election);
  if (quorum_uv_deadline_us(&s->quorum) < deadline) deadline = quorum_uv_deadline_us(&s->quorum);
  return deadline;
}
