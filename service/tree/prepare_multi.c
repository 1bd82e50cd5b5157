/* Prepare: multi.  All or nothing, one zxid; a failed one is a transaction too, that says where it
 * failed: what came before keeps its type, and appliers do none of it (client.md 12). */
#include "service/tree/app_tree.h"
#include "service/tree/jute.h"

/* Skips the record of one operation; c->bad if it cannot be one. */
static void skip(struct cursor *c, int32_t type) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      jute_create(c, type);
      break;
    case OP_SET_DATA:
      jute_text(c);
      jute_data(c);
      cursor_i32(c);
      break;
    case OP_DELETE:
    case OP_CHECK:
      jute_text(c);
      cursor_i32(c);
      break;
    default:
      c->bad = true;
  }
}

/* The number of operations, or -1. */
static int32_t count(struct cursor c) {
  for (int32_t cnt = 0;; cnt++) { /* each turn takes nine bytes or ends */
    struct multi_header h = jute_multi_header(&c);
    if (!c.bad && h.done) return cnt;
    if (!c.bad) skip(&c, h.type);
    if (c.bad) return -1;
  }
}

static void put_error(struct writer *w, int32_t err) {
  writer_i32(w, OP_ERROR);
  writer_i32(w, 4);
  writer_i32(w, err);
}

static bool is_create(int32_t type) {
  return type == OP_CREATE || type == OP_CREATE2 || type == OP_CREATE_CONTAINER ||
         type == OP_CREATE_TTL;
}

static bool is_ttl(int32_t flags) { return flags == CREATE_TTL || flags == CREATE_SEQUENTIAL_TTL; }

/* Here, other than alone, the flags say what is made, and a create2 is a create. */
static int32_t made_type(const struct create_record *r, int32_t type) {
  if (r->flags == CREATE_CONTAINER) return OP_CREATE_CONTAINER;
  return is_ttl(r->flags) && type == OP_CREATE_TTL ? OP_CREATE_TTL : OP_CREATE;
}

/* Puts {type, buffer of the record}; the length is known at the end. */
static int32_t put_op(struct prep *p, int32_t type, struct cursor *c) {
  struct writer before = p->w, length;
  struct create_record r = {.ttl = -1};
  bool create = is_create(type);
  if (create) r = jute_create(c, type);
  if (create && is_ttl(r.flags) && type != OP_CREATE_TTL) return ZK_MARSHALLINGERROR;
  if (create) type = made_type(&r, type);
  writer_i32(&p->w, type);
  uint8_t *at = p->w.next;
  writer_i32(&p->w, 0);
  int32_t err = create ? tree_prepare_create(p, type, &r) : tree_prepare_op(p, type, c);
  if (err) {
    p->w = before;
    return err;
  }
  writer_init(&length, at, p->w.bad ? 0 : 4);
  writer_i32(&length, (int32_t)(p->w.next - at - 4));
  return ZK_OK;
}

int32_t tree_prepare_multi(struct prep *p, struct cursor *c) {
  struct view *v = &p->app->view;
  uint64_t digest = view_digest(v);
  int32_t cnt = count(*c), failed = ZK_OK, session = tree_prepare_check_session(p);
  if (session == ZK_SESSIONMOVED)
    return session; /* the client's, not an operation's: its connection ends (client.md 6) */
  if (cnt < 0) return ZK_MARSHALLINGERROR;
  writer_i32(&p->w, cnt);
  for (int32_t i = 0; i < cnt; i++) {
    struct multi_header h = jute_multi_header(c);
    if (failed) {
      put_error(&p->w, ZK_RUNTIMEINCONSISTENCY);
      continue;
    }
    failed = session ? session : put_op(p, h.type, c);
    if (!failed) continue;
    view_rollback(v, p->zxid, digest);
    if (failed == ZK_MARSHALLINGERROR) return failed; /* Java stumbles: the whole is malformed */
    put_error(&p->w, failed);
  }
  return ZK_OK;
}
