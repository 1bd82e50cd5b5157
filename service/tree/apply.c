/* Apply: the one way a transaction changes the tree: live, in sync and in replay (B19).
 *
 * Idempotent as ZooKeeper's replay is (storage.md 5): what is there already, or gone already, is no
 * error but a result.  Versions in transactions are absolute. */
#include <assert.h>

#include "config/limits.h"
#include "service/tree/app_tree.h"
#include "service/tree/jute.h"
#include "service/tree/quota.h"
#include "proto/txn.h"

struct apply {
  struct tree *t;
  struct txn_header h;
  struct buffer *out; /* the answer's body */
};

static void tell(struct tree *t, enum zk_event type, struct span path, int32_t acl) {
  if (t->listener.event) t->listener.event(t->listener.self, type, path, acl);
}

static void tell_parent(struct tree *t, struct span path, const struct znode *parent) {
  struct span p = path_parent(path);
  tell(t, EVENT_CHILDREN_CHANGED, p.len ? p : span_of("/"), parent->acl);
}

/* ---- create ---- */

struct made {
  struct span path, data, acl;
  int64_t owner;
  int32_t parent_cversion;
};

/* A CreateTxn of old has no parentCVersion: it is one more than the parent has. */
static struct made made_read(const struct apply *a, int32_t type, struct cursor *c) {
  struct made m = {.path = jute_text(c)};
  m.data = jute_data(c);
  m.acl = acl_read(c);
  if (type == OP_CREATE || type == OP_CREATE2) m.owner = jute_bool(c) ? a->h.client_id : 0;
  m.parent_cversion = c->next == c->end ? -1 : cursor_i32(c);
  if (type == OP_CREATE_CONTAINER) m.owner = OWNER_CONTAINER;
  if (type == OP_CREATE_TTL) m.owner = (int64_t)(OWNER_TTL_BITS | (uint64_t)cursor_i64(c));
  return m;
}

static void raise_parent(const struct apply *a, struct znode *parent, int32_t cversion) {
  if (cversion == -1) cversion = (int32_t)((uint32_t)parent->stat.cversion + 1);
  if (cversion <= parent->stat.cversion) return;
  tree_change(a->t, parent);
  parent->stat.cversion = cversion;
  parent->stat.pzxid = a->h.zxid;
  tree_changed(a->t, parent);
}

static int32_t made_again(const struct apply *a, int32_t type, struct znode *n,
                          const struct made *m) {
  tree_change(a->t, n);
  int32_t before = n->acl;
  n->acl = acls_take(&a->t->acls, m->acl);
  acls_drop(&a->t->acls, before);
  tree_changed(a->t, n);
  if (type == OP_CREATE) raise_parent(a, n->parent, m->parent_cversion);
  return ZK_NODEEXISTS;
}

static int32_t apply_create(const struct apply *a, int32_t type, struct cursor *c) {
  struct tree *t = a->t;
  struct made m = made_read(a, type, c);
  if (c->bad || !path_has_parent(m.path)) return ZK_MARSHALLINGERROR;
  if (m.path.len > 1 && !path_last(m.path).len)
    return ZK_BADARGUMENTS; /* no snapshot could hold it */
  struct znode *parent = tree_find(t, path_parent(m.path)), *n = tree_find(t, m.path);
  if (!parent) return ZK_NONODE;
  if (n) return n->parent ? made_again(a, type, n, &m) : ZK_NODEEXISTS;
  raise_parent(a, parent, m.parent_cversion);
  struct znode_stat s = {.czxid = a->h.zxid,
                         .mzxid = a->h.zxid,
                         .pzxid = a->h.zxid,
                         .ctime_ms = a->h.time_ms,
                         .mtime_ms = a->h.time_ms,
                         .owner = m.owner};
  n = tree_add(t, &(struct tree_new){parent, path_last(m.path), blob_of(m.data),
                                     acls_take(&t->acls, m.acl), &s});
  jute_append_text(a->out, m.path);
  if (type != OP_CREATE) jute_append_stat(a->out, n);
  quota_made(t, m.path);
  quota_count(t, m.path, (struct quota_use){1, m.data.len > 0 ? m.data.len : 0});
  tell(t, EVENT_CREATED, m.path, n->acl);
  tell_parent(t, m.path, parent);
  return ZK_OK;
}

/* ---- the others ---- */

static int32_t remove_path(const struct apply *a, struct span path) {
  struct tree *t = a->t;
  struct znode *n = tree_find(t, path);
  struct znode *parent = path_has_parent(path) ? tree_find(t, path_parent(path)) : NULL;
  if (parent && parent->stat.pzxid < a->h.zxid) {
    tree_change(t, parent);
    parent->stat.pzxid = a->h.zxid;
    tree_changed(t, parent);
  }
  if (!n || !parent || n->child) return ZK_NONODE;
  int32_t acl = n->acl;
  acls_hold(&t->acls, acl);
  int64_t bytes = n->data ? n->data->len : 0;
  tree_remove(t, n);
  quota_count(t, path, (struct quota_use){-1, -bytes});
  tell(t, EVENT_DELETED, path, acl);
  tell_parent(t, path, parent);
  acls_drop(&t->acls, acl);
  return ZK_OK;
}

static int32_t apply_delete(const struct apply *a, struct cursor *c) {
  struct span path = jute_text(c);
  return c->bad ? ZK_MARSHALLINGERROR : remove_path(a, path);
}

static int32_t apply_set_data(const struct apply *a, struct cursor *c) {
  struct span path = jute_text(c), data = jute_data(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  struct znode *n = tree_find(a->t, path);
  if (!n) return ZK_NONODE;
  int64_t bytes = (data.len > 0 ? data.len : 0) - (int64_t)(n->data ? n->data->len : 0);
  tree_change(a->t, n);
  n->stat.version = version;
  n->stat.mtime_ms = a->h.time_ms;
  n->stat.mzxid = a->h.zxid;
  tree_set_data(a->t, n, blob_of(data));
  tree_changed(a->t, n);
  jute_append_stat(a->out, n);
  quota_count(a->t, path, (struct quota_use){0, bytes});
  tell(a->t, EVENT_DATA_CHANGED, path, n->acl);
  return ZK_OK;
}

static int32_t apply_set_acl(const struct apply *a, struct cursor *c) {
  struct span path = jute_text(c), list = acl_read(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  struct znode *n = tree_find(a->t, path);
  if (!n) return ZK_NONODE;
  tree_change(a->t, n);
  int32_t before = n->acl;
  n->acl = acls_take(&a->t->acls, list);
  acls_drop(&a->t->acls, before);
  n->stat.aversion = version;
  tree_changed(a->t, n);
  jute_append_stat(a->out, n);
  return ZK_OK;
}

static int32_t apply_close(const struct apply *a, struct cursor *c) {
  struct owner *o;
  int32_t cnt = c->next == c->end ? 0 : cursor_i32(c);
  for (int32_t i = 0; i < cnt && !c->bad; i++) {
    struct span path = jute_text(c);
    if (!c->bad) remove_path(a, path);
  }
  while ((o = tree_owner(a->t, a->h.client_id)) != NULL) { /* the old form lists none */
    struct buffer path = {0};
    tree_append_path(o->nodes->node, &path);
    int32_t err = remove_path(a, (struct span){buffer_at(&path), (int32_t)buffer_len(&path)});
    assert(err == ZK_OK); /* an ephemeral has no children */
    buffer_free(&path);
  }
  tree_session_remove(a->t, a->h.client_id);
  return ZK_OK;
}

static int32_t apply_session(const struct apply *a, struct cursor *c) {
  int32_t timeout_ms = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  tree_session_add(a->t, a->h.client_id, timeout_ms);
  return ZK_OK;
}

static int32_t apply_check(struct cursor *c) {
  jute_text(c);
  cursor_i32(c);
  return ZK_OK; /* the leader has checked */
}

static int32_t apply_op(const struct apply *a, int32_t type, struct cursor *c) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      return apply_create(a, type, c);
    case OP_DELETE:
    case OP_DELETE_CONTAINER:
      return apply_delete(a, c);
    case OP_SET_DATA:
    case OP_RECONFIG:
      return apply_set_data(a, c);
    case OP_SET_ACL:
      return apply_set_acl(a, c);
    case OP_CHECK:
      return apply_check(c);
    case OP_CREATE_SESSION:
      return apply_session(a, c);
    case OP_CLOSE_SESSION:
      return apply_close(a, c);
    case OP_ERROR:
      return cursor_i32(c);
    default:
      return ZK_UNIMPLEMENTED;
  }
}

/* ---- multi ---- */

struct part {
  int32_t type;
  struct span record;
};

static struct part part_read(struct cursor *c) {
  struct part p = {.type = cursor_i32(c)};
  p.record = jute_data(c);
  return p;
}

static bool has_failed(struct cursor c, int32_t cnt) {
  bool failed = false;
  for (int32_t i = 0; i < cnt && !c.bad; i++) failed |= part_read(&c).type == OP_ERROR;
  return failed || c.bad;
}

static void append_error(struct buffer *out, int32_t err) {
  jute_append_multi_header(out, OP_ERROR, false, err);
  jute_append_i32(out, err);
}

/* What the answer calls an operation: whatever returns a Stat with its path is a create2. */
static int32_t type_shown(int32_t type) {
  return type == OP_CREATE_TTL || type == OP_CREATE_CONTAINER ? OP_CREATE2 : type;
}

static void apply_part(const struct apply *a, const struct part *p) {
  struct buffer body = {0};
  struct apply part = {.t = a->t, .h = a->h, .out = &body};
  struct cursor c;
  cursor_init(&c, p->record.data, p->record.len > 0 ? (size_t)p->record.len : 0);
  int32_t err = apply_op(&part, p->type, &c);
  if (err) {
    append_error(a->out, err);
  } else {
    jute_append_multi_header(a->out, type_shown(p->type), false, 0);
    buffer_append(a->out, buffer_at(&body), buffer_len(&body));
  }
  buffer_free(&body);
}

static void append_part_error(const struct apply *a, const struct part *p) {
  struct cursor c;
  cursor_init(&c, p->record.data, p->record.len > 0 ? (size_t)p->record.len : 0);
  append_error(a->out, p->type == OP_ERROR ? cursor_i32(&c) : ZK_OK);
}

static void apply_multi(const struct apply *a, struct cursor *c) {
  int32_t cnt = cursor_i32(c);
  bool failed = has_failed(*c, cnt);
  for (int32_t i = 0; i < cnt && !c->bad; i++) {
    struct part p = part_read(c);
    if (c->bad) break;
    if (failed)
      append_part_error(a, &p);
    else
      apply_part(a, &p);
  }
  jute_append_multi_header(a->out, -1, true, -1);
}

/* ---- one transaction ---- */

/* What follows the record, if anything does: i4 version, i8 digest of the tree as it is now. */
static void compare_digest(struct tree *t, struct cursor *c) {
  if (c->bad || c->end - c->next != JUTE_DIGEST_LEN) return;
  int32_t version = cursor_i32(c);
  uint64_t digest = (uint64_t)cursor_i64(c);
  if (version == TREE_DIGEST_VERSION && digest != t->digest) t->digest_mismatches++;
}

void tree_apply(struct tree *t, const void *txn, uint32_t len, struct tree_reply *reply) {
  struct cursor c;
  struct apply a = {.t = t, .h = txn_header_read(txn), .out = &reply->body};
  buffer_consume(&reply->body, buffer_len(&reply->body));
  cursor_init(&c, (const uint8_t *)txn + TXN_HEADER_LEN, len - TXN_HEADER_LEN);
  reply->err = ZK_OK;
  if (a.h.type == OP_MULTI)
    apply_multi(&a, &c);
  else
    reply->err = apply_op(&a, a.h.type, &c);
  compare_digest(t, &c);
}
