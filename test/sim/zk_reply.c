/* Answers: each in its place, of no earlier zxid than the one before; a write is what its own
 * transaction has done to what stood before it, behind all that anybody had been shown when it was
 * asked; a read is what there is at the zxid that it shows. */
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "service/tree/jute.h"
#include "test/sim/oracle.h"
#include "test/sim/zk_parts.h"

#define XID_EVENT (-1)
#define XID_PING (-2)
#define XID_SET_WATCHES (-8)

struct reply {
  int32_t xid, err;
  zxid_t zxid;
  struct cursor *in;
};

static unsigned long long hex(zxid_t zxid) { return (unsigned long long)zxid; }

/* ---- parts of answers ---- */

static struct zk_stat read_stat(struct cursor *in) {
  struct zk_stat s = {.czxid = (zxid_t)cursor_i64(in)};
  s.mzxid = (zxid_t)cursor_i64(in);
  s.ctime_ms = cursor_i64(in);
  s.mtime_ms = cursor_i64(in);
  s.version = cursor_i32(in);
  s.cversion = cursor_i32(in);
  s.aversion = cursor_i32(in);
  s.owner = cursor_i64(in);
  s.len = cursor_i32(in);
  s.children = cursor_i32(in);
  s.pzxid = (zxid_t)cursor_i64(in);
  return s;
}

static void check_stat(const struct zk_client *c, const char *path, zxid_t zxid,
                       struct cursor *in) {
  struct zk_stat s = read_stat(in);
  const struct zk_stat *is = &zk_state_at(path, zxid)->stat;
  bool same = s.czxid == is->czxid && s.mzxid == is->mzxid && s.ctime_ms == is->ctime_ms &&
              s.mtime_ms == is->mtime_ms && s.version == is->version &&
              s.cversion == is->cversion && s.aversion == is->aversion && s.owner == is->owner &&
              s.len == is->len && s.children == is->children && s.pzxid == is->pzxid;
  if (in->bad || !same)
    violation("client %d is shown a Stat of %s that it does not have at 0x%llx", c->idx, path,
              hex(zxid));
}

static void check_path(const struct zk_client *c, const char *path, struct cursor *in) {
  struct span p = jute_text(in);
  if (in->bad || !span_equal(p, span_of(path)))
    violation("client %d: not the path %s that it asked for", c->idx, path);
}

static void check_data(const struct zk_client *c, const char *path, zxid_t zxid,
                       struct cursor *in) {
  struct span d = jute_data(in);
  if (in->bad || crc32c(d.data, d.len > 0 ? (size_t)d.len : 0) != zk_state_at(path, zxid)->crc)
    violation("client %d is shown data of %s that it does not have at 0x%llx", c->idx, path,
              hex(zxid));
}

static void check_child(const struct zk_client *c, const char *path, struct span name,
                        zxid_t zxid) {
  char child[2 * ZK_PATH];
  bool root = !path[1];
  int len =
      snprintf(child, sizeof child, "%s/%.*s", root ? "" : path, name.len, (const char *)name.data);
  bool own = root && path_is(name, "zookeeper"); /* of no transaction */
  if (len >= ZK_PATH || (!own && !zk_state_at(child, zxid)->exists))
    violation("client %d is shown a child %s that there is not at 0x%llx", c->idx, child,
              hex(zxid));
}

/* As many as there are, each of them one, and none twice: those. */
static void check_children(const struct zk_client *c, const char *path, zxid_t zxid,
                           struct cursor *in) {
  int32_t cnt = cursor_i32(in);
  if (in->bad || cnt != zk_state_at(path, zxid)->stat.children)
    violation("client %d is shown %d children of %s at 0x%llx", c->idx, cnt, path, hex(zxid));
  struct cursor all = *in;
  for (int32_t i = 0; i < cnt; i++) {
    struct span name = jute_text(in);
    struct cursor before = all;
    if (in->bad) violation("client %d: a malformed list of children", c->idx);
    for (int32_t k = 0; k < i; k++)
      if (span_equal(jute_text(&before), name))
        violation("client %d is shown a child of %s twice", c->idx, path);
    check_child(c, path, name, zxid);
  }
}

static void check_end(const struct zk_client *c, const struct cursor *in) {
  if (in->bad || in->next != in->end) violation("client %d: a malformed answer", c->idx);
}

/* ---- writes ---- */

static void learn(struct zk_client *c, const char *path, zxid_t zxid) {
  const struct zk_state *s = zk_state_at(path, zxid);
  if (path[1] == 'r' && !path[3]) c->known[path[2] - '0'] = s->stat.version;
}

/* What an operation that succeeded answers; type: as the answer calls it. */
static void check_done(struct zk_client *c, int32_t type, const char *path, const struct reply *r) {
  switch (type) {
    case OP_CREATE:
      check_path(c, path, r->in);
      break;
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      check_path(c, path, r->in);
      check_stat(c, path, r->zxid, r->in);
      break;
    case OP_SET_DATA:
    case OP_SET_ACL:
      check_stat(c, path, r->zxid, r->in);
      break;
    default:
      break;
  }
}

static bool is_create(int32_t type) {
  return type == OP_CREATE || type == OP_CREATE2 || type == OP_CREATE_CONTAINER ||
         type == OP_CREATE_TTL;
}

static void keep_made(struct zk_client *c, const struct zk_do *op, const char *made) {
  if (strcmp(op->path, made)) strcpy(c->made[c->made_cnt++ % 4], made);
}

static void check_one(struct zk_client *c, const struct zk_ask *a, const struct reply *r) {
  char made[ZK_PATH];
  const struct zk_do *op = &a->op[0];
  int32_t err = zk_model_do(op, made);
  if (err != r->err)
    violation("client %d: request %d on %s ends with %d at 0x%llx, it must be %d", c->idx, a->xid,
              op->path, r->err, hex(r->zxid), err);
  zk_model_end(err != ZK_OK);
  const char *path = is_create(op->type) ? made : op->path;
  if (!err) check_done(c, op->type, path, r);
  if (!err && is_create(op->type)) keep_made(c, op, made);
  learn(c, op->path, r->zxid);
}

static int32_t shown_as(const struct zk_do *op) {
  if (op->type == OP_CREATE_TTL || op->type == OP_CREATE_CONTAINER) return OP_CREATE2;
  return op->type == OP_CREATE2 ? OP_CREATE : op->type;
}

/* Two of one path in a multi: what the first one answers nobody else ever sees. */
static bool is_last(const struct zk_ask *a, int i, char made[ZK_MULTI][ZK_PATH]) {
  for (int k = i + 1; k < a->op_cnt; k++) {
    char up[ZK_PATH];
    zk_parent(made[k], up);
    if (!strcmp(made[k], made[i]) || !strcmp(up, made[i])) return false;
  }
  return true;
}

static void skip_done(int32_t type, struct cursor *in) {
  if (type == OP_CREATE || type == OP_CREATE2) jute_text(in);
  if (type == OP_CREATE2 || type == OP_SET_DATA) read_stat(in);
}

static void check_multi(struct zk_client *c, const struct zk_ask *a, const struct reply *r) {
  char made[ZK_MULTI][ZK_PATH];
  int32_t err[ZK_MULTI] = {0}, failed = ZK_OK;
  for (int i = 0; i < a->op_cnt; i++) {
    strcpy(made[i], a->op[i].path);
    err[i] = failed ? ZK_RUNTIMEINCONSISTENCY : zk_model_do(&a->op[i], made[i]);
    if (!failed) failed = err[i];
  }
  zk_model_end(failed != ZK_OK);
  for (int i = 0; i < a->op_cnt; i++) {
    const struct zk_do *op = &a->op[i];
    int32_t type = cursor_i32(r->in);
    jute_bool(r->in);
    int32_t header = cursor_i32(r->in);
    int32_t shown = failed ? cursor_i32(r->in) : header;
    if (r->in->bad || type != (failed ? OP_ERROR : shown_as(op)) || shown != err[i])
      violation(
          "client %d: operation %d of multi %d on %s is answered %d %d at 0x%llx, it must be "
          "%d",
          c->idx, i + 1, a->xid, op->path, type, shown, hex(r->zxid), err[i]);
    if (failed) continue;
    if (is_last(a, i, made))
      check_done(c, type, made[i], r);
    else
      skip_done(type, r->in);
    if (is_create(op->type)) keep_made(c, op, made[i]);
    learn(c, op->path, r->zxid);
  }
  struct multi_header h = jute_multi_header(r->in);
  if (!h.done) violation("client %d: a multi without an end", c->idx);
}

/* Real time, and its own transaction: nobody else's, and none that had been before it was asked. */
static void check_write(struct zk_client *c, const struct zk_ask *a, const struct reply *r) {
  const struct zk_txn *t = zk_txn_at(r->zxid);
  if (!t || t->session != c->session || t->cxid != a->xid)
    violation("client %d: the answer to request %d names 0x%llx, which is not its transaction",
              c->idx, a->xid, hex(r->zxid));
  if (r->zxid <= a->floor)
    violation("client %d: request %d is 0x%llx, but 0x%llx had been shown when it was asked",
              c->idx, a->xid, hex(r->zxid), hex(a->floor));
  const struct zk_session *s = zk_session_of(c->session);
  if (r->err == ZK_SESSIONEXPIRED && s->closed && s->closed < r->zxid) return;
  zk_model_begin(c, r->zxid);
  if (a->type == OP_MULTI && !r->err)
    check_multi(c, a, r);
  else if (a->type == OP_SYNC && !r->err)
    check_path(c, a->op[0].path, r->in);
  else if (a->type == OP_CLOSE_SESSION && !r->err)
    check_end(c, r->in);
  else
    check_one(c, a, r);
}

/* ---- reads ---- */

static void check_read(struct zk_client *c, const struct zk_ask *a, const struct reply *r) {
  const struct zk_do *op = &a->op[0];
  bool exists = zk_state_at(op->path, r->zxid)->exists || !op->path[1];
  if (r->err != (exists ? ZK_OK : ZK_NONODE))
    violation("client %d: its read of %s ends with %d at 0x%llx", c->idx, op->path, r->err,
              hex(r->zxid));
  if (!r->err && op->type == OP_GET_DATA) check_data(c, op->path, r->zxid, r->in);
  if (!r->err && op->type == OP_GET_CHILDREN2) check_children(c, op->path, r->zxid, r->in);
  if (!r->err) check_stat(c, op->path, r->zxid, r->in);
  learn(c, op->path, r->zxid);
  bool set = op->watch && (exists || op->type == OP_EXISTS);
  if (set)
    zk_watch_set(c, op, op->type == OP_GET_CHILDREN2 ? ZK_WATCHED_CHILD : ZK_WATCHED_DATA, r->zxid);
}

static bool is_read(int32_t type) {
  return type == OP_EXISTS || type == OP_GET_DATA || type == OP_GET_CHILDREN2;
}

/* ---- one packet ---- */

/* What it sees never goes back, and nobody sees what is not committed and applied. */
static void check_zxid(struct zk_client *c, zxid_t zxid) {
  if (zxid < c->seen)
    violation("client %d is shown 0x%llx behind 0x%llx", c->idx, hex(zxid), hex(c->seen));
  if (zxid > zk_frontier())
    violation("client %d is shown 0x%llx, nobody has applied more than 0x%llx", c->idx, hex(zxid),
              hex(zk_frontier()));
  zk_watch_shown(c, zxid);
  c->seen = zxid;
  if (zxid > zk.shown) zk.shown = zxid;
}

static void take_answer(struct zk_client *c, const struct reply *r) {
  struct zk_ask a = c->ask[c->first];
  if (!c->cnt || a.xid != r->xid)
    violation("client %d: an answer to %d out of order", c->idx, r->xid);
  c->first = (c->first + 1) % ZK_WINDOW;
  c->cnt--;
  if (is_read(a.type)) {
    check_read(c, &a, r);
  } else {
    check_write(c, &a, r);
    c->acked++;
    zk.acked++;
    note("ClientAnswer", "zxid client xid",
         (struct noted){c->node, -1, {r->zxid, (uint64_t)c->idx, (uint64_t)r->xid}});
  }
  check_end(c, r->in);
}

void zk_reply(struct zk_client *c, struct cursor *in) {
  struct reply r = {.xid = cursor_i32(in), .in = in};
  r.zxid = (zxid_t)cursor_i64(in);
  if (r.xid == XID_EVENT) {
    if (r.zxid != ZXID_NONE && r.zxid < c->seen)
      violation("client %d is told of 0x%llx behind 0x%llx", c->idx, hex(r.zxid), hex(c->seen));
    zk_watch_event(c, r.zxid, in);
    return;
  }
  r.err = cursor_i32(in);
  check_zxid(c, r.zxid);
  if (r.xid == XID_SET_WATCHES)
    zk_watch_rewatched(c, r.zxid);
  else if (r.xid != XID_PING)
    take_answer(c, &r);
}
