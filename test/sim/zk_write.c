/* Requests in bytes, as ZooKeeper's clients send them (client.md 1, 3.2). */
#include <string.h>

#include "service/tree/jute.h"
#include "test/sim/zk_parts.h"

#define XID_PING (-2)
#define XID_SET_WATCHES (-8)

static size_t begin(struct zk_client *c) {
  size_t at = buffer_len(&c->out);
  jute_append_i32(&c->out, 0);
  c->said = world->now;
  return at;
}

static void end(struct zk_client *c, size_t at) {
  struct writer w;
  writer_init(&w, c->out.data + c->out.begin + at, 4);
  writer_i32(&w, (int32_t)(buffer_len(&c->out) - at - 4));
}

static void put_header(struct zk_client *c, int32_t xid, int32_t type) {
  jute_append_i32(&c->out, xid);
  jute_append_i32(&c->out, type);
}

static void put_acl(struct buffer *b, bool second) {
  jute_append_i32(b, second ? 2 : 1);
  jute_append_i32(b, PERM_ALL);
  jute_append_text(b, span_of("world"));
  jute_append_text(b, span_of("anyone"));
  if (!second) return;
  jute_append_i32(b, PERM_READ);
  jute_append_text(b, span_of("ip"));
  jute_append_text(b, span_of("10.0.0.1"));
}

static void put_data(struct buffer *b, const struct zk_do *op) {
  uint8_t bytes[ZK_DATA];
  zk_data(op->salt, bytes, op->len);
  jute_append_text(b, (struct span){bytes, (int32_t)op->len});
}

static void put_create(struct buffer *b, const struct zk_do *op) {
  put_data(b, op);
  put_acl(b, false);
  jute_append_i32(b, op->flags);
  if (op->type == OP_CREATE_TTL) jute_append_i64(b, op->ttl_ms);
}

static void put_op(struct buffer *b, const struct zk_do *op) {
  if (op->type == OP_CLOSE_SESSION) return;
  jute_append_text(b, span_of(op->path));
  switch (op->type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      put_create(b, op);
      break;
    case OP_SET_DATA:
      put_data(b, op);
      jute_append_i32(b, op->version);
      break;
    case OP_SET_ACL:
      put_acl(b, op->flags != 0);
      jute_append_i32(b, op->version);
      break;
    case OP_DELETE:
    case OP_CHECK:
      jute_append_i32(b, op->version);
      break;
    case OP_EXISTS:
    case OP_GET_DATA:
    case OP_GET_CHILDREN2:
      jute_append_u8(b, op->watch);
      break;
    default: /* sync */
      break;
  }
}

void zk_write_ask(struct zk_client *c, const struct zk_ask *a) {
  size_t at = begin(c);
  put_header(c, a->xid, a->type);
  for (int i = 0; i < a->op_cnt; i++) {
    if (a->type == OP_MULTI) jute_append_multi_header(&c->out, a->op[i].type, false, -1);
    put_op(&c->out, &a->op[i]);
  }
  if (a->type == OP_MULTI) jute_append_multi_header(&c->out, -1, true, -1);
  end(c, at);
}

void zk_write_hello(struct zk_client *c) {
  size_t at = begin(c);
  jute_append_i32(&c->out, 0);
  jute_append_i64(&c->out, (int64_t)c->seen);
  jute_append_i32(&c->out, c->asked_ms);
  jute_append_i64(&c->out, c->session);
  jute_append_text(&c->out, (struct span){c->password, sizeof c->password});
  jute_append_u8(&c->out, 0);
  end(c, at);
}

void zk_write_ping(struct zk_client *c) {
  size_t at = begin(c);
  put_header(c, XID_PING, OP_PING);
  end(c, at);
}

/* Which of the three lists: znodes whose data, whose coming into being, whose children it waits
 * for. */
static int list_of(const struct zk_watch *w) { return w->kind == ZK_WATCHED_CHILD ? 2 : w->absent; }

void zk_write_watches(struct zk_client *c) {
  size_t at = begin(c);
  put_header(c, XID_SET_WATCHES, OP_SET_WATCHES);
  jute_append_i64(&c->out, (int64_t)c->seen);
  for (int list = 0; list < 3; list++) {
    int32_t cnt = 0;
    for (int i = 0; i < ZK_WATCHES; i++) cnt += c->watch[i].set && list_of(&c->watch[i]) == list;
    jute_append_i32(&c->out, cnt);
    for (int i = 0; i < ZK_WATCHES; i++)
      if (c->watch[i].set && list_of(&c->watch[i]) == list)
        jute_append_text(&c->out, span_of(c->watch[i].path));
  }
  end(c, at);
  c->rewatching = true;
  c->rewatched = c->seen;
}
