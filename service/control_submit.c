/* SUBMIT: requests into the ensemble, acknowledged when this node has applied them.
 *
 * No client ever hangs: whatever breaks its order of requests (the role ended, one was refused) is
 * told by RESEND or REFUSED, and the client starts again from READY's last + 1.  What it had sent
 * behind that is dropped here until START comes. */
#include "service/control.h"

static void ack(struct control_conn *n, uint64_t sequence, zxid_t zxid) {
  struct writer w;
  if (sequence <= n->acked) return;
  n->acked = sequence;
  writer_init(&w, buffer_room(&n->acks, 16), 16);
  writer_i64(&w, (int64_t)sequence);
  writer_i64(&w, (int64_t)zxid);
  buffer_added(&n->acks, 16);
}

static void send_acks(struct control_conn *n) {
  if (buffer_len(&n->acks))
    control_send(n, CONTROL_ACKS, buffer_at(&n->acks), buffer_len(&n->acks));
  buffer_consume(&n->acks, buffer_len(&n->acks));
}

static void break_off(struct control_conn *n, enum control_type type, uint64_t sequence,
                      enum reason r) {
  uint8_t body[12];
  struct writer w;
  send_acks(n); /* what was acknowledged before goes out first */
  writer_init(&w, body, sizeof body);
  if (type == CONTROL_REFUSED) writer_i64(&w, (int64_t)sequence);
  writer_i32(&w, (int32_t)r);
  control_send(n, type, body, (size_t)(w.next - body));
  n->job = JOB_SUBMIT_BROKEN;
}

/* What was applied since the client's last acknowledgement, record by record, so that it learns
 * each zxid.  Those that are purged already it learns from READY alone. */
static void ack_missed(struct control_conn *n, const struct app_log *l, zxid_t after) {
  const struct kept *k = app_log_kept(l);
  struct kept_cursor c = kept_seek(k, after);
  const struct kept_record *r = kept_next(k, &c);
  for (int cnt = 0; r && cnt < LIMIT_SUBMIT_OUTSTANDING; r = kept_next(k, &c)) {
    if (r->client != n->client || r->sequence <= n->acked) continue;
    ack(n, r->sequence, r->zxid);
    cnt++;
  }
}

static void ready(struct control_conn *n) {
  struct app_thread *t = n->control->thread;
  const struct app_log *l = app_log_of(&t->app);
  struct app_log_id last = app_log_last(l, n->client);
  uint8_t body[20];
  struct writer w;
  if (last.sequence > n->acked) ack_missed(n, l, n->acked_zxid);
  send_acks(n);
  writer_init(&w, body, sizeof body);
  writer_i64(&w, (int64_t)last.sequence);
  writer_i64(&w, (int64_t)last.zxid);
  writer_i32(&w, (int32_t)(t->c->config->largest_record - APP_LOG_TXN_OVERHEAD));
  n->job = JOB_SUBMIT;
  n->acked = last.sequence;
  n->expected = 0;
  control_send(n, CONTROL_READY, body, sizeof body);
}

/* One connection per client id: a newer one of the same client takes over. */
static void take_over(struct control_conn *n) {
  struct control *c = n->control;
  for (int i = 0; i < c->conn_cnt; i++) {
    struct control_conn *o = c->conns[i];
    if (o == n || o->job < JOB_SUBMIT_WAITING || o->client != n->client || o->last_words) continue;
    o->job = JOB_NONE;
    control_fail(o, REASON_PEER_DUPLICATE, "a newer connection of this client");
  }
}

enum control_taken control_on_start(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  struct cursor in;
  cursor_init(&in, f->body, f->len);
  uint64_t client = (uint64_t)cursor_i64(&in), acked = (uint64_t)cursor_i64(&in);
  zxid_t acked_zxid = (zxid_t)cursor_i64(&in);
  bool fits = n->job == JOB_NONE || n->job >= JOB_SUBMIT_WAITING;
  if (in.bad || !fits || !app_log_of(&t->app)) {
    control_fail(n, REASON_CONTROL_BAD, "START is not possible now");
    return CONTROL_TAKEN;
  }
  n->client = client;
  n->acked = acked;
  n->acked_zxid = acked_zxid;
  take_over(n);
  n->job = JOB_SUBMIT_WAITING;
  if (t->state == APP_SERVING) ready(n);
  return CONTROL_TAKEN;
}

static bool in_order(struct control_conn *n, uint64_t sequence) {
  if (!n->expected) n->expected = sequence <= n->acked + 1 ? sequence : n->acked + 1;
  return sequence && sequence == n->expected;
}

enum control_taken control_on_submit(struct control_conn *n, const struct control_frame *f) {
  struct app_thread *t = n->control->thread;
  struct cursor in;
  if (n->job == JOB_SUBMIT_BROKEN) return CONTROL_TAKEN;
  cursor_init(&in, f->body, f->len);
  uint64_t client = (uint64_t)cursor_i64(&in), sequence = (uint64_t)cursor_i64(&in);
  if (in.bad || n->job != JOB_SUBMIT || client != n->client) {
    control_fail(n, REASON_CONTROL_BAD, "SUBMIT malformed or without START");
    return CONTROL_TAKEN;
  }
  enum reason r = REASON_SEQ_GAP;
  if (f->len - APP_LOG_REQUEST_HEADER > t->c->config->largest_record - APP_LOG_TXN_OVERHEAD)
    r = REASON_TOO_LARGE;
  else if (in_order(n, sequence)) {
    if (n->expected > n->acked + LIMIT_SUBMIT_OUTSTANDING) return CONTROL_STALLED;
    struct app_log_id last = app_log_last(app_log_of(&t->app), n->client);
    bool applied = sequence <= last.sequence;
    if (applied) ack(n, sequence, sequence == last.sequence ? last.zxid : 0);
    r = applied ? REASON_NONE : app_submit(t, f->body, f->len);
    if (r == REASON_BUSY) return CONTROL_STALLED;
  }
  if (r == REASON_NONE || r == REASON_SEQ_DUPLICATE) { /* outstanding: acknowledged when applied */
    n->expected++;
    return CONTROL_TAKEN;
  }
  counters_add(t->c->own_counters, r, 1);
  break_off(n, CONTROL_REFUSED, sequence, r);
  return CONTROL_TAKEN;
}

void control_submit_applied(struct control *c, zxid_t zxid, const struct app_log_txn *t) {
  for (int i = 0; i < c->conn_cnt; i++) {
    struct control_conn *n = c->conns[i];
    if (n->job != JOB_SUBMIT || n->client != t->client) continue;
    if (t->type == APP_LOG_RECORD)
      ack(n, t->sequence, zxid);
    else if (n->expected && t->sequence < n->expected && t->sequence > n->acked)
      break_off(n, CONTROL_REFUSED, t->sequence, t->reason);
    return;
  }
}

void control_submit_serving(struct control *c) {
  for (int i = 0; i < c->conn_cnt; i++)
    if (c->conns[i]->job == JOB_SUBMIT_WAITING) ready(c->conns[i]);
}

void control_submit_stopped(struct control *c) {
  for (int i = 0; i < c->conn_cnt; i++)
    if (c->conns[i]->job == JOB_SUBMIT)
      break_off(c->conns[i], CONTROL_RESEND, 0, REASON_LEADER_CHANGED);
}
