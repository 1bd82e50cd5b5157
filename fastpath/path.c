#include "fastpath/path.h"

#include <assert.h>
#include <string.h>

#define STEADY_TIMEOUTS 8    /* a path that flaps is worse than its substitute */
#define FORGET_US (1u << 30) /* half of what is_newer can tell apart */

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* With the smallest timeout, three heartbeats, a cut is left after 1 + 1.5 of them. */
struct path_limits path_limits_of(uint32_t heartbeat_us, uint32_t timeout_us) {
  uint64_t heartbeat = heartbeat_us, timeout = timeout_us;
  return (struct path_limits){
      .probe_us = heartbeat,
      .doubt_us = larger(timeout / 4, heartbeat + heartbeat / 4),
      .leave_us = larger(timeout / 3, heartbeat + heartbeat / 2),
      .first_us = timeout / 8,
      .steady_us = STEADY_TIMEOUTS * timeout,
  };
}

void path_attach(struct path_set *s, unsigned exist) {
  memset(s, 0, sizeof *s);
  assert(exist);
  s->exist = (uint8_t)exist;
  while (!path_exists(s, s->use)) s->use++;
}

void path_begin(struct path_set *s, uint64_t now_us) {
  for (int i = 0; i < LIMIT_PATHS; i++)
    if (s->at[i].asked_us) s->at[i].asked_us = now_us;
}

void path_sent(struct path_set *s, int path, uint64_t now_us) {
  struct path *p = &s->at[path];
  p->sent_us = now_us;
  if (!p->asked_us) p->asked_us = now_us;
}

static bool is_newer(uint32_t time, uint32_t than) { return !than || (int32_t)(time - than) > 0; }

static bool is_silent(const struct path *p, uint64_t for_us, uint64_t now_us) {
  return p->asked_us && now_us - p->asked_us > for_us;
}

void path_heard(struct path_set *s, const struct path_limits *l, int path, uint64_t now_us,
                struct path_times times) {
  struct path *p = &s->at[path];
  if (now_us - p->heard_us > FORGET_US) p->send_time = p->echo_time = 0;
  p->heard_us = now_us;
  if (is_newer(times.send_time, p->send_time)) p->send_time = times.send_time;
  if (!times.echo_time || !is_newer(times.echo_time, p->echo_time)) return;
  p->echo_time = times.echo_time;
  if (!p->steady_us || is_silent(p, l->leave_us, now_us)) p->steady_us = now_us;
  p->answered_us = now_us;
  p->asked_us = 0;
}

bool path_is_silent(const struct path_set *s, const struct path_limits *l, uint64_t now_us) {
  return is_silent(&s->at[s->use], l->doubt_us, now_us);
}

static bool is_new(const struct path *p) { return !p->answered_us; }

/* When doubt about the path in use began; UINT64_MAX: there is none. */
static uint64_t doubt_since(const struct path_set *s, const struct path_limits *l,
                            uint64_t now_us) {
  const struct path *used = &s->at[s->use];
  uint64_t doubt_us = is_new(used) ? 0 : l->doubt_us;
  bool doubted = used->asked_us && now_us - used->asked_us >= doubt_us;
  return doubted ? used->asked_us + doubt_us : UINT64_MAX;
}

/* One that is new is doubted for no reason: no cause to bother TCP, unless the peer does. */
static bool tcp_is_wanted(const struct path_set *s, const struct path_limits *l, uint64_t now_us) {
  const struct path *used = &s->at[s->use];
  if (is_new(used) && s->at[PATH_TCP].send_time) return true;
  return is_silent(used, l->doubt_us, now_us);
}

bool path_probe_due(const struct path_set *s, const struct path_limits *l, int path,
                    uint64_t now_us) {
  const struct path *p = &s->at[path];
  if (path == s->use || !path_exists(s, path)) return false;
  if (path == PATH_TCP && !tcp_is_wanted(s, l, now_us)) return false;
  uint64_t doubt = doubt_since(s, l, now_us);
  return now_us - p->sent_us >= l->probe_us || (doubt != UINT64_MAX && p->sent_us < doubt);
}

static struct path_move leave_silent(const struct path_set *s, uint64_t doubt_us) {
  for (int i = 0; i < LIMIT_PATHS; i++)
    if (i != s->use && path_exists(s, i) && s->at[i].answered_us >= doubt_us)
      return (struct path_move){REASON_PATH_SILENT, (uint8_t)i};
  return (struct path_move){REASON_NONE, s->use};
}

struct path_move path_choose(const struct path_set *s, const struct path_limits *l,
                             uint64_t now_us) {
  const struct path *used = &s->at[s->use];
  if (is_silent(used, is_new(used) ? l->first_us : l->leave_us, now_us))
    return leave_silent(s, doubt_since(s, l, now_us));
  for (int i = 0; i < s->use; i++) {
    const struct path *p = &s->at[i];
    bool steady = p->steady_us && now_us - p->steady_us >= l->steady_us;
    if (path_exists(s, i) && steady && !is_silent(p, l->leave_us, now_us))
      return (struct path_move){REASON_PATH_BACK, (uint8_t)i};
  }
  return (struct path_move){REASON_NONE, s->use};
}

static enum path_state state_of(const struct path_set *s, const struct path_limits *l, int path,
                                uint64_t now_us) {
  const struct path *p = &s->at[path];
  if (path == PATH_TCP && s->use != PATH_TCP) return PATH_UNASKED;
  if (is_silent(p, l->leave_us, now_us)) return PATH_SILENT;
  return is_new(p) ? PATH_UNASKED : PATH_ANSWERS;
}

void path_watch(struct path_set *s, const struct path_limits *l, uint64_t now_us) {
  s->states = 0;
  for (int i = 0; i < LIMIT_PATHS; i++)
    if (path_exists(s, i)) s->states |= path_state_told(i, state_of(s, l, i, now_us));
}
