#include "test/sim/fault.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "storage/store.h"
#include "test/sim/cover.h"
#include "test/sim/net.h"
#include "test/sim/oracle.h"

#define STANDING 64
#define DOWN_MIN (1 * MS)
#define DOWN_MAX (60 * MS)

struct fault {
  enum fault_class class;
  bool stands, hit;
  uint64_t serial;
  int node;
  int path;                     /* CUT_*: -1 TCP, -2 all */
  uint32_t links[LIMIT_VOTERS]; /* [from]: bit `to` is cut by it */
};

struct nemesis {
  uint64_t max, drawn, serial;
  bool healed;
  uint64_t effective[FAULT_CLASSES];
  struct fault at[STANDING];
  struct {
    bool armed, power;
    enum drive_op op;
    uint32_t countdown;
  } point[LIMIT_VOTERS];
};

static struct nemesis state;

const char *fault_name(enum fault_class c) {
  static const char *const names[FAULT_CLASSES] = {
#define FAULT(id, name) name,
#include "test/sim/fault.def"
#undef FAULT
  };
  return names[c];
}

static uint64_t below(uint64_t n) { return random_below(&world->random_fault, n); }
static uint64_t between(uint64_t a, uint64_t b) {
  return random_between(&world->random_fault, a, b);
}

static void later(void) {
  uint64_t gap = world->plan.fault_gap;
  heap_push(&world->heap, (struct sim_event){.at = world->now + gap / 4 + below(3 * gap / 2),
                                             .kind = EVENT_FAULT});
}

void faults_init(uint64_t max) {
  state = (struct nemesis){.max = max < world->plan.faults ? max : world->plan.faults};
  world->nemesis = &state;
  if (world->plan.fault_gap) later();
}

uint64_t faults_drawn(void) { return state.drawn; }
const uint64_t *faults_effective(void) { return state.effective; }
bool faults_done(void) { return state.drawn >= state.max || !world->plan.fault_gap; }

static void count(struct fault *f) {
  if (f->hit) return;
  f->hit = true;
  state.effective[f->class]++;
}

void fault_hit(enum fault_class c, int node) {
  for (int i = 0; i < STANDING; i++) {
    struct fault *f = &state.at[i];
    if (f->stands && f->class == c && (f->node == node || f->node < 0)) count(f);
  }
}

static void link_hit(int from, int to, int path) {
  for (int i = 0; i < STANDING; i++) {
    struct fault *f = &state.at[i];
    bool of_path = f->path == -2 || f->path == path || (f->path == -3 && path >= 0);
    if (f->stands && of_path && (f->links[from] >> to & 1u)) count(f);
  }
}

void fault_link_hit(int from, int to, int path) {
  bool ours = from < LIMIT_VOTERS && to < LIMIT_VOTERS; /* clients have cuts of their own */
  if (ours && state.drawn && !state.healed) link_hit(from, to, path);
}

/* ---- standing faults and their ends ---- */

static struct fault *stand(enum fault_class c, int node, uint64_t for_ns) {
  int i = 0;
  while (i < STANDING && state.at[i].stands) i++;
  assert(i < STANDING);
  struct fault *f = &state.at[i];
  *f = (struct fault){.class = c, .stands = true, .node = node, .path = -4};
  f->serial = ++state.serial;
  heap_push(&world->heap,
            (struct sim_event){
                .at = world->now + for_ns, .kind = EVENT_UNDO, .who = i, .number = f->serial});
  return f;
}

/* A link is cut while any fault that stands cuts it. */
static void apply_cuts(void) {
  struct network *n = world->network;
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = 0; b < world->plan.nodes; b++) {
      bool tcp = false, fast[LIMIT_FAST_PATHS] = {false};
      for (int i = 0; i < STANDING; i++) {
        const struct fault *f = &state.at[i];
        if (!f->stands || !(f->links[a] >> b & 1u)) continue;
        tcp |= f->path == -2 || f->path == -1;
        for (int p = 0; p < LIMIT_FAST_PATHS; p++)
          fast[p] |= f->path == -2 || f->path == -3 || f->path == p;
      }
      n->stream_cut[a][b] = tcp;
      for (int p = 0; p < LIMIT_FAST_PATHS; p++) n->link[a][b][p].cut = fast[p];
    }
}

static void undo(struct fault *f) {
  struct machine *m = f->node >= 0 ? &world->machines[f->node] : NULL;
  f->stands = false;
  switch (f->class) {
    case FAULT_SLOW_CPU:
      m->slowness = 100;
      break;
    case FAULT_SLOW_DISK:
      m->drive->slow_ns = 0;
      break;
    case FAULT_DISK_ERROR:
      m->drive->broken = 0;
      break;
    case FAULT_CLOCK:
      m->clock_base = machine_clock_ns(m);
      m->clock_from = world->now;
      m->clock_ppm = 1000000;
      break;
    case FAULT_LOSSY:
      for (int b = 0; b < LIMIT_VOTERS; b++)
        for (int p = 0; p < LIMIT_FAST_PATHS; p++) world->network->link[f->node][b][p].loss = 0;
      break;
    case FAULT_POINT:
      state.point[f->node].armed = false;
      break;
    case FAULT_LOST_WRITE:
    case FAULT_MISDIRECTED:
    case FAULT_STALE_READ:
      m->drive->lose_next = m->drive->misdirect_next = m->drive->keep_next = false;
      break;
    default:
      apply_cuts();
      break;
  }
}

void fault_undo_event(int slot, uint64_t serial) {
  struct fault *f = &state.at[slot];
  if (f->stands && f->serial == serial) undo(f);
}

void faults_heal(void) {
  state.healed = true;
  for (int i = 0; i < STANDING; i++)
    if (state.at[i].stands) undo(&state.at[i]);
}

/* ---- the faults ---- */

static uint64_t timeout_ns(void) { return world->plan.timeout_us * US; }
static uint64_t some_time(void) {
  return random_tail(&world->random_fault, MS, 6 * timeout_ns() + 40 * MS);
}

/* In `memory` a node that ends uncleanly does not count until it has been synchronised: more than a
 * minority of those and the ensemble waits for its operator, rightly. */
static bool may_end(const struct machine *m) {
  if (!world->plan.memory) return true;
  int missing = 1;
  for (int i = 0; i < world->plan.nodes; i++) {
    const struct machine *o = &world->machines[i];
    bool ends = o->drive->broken; /* it may end any moment, and cannot be asked again then */
    if (o != m) missing += !o->slow || o->slow->replica.unclean || o->state != MACHINE_UP || ends;
  }
  return 2 * missing < world->plan.nodes;
}

static void end_machine(enum fault_class c, struct machine *m, enum machine_end how) {
  if (!m->node || !may_end(m)) return;
  state.effective[c]++;
  cover_end(m, how);
  machine_end(m, how);
  machine_boot_later(m, between(DOWN_MIN, DOWN_MAX));
}

static void arm_point(struct machine *m) {
  if (!m->node || state.point[m->idx].armed) return;
  stand(FAULT_POINT, m->idx, 200 * MS);
  state.point[m->idx].armed = true;
  state.point[m->idx].power = below(2);
  state.point[m->idx].op = (enum drive_op)below(DRIVE_OPS + 2); /* above: any */
  state.point[m->idx].countdown = 1 + (uint32_t)random_tail(&world->random_fault, 0, 40);
}

void fault_at_point(struct machine *m, enum drive_op op) {
  if (!state.point[m->idx].armed || m->dying || !may_end(m)) return;
  if (state.point[m->idx].op < DRIVE_OPS && state.point[m->idx].op != op) return;
  if (--state.point[m->idx].countdown) return;
  state.point[m->idx].armed = false;
  fault_hit(FAULT_POINT, m->idx);
  m->dies_how = state.point[m->idx].power ? END_POWER : END_KILL;
  m->dying = true;
  machine_boot_later(m, between(DOWN_MIN, DOWN_MAX));
}

static void cut_groups(struct fault *f) {
  uint32_t side = (uint32_t)between(1, (1u << world->plan.nodes) - 2);
  if (below(3) == 0) side = 1u << below((uint64_t)world->plan.nodes); /* one alone */
  for (int a = 0; a < world->plan.nodes; a++)
    for (int b = 0; b < world->plan.nodes; b++)
      if ((side >> a & 1u) != (side >> b & 1u)) f->links[a] |= 1u << b;
}

static void cut_some(struct fault *f) {
  int n = world->plan.nodes;
  uint64_t shape = below(4);
  int x = (int)below((uint64_t)n);
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      if (a == b) continue;
      bool cut = shape == 0 ? a == x : shape == 1 ? b == x : shape == 2 ? below(2) : below(6) == 0;
      if (cut) f->links[a] |= 1u << b;
    }
}

static void cut(enum fault_class c) {
  if (world->plan.nodes < 2) return;
  struct fault *f = stand(c, -1, some_time());
  f->path = c == FAULT_CUT_FAST  ? (int)below(2) ? -3 : (int)below((uint64_t)world->plan.paths)
             : c == FAULT_CUT_TCP ? -1
                                 : -2;
  if (c == FAULT_CUT || (c != FAULT_ONE_WAY && below(2)))
    cut_groups(f);
  else
    cut_some(f);
  apply_cuts();
}

/* Everything the links of a node carry comes late, and all at once. */
static void clog_path(int node) {
  uint64_t to = world->now + some_time();
  for (int b = 0; b < world->plan.nodes; b++)
    for (int p = 0; p < world->plan.paths; p++) world->network->link[node][b][p].clogged_to = to;
  stand(FAULT_CLOG, node, to - world->now);
}

static void make_lossy(int node) {
  for (int b = 0; b < world->plan.nodes; b++)
    if (below(2))
      for (int p = 0; p < world->plan.paths; p++)
        world->network->link[node][b][p].loss = (uint32_t)between(100000, 500000);
  stand(FAULT_LOSSY, node, some_time());
}

static void change_clock(struct machine *m) {
  m->clock_base = machine_clock_ns(m);
  m->clock_from = world->now;
  m->clock_ppm = (uint32_t)between(500000, 2000000);
  m->wall_ms += (int64_t)between(0, 7200000) - 3600000;
  state.effective[FAULT_CLOCK]++;
  stand(FAULT_CLOCK, m->idx, some_time())->hit = true;
}

static void break_disk(struct machine *m) {
  static const int errors[] = {EIO, ENOSPC, EROFS, EDQUOT};
  if (!m->node || !may_end(m)) return;
  m->drive->broken = 1u << between(DRIVE_OPEN, DRIVE_SYNC_DIR);
  m->drive->broken_errno = errors[below(4)];
  stand(FAULT_DISK_ERROR, m->idx, 20 * MS);
}

/* A disk is replaced by an empty one.  One at a time: until that node votes again, what it held is
 * missing in its quorums. */
static void wipe(struct machine *m) {
  if (world->plan.memory || world->plan.nodes < 3) return;
  for (int i = 0; i < world->plan.nodes; i++)
    if (world->machines[i].wiped || world->machines[i].damaged || world->machines[i].rotten) return;
  machine_end(m, END_KILL);
  machine_wipe(m);
  state.effective[FAULT_WIPE]++;
  machine_boot_later(m, between(DOWN_MIN, DOWN_MAX));
}

/* The atlas: may m be damaged, without the last intact copy being lost somewhere? */
static bool may_damage(struct machine *m) {
  int damaged = !m->damaged && !m->rotten;
  for (int i = 0; i < world->plan.nodes; i++) {
    damaged += world->machines[i].damaged || world->machines[i].rotten;
    if (world->machines[i].wiped) return false;
  }
  if (world->plan.memory || 2 * damaged >= world->plan.nodes) return false;
  return true;
}

/* What the peers can repair: the node must come back by itself, with all it had. */
static void rot_log(struct machine *m) {
  if (world->plan.nodes < 3 || m->damaged || !may_damage(m)) return;
  const char *prefix = below(6) ? "log." : "snap.";
  bool any = false;
  for (uint64_t i = 1 + below(3); i; i--) any |= drive_rot(m->drive, &world->random_fault, prefix);
  if (!any) return;
  m->rotten = true;
  state.effective[FAULT_LOG_ROT]++;
  if (below(3) && m->node) { /* else it is found when it is read, or at the next start */
    machine_end(m, END_KILL);
    machine_boot_later(m, between(DOWN_MIN, DOWN_MAX));
  }
}

static void damage(enum fault_class c, struct machine *m) {
  if (c == FAULT_LOG_ROT) {
    rot_log(m);
    return;
  }
  if (!may_damage(m)) return;
  m->damaged = true;
  struct sim_disk *d = m->drive;
  if (c == FAULT_ROT) {
    if (drive_rot(d, &world->random_fault, "")) state.effective[c]++;
    return;
  }
  if (c == FAULT_LOST_WRITE) d->lose_next = true;
  if (c == FAULT_MISDIRECTED) d->misdirect_next = true;
  if (c == FAULT_STALE_READ) d->keep_next = true;
  stand(c, m->idx, 100 * MS);
}

/* It has led before, no further than to its own promise, and nobody else has heard of it: a node
 * like any other, but elections seldom fail just so (A10).  Drawn from a stream of its own. */
void fault_at_boot(struct machine *m) {
  struct random r = {world->seed * 1000003 + (uint64_t)m->idx * 1009 + m->boots};
  if (!world->plan.promises || world->plan.memory || m->damaged || m->wiped || state.healed) return;
  if (random_below(&r, 3)) return;
  char error[LIMIT_TEXT_LEN];
  struct store_config c = {.cluster = m->config.cluster,
                           .id = m->config.id,
                           .largest_record = m->config.largest_record,
                           .segment_bytes = m->config.segment_bytes,
                           .snapshots_kept = m->config.snapshots_kept};
  struct store_opened opened = store_open(&m->drive->under, &c, error);
  assert(opened.store);
  uint32_t epoch = store_state(opened.store).accepted_epoch + 1 + (uint32_t)random_below(&r, 3);
  enum reason bad = store_set_accepted(opened.store, epoch);
  assert(bad == REASON_NONE);
  store_close(opened.store);
  oracle_promised(m, epoch);
  note("FailedCandidacies", "accepted", (struct noted){m->idx, -1, {epoch}});
}

static void stop_cleanly(struct machine *m) {
  if (m->state != MACHINE_UP || !may_end(m)) return;
  state.effective[FAULT_STOP]++;
  atomic_store(&m->node->stop, 1);
  waker_poke(&m->node->topo.waker[THREAD_SLOW]);
}

static void draw(enum fault_class c) {
  struct machine *m = &world->machines[below((uint64_t)world->plan.nodes)];
  switch (c) {
    case FAULT_KILL:
      end_machine(c, m, END_KILL);
      break;
    case FAULT_POWER:
      end_machine(c, m, END_POWER);
      break;
    case FAULT_POINT:
      arm_point(m);
      break;
    case FAULT_PAUSE:
      m->stalled_to = world->now + some_time();
      stand(c, m->idx, m->stalled_to - world->now);
      break;
    case FAULT_STALL: {
      struct actor *a = &m->actor[below(THREAD_CNT)];
      a->stalled_to = world->now + some_time();
      stand(c, m->idx, a->stalled_to - world->now);
      break;
    }
    case FAULT_SLOW_CPU:
      m->slowness = (uint32_t)between(300, 10000);
      state.effective[c]++;
      stand(c, m->idx, some_time())->hit = true;
      break;
    case FAULT_CLOCK:
      change_clock(m);
      break;
    case FAULT_CUT:
    case FAULT_ONE_WAY:
    case FAULT_CUT_FAST:
    case FAULT_CUT_TCP:
      cut(c);
      break;
    case FAULT_LOSSY:
      make_lossy(m->idx);
      break;
    case FAULT_CLOG:
      clog_path(m->idx);
      break;
    case FAULT_RESET:
      if (tcps_reset(m->idx, (int)below((uint64_t)world->plan.nodes))) state.effective[c]++;
      break;
    case FAULT_SLOW_DISK:
      m->drive->slow_ns = random_tail(&world->random_fault, MS, 700 * MS);
      stand(c, m->idx, 2 * some_time());
      break;
    case FAULT_DISK_ERROR:
      break_disk(m);
      break;
    case FAULT_STOP:
      stop_cleanly(m);
      break;
    case FAULT_WIPE:
      wipe(m);
      break;
    case FAULT_LOG_ROT:
    case FAULT_ROT:
    case FAULT_LOST_WRITE:
    case FAULT_MISDIRECTED:
    case FAULT_STALE_READ:
      damage(c, m);
      break;
    default:
      assert(0);
  }
  note("Fault", "class node", (struct noted){-1, -1, {c, (uint64_t)m->idx + 1}});
}

/* Whatever class comes, the same numbers are taken, so that those behind it do not change. */
void fault_event(void) {
  if (faults_done() || state.healed) return;
  struct random before = world->random_fault;
  uint64_t next = random_next(&before);
  enum fault_class c;
  do c = (enum fault_class)below(FAULT_CLASSES);
  while (!(world->plan.classes >> c & 1u));
  state.drawn++;
  draw(c);
  world->random_fault.state = next;
  later();
}
