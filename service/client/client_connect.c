/* Connect: sessions are made, and come back to any node.
 *
 * A new session's id has this node's id in its first byte; it exists when its transaction is
 * applied here.  One that comes back is asked of the leader, who may have ended it, and who alone
 * knows where it was: OP_REVALIDATE, answered in the order of transactions. */
#include <string.h>

#include "config/log.h"
#include "service/client/client.h"
#include "service/tree/jute.h"

#define SHORT_LEN 44
#define SECRET 0xB3415C00u
#define LCG_MASK ((1ull << 48) - 1)
#define LCG_FACTOR 0x5DEECE66Dull

/* 16 bytes of java.util.Random(id ^ SECRET): every server of an ensemble must make the same. */
void session_password(int64_t id, uint8_t *dst) {
  uint64_t seed = (((uint64_t)id ^ SECRET) ^ LCG_FACTOR) & LCG_MASK;
  for (int i = 0; i < SESSION_PASSWORD_LEN; i++) {
    if (i % 4 == 0) seed = (seed * LCG_FACTOR + 0xB) & LCG_MASK;
    dst[i] = (uint8_t)(seed >> (16 + 8 * (i % 4)));
  }
}

static int64_t new_session(struct client_port *p) {
  const struct app_thread *t = p->thread;
  if (!p->next_session) {
    uint64_t ms = (uint64_t)t->now_ms;
    p->next_session = (int64_t)((ms << 24) >> 8 | (uint64_t)t->c->config->id << 56);
  }
  return p->next_session++;
}

static int32_t clamp_timeout(const struct client_port *p, int32_t ms) {
  int64_t tick = p->thread->c->config->tick_ms;
  if (ms < 2 * tick) return (int32_t)(2 * tick);
  return ms > 20 * tick ? (int32_t)(20 * tick) : ms;
}

void client_session_forget(struct client *c) {
  if (c->in_sessions) HASH_DEL(c->port->sessions, c);
  c->in_sessions = false;
}

/* A client that is back here has left its old connection. */
static void take_session(struct client *c) {
  struct client *before;
  HASH_FIND(hh, c->port->sessions, &c->session, sizeof c->session, before);
  if (before) client_close(before);
  HASH_ADD(hh, c->port->sessions, session, sizeof c->session, c);
  c->in_sessions = true;
}

static void join_new(struct client *c) {
  uint8_t record[4];
  struct writer w;
  writer_init(&w, record, sizeof record);
  writer_i32(&w, c->timeout_ms);
  c->session = new_session(c->port);
  take_session(c);
  client_ask_write(c, 0, OP_CREATE_SESSION, (struct span){record, sizeof record});
}

/* Its number tells its answer from those to requests of the session, here and at other nodes. */
static void join_again(struct client *c) {
  const struct client_port *p = c->port;
  uint32_t token = 0x80000000u | (uint32_t)p->thread->c->config->id << 16 | (p->joined & 0xffff);
  c->port->joined++;
  take_session(c);
  uint8_t record[4];
  struct writer w;
  writer_init(&w, record, sizeof record);
  writer_i32(&w, c->timeout_ms); /* it may have been another one at another node */
  client_ask_write(c, (int32_t)token, OP_REVALIDATE, (struct span){record, sizeof record});
}

static void put_answer(struct client *c, int32_t timeout_ms, int64_t session) {
  uint8_t password[SESSION_PASSWORD_LEN] = {0};
  if (session) session_password(session, password);
  size_t begin = client_begin(c);
  jute_append_i32(&c->out, 0);
  jute_append_i32(&c->out, timeout_ms);
  jute_append_i64(&c->out, session);
  jute_append_text(&c->out, (struct span){password, SESSION_PASSWORD_LEN});
  if (!c->short_hello) jute_append_u8(&c->out, 0);
  client_end(c, begin);
}

void client_joined(struct client *c, int32_t err) {
  if (err && err != ZK_SESSIONEXPIRED) { /* the session may live: it tries again, or elsewhere */
    client_close(c);
    return;
  }
  if (err) {
    client_session_forget(c);
    put_answer(c, 0, 0);
    c->last_words = true;
    return;
  }
  c->phase = CLIENT_OPEN;
  c->stalled = true;
  put_answer(c, c->timeout_ms, c->session);
}

static bool password_right(int64_t session, struct span password) {
  uint8_t right[SESSION_PASSWORD_LEN];
  session_password(session, right);
  return session && password.len == SESSION_PASSWORD_LEN &&
         memcmp(password.data, right, SESSION_PASSWORD_LEN) == 0;
}

static void refuse_ahead(struct client *c, zxid_t seen) {
  char line[LIMIT_TEXT_LEN], theirs[ZXID_TEXT_LEN], ours[ZXID_TEXT_LEN];
  snprintf(line, sizeof line, "it has seen zxid 0x%s, our last is 0x%s: it must try another server",
           zxid_text(theirs, seen) + 2, zxid_text(ours, c->port->app->tree.applied) + 2);
  client_close_line(c, line);
}

void client_connect(struct client *c, const uint8_t *data, uint32_t len) {
  struct cursor in;
  cursor_init(&in, data, len);
  cursor_i32(&in); /* protocol version: there is one */
  zxid_t seen = (zxid_t)cursor_i64(&in);
  c->timeout_ms = clamp_timeout(c->port, cursor_i32(&in));
  c->session = cursor_i64(&in);
  struct span password = jute_data(&in);
  c->short_hello = !in.bad && in.next == in.end;
  if (!c->short_hello) jute_bool(&in);
  if (in.bad) {
    client_close_line(c, "a connect request that is malformed");
  } else if (c->port->thread->state != APP_SERVING) {
    c->port->stats.not_running++;
    client_close(c); /* "not running": it tries another node, or later */
  } else if ((int64_t)seen > (int64_t)c->port->app->tree.applied) { /* signed, as there */
    refuse_ahead(c, seen);
  } else if (!c->session) {
    c->phase = CLIENT_JOINING;
    join_new(c);
  } else if (password_right(c->session, password)) {
    c->phase = CLIENT_JOINING;
    join_again(c);
  } else {
    client_joined(c, ZK_SESSIONEXPIRED);
  }
}

/* ---- touches ---- */

static bool touch_period(struct client_port *p) {
  uint32_t ticks = p->thread->c->config->tick_ms / 2 / CLIENT_TICK_MS;
  return p->ticks++ % (ticks ? ticks : 1) == 0;
}

static bool send_touches(struct client_port *p, const uint8_t *ids, size_t len) {
  uint8_t bytes[REQUEST_HEADER_LEN + 4 + 8 * LIMIT_TOUCHES];
  struct request q = {.type = OP_TOUCH, .node = p->thread->c->config->id};
  q.ids = (struct span){(const uint8_t *)"\0\0\0\0", 4};
  q.record = (struct span){ids, (int32_t)len};
  request_write(&q, bytes);
  return app_submit(p->thread, bytes, request_len(&q)) == REASON_NONE;
}

static_assert(LIMIT_RECORD_MIN >= REQUEST_HEADER_LEN + 4 + 8, "one touch fits into any record");

static size_t touches_room(const struct client_port *p) {
  size_t room = p->thread->c->config->largest_record - REQUEST_HEADER_LEN - 4;
  return room < 8 * LIMIT_TOUCHES ? room : 8 * LIMIT_TOUCHES;
}

/* What was heard of those whose connections broke since; false: no room now. */
static bool touch_gone(struct client_port *p) {
  uint8_t ids[8 * LIMIT_TOUCHES];
  uint32_t most = (uint32_t)(touches_room(p) / 8);
  while (p->gone_cnt) {
    uint32_t cnt = p->gone_cnt < most ? p->gone_cnt : most;
    struct writer w;
    writer_init(&w, ids, sizeof ids);
    for (uint32_t i = p->gone_cnt - cnt; i < p->gone_cnt; i++) writer_i64(&w, p->gone[i]);
    if (!send_touches(p, ids, 8 * (size_t)cnt)) return false;
    p->gone_cnt -= cnt;
  }
  return true;
}

void client_touch_gone(const struct client *c) {
  struct client_port *p = c->port;
  if (c->phase != CLIENT_OPEN || !c->touched) return;
  if (p->gone_cnt == LIMIT_CLIENT_CONNS && !touch_gone(p)) return;
  p->gone[p->gone_cnt++] = c->session;
}

/* Half a ZooKeeper tick apart, as its followers' PINGs are.  If there is no room for all, the rest
 * follows with the next call: a read-only session must not end because others write much. */
void client_touches(struct client_port *p) {
  uint8_t ids[8 * LIMIT_TOUCHES];
  p->touches_due |= touch_period(p);
  if (!p->touches_due || p->thread->state != APP_SERVING || !touch_gone(p)) return;
  int i = 0;
  while (i < p->client_cnt) {
    struct writer w;
    int begin = i;
    writer_init(&w, ids, touches_room(p));
    for (; i < p->client_cnt && w.end - w.next >= 8; i++) {
      const struct client *c = p->clients[i];
      if (c->phase == CLIENT_OPEN && c->touched) writer_i64(&w, c->session);
    }
    size_t len = (size_t)(w.next - ids);
    if (len && !send_touches(p, ids, len)) return;
    for (int k = begin; k < i; k++) p->clients[k]->touched = false;
  }
  p->touches_due = false;
}
