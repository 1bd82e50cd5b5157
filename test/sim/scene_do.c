/* Lines of a scenario that do something to nodes and clients.
 *
 *      boot all; kill n1; power n1 [keep none]; stop n1; wipe n1
 *      pause n1 100ms; stall n1 disk 50ms; slow n1 disk 5ms | cpu 10; clock n1 2000000 [WALL_S]
 *      submit n1 5; load n1 [every 1ms]; unload */
#include <stdlib.h>
#include <string.h>

#include "test/sim/scene_parts.h"

static struct machine *machine_at(int i) { return &world->machines[i]; }

static void each(nodeset_t nodes, void (*f)(struct machine *m)) {
  for (int i = 0; i < world->plan.nodes; i++)
    if (nodes >> i & 1u) f(machine_at(i));
}

static void boot(struct machine *m) {
  if (m->node) scene_fail("it runs already", "");
  machine_boot(m);
}

static void kill_node(struct machine *m) { machine_end(m, END_KILL); }

static void do_boot(struct words *w) { each(words_nodes(w), boot); }
static void do_kill(struct words *w) { each(words_nodes(w), kill_node); }

static void do_power(struct words *w) {
  nodeset_t nodes = words_nodes(w);
  int survivors = words_take(w, "keep") ? scene_survivors(words_next(w)) : SURVIVE_NONE;
  for (int i = 0; i < world->plan.nodes; i++) {
    if (!(nodes >> i & 1u)) continue;
    struct machine *m = machine_at(i);
    bool ran = m->node != NULL;
    m->drive->survivors = survivors;
    machine_end(m, END_POWER);
    if (!ran) sim_disk_restore(m->drive, END_POWER); /* what its last process left in the cache */
  }
}

static void stop(struct machine *m) {
  if (m->state != MACHINE_UP) scene_fail("it does not run", "");
  atomic_store(&m->node->stop, 1);
  waker_poke(&m->node->topo.waker[THREAD_SLOW]);
}

static void wipe(struct machine *m) {
  machine_end(m, END_KILL);
  machine_wipe(m);
}

static void do_stop(struct words *w) { each(words_nodes(w), stop); }
static void do_wipe(struct words *w) { each(words_nodes(w), wipe); }

static void do_pause(struct words *w) {
  struct machine *m = machine_at(words_node(w));
  m->stalled_to = world->now + words_time(w);
}

static void do_stall(struct words *w) {
  static const char *const threads[THREAD_CNT] = {
      [THREAD_FAST] = "fast", [THREAD_DISK] = "disk", [THREAD_SLOW] = "slow", [THREAD_APP] = "app"};
  struct machine *m = machine_at(words_node(w));
  const char *name = words_next(w);
  int t = 0;
  while (t < THREAD_CNT && strcmp(name, threads[t])) t++;
  if (t == THREAD_CNT) scene_fail("no thread (fast, disk, slow, app)", name);
  m->actor[t].stalled_to = world->now + words_time(w);
}

static void do_slow(struct words *w) {
  struct machine *m = machine_at(words_node(w));
  if (words_take(w, "disk"))
    m->drive->slow_ns = words_time(w);
  else if (words_take(w, "cpu"))
    m->slowness = (uint32_t)(100 * words_number(w));
  else
    scene_fail("slow n1 disk 5ms, slow n1 cpu 10", "");
}

static void do_clock(struct words *w) {
  struct machine *m = machine_at(words_node(w));
  uint64_t seconds = 0;
  m->clock_base = machine_clock_ns(m);
  m->clock_from = world->now;
  m->clock_ppm = (uint32_t)words_number(w);
  words_take_number(w, &seconds);
  m->wall_ms += (int64_t)seconds * 1000;
}

/* ---- clients: one at each node ---- */

static void do_submit(struct words *w) {
  int node = words_node(w);
  uint64_t cnt = 1;
  words_take_number(w, &cnt);
  submitters_want(node, cnt, 0);
}

static void do_load(struct words *w) {
  int node = words_node(w);
  submitters_want(node, UINT32_MAX, words_take(w, "every") ? words_time(w) : 0);
}

static void do_unload(struct words *w) {
  (void)w;
  for (int i = 0; i < world->plan.nodes; i++) submitters_no_more(i);
}

/* `when EVENT: nothing`: the event has to come, that is all. */
static void do_nothing(struct words *w) { (void)w; }

static void do_keepdown(struct words *w) { scene->stays |= words_nodes(w); }

static const struct scene_verb verbs[] = {
    {"boot", do_boot},        {"kill", do_kill},       {"power", do_power}, {"stop", do_stop},
    {"wipe", do_wipe},        {"pause", do_pause},     {"stall", do_stall}, {"slow", do_slow},
    {"clock", do_clock},      {"submit", do_submit},   {"load", do_load},   {"unload", do_unload},
    {"without", do_keepdown}, {"nothing", do_nothing}, {NULL, NULL}};

bool scene_do(struct words *w) {
  static const struct scene_verb *const all[] = {verbs, scene_net_verbs, scene_disk_verbs,
                                                 scene_when_verbs};
  const char *verb = words_next(w);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    for (const struct scene_verb *v = all[i]; v->name; v++)
      if (!strcmp(v->name, verb)) {
        v->run(w);
        return true;
      }
  w->next--;
  return false;
}
