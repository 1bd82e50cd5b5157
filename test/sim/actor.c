/* The threads of the nodes: when each has its turn, and the loop around the product's turn. */
#include <assert.h>

#include "storage/store_impl.h"
#include "test/sim/fault.h"
#include "test/sim/oracle.h"
#include "test/sim/world.h"
#include "test/sim/zk.h"

#define TURN_NS 300   /* of a turn, and as much again by chance */
#define POLL_NS 1500  /* a polling thread notices something within */
#define WAKE_NS 20000 /* a sleeping thread runs within */
#define APP_TICK (100 * MS)

static int who_of(const struct actor *a) { return a->machine->idx * THREAD_CNT + (int)a->thread; }

static void schedule(struct actor *a, uint64_t at) {
  if (at < world->now) at = world->now;
  a->due = at;
  heap_actor(&world->heap, who_of(a), at);
}

void actor_sleep(uint64_t at, bool may_wake) {
  struct actor *a = world->current;
  if (a->machine->unwinding) fiber_exit();
  if (may_wake && a->poked) {
    uint64_t soon = world->now + TURN_NS;
    if (soon < at) at = soon;
  }
  a->sleeping = may_wake;
  schedule(a, at);
  fiber_yield();
  a->sleeping = false;
  if (a->machine->unwinding) fiber_exit();
}

bool actor_block(uint64_t at) {
  struct actor *a = world->current;
  if (a->machine->unwinding) return false;
  schedule(a, at);
  fiber_yield();
  return !a->machine->unwinding;
}

void actor_wake(struct actor *a, uint64_t delay) {
  a->poked = true;
  if (!a->fiber.alive || !a->sleeping) return;
  uint64_t at = world->now + delay;
  if (at < a->busy_to) at = a->busy_to;
  if (at < a->due) schedule(a, at);
}

static uint64_t turn_time(const struct actor *a) {
  uint64_t ns = TURN_NS + random_below(&world->random_turn, TURN_NS);
  return ns * a->machine->slowness / 100;
}

/* The turn took its time; then at most until `at`, unless woken. */
static void turn_done(uint64_t at, bool may_wake) {
  struct actor *a = world->current;
  a->busy_to = world->now + turn_time(a);
  actor_sleep(at > a->busy_to ? at : a->busy_to, may_wake);
}

void actor_point(void) {
  struct actor *a = world->current;
  if (!a || a->machine->unwinding || !random_chance(&world->random_turn, world->plan.preemption))
    return;
  actor_sleep(world->now + random_tail(&world->random_turn, 100, 2 * MS), false);
}

/* ---- fast: polls; it is shown only when there may be something, and now and then ---- */

static uint64_t fast_clock(const struct machine *m) { return machine_clock_ns(m); }

static void run_fast(void *arg) {
  struct machine *m = arg;
  fast_init(&m->fast, m->node);
  for (;;) {
    world->current->poked = false;
    fast_turn(&m->fast, fast_clock(m));
    oracle_after_fast(m);
    turn_done(world->now + world->plan.poll_us * US, true);
  }
}

void actor_positions(struct machine *m) {
  const struct positions *p = &m->node->positions;
  pos_t durable = position_get(&p->durable), applied = position_get(&p->applied);
  pos_t holds = position_get(&p->app_holds);
  if (durable == m->seen_durable && applied == m->seen_applied && holds == m->seen_holds) return;
  m->seen_durable = durable;
  m->seen_applied = applied;
  m->seen_holds = holds;
  actor_wake(&m->actor[THREAD_FAST], random_below(&world->random_turn, POLL_NS));
}

/* ---- disk: recovers, then serves ---- */

static void run_disk(void *arg) {
  struct machine *m = arg;
  struct node *n = m->node;
  int code = node_open(n);
  if (code) machine_exit(m, code);
  if (world->plan.read_ahead) n->store->log.read_ahead = world->plan.read_ahead;
  if (world->plan.read_budget) n->store->log.read_budget = world->plan.read_budget;
  oracle_recovered(m);
  m->state = MACHINE_UP;
  actor_start(m, THREAD_FAST);
  actor_start(m, THREAD_APP);
  actor_start(m, THREAD_SLOW);
  disk_init(&m->disk, n);
  for (;;) {
    world->current->poked = false;
    bool worked = disk_turn(&m->disk);
    if (m->disk.failed) machine_exit(m, EXIT_CODE_STORAGE);
    oracle_after_disk(m);
    actor_positions(m);
    if (worked)
      turn_done(0, false);
    else
      disk_idle(&m->disk);
    if (m->disk.failed) machine_exit(m, EXIT_CODE_STORAGE);
  }
}

/* ---- slow: rings, sockets, timers of whole milliseconds ---- */

static uint64_t slow_due(const struct machine *m) {
  uint64_t deadline = slow_turn_deadline_us(m->slow);
  if (deadline == UINT64_MAX) return NEVER;
  uint64_t now_us = machine_clock_ns(m) / US;
  uint64_t ms = deadline > now_us ? (deadline - now_us + 999) / 1000 : 0;
  return world->now + ms * MS * 1000000 / m->clock_ppm;
}

static void run_slow(void *arg) {
  struct machine *m = arg;
  uint64_t seed[4];
  for (int i = 0; i < 4; i++) seed[i] = random_next(&world->random_slow) | 1;
  m->slow_config = slow_config_of(m->node);
  m->slow = slow_turn_new(&m->slow_config, seed);
  assert(m->slow);
  if (slow_turn_open(m->slow, &m->loop)) machine_exit(m, EXIT_CODE_PORT);
  const struct slow_rings *r = &m->slow_config.rings;
  m->slow_runs = true;
  for (;;) {
    world->current->poked = false;
    bool more = slow_turn(m->slow);
    oracle_after_slow(m);
    if (m->slow->exiting) machine_exit(m, m->slow->exit_code);
    if (!more && r->may_sleep(r->self)) {
      turn_done(slow_due(m), true);
      r->awake(r->self);
    } else {
      turn_done(0, false);
    }
    uv_seam_run(m, THREAD_SLOW);
  }
}

/* ---- app ---- */

static void run_app(void *arg) {
  struct machine *m = arg;
  m->app_config = app_config_of(m->node);
  m->app_config.app = oracle_app(m);
  app_thread_init(&m->app, &m->app_config);
  m->app_runs = true;
  oracle_listen(m);
  zk_node_open(m);
  const struct app_rings *r = &m->app_config.rings;
  uint64_t tick = world->now;
  bool busy = false;
  for (uint64_t ticks = 0;;) {
    world->current->poked = false;
    m->app.now_ms = (int64_t)(machine_clock_ns(m) / MS) + m->wall_ms;
    if (world->now >= tick && m->app.state != APP_DEAD) {
      app_thread_tick(&m->app);
      zk_node_tick(m);
      if (ticks++ % 10 == 0) app_thread_ask_free(&m->app);
      tick = world->now + APP_TICK;
    }
    bool worked = app_thread_turn(&m->app);
    worked |= submitters_turn(m);
    worked |= zk_node_turn(m);
    oracle_after_app(m);
    actor_positions(m);
    if (worked) {
      busy = true;
      turn_done(0, false);
      uv_seam_run(m, THREAD_APP);
      continue;
    }
    bool waits = submitters_wait(m) || zk_node_waits(m);
    bool urgent = submitters_urgent(m) || zk_node_urgent(m);
    struct app_nap nap = app_thread_nap(&m->app, waits, busy && !urgent);
    uint64_t retry = world->now + APP_RETRY_MS * MS;
    busy = false;
    if (nap.sleep) {
      turn_done(nap.retry && retry < tick ? retry : tick, true);
      r->awake(r->self);
    } else {
      turn_done(0, false);
    }
    uv_seam_run(m, THREAD_APP);
  }
}

/* ---- all ---- */

void actor_start(struct machine *m, enum thread_id t) {
  static void (*const run[THREAD_CNT])(void *) = {[THREAD_FAST] = run_fast,
                                                  [THREAD_DISK] = run_disk,
                                                  [THREAD_SLOW] = run_slow,
                                                  [THREAD_APP] = run_app};
  struct actor *a = &m->actor[t];
  a->machine = m;
  a->thread = t;
  a->sleeping = a->poked = false;
  a->busy_to = a->stalled_to = 0;
  fiber_start(&a->fiber, run[t], m);
  schedule(a, world->now + random_below(&world->random_turn, WAKE_NS));
}

void actor_stop(struct machine *m, enum thread_id t) {
  struct actor *a = &m->actor[t];
  a->fiber.alive = a->sleeping = false;
  schedule(a, NEVER);
}

void actor_run(struct actor *a) {
  if (!a->fiber.alive) return;
  uint64_t stalled =
      a->stalled_to > a->machine->stalled_to ? a->stalled_to : a->machine->stalled_to;
  if (stalled > world->now) {
    fault_hit(a->stalled_to > world->now ? FAULT_STALL : FAULT_PAUSE, a->machine->idx);
    schedule(a, stalled + random_below(&world->random_turn, WAKE_NS));
    return;
  }
  world->current = a;
  fiber_resume(&a->fiber);
  world->current = NULL;
}
