/* All 64 subsets of the directed links between three nodes, each with each node as leader, and each
 * of all paths, of the fast paths only, of TCP only.
 *
 * The cut comes in a steady ensemble under load and stands.  Where two nodes still reach each other
 * both ways and on all paths, writes must be acknowledged again, and go on (F8, F9); where no two
 * do, nobody may lead; who serves must not stand still (C3); nobody crashes.  Then it is healed. */
#include <string.h>

#include "test/exhaustive/exhaustive.h"
#include "test/sim/client.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"

#define NODES 3
#define LINKS 64
#define PATHS 3
#define STARTS (10 * SECOND)
#define SETTLES (4 * SECOND) /* TCP and elections */
#define WINDOW (2 * SECOND)
#define WINDOWS 2
#define HEALS (20 * SECOND)
#define LOAD_EVERY (10 * MS)
#define ELECTIONS_MAX \
  2 /* in a window: one slow or cut-off node does not move the leader for ever */

enum cut_of { CUT_ALL_PATHS, CUT_FAST_PATHS, CUT_TCP };

struct cut {
  uint32_t links; /* bit: see from_of, to_of */
  int leader;
  enum cut_of of;
};

static int from_of(int link) { return link / 2; }
static int to_of(int link) { return (from_of(link) + 1 + link % 2) % NODES; }

static uint64_t units(void) { return (uint64_t)LINKS * NODES * PATHS; }

static struct cut cut_of_unit(uint64_t unit) {
  return (struct cut){.links = (uint32_t)(unit % LINKS),
                      .leader = (int)(unit / LINKS % NODES),
                      .of = (enum cut_of)(unit / LINKS / NODES)};
}

static void name_links(const struct cut *c, char *dst, size_t len) {
  size_t at = 0;
  dst[0] = 0;
  for (int i = 0; i < 2 * NODES; i++)
    if (c->links >> i & 1u)
      at += (size_t)snprintf(dst + at, len - at, " n%d>n%d", from_of(i) + 1, to_of(i) + 1);
}

static void apply(const struct cut *c, bool is_cut) {
  for (int i = 0; i < 2 * NODES; i++) {
    if (!(c->links >> i & 1u)) continue;
    int a = from_of(i), b = to_of(i);
    if (c->of != CUT_FAST_PATHS) world->network->stream_cut[a][b] = is_cut;
    if (c->of != CUT_TCP) world->network->link[a][b][0].cut = is_cut;
  }
}

/* Equal histories: the larger id leads.  Node 1 leads with a history that node 3 does not have. */
static void make_leader(int leader) {
  if (leader == 2) {
    for (int i = 0; i < NODES; i++) ensemble_boot(i);
  } else {
    ensemble_boot(0);
    ensemble_boot(1);
    ensemble_serve(3, STARTS);
    if (leader == 0) {
      ensemble_want(0, 1);
      ensemble_acked(STARTS);
      machine_end(&world->machines[1], END_KILL);
    }
    ensemble_boot(2);
    if (leader == 0) {
      ensemble_serve(5, STARTS);
      ensemble_boot(1);
    }
  }
  ensemble_serve(ENSEMBLE_ALL, STARTS);
  if (ensemble_leader() != leader) violation("n%d leads", ensemble_leader() + 1);
}

static bool both_ways(const struct cut *c, int a, int b) {
  for (int i = 0; i < 2 * NODES; i++) {
    bool between = (from_of(i) == a && to_of(i) == b) || (from_of(i) == b && to_of(i) == a);
    if (between && (c->links >> i & 1u)) return false;
  }
  return true;
}

/* Two nodes whose TCP works do without the fast path (design 5.4). */
static bool has_majority(const struct cut *c) {
  return c->of == CUT_FAST_PATHS || both_ways(c, 0, 1) || both_ways(c, 1, 2) || both_ways(c, 0, 2);
}

static uint64_t committed(void) { return oracle_totals().committed; }

static zxid_t applied_of(const struct machine *m) {
  struct app app = m->node->app;
  return m->app_runs ? app.ops->applied(&app) : 0;
}

static bool is_serving(const struct machine *m) {
  return m->state == MACHINE_UP && m->app_runs && m->app.state == APP_SERVING;
}

/* Nobody says that it serves and stands still while others go on, or leads nobody. */
static void check_alive(const zxid_t *before, const bool *served, bool progress) {
  for (int i = 0; i < NODES; i++) {
    const struct machine *m = &world->machines[i];
    if (!m->node) violation("n%d does not run", i + 1);
    if (progress && served[i] && is_serving(m) && applied_of(m) == before[i])
      violation("n%d serves, but has delivered nothing for %llu ms", i + 1,
                (unsigned long long)(WINDOW / MS));
  }
}

static void watch_window(const struct cut *c) {
  zxid_t before[NODES];
  bool served[NODES];
  for (int i = 0; i < NODES; i++) {
    const struct machine *m = &world->machines[i];
    served[i] = m->node && is_serving(m);
    before[i] = served[i] ? applied_of(m) : 0;
  }
  uint64_t then = committed(), elections = oracle_totals().elections;
  ensemble_run_for(WINDOW);
  bool progress = committed() > then;
  if (has_majority(c) && !progress)
    violation("two nodes reach each other, but nothing is committed for %llu ms",
              (unsigned long long)(WINDOW / MS));
  elections = oracle_totals().elections - elections;
  if (elections > ELECTIONS_MAX)
    violation("%llu leaders in %llu ms of a cut that stands", (unsigned long long)elections,
              (unsigned long long)(WINDOW / MS));
  if (c->of == CUT_ALL_PATHS && !has_majority(c) && ensemble_leader() >= 0)
    violation("n%d leads, though no two nodes reach each other", ensemble_leader() + 1);
  check_alive(before, served, progress);
  exhaustive_count("leaders elected in windows of 2 s under a cut", elections);
  exhaustive_count(progress ? "windows with writes" : "windows without", 1);
}

static void run(uint64_t unit) {
  static const char *const of[PATHS] = {"all paths", "fast paths", "TCP"};
  struct cut c = cut_of_unit(unit);
  struct plan p = ensemble_plan();
  char links[64];
  name_links(&c, links, sizeof links);
  if (!exhaustive_case("n%d leads, cut (%s):%s", c.leader + 1, of[c.of], links)) return;
  ensemble_begin(&p);
  make_leader(c.leader);
  for (int i = 0; i < NODES; i++) submitters_want(i, UINT32_MAX, LOAD_EVERY);
  ensemble_run_for(200 * MS);
  note("Cut", "links of", (struct noted){-1, -1, {c.links, (uint64_t)c.of}});
  apply(&c, true);
  uint64_t elections = oracle_totals().elections;
  ensemble_run_for(SETTLES);
  exhaustive_count("leaders elected because of a cut", oracle_totals().elections - elections);
  for (int i = 0; i < WINDOWS; i++) watch_window(&c);
  apply(&c, false);
  note("Heal", "", (struct noted){-1, -1, {0}});
  ensemble_end(HEALS);
  exhaustive_passed();
}

const struct exhaustive_set exhaustive_cuts = {
    .name = "cuts",
    .what =
        "64 subsets of the directed links of three nodes x leader x (all paths, fast only, TCP "
        "only)",
    .units = units,
    .run = run};
