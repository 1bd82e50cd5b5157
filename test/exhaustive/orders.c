/* The orders in which the messages of one election arrive, at three nodes that start empty, with up
 * to one power loss and restart: depth-first, by running each order from the beginning.
 *
 * What is on its way is held; when nothing is due within QUIET, one message is chosen, the oldest
 * by default, and arrives.  A direction of a connection is a channel that keeps its order, so are
 * the fast frames of one node to another.  Time passes only when nothing is on its way.
 *
 * Bounded by deviations: choices that are not the default (a power loss is one).  Pruned by sleep
 * sets: messages to different nodes commute, so of two orders that differ only in such a pair one
 * is run.  An order all of whose equivalents need more deviations is not seen.
 *
 * A unit is a first deviation; its cases are the orders that begin with it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "test/exhaustive/exhaustive.h"
#include "test/sim/client.h"
#include "test/sim/oracle.h"
#include "test/sim/probe.h"
#include "test/sim/sim.h"

#define NODES 3
#define QUIET (1 * MS)
#define LIMIT (60 * SECOND)
#define STEPS 400
#define ENABLED 32
#define CHANNELS 256
#define FRAMES 256
#define DEVIATIONS 2

enum { EVENT_CHANNEL = 0, EVENT_FRAMES = 1, EVENT_LOSS = 2, EVENT_RESTART = 3 };

/* What may happen next: the next message of a channel, a power loss, a restart. */
struct choice {
  int what, from, to;
  uint64_t serial; /* of the connection */
  uint64_t at;     /* oldest first */
  int idx;         /* in channels */
};

struct step {
  int cnt, chosen, sleep_cnt;
  struct choice choice[ENABLED], sleep[ENABLED];
};

static struct {
  struct pipe *pipe;
  uint64_t serial;
} channels[CHANNELS];
static int channel_cnt;

static struct {
  struct datagram *at[FRAMES];
  uint64_t since[FRAMES];
  int from, cnt;
} frames[NODES][NODES];

static struct step steps[STEPS];
static int step_cnt, prefix_cnt; /* choices before are given: steps[i].chosen */
static int losses, lost_node;

/* ---- what is on its way ---- */

static bool is_live(int channel) {
  const struct pipe *p = channels[channel].pipe;
  return p->stream && p->stream->serial == channels[channel].serial;
}

static void forget_dead(void) {
  int cnt = 0;
  for (int i = 0; i < channel_cnt; i++)
    if (is_live(i)) channels[cnt++] = channels[i];
  channel_cnt = cnt;
}

static bool on_segment(struct pipe *p) {
  for (int i = 0; i < channel_cnt; i++)
    if (channels[i].pipe == p && channels[i].serial == p->stream->serial) return false;
  if (channel_cnt == CHANNELS) forget_dead();
  assert(channel_cnt < CHANNELS);
  channels[channel_cnt].pipe = p;
  channels[channel_cnt++].serial = p->stream->serial;
  return false;
}

static bool on_datagram(struct datagram *d) {
  int at = frames[d->from][d->to].from + frames[d->from][d->to].cnt++;
  assert(frames[d->from][d->to].cnt < FRAMES);
  frames[d->from][d->to].at[at % FRAMES] = d;
  frames[d->from][d->to].since[at % FRAMES] = world->now;
  return false;
}

static const struct probe hold = {.segment = on_segment, .datagram = on_datagram};

static bool is_quiet(void) { return heap_next(&world->heap) > world->now + QUIET; }

static bool is_open(int channel, uint64_t *at) {
  return is_live(channel) && tcp_next(channels[channel].pipe, at);
}

static void offer(struct step *s, struct choice c) {
  int i = s->cnt++;
  assert(s->cnt < ENABLED);
  for (; i > 0 && s->choice[i - 1].at > c.at; i--) s->choice[i] = s->choice[i - 1];
  s->choice[i] = c;
}

static void offer_all(struct step *s) {
  uint64_t at;
  s->cnt = 0;
  for (int i = 0; i < channel_cnt; i++) {
    const struct pipe *p = channels[i].pipe;
    if (is_open(i, &at))
      offer(s, (struct choice){EVENT_CHANNEL, p->stream->end[p->dir].machine,
                               p->stream->end[!p->dir].machine,
                               2 * channels[i].serial + (uint64_t)p->dir, at, i});
  }
  for (int a = 0; a < NODES; a++)
    for (int b = 0; b < NODES; b++)
      if (frames[a][b].cnt)
        offer(s, (struct choice){EVENT_FRAMES, a, b, 0, frames[a][b].since[frames[a][b].from], 0});
  bool any = s->cnt;
  for (int i = 0; i < NODES && !losses && any; i++)
    if (world->machines[i].state == MACHINE_UP)
      offer(s, (struct choice){EVENT_LOSS, i, i, 0, NEVER - 1, 0});
  if (lost_node >= 0) offer(s, (struct choice){EVENT_RESTART, lost_node, lost_node, 0, NEVER, 0});
}

static void carry_out(const struct choice *c) {
  if (c->what == EVENT_CHANNEL) {
    tcp_arrive(channels[c->idx].pipe);
  } else if (c->what == EVENT_FRAMES) {
    int from = frames[c->from][c->to].from;
    frames[c->from][c->to].from = (from + 1) % FRAMES;
    frames[c->from][c->to].cnt--;
    datagram_fly(frames[c->from][c->to].at[from], 0);
  } else if (c->what == EVENT_LOSS) {
    losses++;
    lost_node = c->to;
    world->machines[c->to].drive->survivors = SURVIVE_NONE;
    machine_end(&world->machines[c->to], END_POWER);
  } else {
    lost_node = -1;
    machine_boot(&world->machines[c->to]);
  }
}

/* ---- which orders are the same ---- */

static bool is_same(const struct choice *a, const struct choice *b) {
  return a->what == b->what && a->from == b->from && a->to == b->to && a->serial == b->serial;
}

static bool touches(const struct choice *a, int node) { return a->from == node || a->to == node; }

static bool commute(const struct choice *a, const struct choice *b) {
  if (a->what >= EVENT_LOSS && b->what >= EVENT_LOSS) return false;
  if (a->what >= EVENT_LOSS) return !touches(b, a->to);
  if (b->what >= EVENT_LOSS) return !touches(a, b->to);
  return a->to != b->to;
}

static bool sleeps(const struct step *s, int choice) {
  for (int i = 0; i < s->sleep_cnt; i++)
    if (is_same(&s->sleep[i], &s->choice[choice])) return true;
  return false;
}

/* The first at or behind i that is not asleep; cnt: none. */
static int awake_from(const struct step *s, int i) {
  while (i < s->cnt && sleeps(s, i)) i++;
  return i;
}

static void add_sleep(struct step *to, const struct choice *z, const struct choice *taken) {
  if (commute(z, taken) && to->sleep_cnt < ENABLED) to->sleep[to->sleep_cnt++] = *z;
}

/* Asleep behind this step: what was, and what was tried here before, if the choice lets it be. */
static void hand_on_sleep(const struct step *s, struct step *next) {
  const struct choice *taken = &s->choice[s->chosen];
  next->sleep_cnt = 0;
  for (int i = 0; i < s->sleep_cnt; i++) add_sleep(next, &s->sleep[i], taken);
  for (int i = 0; i < s->chosen; i++)
    if (!sleeps(s, i)) add_sleep(next, &s->choice[i], taken);
}

static int deviations(int before) {
  int cnt = 0;
  for (int i = 0; i < before; i++) cnt += steps[i].chosen != awake_from(&steps[i], 0);
  return cnt;
}

/* ---- a run ---- */

static bool is_over(void) {
  for (int i = 0; i < NODES; i++) {
    const struct machine *m = &world->machines[i];
    if (m->state != MACHINE_UP || !m->app_runs || m->app.state != APP_SERVING) return false;
  }
  return true;
}

static uint64_t events_before;
static bool next_choice(void) { return is_over() || (world->events > events_before && is_quiet()); }

static void release(void) {
  probe = NULL;
  for (int i = 0; i < channel_cnt; i++)
    if (is_live(i)) tcp_segment_event(channels[i].pipe, channels[i].serial);
  for (int a = 0; a < NODES; a++)
    for (int b = 0; b < NODES; b++)
      for (; frames[a][b].cnt; frames[a][b].cnt--) {
        datagram_fly(frames[a][b].at[frames[a][b].from], 0);
        frames[a][b].from = (frames[a][b].from + 1) % FRAMES;
      }
}

static void begin(void) {
  struct plan p = ensemble_plan();
  p.heartbeat_us = 50000; /* time passes while messages are held */
  p.timeout_us = 400000;
  p.poll_us = 20000;
  p.segment_max = 1u << 30;
  memset(frames, 0, sizeof frames);
  channel_cnt = losses = 0;
  lost_node = -1;
  ensemble_begin(&p);
  probe = &hold;
  for (int i = 0; i < NODES; i++) ensemble_boot(i);
}

/* Goes on to where something can be chosen; false: the election is over. */
static bool run_on(struct step *s) {
  do {
    events_before = world->events;
    sim_run_until(next_choice, LIMIT, "the election ends");
    if (is_over()) return false;
    offer_all(s);
  } while (!s->cnt);
  return true;
}

/* Returns false if the order is one that was run already. */
static bool play(void) {
  bool seen = false;
  begin();
  steps[0].sleep_cnt = 0;
  for (step_cnt = 0; step_cnt < STEPS - 1; step_cnt++) {
    struct step *s = &steps[step_cnt];
    if (!run_on(s)) break;
    if (step_cnt >= prefix_cnt) s->chosen = awake_from(s, 0);
    seen = s->chosen >= s->cnt;
    if (seen) break;
    hand_on_sleep(s, s + 1);
    carry_out(&s->choice[s->chosen]);
  }
  release();
  if (seen) {
    sim_finish();
    return false;
  }
  if (lost_node >= 0) machine_boot(&world->machines[lost_node]);
  ensemble_end(LIMIT);
  return true;
}

/* The next order that begins with the first `fixed` choices; false: there is none. */
static bool next_order(int fixed, int budget) {
  for (int i = step_cnt - 1; i >= fixed; i--) {
    int next = awake_from(&steps[i], steps[i].chosen + 1);
    if (next >= steps[i].cnt || deviations(i) + 1 > budget) continue;
    steps[i].chosen = next;
    prefix_cnt = i + 1;
    return true;
  }
  return false;
}

/* ---- units ---- */

static struct { int step, choice; } first[STEPS * ENABLED];
static uint64_t first_cnt;

/* Unit 0 is the default order; the others are its first deviations. */
static uint64_t units(void) {
  if (first_cnt) return first_cnt;
  prefix_cnt = 0;
  play();
  first_cnt = 1;
  for (int i = 0; i < step_cnt; i++)
    for (int c = 1; c < steps[i].cnt; c++) {
      first[first_cnt].step = i;
      first[first_cnt++].choice = c;
    }
  return first_cnt;
}

static void name_deviations(char *dst, size_t len) {
  size_t at = 0;
  dst[0] = 0;
  for (int i = 0; i < prefix_cnt; i++)
    if (steps[i].chosen && at < len)
      at += (size_t)snprintf(dst + at, len - at, " step %d: choice %d;", i, steps[i].chosen);
}

static void run_case(void) {
  char text[160];
  name_deviations(text, sizeof text);
  if (!exhaustive_case("order:%s", text[0] ? text : " default")) {
    play(); /* what can be chosen in it is wanted */
    return;
  }
  if (play()) {
    exhaustive_count("orders", 1);
    exhaustive_count("messages that arrived", (uint64_t)step_cnt);
    exhaustive_count(losses ? "with a power loss and restart" : "without a power loss", 1);
    if (step_cnt >= STEPS - 1) exhaustive_count("cut off", 1);
    exhaustive_passed();
  } else {
    exhaustive_count("left off: the same as another", 1);
  }
}

static void run(uint64_t unit) {
  int budget = (int)exhaustive_bound(DEVIATIONS);
  if (exhaustive_is_resumed()) { /* the way to the next order is lost with the one that failed */
    exhaustive_count("first deviations given up behind an order that failed", 1);
    return;
  }
  units();
  for (int i = 0; i < STEPS; i++) steps[i].chosen = 0;
  prefix_cnt = 0;
  if (unit) {
    prefix_cnt = first[unit].step + 1;
    steps[prefix_cnt - 1].chosen = first[unit].choice;
  }
  int fixed = prefix_cnt;
  uint64_t left = exhaustive_is_sample() ? 8 : UINT64_MAX;
  do run_case();
  while (unit && --left && next_order(fixed, budget));
}

const struct exhaustive_set exhaustive_orders = {
    .name = "orders",
    .what =
        "one election of three nodes: orders of arrival with up to 2 deviations (--bound) from the "
        "oldest "
        "first, one of them perhaps a power loss and restart; orders that commute once",
    .units = units,
    .run = run};
