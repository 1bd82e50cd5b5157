/* Power losses at named points, one or two of them, of one election and three transactions.
 *
 * A point is a place in the run of the first start of three nodes to the third acknowledged write:
 * each disk operation of a node (about to take effect, or done), each message of the slow path that
 * it sends, each PROPOSAL and ACK of the fast path, each delivery to the app; for a message twice:
 * it is lost with its sender, or it has arrived.  The run is the same each time, up to its first
 * power loss, so points have numbers; the points behind a power loss are those of that run.
 *
 *   points: a unit is a point; its cases are the subsets of what was unsynced on that node's disk
 *   pairs:  a unit is a point; its cases are all points behind it x {nothing, all} survives, twice
 *
 * The node comes back after DOWN.  Then all must be well: three writes acknowledged, all serve, a
 * new write of each client, and the disks hold what was committed. */
#include <stdio.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/phase.h"
#include "test/exhaustive/exhaustive.h"
#include "test/sim/client.h"
#include "test/sim/oracle.h"
#include "test/sim/probe.h"
#include "test/sim/sim.h"

#define GROUPS_MAX 9 /* the blocks of a sector and its size; more items are put in so many groups */
#define DOWN (5 * MS)
#define ARRIVED (200 * US) /* by then what was sent has arrived and its receiver has acted */
#define LIMIT (20 * SECOND)
#define NAME_LEN 72

enum survives { KEEP_NONE, KEEP_ALL, KEEP_SUBSET };

struct loss {
  uint64_t at; /* number of its point; 0: none */
  enum survives survives;
  uint32_t kept, groups; /* KEEP_SUBSET */
};

static struct {
  uint64_t cnt; /* points so far */
  struct loss loss[2];
  int lost; /* losses that have come */
  bool counting;
  struct machine *later; /* dies at */
  uint64_t later_at;
  const struct loss *later_loss;
  char name[2][NAME_LEN]; /* of the points of the losses */
  uint32_t unsynced[2];   /* items, then */
  int node[2];
} run;

static void set_survivors(struct machine *m, const struct loss *l) {
  m->drive->survivors = l->survives == KEEP_ALL ? SURVIVE_ALL : SURVIVE_NONE;
  m->drive->groups = l->survives == KEEP_SUBSET ? l->groups : 0;
  m->drive->kept = l->kept;
}

static void remember(const struct machine *m, const char *name) {
  const struct replica *r = m->slow ? &m->slow->replica : NULL;
  snprintf(run.name[run.lost], NAME_LEN, "%s, %s, %s", name, r ? role_name(r->role) : "starting",
           phase_name(r ? r->phase : PHASE_STARTING));
  run.node[run.lost] = m->idx;
  run.unsynced[run.lost] = powercut_unsynced(m->drive->power);
  note("Point", "number", (struct noted){m->idx, -1, {run.cnt}});
}

/* Returns if the point is not the one; else the turn is over. */
static void die_now(struct machine *m, const struct loss *l) {
  set_survivors(m, l);
  machine_boot_later(m, DOWN);
  m->dies_how = END_POWER;
  m->dying = true;
  run.lost++;
  fiber_yield(); /* for ever, or, in the disk thread, until it is unwound */
}

static const struct loss *loss_here(void) {
  run.cnt++;
  if (run.lost == 2 || run.loss[run.lost].at != run.cnt) return NULL;
  return &run.loss[run.lost];
}

static bool is_own_turn(const struct machine *m) {
  return run.counting && world->current && world->current->machine == m && !m->unwinding &&
         !m->dying;
}

static void point(struct machine *m, const char *name) {
  if (!is_own_turn(m)) return;
  const struct loss *l = loss_here();
  if (!l) return;
  remember(m, name);
  die_now(m, l);
}

static void point_later(struct machine *m, const char *name) {
  if (!is_own_turn(m)) return;
  const struct loss *l = loss_here();
  if (!l || run.later) return;
  remember(m, name);
  run.later = m;
  run.later_at = world->now + ARRIVED;
  run.later_loss = l;
}

/* ---- the probe ---- */

static void on_disk(struct machine *m, enum drive_op op, const char *file, bool over) {
  static const char *const ops[DRIVE_OPS] = {
      [DRIVE_OPEN] = "open",           [DRIVE_READ] = "read",    [DRIVE_WRITE] = "write",
      [DRIVE_WRITE_DURABLE] = "write", [DRIVE_SYNC] = "sync",    [DRIVE_RENAME] = "rename",
      [DRIVE_UNLINK] = "unlink",       [DRIVE_SYNC_DIR] = "sync"};
  char name[NAME_LEN];
  bool lasts = op == DRIVE_WRITE_DURABLE || op == DRIVE_SYNC || op == DRIVE_SYNC_DIR;
  if (over && !lasts) return; /* the same as before the next one */
  size_t len = strcspn(file, ".");
  snprintf(name, sizeof name, "%s %.*s%s", ops[op], len ? (int)len : 9, len ? file : "directory",
           over ? " done" : "");
  point(m, name);
}

static void on_note(const struct trace_row *r) {
  static const char *const actions[] = {"FLENotification",
                                        "ConnectAndFollowerSendFOLLOWERINFO",
                                        "LeaderSendLEADERINFO",
                                        "FollowerProcessLEADERINFO",
                                        "LeaderSyncFollower_DIFF",
                                        "LeaderSyncFollower_TRUNC",
                                        "LeaderSyncFollower_SNAP",
                                        "LeaderSendNEWLEADER",
                                        "FollowerProcessNEWLEADER",
                                        "LeaderProcessACKLD_UPTODATE",
                                        "Establish",
                                        "LeaderProcessRequest",
                                        "Commit",
                                        "Serving"};
  char name[NAME_LEN];
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
    if (strcmp(r->action, actions[i])) continue;
    snprintf(name, sizeof name, "%s, arrived", r->action);
    point_later(&world->machines[r->node], name);
    point(&world->machines[r->node], r->action);
  }
}

static bool on_datagram(struct datagram *d) {
  const struct frame_header *h = (const void *)d->bytes;
  const char *name = h->type == FRAME_PROPOSAL ? "PROPOSAL" : h->type == FRAME_ACK ? "ACK" : NULL;
  if (name) point(&world->machines[d->from], name);
  return true;
}

static void on_deliver(struct machine *m, zxid_t zxid) {
  (void)zxid;
  point(m, "deliver");
}

static const struct probe watch = {
    .note = on_note, .disk = on_disk, .datagram = on_datagram, .deliver = on_deliver};

/* ---- a run ---- */

static bool goal_or_death(void) {
  if (run.later) return world->now >= run.later_at;
  for (int i = 0; i < 3; i++) {
    const struct machine *m = &world->machines[i];
    if (world->submitters->at[i].acked < world->submitters->at[i].wanted) return false;
    if (m->state != MACHINE_UP || !m->app_runs || m->app.state != APP_SERVING) return false;
    struct app app = m->node->app;
    if (app.ops->applied(&app) != oracle_committed()) return false;
  }
  return true;
}

static void die_later(void) {
  struct machine *m = run.later;
  run.later = NULL;
  if (!m->node) return;
  set_survivors(m, run.later_loss);
  run.lost++;
  machine_end(m, END_POWER);
  machine_boot_later(m, DOWN);
}

static void play(struct loss first, struct loss second) {
  struct plan p = ensemble_plan();
  memset(&run, 0, sizeof run);
  run.loss[0] = first;
  run.loss[1] = second;
  ensemble_begin(&p);
  probe = &watch;
  run.counting = true;
  for (int i = 0; i < 3; i++) ensemble_boot(i);
  for (int i = 0; i < 3; i++) ensemble_want(i, 1);
  for (;;) {
    sim_run_until(goal_or_death, LIMIT, "an election and three transactions");
    if (!run.later) break;
    die_later();
  }
  run.counting = false;
  probe = NULL;
  ensemble_end(LIMIT);
}

static uint64_t points(void) {
  static uint64_t cnt;
  if (cnt) return cnt;
  play((struct loss){0}, (struct loss){0});
  return cnt = run.cnt;
}

static void count_cell(int i) {
  char cell[NAME_LEN + 8];
  if (run.lost <= i) return;
  snprintf(cell, sizeof cell, "%s", run.name[i]);
  exhaustive_count(cell, 1);
}

/* ---- singly ---- */

static void run_single(struct loss l, const char *how) {
  if (!exhaustive_case("power loss at point %llu, survives: %s (bits 0x%x of %u groups)",
                       (unsigned long long)l.at, how, l.kept, l.groups))
    return;
  play(l, (struct loss){0});
  if (!run.lost) violation("point %llu does not come", (unsigned long long)l.at);
  count_cell(0);
  if (run.unsynced[0] > GROUPS_MAX)
    exhaustive_count("of them with more than 9 items, in groups", 1);
  exhaustive_passed();
}

static uint32_t groups_of(uint64_t at) {
  play((struct loss){.at = at}, (struct loss){0});
  return run.unsynced[0] < GROUPS_MAX ? run.unsynced[0] : GROUPS_MAX;
}

static void points_run(uint64_t unit) {
  struct loss l = {.at = unit + 1};
  run_single(l, "nothing");
  l.survives = KEEP_SUBSET;
  l.groups = groups_of(l.at);
  uint32_t step = exhaustive_is_sample() && l.groups ? (1u << l.groups) - 1 : 1;
  for (l.kept = step; l.groups && l.kept < 1u << l.groups; l.kept += step) run_single(l, "subset");
}

/* ---- in pairs ---- */

static void run_pair(struct loss a, struct loss b) {
  if (!exhaustive_case("power loss at point %llu, survives: %s; then at point %llu: %s",
                       (unsigned long long)a.at, a.survives ? "all" : "nothing",
                       (unsigned long long)b.at, b.survives ? "all" : "nothing"))
    return;
  play(a, b);
  if (run.lost < 2) { /* the first one was still on its way ("arrived") when b came by */
    exhaustive_count("left off: the second point comes before the first loss", 1);
    return;
  }
  count_cell(1);
  exhaustive_count(
      run.node[0] == run.node[1] ? "second loss: the same node" : "second loss: another node", 1);
  exhaustive_passed();
}

static void pairs_run(uint64_t unit) {
  for (int first = KEEP_NONE; first <= KEEP_ALL; first++) {
    struct loss a = {.at = unit + 1, .survives = (enum survives)first};
    play(a, (struct loss){0});
    uint64_t end = run.cnt, step = exhaustive_is_sample() ? 37 : 1;
    for (uint64_t at = a.at + 1 + unit % step; at <= end; at += step)
      for (int second = KEEP_NONE; second <= KEEP_ALL; second++)
        run_pair(a, (struct loss){.at = at, .survives = (enum survives)second});
  }
}

const struct exhaustive_set exhaustive_points = {
    .name = "points",
    .what =
        "one power loss: each point of one election and three transactions x subsets of what was "
        "unsynced (up to 9 items: all; more: in 9 groups)",
    .units = points,
    .run = points_run};

const struct exhaustive_set exhaustive_pairs = {
    .name = "pairs",
    .what = "two power losses: each point x each point behind it x (nothing, all survives) of both",
    .units = points,
    .run = pairs_run};
