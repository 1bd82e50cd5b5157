#include "test/sim/sim.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/log.h"
#include "test/sim/client.h"
#include "test/sim/fault.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"
#include "test/sim/probe.h"
#include "test/sim/scene.h"
#include "test/sim/world.h"
#include "test/sim/zk.h"

#define LIMIT_TIME (120 * SECOND)
#define HEAL_LIMIT (30 * SECOND)
#define TAIL 60
#define SETTLED "after healing, clients live in their sessions, and no other is left"

static struct world the_world;
struct world *world = &the_world;
const struct probe *probe;

void note(const char *action, const char *names, struct noted n) {
  struct trace_row r = {.at = world->now,
                        .action = action,
                        .names = names,
                        .node = (int16_t)n.node,
                        .peer = (int16_t)n.peer,
                        .v = {n.v[0], n.v[1], n.v[2]}};
  trace_add(&world->trace, &r);
  scene_note(&r);
  if (probe && probe->note) probe->note(&r);
}

/* Does text begin like the pattern, in which %s is one word? */
static bool says(const char *text, const char *pattern) {
  for (; *pattern; pattern++) {
    if (*pattern != '%') {
      if (*text++ != *pattern) return false;
      continue;
    }
    text += strcspn(text, " ;");
    pattern++;
  }
  return true;
}

/* What a node says to people is part of the trace. */
void log_line(enum log_level level, int node_id, const char *format, ...) {
  struct trace_row r = {.at = world->now,
                        .action = level == LEVEL_ERROR  ? "ERROR"
                                  : level == LEVEL_WARN ? "WARN"
                                                        : "INFO",
                        .node = (int16_t)(node_id - 1),
                        .peer = -1};
  va_list args;
  va_start(args, format);
  vsnprintf(r.text, sizeof r.text, format, args);
  va_end(args);
  trace_add(&world->trace, &r);
  scene_note(&r);
  static const char *const repairs[REPAIR_EFFECTS] = {
      [REPAIR_FOUND] = "damaged records from",
      [REPAIR_MADE] = "damaged records repaired",
      [REPAIR_DENIED] = "damaged here and never held",
      [REPAIR_WAITED] = "damaged here: %s; no node",
      [REPAIR_VOTE] = "damaged here: %s; others hold",
  };
  for (int i = 0; i < REPAIR_EFFECTS; i++) world->repairs[i] += says(r.text, repairs[i]);
}

static void explain(const char *how, const char *what) {
  fflush(stdout);
  trace_tail(&world->trace, stderr, TAIL);
  if (world->scripted) {
    fprintf(stderr, "%llu us%s: %s\n", (unsigned long long)(world->now / US), how, what);
    return;
  }
  fprintf(stderr, "seed %llu%s, event %llu, fault %llu, %llu us: %s\n",
          (unsigned long long)world->seed, how, (unsigned long long)world->events,
          (unsigned long long)faults_drawn(), (unsigned long long)(world->now / US), what);
  fprintf(stderr, "again: build/gcc/sim --seed %llu%s --trace\n", (unsigned long long)world->seed,
          world->options);
}

/* An assert of the product, or worse: no oracle has judged. */
static void on_signal(int number) {
  explain(" died", number == SIGABRT ? "an assertion failed" : strsignal(number));
  _Exit(2);
}

void sim_catch(void) {
  static uint8_t stack[64 << 10];
  stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
  sigaltstack(&alternative, NULL);
  int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (int i = 0; i < 5; i++) sigaction(numbers[i], &a, NULL);
}

_Noreturn void violation(const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  explain("", text);
  _Exit(1);
}

/* Memory goes from one seed to the next: a page that the kernel has to clear costs more than what
 * is done with it. */
static void keep_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 8 << 20);
}

void sim_begin(const struct sim_options *o) {
  struct random r = {o->seed};
  struct trace trace = world->trace;
  keep_memory();
  world->seed = o->seed;
  world->now = 0;
  world->events = 0;
  memset(world->repairs, 0, sizeof world->repairs);
  world->current = NULL;
  world->ended = false;
  heap_clear(&world->heap);
  trace_init(&trace, o->live);
  world->trace = trace;
  char counter[24] = "";
  if (o->counter) snprintf(counter, sizeof counter, " --counter %u", o->counter);
  snprintf(world->options, sizeof world->options, "%s%s%s%s", o->tree ? " --tree" : "",
           o->memory ? " --memory" : "", o->storage ? " --storage" : "", counter);
  plan_draw(&world->plan, &r);
  struct random own = {o->seed ^ 0xa10};
  world->plan.promises = random_below(&own, 4) == 0;
  plan_reads(&world->plan, &own);
  world->scripted = o->plan != NULL;
  struct random tree = {o->seed ^ 0x7ee};
  if (o->tree) plan_tree(&world->plan, &tree);
  if (o->plan) world->plan = *o->plan;
  if (o->counter) world->plan.counter_limit = o->counter;
  world->plan.memory |= o->memory;
  if (!o->storage) world->plan.classes &= ~FAULTS_OF_STORAGE;
  world->random_net.state = random_next(&r);
  world->random_turn.state = random_next(&r);
  world->random_disk.state = random_next(&r);
  world->random_fault.state = random_next(&r);
  world->random_client.state = random_next(&r);
  world->random_slow.state = random_next(&r);
  world->random_oracle.state = random_next(&r);
  oracle_init();
  network_init();
  for (int i = 0; i < world->plan.nodes; i++) machine_init(&world->machines[i], i);
  network_init();
  for (int i = 0; i < world->plan.nodes && !o->plan; i++)
    heap_push(&world->heap, (struct sim_event){.at = random_below(&world->random_turn, 20 * MS),
                                               .kind = EVENT_BOOT,
                                               .who = i,
                                               .number = world->machines[i].incarnation});
  submitters_init();
  zk_begin(random_next(&tree));
  cover_begin();
  faults_init(o->faults_max);
}

void sim_finish(void) {
  for (int i = 0; i < world->plan.nodes; i++) machine_free(&world->machines[i]);
  network_free();
  tcps_free();
  submitters_free();
  zk_end();
  oracle_free();
}

static void dispatch(const struct sim_event *e) {
  switch (e->kind) {
    case EVENT_ACTOR: {
      struct actor *a = actor_of(e->who);
      actor_run(a);
      if (a->machine->dying) machine_reap(a->machine);
      break;
    }
    case EVENT_DATAGRAM:
      datagram_arrive(e->ptr);
      break;
    case EVENT_SEGMENT:
      tcp_segment_event(e->ptr, e->number);
      break;
    case EVENT_STREAM:
      tcp_event(e->ptr, e->number);
      break;
    case EVENT_CLIENT:
      submitters_event(e->who, e->number);
      break;
    case EVENT_ZK:
      zk_client_event(e->who, e->number);
      break;
    case EVENT_BOOT:
      if (!world->machines[e->who].node && world->machines[e->who].incarnation == e->number)
        machine_boot(&world->machines[e->who]);
      break;
    case EVENT_FAULT:
      fault_event();
      break;
    case EVENT_UNDO:
      fault_undo_event(e->who, e->number);
      break;
    default:
      break;
  }
}

void sim_run_until(bool (*done)(void), uint64_t limit, const char *what) {
  struct sim_event e;
  uint64_t end = world->now + limit;
  while (!done()) {
    bool any = heap_pop(&world->heap, &e);
    assert(any);
    world->now = e.at;
    world->events++;
    if (world->now > end)
      violation("%s: not within %llu ms", what, (unsigned long long)(limit / MS));
    dispatch(&e);
    scene_after_event();
  }
}

/* ---- the two parts of a seed: trouble, then what must work when it is over ---- */

static uint64_t acked(void) { return world->plan.tree ? zk_acked() : world->submitters->acked; }

static bool enough(void) { return faults_done() && acked() >= world->plan.transactions; }

static uint64_t trouble_ends;

static bool trouble_is_over(void) { return enough() || world->now > trouble_ends; }

static bool is_core(const int *core, int cnt, int node) {
  for (int i = 0; i < cnt; i++)
    if (core[i] == node) return true;
  return false;
}

/* A majority is healed, all between its members is well; the others stay as they are, or are gone.
 */
static int choose_core(int *core) {
  int n = world->plan.nodes, cnt = 0;
  bool all = world->plan.memory; /* those that have lost something do not count: all are needed */
  for (int i = 0; i < n; i++) all |= world->machines[i].wiped || world->machines[i].rotten;
  if (all) {
    for (; cnt < n; cnt++) core[cnt] = cnt;
    return cnt;
  }
  int size = n / 2 + 1 + (int)random_below(&world->random_fault, (uint64_t)(n - n / 2));
  for (int i = 0; i < n; i++)
    if (!world->machines[i].damaged &&
        (int)random_below(&world->random_fault, (uint64_t)(n - i)) < size - cnt)
      core[cnt++] = i;
  for (int i = 0; i < n && 2 * cnt <= n; i++) /* some are damaged: all others */
    if (!world->machines[i].damaged && !is_core(core, cnt, i)) core[cnt++] = i;
  return cnt;
}

/* Clients go to those that nothing is wrong with: a damaged one may have stopped for good (E4), a
 * rotten one finds out at its next start. */
static int choose_servers(const int *core, int cnt, int *servers) {
  int n = 0;
  for (int i = 0; i < cnt; i++)
    if (!world->machines[core[i]].damaged && !world->machines[core[i]].rotten)
      servers[n++] = core[i];
  return n;
}

static void heal(const int *core, int cnt) {
  faults_heal();
  network_calm();
  world->plan.preemption = 0;
  for (int i = 0; i < world->plan.nodes; i++) {
    struct machine *m = &world->machines[i];
    m->stalled_to = 0;
    for (int t = 0; t < THREAD_CNT; t++) m->actor[t].stalled_to = 0;
    if (is_core(core, cnt, i)) {
      if (!m->node) machine_boot_later(m, MS);
    } else if (random_below(&world->random_fault, 2)) {
      machine_end(m, END_POWER);
      m->incarnation++; /* no boot that is on its way */
    }
  }
  note("Heal", "nodes", (struct noted){-1, -1, {(uint64_t)cnt}});
}

/* Every node that nothing is wrong with takes part again (A10, B6) and has delivered all (C3), not
 * only as many as are needed. */
static nodeset_t healed_nodes;

static bool all_take_part(void) {
  for (int i = 0; i < world->plan.nodes; i++) {
    const struct machine *m = &world->machines[i];
    if (!(healed_nodes >> i & 1u) || m->damaged) continue;
    if (m->state != MACHINE_UP || !m->app_runs || m->app.state != APP_SERVING) return false;
    struct app app = m->node->app;
    if (app.ops->applied(&app) != oracle_committed()) return false;
  }
  return true;
}

static bool all_served(void) {
  if (world->plan.tree) return zk_clients_served();
  for (int i = 0; i < world->submitters->cnt; i++)
    if (world->submitters->at[i].acked < world->submitters->at[i].wanted) return false;
  return true;
}

static_assert(FAULT_CLASSES + NET_EFFECTS + REPAIR_EFFECTS < SIM_COUNTS, "they fit");

const char *sim_count_name(int i) {
  static const char *const net[NET_EFFECTS] = {
      [NET_SENT] = "datagrams sent",         [NET_LOST] = "datagram lost",
      [NET_CUT] = "datagram cut off",        [NET_DUPLICATED] = "datagram duplicated",
      [NET_REORDERED] = "datagram late",     [NET_CORRUPTED] = "datagram corrupted",
      [NET_REPLAYED] = "old frame replayed", [NET_OVERFLOW] = "NIC ring overflow",
      [NET_CLOGGED] = "datagram clogged"};
  static const char *const repair[REPAIR_EFFECTS] = {
      [REPAIR_FOUND] = "damaged log found",
      [REPAIR_MADE] = "damaged log repaired",
      [REPAIR_DENIED] = "damaged record discarded",
      [REPAIR_WAITED] = "damaged record waited for",
      [REPAIR_VOTE] = "vote given up for a snapshot"};
  if (i < FAULT_CLASSES) return fault_name((enum fault_class)i);
  i -= FAULT_CLASSES;
  if (i < NET_EFFECTS) return net[i];
  return i < NET_EFFECTS + REPAIR_EFFECTS ? repair[i - NET_EFFECTS] : NULL;
}

bool sim_count_is_due(int i, const struct sim_options *o) {
  uint32_t never = o->storage ? 0 : FAULTS_OF_STORAGE;
  if (o->memory)
    never |= FAULTS_OF_STORAGE | 1u << FAULT_WIPE | 1u << FAULT_LOG_ROT; /* all may be gone */
  int repair = i - FAULT_CLASSES - NET_EFFECTS; /* not every campaign meets every outcome */
  if (repair >= 0) return !o->memory && !o->tree && repair <= REPAIR_MADE;
  return i >= FAULT_CLASSES || !(never >> i & 1u);
}

struct sim_result sim_run(const struct sim_options *o) {
  int core[LIMIT_VOTERS], servers[LIMIT_VOTERS];
  sim_begin(o);
  trouble_ends = world->now + 4 * world->plan.fault_gap * world->plan.faults + SECOND;
  sim_run_until(trouble_is_over, LIMIT_TIME, "trouble");
  int cnt = choose_core(core);
  heal(core, cnt);
  int server_cnt = choose_servers(core, cnt, servers);
  assert(server_cnt);
  submitters_pin(servers, server_cnt);
  zk_clients_pin(servers, server_cnt);
  uint64_t healed = world->now;
  sim_run_until(all_served, HEAL_LIMIT, "after healing, a new write");
  healed_nodes = 0;
  for (int i = 0; i < cnt; i++) healed_nodes |= (nodeset_t)1u << core[i];
  sim_run_until(all_take_part, HEAL_LIMIT, "after healing, every node of the majority serves");
  uint64_t took = world->now - healed;
  if (world->plan.tree) sim_run_until(zk_sessions_settled, HEAL_LIMIT, SETTLED);
  oracle_end();
  struct oracle_totals t = oracle_totals();
  struct sim_result r = {.events = world->events,
                         .virtual_us = world->now / US,
                         .heal_us = took / US,
                         .hash = world->trace.hash,
                         .elections = t.elections,
                         .in_place = t.in_place,
                         .committed = t.committed,
                         .acked = acked(),
                         .images = t.images,
                         .cover = *cover_of_run()};
  for (int i = 0; i < FAULT_CLASSES; i++) r.faults += r.count[i] = faults_effective()[i];
  for (int i = 0; i < REPAIR_EFFECTS; i++)
    r.count[FAULT_CLASSES + NET_EFFECTS + i] = world->repairs[i];
  for (int i = 0; i < NET_EFFECTS; i++) r.count[FAULT_CLASSES + i] = world->network->effects[i];
  for (int i = 0; i < world->plan.nodes; i++) r.recoveries += world->machines[i].boots - 1;
  sim_finish();
  return r;
}
