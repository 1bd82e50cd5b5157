/* The queue of one client: frames in, asks, answers out in the same order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "proto/txn.h"
#include "service/client/client.h"
#include "service/tree/jute.h"

#define FRAMES_TURN 256  /* of one client, before others have their turn */
#define READS_BETWEEN 64 /* unanswered, before a write that is sent */
#define XID_PING (-2)
#define XID_AUTH (-4)

/* ---- frames ---- */

static bool is_write(int32_t type) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
    case OP_DELETE:
    case OP_SET_DATA:
    case OP_SET_ACL:
    case OP_MULTI:
    case OP_SYNC:
    case OP_CLOSE_SESSION:
      return true;
    default:
      return false;
  }
}

static void add_read(struct client *c, int32_t xid, int32_t type, struct span record) {
  struct ask *a = client_ask_add(c, ASK_READ, xid, type, (uint32_t)record.len);
  if (record.len) memcpy(a->bytes, record.data, (size_t)record.len);
}

/* What can be answered without the tree; it waits its turn as the others do. */
static void add_error(struct client *c, int32_t xid, int32_t type, int32_t err) {
  struct ask *a = client_ask_add(c, ASK_READ, xid, type, 0);
  a->state = ASK_DONE;
  a->err = err;
  if (err == ZK_UNIMPLEMENTED) a->zxid = ZXID_NONE; /* as there */
}

/* As a server without SASL answers: a null token.  Not in the order of the others, as auth. */
static void take_sasl(struct client *c, int32_t xid) {
  size_t begin = client_begin(c);
  jute_append_i32(&c->out, xid);
  jute_append_i64(&c->out, 0);
  jute_append_i32(&c->out, ZK_OK);
  jute_append_i32(&c->out, -1);
  client_end(c, begin);
}

/* Not in the order of the others, as there: later requests may need it, earlier ones do not. */
static void take_auth(struct client *c, struct cursor *record) {
  int32_t err = client_auth(c, record);
  size_t begin = client_begin(c);
  jute_append_i32(&c->out, XID_AUTH);
  jute_append_i64(&c->out, 0);
  jute_append_i32(&c->out, err);
  client_end(c, begin);
  if (err) c->last_words = true;
  c->port->stats.auth_failed += err != 0;
}

static void take_request(struct client *c, const uint8_t *data, uint32_t len) {
  struct cursor in;
  cursor_init(&in, data, len);
  int32_t xid = cursor_i32(&in), type = cursor_i32(&in);
  if (in.bad) {
    client_close_line(c, "a request without a header");
    return;
  }
  struct span record = {in.next, (int32_t)(in.end - in.next)};
  if (type == OP_AUTH)
    take_auth(c, &in);
  else if (type == OP_SASL)
    take_sasl(c, xid);
  else if (is_write(type))
    client_ask_write(c, xid, type, record);
  else if (type == OP_PING)
    add_error(c, XID_PING, type, ZK_OK);
  else if (client_is_read(type))
    add_read(c, xid, type, record);
  else if (type == OP_RECONFIG)
    add_error(c, xid, type, ZK_RECONFIGDISABLED);
  else
    add_error(c, xid, OP_NOTIFICATION, ZK_UNIMPLEMENTED); /* not `type`: it may be one of ours */
}

/* The next whole frame's length, or 0: not there yet, or the connection is being closed. */
static uint32_t next_frame(struct client *c) {
  if (c->closing || c->last_words || c->phase == CLIENT_JOINING || buffer_len(&c->in) < 4) return 0;
  if (c->waits_status || (c->phase == CLIENT_NEW && client_words(c, buffer_at(&c->in)))) return 0;
  struct cursor in;
  cursor_init(&in, buffer_at(&c->in), 4);
  int32_t len = cursor_i32(&in);
  if (len < 0 || (uint32_t)len > LIMIT_CLIENT_PACKET) {
    client_close_too_long(c, len);
    return 0;
  }
  if (len < 8) {
    client_close_line(c, "a request without a header");
    return 0;
  }
  return buffer_len(&c->in) - 4 < (uint32_t)len ? 0 : (uint32_t)len;
}

static bool is_full(const struct client *c) {
  return buffer_len(&c->out) + buffer_len(&c->flight) > LIMIT_CLIENT_OUT;
}

bool client_has_room(const struct client *c) {
  return !is_full(c) && c->ask_cnt < LIMIT_CLIENT_ASKS && c->ask_bytes < LIMIT_CLIENT_ASK_BYTES &&
         !client_is_throttled(c);
}

/* Once for each time that it is not read from. */
static void note_throttled(struct client *c) {
  bool throttled = client_is_throttled(c) && buffer_len(&c->in) >= 4;
  if (throttled && !c->throttled) client_note_throttled(c);
  c->throttled = throttled;
}

bool client_frames(struct client *c) {
  int cnt = 0;
  uint32_t len;
  for (; cnt < FRAMES_TURN && client_has_room(c) && (len = next_frame(c)) > 0; cnt++) {
    const uint8_t *data = buffer_at(&c->in) + 4;
    c->received++;
    c->port->stats.received++;
    client_note_request(c, data, len);
    if (c->phase == CLIENT_NEW)
      client_connect(c, data, len);
    else
      take_request(c, data, len);
    if (!c->closing) buffer_consume(&c->in, 4 + len);
  }
  c->stalled = cnt == FRAMES_TURN || (!client_has_room(c) && buffer_len(&c->in) >= 4);
  note_throttled(c);
  return cnt > 0;
}

/* ---- the queue ---- */

struct ask *client_ask_add(struct client *c, enum ask_state state, int32_t xid, int32_t type,
                           uint32_t len) {
  struct ask *a = memory_or_end(calloc(1, sizeof *a + len), sizeof *a + len);
  *a = (struct ask){.state = state, .xid = xid, .type = type, .len = len};
  a->since_ms = c->port->thread->now_ms;
  if (c->last)
    c->last->next = a;
  else
    c->first = a;
  c->last = a;
  c->ask_cnt++;
  c->ask_bytes += len;
  c->port->ask_cnt++;
  c->port->ask_bytes += len;
  return a;
}

void client_ask_write(struct client *c, int32_t xid, int32_t type, struct span record) {
  struct request q = {.session = c->session,
                      .cxid = xid,
                      .type = type,
                      .node = c->port->thread->c->config->id,
                      .ids = client_ids(c),
                      .record = record};
  struct ask *a = client_ask_add(c, ASK_WRITE, xid, type, request_len(&q));
  request_write(&q, a->bytes);
}

static void pop(struct client *c) {
  struct ask *a = c->first;
  c->first = a->next;
  if (!c->first) c->last = NULL;
  c->ask_cnt--;
  c->ask_bytes -= a->len;
  c->port->ask_cnt--;
  c->port->ask_bytes -= a->len;
  if (a->state == ASK_SENT) c->port->outstanding--;
  buffer_free(&a->reply);
  free(a);
}

void client_asks_drop(struct client *c) {
  while (c->first) pop(c);
}

static void done(struct client *c, struct ask *a, int32_t err) {
  if (a->state == ASK_SENT) c->port->outstanding--;
  a->state = ASK_DONE;
  a->err = err;
  client_ready(c);
}

static int32_t error_of(enum reason r) {
  return r == REASON_TOO_LARGE ? ZK_BADARGUMENTS : ZK_SYSTEMERROR;
}

/* Hands writes to the leader, in order; what it has no room for now waits, and all behind it.  A
 * read before a write that was sent is answered at its time even if nobody reads the answers, so
 * only so many of them are let come about. */
static bool send_writes(struct client *c) {
  bool sent = false;
  int reads = 0;
  for (struct ask *a = c->first; a && reads < READS_BETWEEN && !is_full(c); a = a->next) {
    reads += a->state == ASK_READ;
    if (a->state != ASK_WRITE) continue;
    enum reason r = app_submit(c->port->thread, a->bytes, a->len);
    if (r == REASON_BUSY) return sent;
    sent = true;
    if (r == REASON_NONE) {
      a->state = ASK_SENT;
      c->port->outstanding++;
    } else {
      counters_add(c->port->thread->c->own_counters, r, 1);
      if (r == REASON_TOO_LARGE) client_note_too_large(c, a);
      done(c, a, error_of(r));
    }
  }
  return sent;
}

bool client_asks_wait(const struct client *c) {
  bool answerable = c->first && (c->first->state == ASK_READ || c->first->state == ASK_DONE);
  if (answerable && !c->writing) return true; /* else the end of the write goes on with it */
  for (const struct ask *a = c->first; a; a = a->next)
    if (a->state == ASK_WRITE) return true;
  return false;
}

/* ---- answers ---- */

static void note_latency(struct client *c, const struct ask *a) {
  struct client_stats *s = &c->port->stats;
  int64_t ms = c->port->thread->now_ms - a->since_ms;
  uint64_t took = ms > 0 ? (uint64_t)ms : 0;
  summary_add(&s->latency, took);
  summary_add(&c->latency, took);
  if (is_write(a->type))
    summary_add(&s->updates, took);
  else if (client_is_read(a->type))
    summary_add(&s->reads, took);
  c->last_ms = c->port->thread->now_ms;
  c->last_latency = took;
  c->last_type = a->err ? OP_NOTIFICATION : a->type;
  c->last_xid = a->xid;
  c->last_zxid = c->port->app->tree.applied;
}

static void answer_done(struct client *c, const struct ask *a) {
  if (a->type == OP_CREATE_SESSION || a->type == OP_REVALIDATE) {
    client_joined(c, a->err);
    return;
  }
  if (a->err == ZK_SESSIONMOVED) { /* its client is at another node: nobody listens here */
    client_close(c);
    return;
  }
  size_t begin = client_begin(c);
  jute_append_i32(&c->out, a->xid);
  jute_append_i64(&c->out, (int64_t)(a->zxid ? a->zxid : c->port->app->tree.applied));
  jute_append_i32(&c->out, a->err);
  buffer_append(&c->out, buffer_at(&a->reply), buffer_len(&a->reply));
  client_end(c, begin);
  if (a->type == OP_CLOSE_SESSION || a->err == ZK_UNIMPLEMENTED) c->last_words = true;
}

static bool answer_first(struct client *c) {
  struct ask *a = c->first;
  if (!a || c->last_words || (a->state != ASK_READ && a->state != ASK_DONE)) return false;
  size_t before = buffer_len(&c->out);
  if (a->state == ASK_READ)
    client_read(c, a);
  else
    answer_done(c, a);
  if (c->closing) return false;
  client_note_answer(c, a, buffer_len(&c->out) - before);
  note_latency(c, a);
  pop(c);
  return true;
}

static bool has_sent(const struct client *c) {
  for (const struct ask *a = c->first; a; a = a->next)
    if (a->state == ASK_SENT) return true;
  return false;
}

/* What stands before a write that was sent is answered before that shows, whether its client reads
 * or not; of the rest no more than it may have unread. */
static bool answer_all(struct client *c) {
  bool any = false;
  while ((!is_full(c) || has_sent(c)) && answer_first(c)) any = true;
  return any;
}

bool client_asks(struct client *c) {
  bool worked = send_writes(c);
  worked |= answer_all(c);
  if (c->closing) return true;
  return worked;
}

/* ---- applied ---- */

/* The ask that the transaction answers: the oldest one sent, or none of this connection's. */
static struct ask *asked(const struct client *c, const struct txn_header *h) {
  struct ask *a = c->first;
  while (a && a->state != ASK_SENT) a = a->next;
  bool fits = a && a->xid == h->cxid && (h->type == TXN_ERROR || h->type == a->type);
  return fits ? a : NULL;
}

/* A sync is answered with its path. */
static int32_t reply_sync(struct ask *a) {
  struct request q;
  struct cursor in;
  if (!request_read(&q, a->bytes, a->len)) return ZK_MARSHALLINGERROR;
  cursor_init(&in, q.record.data, (size_t)q.record.len);
  struct span path = jute_text(&in);
  if (in.bad) return ZK_MARSHALLINGERROR;
  jute_append_text(&a->reply, path);
  return ZK_OK;
}

static void take_reply(struct client *c, struct ask *a, const struct tree_reply *r) {
  int32_t err = r->err;
  if (a->type == OP_SYNC && err == ZK_OK)
    err = reply_sync(a);
  else
    buffer_append(&a->reply, buffer_at(&r->body), buffer_len(&r->body));
  done(c, a, err);
  a->zxid = c->port->app->tree.applied;
}

void client_heard_applied(void *port, zxid_t zxid, const void *txn, uint32_t len) {
  struct client_port *p = port;
  struct client *c;
  (void)zxid, (void)len;
  if (!p->client_cnt) return;
  struct txn_header h = txn_header_read(txn);
  HASH_FIND(hh, p->sessions, &h.client_id, sizeof h.client_id, c);
  if (!c || c->closing) return;
  struct ask *a = asked(c, &h);
  if (a) {
    take_reply(c, a, &p->app->reply);
    answer_all(c); /* before the next transaction shows */
  } else if (h.type == OP_CLOSE_SESSION) {
    client_close(c); /* expired, or closed elsewhere */
  }
}
