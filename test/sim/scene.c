/* A scenario from its first line to the end that every one has: all is healed, every node runs and
 * takes part, each client gets one more write, and what is on the disks is read. */
#include "test/sim/scene.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/scene_parts.h"
#include "test/sim/sim.h"

#define LINES 256
#define WAIT (5 * SECOND)
#define END (3 * SECOND)
#define GOLDEN "----" /* the golden trace is behind this line */

static struct scene the_scene;
struct scene *scene;
static struct words lines[LINES];
static int line_cnt;

bool scene_is_on(void) { return scene != NULL; }

void scene_fail(const char *what, const char *word) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: %s%s%s\n", the_scene.file, the_scene.line, what, *word ? ": " : "", word);
  exit(2);
}

/* ---- the file ---- */

static void read_file(const char *name) {
  char text[512];
  FILE *f = fopen(name, "r");
  if (!f) scene_fail("cannot be read", strerror(errno));
  for (int number = 1; fgets(text, sizeof text, f) && strncmp(text, GOLDEN, strlen(GOLDEN));
       number++) {
    the_scene.line = number;
    if (line_cnt == LINES) scene_fail("too many lines", "");
    if (words_cut(&lines[line_cnt], text, number)) line_cnt++;
  }
  fclose(f);
}

/* ---- the plan ---- */

static bool set_plan(struct plan *p, struct words *w) {
  const struct {
    const char *name;
    uint32_t *field;
  } fields[] = {{"heartbeat_us", &p->heartbeat_us},
                {"timeout_us", &p->timeout_us},
                {"ring_bytes", &p->ring_bytes},
                {"largest_record", &p->largest_record},
                {"record_min", &p->record_min},
                {"record_max", &p->record_max},
                {"mtu", &p->mtu},
                {"segment_bytes", &p->segment_bytes},
                {"snapshot_log_bytes", &p->snapshot_log_bytes},
                {"counter_limit", &p->counter_limit},
                {"rx_ring", &p->rx_ring},
                {"segment_max", &p->segment_max},
                {"preemption", &p->preemption},
                {"loss", &p->loss},
                {"duplication", &p->duplication},
                {"reorder", &p->reorder},
                {"corruption", &p->corruption},
                {"replay", &p->replay}};
  const char *name = words_next(w);
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
    if (!strcmp(name, fields[i].name)) {
      *fields[i].field = (uint32_t)words_number(w);
      return true;
    }
  scene_fail("no setting of the plan", name);
}

/* The lines before the first that needs a world. */
static bool plan_line(struct plan *p, struct words *w) {
  if (words_take(w, "nodes"))
    p->nodes = (int)words_number(w);
  else if (words_take(w, "paths"))
    p->paths = (int)words_number(w);
  else if (words_take(w, "window"))
    p->window = (int)words_number(w);
  else if (words_take(w, "durability"))
    p->memory = !strcmp(words_next(w), "memory");
  else if (words_take(w, "set"))
    set_plan(p, w);
  else
    return false;
  words_end(w);
  return true;
}

/* ---- waiting ---- */

static struct words waited;
static uint32_t waited_from;
static uint64_t waited_to;

static bool is_over(void) { return world->now >= waited_to; }

static bool holds_now(void) {
  struct words w = waited;
  return scene_holds(&w, waited_from);
}

static bool holds_or_over(void) { return is_over() || holds_now(); }
static bool fails_or_over(void) { return is_over() || !holds_now(); }

static const char *said(const struct words *w, const char *verb) {
  static char text[SCENE_TEXT];
  snprintf(text, sizeof text, "%s:%d: %s", scene->file, w->line, verb);
  for (int i = 1; i < w->cnt; i++) {
    strncat(text, " ", sizeof text - strlen(text) - 1);
    strncat(text, w->at[i], sizeof text - strlen(text) - 1);
  }
  return text;
}

/* ... COND [within T | for T] */
static void hold_line(struct words *w, const char *verb, bool waits) {
  struct words rest = *w, whole = *w;
  bool lasting = false, within = false;
  waited = *w;
  waited_from = waits ? scene->log.cnt : scene->marked;
  scene_holds(&rest, waited_from);
  waited.cnt = rest.next;
  uint64_t limit = waits ? WAIT : 0;
  if ((within = words_take(&rest, "within")) || (lasting = words_take(&rest, "for")))
    limit = words_time(&rest);
  words_end(&rest);
  w->next = w->cnt;
  const char *text = said(&whole, verb);
  waited_to = world->now + limit;
  if (lasting) { /* as long as it holds: its contrary must not come */
    sim_run_until(fails_or_over, limit + SECOND, text);
    if (!holds_now()) violation("%s: does not hold any more", text);
  } else if (waits || within) {
    sim_run_until(holds_or_over, limit + SECOND, text);
    if (!holds_now()) violation("%s: not within %llu ms", text, (unsigned long long)(limit / MS));
  } else if (!holds_now()) {
    violation("%s: does not hold", text);
  }
}

static void run_for(uint64_t ns) {
  waited_to = world->now + ns;
  sim_run_until(is_over, ns + SECOND, "time passes");
}

/* ---- lines ---- */

static void end_line(struct words *w) {
  if (words_take(w, "waits"))
    scene->no_service = true;
  else if (words_take(w, "anyhow"))
    scene->no_end = true;
  else if (words_take(w, "within"))
    scene->end_ns = words_time(w);
  else
    scene_fail("end within 1s, waits or anyhow", "");
}

static void trace_line(struct words *w) {
  if (words_take(w, "none"))
    scene->no_trace = true;
  else if (words_take(w, "epochs"))
    scene->only_epochs = true;
  else if (words_take(w, "ends"))
    scene->golden_end = scene->log.cnt;
  else
    scene_fail("trace none, epochs or ends", "");
}

static void run_line(struct words *w) {
  scene->line = w->line;
  if (words_take(w, "wait")) {
    hold_line(w, "wait", true);
  } else if (words_take(w, "expect")) {
    hold_line(w, "expect", false);
  } else if (words_take(w, "run")) {
    run_for(words_time(w));
  } else if (words_take(w, "mark")) {
    scene->marked = scene->log.cnt;
  } else if (words_take(w, "begin")) {
    scene->golden = scene->marked = scene->log.cnt;
  } else if (words_take(w, "trace")) {
    trace_line(w);
  } else if (words_take(w, "end")) {
    end_line(w);
  } else if (!scene_do(w)) {
    scene_fail("no such command", words_peek(w));
  }
  words_end(w);
  scene_after_event();
}

/* ---- the end ---- */

static int core_nodes(int *core) {
  int cnt = 0;
  for (int i = 0; i < world->plan.nodes; i++)
    if (!(scene->stays >> i & 1u)) core[cnt++] = i;
  return cnt;
}

static void heal_all(const int *core, int cnt) {
  scene_heal_net();
  scene_heal_disks();
  network_calm();
  world->plan.preemption = 0;
  for (int i = 0; i < cnt; i++) {
    struct machine *m = &world->machines[core[i]];
    m->stalled_to = 0;
    m->slowness = 100;
    for (int t = 0; t < THREAD_CNT; t++) m->actor[t].stalled_to = 0;
    if (!m->node) machine_boot(m);
  }
}

static bool all_served(void) {
  for (int i = 0; i < world->submitters->cnt; i++)
    if (world->submitters->at[i].acked < world->submitters->at[i].wanted) return false;
  return true;
}

static bool all_take_part(void) {
  for (int i = 0; i < world->plan.nodes; i++) {
    const struct machine *m = &world->machines[i];
    if (scene->stays >> i & 1u) continue;
    if (m->state != MACHINE_UP || !m->app_runs || m->app.state != APP_SERVING) return false;
    struct app app = m->node->app;
    if (app.ops->applied(&app) != oracle_committed()) return false;
  }
  return true;
}

static void end_scene(void) {
  int core[LIMIT_VOTERS], cnt = core_nodes(core);
  scene->ended = scene->log.cnt;
  heal_all(core, cnt);
  if (scene->no_service || scene->no_end) {
    run_for(2 * SECOND);
    for (int i = 0; i < world->plan.nodes && scene->no_service; i++)
      if (world->machines[i].app_runs && world->machines[i].app.state == APP_SERVING)
        violation("%s: n%d serves at the end", scene->file, i + 1);
    return;
  }
  submitters_pin(core, cnt);
  sim_run_until(all_served, scene->end_ns, "at the end, a new write of each client");
  sim_run_until(all_take_part, scene->end_ns, "at the end, every node takes part");
}

void scene_run(const struct scene_options *o) {
  struct plan plan = plan_benign();
  int at = 0;
  the_scene = (struct scene){.file = o->file, .end_ns = END};
  world->plan.nodes = LIMIT_VOTERS;
  read_file(o->file);
  while (at < line_cnt && plan_line(&plan, &lines[at])) at++;
  plan.clients = plan.nodes;
  if (plan.nodes < 1 || plan.nodes > LIMIT_VOTERS) scene_fail("nodes 1 to 7", "");
  sim_begin(&(struct sim_options){.seed = o->seed, .live = o->live, .plan = &plan});
  scene = &the_scene;
  submitters_settle();
  for (; at < line_cnt; at++) run_line(&lines[at]);
  scene_watches_end();
  end_scene();
  oracle_end();
  scene_golden();
  scene = NULL;
  sim_finish();
}
