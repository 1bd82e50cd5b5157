/* What a leader may do with a session.
 *
 * It may end it when for its whole timeout, by the leader's own clock, nothing of the session has
 * reached the leader, since it began to lead.  Nothing that it prepares for a session is from a
 * node that the session's client has left.
 *
 * ZooKeeper promises no more: a node that is cut off from the leader answers its clients' pings for
 * a while, and the leader hears of none.  What clients may rely on when nothing is wrong is judged
 * at the end of a run (zk_sessions_settled). */
#include <assert.h>
#include <stdlib.h>

#include "proto/txn.h"
#include "service/tree/request.h"
#include "test/sim/oracle.h"
#include "test/sim/zk_parts.h"

#define SLICE 512 /* bytes of a snapshot */

struct contact {
  int64_t session;
  uint64_t at; /* ns of the leader's clock */
  int32_t timeout_ms;
  uint8_t node; /* where its client is; 0: not known since it leads */
  UT_hash_handle hh;
};

static struct leader { struct contact *contacts; } leaders[LIMIT_VOTERS];

static void forget(struct leader *l) {
  struct contact *c, *next;
  HASH_ITER(hh, l->contacts, c, next) {
    HASH_DEL(l->contacts, c);
    free(c);
  }
}

void zk_session_init(void) {
  for (int i = 0; i < LIMIT_VOTERS; i++) leaders[i].contacts = NULL;
}

void zk_session_free(void) {
  for (int i = 0; i < LIMIT_VOTERS; i++) forget(&leaders[i]);
}

static struct contact *contact_of(struct leader *l, int64_t session) {
  struct contact *c;
  HASH_FIND(hh, l->contacts, &session, sizeof session, c);
  return c;
}

static void heard(struct machine *m, int64_t session, int32_t timeout_ms) {
  struct leader *l = &leaders[m->idx];
  struct contact *c = contact_of(l, session);
  if (!c && !timeout_ms) return;
  if (!c) {
    c = calloc(1, sizeof *c);
    assert(c);
    c->session = session;
    HASH_ADD(hh, l->contacts, session, sizeof c->session, c);
  }
  c->at = machine_clock_ns(m);
  if (timeout_ms) c->timeout_ms = timeout_ms;
}

static void watched_lead(struct app *a, uint32_t epoch) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  const struct session *s, *next, *all = m->node->app_tree->tree.sessions;
  forget(&leaders[m->idx]);
  HASH_ITER(hh, all, s, next) heard(m, s->id, s->timeout_ms);
  real->ops->lead(real, epoch);
}

/* Is it refused because of who asks? */
static bool is_foreign(const struct app_prepared *p, const void *txn) {
  if (p->reason != REASON_NONE || p->len != TXN_HEADER_LEN + 4) return false;
  struct cursor c;
  cursor_init(&c, (const uint8_t *)txn + TXN_HEADER_LEN, 4);
  int32_t err = cursor_i32(&c);
  return txn_header_read(txn).type == TXN_ERROR &&
         (err == ZK_SESSIONEXPIRED || err == ZK_SESSIONMOVED);
}

static void note_request(struct machine *m, const struct request *q) {
  struct cursor c;
  cursor_init(&c, q->record.data, (size_t)q->record.len);
  if (q->type == OP_TOUCH)
    while (c.end - c.next >= 8) heard(m, cursor_i64(&c), 0);
  else if (q->type == OP_CREATE_SESSION || q->type == OP_REVALIDATE)
    heard(m, q->session, cursor_i32(&c));
  else
    heard(m, q->session, 0);
}

static bool does_something(const struct app_prepared *p, const void *txn) {
  if (p->reason != REASON_NONE || p->len < TXN_HEADER_LEN + 8) return false;
  int32_t type = txn_header_read(txn).type;
  struct cursor c;
  cursor_init(&c, (const uint8_t *)txn + TXN_HEADER_LEN, 8);
  if (type == OP_MULTI) return cursor_i32(&c) > 0 && cursor_i32(&c) != TXN_ERROR;
  return type != TXN_ERROR;
}

static void check_node(struct machine *m, const struct request *q) {
  struct contact *c = contact_of(&leaders[m->idx], q->session);
  if (!c || !q->node) return;              /* node 0: the leader itself */
  if (q->type == OP_CLOSE_SESSION) return; /* the client's own last word, wherever it is by now */
  if (q->type == OP_REVALIDATE || q->type == OP_CREATE_SESSION || !c->node) c->node = q->node;
  if (c->node != q->node)
    violation("n%d does request %d of session 0x%llx for n%d, which its client has left for n%d",
              m->idx + 1, q->cxid, (unsigned long long)q->session, q->node, c->node);
}

static struct app_prepared watched_prepare(struct app *a, const struct app_request *r, void *txn,
                                           uint32_t cap) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  struct request q;
  struct app_prepared p = real->ops->prepare(real, r, txn, cap);
  if (!request_read(&q, r->data, r->len) || is_foreign(&p, txn)) return p;
  note_request(m, &q);
  if (q.type == OP_REVALIDATE || does_something(&p, txn)) check_node(m, &q);
  return p;
}

static void check_expiry(struct machine *m, int64_t session) {
  const struct contact *c = contact_of(&leaders[m->idx], session);
  if (!c)
    violation("n%d expires session 0x%llx, of which it has not heard", m->idx + 1,
              (unsigned long long)session);
  uint64_t silent = machine_clock_ns(m) - c->at;
  if (silent >= (uint32_t)c->timeout_ms * MS) return;
  violation("n%d expires session 0x%llx after %llu us of silence, its timeout is %d ms", m->idx + 1,
            (unsigned long long)session, (unsigned long long)(silent / US), c->timeout_ms);
}

static struct app_work watched_tick(struct app *a, int64_t time_ms, bool held) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  struct request q;
  struct app_work w = real->ops->tick(real, time_ms, held);
  if (w.len && request_read(&q, w.data, w.len) && q.type == OP_CLOSE_SESSION) {
    check_expiry(m, q.session);
    note("SessionExpires", "session", (struct noted){m->idx, -1, {(uint64_t)q.session}});
  }
  return w;
}

static void watched_snapshot_begin(struct app *a) {
  struct machine *m = oracle_machine_of(a);
  struct app *real = &m->node->app;
  zk_snapshot_taken(m);
  real->ops->snapshot_begin(real);
}

/* Small slices: changes come in between, though these trees are small. */
static uint32_t watched_snapshot_next(struct app *a, void *buf, uint32_t cap) {
  struct app *real = &oracle_machine_of(a)->node->app;
  return real->ops->snapshot_next(real, buf, cap > SLICE ? SLICE : cap);
}

void zk_watch_app(struct app_ops *ops) {
  ops->lead = watched_lead;
  ops->prepare = watched_prepare;
  ops->tick = watched_tick;
  ops->snapshot_begin = watched_snapshot_begin;
  ops->snapshot_next = watched_snapshot_next;
}
