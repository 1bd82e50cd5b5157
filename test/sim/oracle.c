#include "test/sim/oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/record.h"
#include "storage/store_impl.h"
#include "test/sim/client.h"
#include "test/sim/cover.h"
#include "test/sim/oracle_state.h"
#include "test/sim/probe.h"
#include "test/sim/scene.h"
#include "test/sim/zk.h"

static struct oracle state;

struct oracle *oracle_state(void) {
  return &state;
}

void oracle_init(void) {
  for (int i = 0; i < LIMIT_VOTERS; i++) state.node[i] = (struct oracle_node){0};
  for (int i = 0; i < CLIENTS; i++) state.client[i] = (struct oracle_client){0};
  state.elections = state.in_place = state.acked_depth = state.images = 0;
  history_init(&state.history);
  oracle_requests_init();
  world->oracle = &state;
}

void oracle_end(void) {
  for (int i = 0; i < world->plan.nodes; i++) oracle_image(&world->machines[i]);
}

void oracle_free(void) { history_free(&state.history); }

struct oracle_totals oracle_totals(void) {
  return (struct oracle_totals){
      .elections = state.elections,
      .in_place = state.in_place,
      .images = state.images,
      .committed = history_depth(&state.history, state.history.committed)};
}

zxid_t oracle_committed(void) { return state.history.committed; }

/* ---- broadcast: the leader's app numbers a transaction ---- */

static void on_proposed(struct machine *m, const struct bytes_msg *b) {
  if (!b->is_proposal) return;
  struct history *h = &state.history;
  uint32_t e = zxid_epoch(b->zxid);
  if (h->epoch[e].leader != m->idx)
    violation("n%d numbers 0x%llx, but does not lead epoch %u", m->idx + 1,
              (unsigned long long)b->zxid, e);
  if (zxid_counter(b->zxid) != h->epoch[e].cnt + 1)
    violation("n%d numbers 0x%llx behind counter %u", m->idx + 1, (unsigned long long)b->zxid,
              h->epoch[e].cnt);
  struct history_record *r = history_add(h, b->zxid);
  struct app_log_txn t = {0};
  if (!world->plan.tree) t = app_log_txn_read(b->data, b->len);
  r->crc = crc32c(b->data, b->len);
  r->size = record_size(b->len);
  if (t.type == APP_LOG_RECORD) {
    r->client = t.client;
    r->sequence = t.sequence;
  }
  note("LeaderProcessRequest", "zxid client sequence",
       (struct noted){m->idx, -1, {b->zxid, t.client, t.sequence}});
}

/* ---- the committed history ---- */

/* LPO, and what a client may rely on: each of its requests once, in its order, and behind all that
 * had been acknowledged to anybody when it was submitted (linearizable writes). */
static void check_client_order(zxid_t zxid, const struct history_record *r, uint64_t depth) {
  if (!r->client) return;
  struct oracle_client *c = &state.client[r->client - 1000];
  if (r->sequence != c->committed + 1)
    violation("client %llu: sequence %llu committed as 0x%llx behind %llu",
              (unsigned long long)r->client, (unsigned long long)r->sequence,
              (unsigned long long)zxid, (unsigned long long)c->committed);
  if (r->sequence > c->submitted)
    violation("client %llu: sequence %llu was never submitted", (unsigned long long)r->client,
              (unsigned long long)r->sequence);
  if (depth <= c->floor[r->sequence % ORACLE_WINDOW])
    violation("client %llu: sequence %llu committed before what was acknowledged before it",
              (unsigned long long)r->client, (unsigned long long)r->sequence);
  c->committed = r->sequence;
}

/* The records between two of one branch, oldest first. */
static void extend(zxid_t from, zxid_t to) {
  struct history *h = &state.history;
  uint64_t depth = history_depth(h, from);
  while (from != to) {
    zxid_t next = to; /* the oldest behind from: in its epoch, or the first of a later one */
    if (zxid_epoch(from) == zxid_epoch(to)) {
      next = from + 1;
    } else {
      while (history_depth(h, h->epoch[zxid_epoch(next)].base) > depth)
        next = h->epoch[zxid_epoch(next)].base;
      next = h->epoch[zxid_epoch(next)].base == from ? zxid_make(zxid_epoch(next), 1) : from + 1;
    }
    const struct history_record *r = history_record(h, next);
    if (!r) violation("0x%llx is committed, but nobody numbered it", (unsigned long long)next);
    check_client_order(next, r, ++depth);
    from = next;
  }
}

/* A disk turn may still be under way: what its store says counts. */
static zxid_t tip_of(int i) {
  const struct machine *m = &world->machines[i];
  bool is_open = m->node && m->node->store;
  return is_open ? m->node->store->log.last_zxid : state.node[i].tip;
}

/* In `memory` what was received counts, even if it was lost since by a node that does not count now
 * (design 6); so does what was on a disk that is lost. */
static bool holds(int i, zxid_t zxid) {
  const struct history *h = &state.history;
  if (history_has(h, tip_of(i), zxid)) return true;
  const struct history_epoch *e = &h->epoch[zxid_epoch(zxid)];
  if (world->plan.memory && e->leader == i) return true; /* its stream is where we read it */
  return (world->plan.memory || world->machines[i].wiped) &&
         history_has(h, state.node[i].said, zxid);
}

static int holders(zxid_t zxid) {
  int cnt = 0;
  for (int i = 0; i < world->plan.nodes; i++) cnt += holds(i, zxid);
  return cnt;
}

/* Agreement, total order: what is committed is one branch. */
static void commit(const struct machine *m, zxid_t zxid, const char *how) {
  struct history *h = &state.history;
  zxid_t common = history_common(h, h->committed, zxid);
  if (common == zxid) return;
  if (common != h->committed)
    violation("n%d commits 0x%llx (%s), 0x%llx is committed; they part behind 0x%llx", m->idx + 1,
              (unsigned long long)zxid, how, (unsigned long long)h->committed,
              (unsigned long long)common);
  /* Primary integrity, initial history integrity: a later established leader has it */
  for (uint32_t e = zxid_epoch(zxid) + 1; e <= h->largest; e++)
    if (h->epoch[e].established && !history_has(h, h->epoch[e].base, zxid))
      violation("n%d commits 0x%llx (%s), but epoch %u was established without it", m->idx + 1,
                (unsigned long long)zxid, how, e);
  if (2 * holders(zxid) <= world->plan.nodes)
    violation("n%d commits 0x%llx (%s), durable on %d of %d nodes", m->idx + 1,
              (unsigned long long)zxid, how, holders(zxid), world->plan.nodes);
  extend(h->committed, zxid);
  h->committed = zxid;
  note("Commit", "zxid", (struct noted){m->idx, -1, {zxid}});
}

/* ---- the hand-over ---- */

static void on_lead(struct machine *m, const struct fast_msg *f) {
  struct history *h = &state.history;
  struct history_epoch *e = &h->epoch[f->epoch];
  assert(f->epoch < HISTORY_EPOCHS);
  if (e->leader >= 0) /* R2, R3: a quorum has promised it to one only */
    violation("n%d leads epoch %u, as n%d did", m->idx + 1, f->epoch, e->leader + 1);
  e->leader = m->idx;
  e->base = f->zxid;
  e->base_depth = history_depth(h, f->zxid);
  if (f->epoch > h->largest) h->largest = f->epoch;
  state.node[m->idx].seen_pos = 0;
  state.node[m->idx].seen_zxid = zxid_make(f->epoch, 0);
  note("LeaderCurrentEpoch", "epoch zxid", (struct noted){m->idx, -1, {f->epoch, f->zxid}});
}

/* The newest committed record of an epoch before e. */
static zxid_t committed_before(uint32_t e) {
  const struct history *h = &state.history;
  zxid_t zxid = h->committed;
  while (zxid_epoch(zxid) >= e && zxid) zxid = h->epoch[zxid_epoch(zxid)].base;
  return zxid;
}

/* A leader that has slept since its quorum's ACKs may establish behind a later one: it commits what
 * the later ones began with, and nothing new. */
static void on_establish(struct machine *m, const struct fast_msg *f) {
  struct history *h = &state.history;
  struct history_epoch *e = &h->epoch[f->epoch];
  if (e->leader != m->idx || e->established)
    violation("n%d establishes epoch %u of n%d", m->idx + 1, f->epoch, e->leader + 1);
  zxid_t earlier = committed_before(f->epoch);
  if (!history_has(h, e->base, earlier)) /* LeaderLogCompleteness, Primary integrity */
    violation("n%d establishes epoch %u on 0x%llx without the committed 0x%llx", m->idx + 1,
              f->epoch, (unsigned long long)e->base, (unsigned long long)earlier);
  e->established = true;
  state.elections++;
  state.in_place += state.node[m->idx].in_place;
  state.node[m->idx].in_place = false;
  note("Establish", "epoch zxid", (struct noted){m->idx, -1, {f->epoch, e->base}});
  if (e->base) commit(m, e->base, "initial history"); /* R7 */
}

/* 5.2 step 1: Z is the record that ends at P in the leader's stream, or the stream's beginning. */
static void check_open(const struct machine *m, const struct fast_msg *f) {
  pos_t end = 0;
  uint32_t cnt = zxid_epoch(f->zxid) == f->epoch ? zxid_counter(f->zxid) : 0;
  for (uint32_t i = 1; i <= cnt; i++) {
    const struct history_record *r = history_record(&state.history, zxid_make(f->epoch, i));
    end += r ? r->size : 0;
  }
  if (end != f->pos)
    violation("n%d opens its stream at %llu, but 0x%llx ends at %llu", m->idx + 1,
              (unsigned long long)f->pos, (unsigned long long)f->zxid, (unsigned long long)end);
}

/* The stream that is open from now on: it begins at pos, behind zxid. */
static void on_stream(struct machine *m, const struct fast_msg *f) {
  struct oracle_node *n = &state.node[m->idx];
  if (f->type == FAST_OPEN) check_open(m, f);
  n->told_once = false;
  n->told_pos = f->type == FAST_LEAD ? 0 : f->pos;
  n->told_zxid =
      zxid_epoch(f->zxid) == f->epoch && f->type == FAST_OPEN ? f->zxid : zxid_make(f->epoch, 0);
}

static void on_tcp_frame(struct machine *m, const struct tcp_msg *t) {
  struct frame_header h;
  if (frame_check(&h, t->data, t->len) == REASON_NONE) oracle_frame(m, t->peer_idx, PATH_TCP, &h);
}

void oracle_ring(struct machine *m, enum ring_id id, const void *element) {
  const struct fast_msg *f = element;
  const struct disk_msg *d = element;
  if (id == RING_SLOW_DISK) scene_disk_asked(m, (int)d->type);
  if (id == RING_SLOW_DISK && d->type == DISK_CURRENT && m->slow->replica.role == ROLE_LEADING)
    state.node[m->idx].own_epoch = d->epoch;
  if (id == RING_SLOW_DISK && d->type == DISK_ACCEPTED && m->slow->replica.role == ROLE_FOLLOWING)
    oracle_promises(m);
  if (id == RING_SLOW_FAST && f->type == FAST_CLOSE)
    state.node[m->idx].in_place = f->keeps && m->slow->replica.role == ROLE_LEADING;
  oracle_requests(m, id, element);
  if (id == RING_FAST_TCP) on_tcp_frame(m, element);
  if (id == RING_TCP_FAST) oracle_heard(m, ((const struct tcp_msg *)element)->peer_idx);
  if (id == RING_SLOW_FAST && f->type == FAST_COUNT) oracle_counted(m, f);
  if (id == RING_SLOW_FAST && (f->type == FAST_LEAD || f->type == FAST_OPEN)) on_stream(m, f);
  if (id == RING_APP_FAST) on_proposed(m, element);
  if (id == RING_SLOW_FAST && f->type == FAST_LEAD) on_lead(m, f);
  if (id == RING_SLOW_FAST && f->type == FAST_ESTABLISH) on_establish(m, f);
}

/* ---- positions and durable state ---- */

static void look_at_leader(struct machine *m) {
  const struct bcast *b = &m->node->bcast;
  struct oracle_node *n = &state.node[m->idx];
  if (b->phase != BCAST_LEADING || !b->established || b->committed <= n->seen_pos) return;
  zxid_t zxid = n->seen_zxid;
  while (n->seen_pos < b->committed) {
    struct record r;
    const uint8_t *at = (const uint8_t *)m->node->bcast_memory.stream_ring +
                        (n->seen_pos & (m->config.ring_bytes - 1));
    if (record_peek(&r, at, b->committed - n->seen_pos, m->config.largest_record) != RECORD_OK ||
        r.zxid != zxid + 1)
      violation("n%d commits to position %llu, which is no end of a record", m->idx + 1,
                (unsigned long long)b->committed);
    zxid = r.zxid;
    n->seen_pos += r.size;
  }
  n->seen_zxid = zxid;
  commit(m, zxid, "quorum of acknowledgements");
}

void oracle_after_fast(struct machine *m) {
  oracle_strays(m);
  oracle_leads(m);
  look_at_leader(m);
}

/* A leader in the middle of its turn may have told what has not been looked at yet. */
static bool is_committed(zxid_t zxid) {
  struct history *h = &state.history;
  if (history_has(h, h->committed, zxid)) return true;
  for (int i = 0; i < world->plan.nodes; i++)
    if (world->machines[i].state == MACHINE_UP) look_at_leader(&world->machines[i]);
  return history_has(h, h->committed, zxid);
}

/* The node's history has changed: nothing committed may be lost by that. */
static void moved(struct machine *m, zxid_t tip) {
  struct history *h = &state.history;
  struct oracle_node *n = &state.node[m->idx];
  if (tip == n->tip) return;
  if (zxid_counter(tip) && !history_record(h, tip))
    violation("n%d holds 0x%llx, which nobody numbered", m->idx + 1, (unsigned long long)tip);
  uint64_t before = history_depth(h, history_common(h, n->tip, h->committed));
  uint64_t after = history_depth(h, history_common(h, tip, h->committed));
  if (after < before && !m->damaged && !m->wiped)
    violation("n%d gives up committed records: from 0x%llx to 0x%llx, committed 0x%llx", m->idx + 1,
              (unsigned long long)n->tip, (unsigned long long)tip,
              (unsigned long long)h->committed);
  n->tip = tip;
  n->acked = history_common(h, n->acked, tip); /* a leader had it cut; what counts is above */
}

/* R5: a follower's currentEpoch follows its history: when it becomes e, all of e's initial history
 * is there.  The leader's own (R4) is written when its history is what I_e is made from. */
static void check_current(struct machine *m) {
  struct oracle_node *n = &state.node[m->idx];
  uint32_t current = m->node->store->epochs.now.current;
  if (current == n->seen_current) return;
  n->seen_current = current;
  if (current == n->own_epoch) return;
  const struct history_epoch *e = &state.history.epoch[current];
  if (e->leader < 0 || !history_has(&state.history, tip_of(m->idx), e->base))
    violation("n%d: currentEpoch %u is durable before its initial history (R5)", m->idx + 1,
              current);
}

/* What rotted cannot be named record by record, or nobody has it but in a snapshot: the node does
 * not count until it has been synchronised, like a wiped one, but for its promises (E5). */
static void gave_up_vote(struct machine *m) {
  struct oracle_node *n = &state.node[m->idx];
  if (!m->rotten || m->node->store->epochs.now.may_vote) return;
  m->wiped = true;
  n->acked = history_common(&state.history, n->acked, m->node->store->log.last_zxid);
}

void oracle_after_disk(struct machine *m) {
  gave_up_vote(m);
  moved(m, m->node->store->log.last_zxid);
  check_current(m);
  if (m->wiped && m->node->store->epochs.now.may_vote) m->wiped = false;
}

void oracle_after_slow(struct machine *m) {
  oracle_votes(m);
  oracle_phases(m);
  cover_moment(m);
}
void oracle_after_app(struct machine *m) { (void)m; }

void oracle_recovered(struct machine *m) {
  struct durable_state d = store_state(m->node->store);
  note("Recovered", "zxid accepted current",
       (struct noted){m->idx, -1, {d.last_zxid, d.accepted_epoch, d.current_epoch}});
  gave_up_vote(m);
  struct oracle_node *n = &state.node[m->idx]; /* it may have died right behind the durable cut */
  if (n->cut && d.last_zxid == n->cut) n->acked = history_common(&state.history, n->acked, n->cut);
  oracle_obliged(m->idx, d, "");
  state.node[m->idx].seen_current = d.current_epoch;
  moved(m, d.last_zxid);
}

void oracle_wiped(struct machine *m) {
  struct oracle_node *n = &state.node[m->idx];
  n->tip = n->acked = n->cut = 0;
  n->promised = n->current = n->seen_current = 0;
}

void oracle_process_ends(struct machine *m, enum machine_end how) {
  state.node[m->idx].strays = 0;
  if (m->state == MACHINE_UP) { /* its turns may not be over */
    moved(m, m->node->store->log.last_zxid);
    look_at_leader(m);
  }
  note(how == END_POWER ? "PowerLoss" : "NodeCrash", "", (struct noted){m->idx, -1, {0}});
}

/* ---- delivery ---- */

struct machine *oracle_machine_of(const struct app *a) {
  for (int i = 0; i < world->plan.nodes; i++) {
    struct machine *m = &world->machines[i];
    if (m->node && m->node->app.self == a->self) return m;
  }
  abort();
}

/* Integrity, agreement, total order: a node delivers the committed branch, record by record. */
static void check_delivery(struct machine *m, struct app *a, zxid_t zxid, uint32_t crc) {
  struct history *h = &state.history;
  const struct history_record *r = history_record(h, zxid);
  if (!r || r->crc != crc)
    violation("n%d delivers a 0x%llx that nobody broadcast", m->idx + 1, (unsigned long long)zxid);
  if (history_previous(h, zxid) != a->ops->applied(a))
    violation("n%d delivers 0x%llx behind 0x%llx", m->idx + 1, (unsigned long long)zxid,
              (unsigned long long)a->ops->applied(a));
  if (!is_committed(zxid))
    violation("n%d delivers 0x%llx, which is not committed (0x%llx is)", m->idx + 1,
              (unsigned long long)zxid, (unsigned long long)h->committed);
}

static void check_digest(struct machine *m, struct app *a, zxid_t zxid) {
  struct history_record *r = history_record(&state.history, zxid);
  uint64_t digest = a->ops->digest(a) | 1;
  if (r->digest && r->digest != digest)
    violation("n%d: its state differs at 0x%llx", m->idx + 1, (unsigned long long)zxid);
  r->digest = digest;
}

static void watched_apply(struct app *a, zxid_t zxid, const void *txn, uint32_t len) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  check_delivery(m, real, zxid, crc32c(txn, len));
  if (probe && probe->deliver) probe->deliver(m, zxid);
  real->ops->apply(real, zxid, txn, len);
  check_digest(m, real, zxid);
  zk_applied(m, zxid, txn, len);
}

static bool watched_restore_end(struct app *a, zxid_t zxid) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  if (!real->ops->restore_end(real, zxid)) {
    if (world->plan.tree && !m->damaged && !m->rotten)
      violation("n%d: a snapshot of 0x%llx is not what it says", m->idx + 1,
                (unsigned long long)zxid);
    return false;
  }
  if (!is_committed(zxid))
    violation("n%d restores 0x%llx, which is not committed", m->idx + 1, (unsigned long long)zxid);
  if (zxid) check_digest(m, real, zxid);
  if (zxid) zk_restored(m, zxid);
  note("Restored", "zxid", (struct noted){m->idx, -1, {zxid}});
  return true;
}

struct app oracle_app(struct machine *m) {
  static struct app_ops ops;
  ops = *m->node->app.ops;
  ops.apply = watched_apply;
  ops.restore_end = watched_restore_end;
  if (m->node->app_tree) zk_watch_app(&ops);
  return (struct app){&ops, m->node->app.self};
}

static void applied(void *self, zxid_t zxid, const void *txn, uint32_t len) {
  if (!world->plan.tree) submitters_applied(self, zxid, txn, len);
}

static void serving(void *self) {
  struct machine *m = self;
  note("Serving", "leading zxid", (struct noted){m->idx, -1, {m->app.leading, m->app.target}});
}

static void stopped(void *self) { submitters_role_changed(self); }

void oracle_listen(struct machine *m) {
  m->app.listener =
      (struct app_listener){.self = m, .applied = applied, .serving = serving, .stopped = stopped};
}

/* ---- clients ---- */

void oracle_submitted(uint64_t client, uint64_t sequence) {
  struct oracle_client *c = &state.client[client - 1000];
  if (sequence <= c->submitted) return; /* again */
  c->submitted = sequence;
  c->floor[sequence % ORACLE_WINDOW] = state.acked_depth;
}

void oracle_acked(int node, uint64_t client, uint64_t sequence) {
  struct oracle_client *c = &state.client[client - 1000];
  if (sequence > c->committed)
    violation("n%d acknowledges %llu of client %llu, only %llu are committed", node + 1,
              (unsigned long long)sequence, (unsigned long long)client,
              (unsigned long long)c->committed);
  struct app *a = &world->machines[node].node->app;
  uint64_t depth = history_depth(&state.history, a->ops->applied(a));
  if (depth > state.acked_depth) state.acked_depth = depth;
}

void oracle_disk_op(struct machine *m, enum drive_op op) { (void)m, (void)op; }
