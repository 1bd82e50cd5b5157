/* Prepare: delete, setData, setACL, check, sessions.  The order of the checks is ZooKeeper's. */
#include "config/limits.h"
#include "service/tree/app_tree.h"
#include "service/tree/jute.h"

int32_t tree_prepare_check_session(struct prep *p) {
  return tracker_check(&p->app->tracker, p->q->session, p->q->node);
}

int32_t tree_prepare_may(struct prep *p, int32_t acl, int32_t perm) {
  return acl_allows(acls_list(&p->app->tree.acls, acl), p->q->ids, perm) ? ZK_OK : ZK_NOAUTH;
}

int32_t tree_prepare_quota(struct prep *p, struct span path, struct quota_use more) {
  return quota_check(&p->app->quota, &p->app->tree, path, more, p->time_ms);
}

static int32_t check_version(int32_t is, int32_t wanted) {
  return wanted == -1 || wanted == is ? ZK_OK : ZK_BADVERSION;
}

static int32_t next_version(int32_t version) { return (int32_t)((uint32_t)version + 1); }

/* Takes path out of the view, and its parent's child off: of delete and the end of a session. */
static void remove_from_view(struct prep *p, struct span path) {
  struct view *v = &p->app->view;
  struct span parent = path_parent(path);
  struct seen s = view_get(v, parent);
  s.child_cnt--;
  s.stat.pzxid = p->zxid;
  view_put(v, p->zxid, parent, &s);
  view_put(v, p->zxid, path, &(struct seen){.exists = false});
}

static int32_t prepare_delete(struct prep *p, struct cursor *c) {
  struct span path = jute_text(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  int32_t err = tree_prepare_check_session(p);
  if (err) return err;
  if (path.len < 0) return ZK_MARSHALLINGERROR; /* as there: nothing has no parent */
  if (!path_has_parent(path) || path_special(path)) return ZK_BADARGUMENTS;
  struct seen parent = view_get(&p->app->view, path_parent(path));
  if (!parent.exists) return ZK_NONODE;
  err = tree_prepare_may(p, parent.acl, PERM_DELETE);
  if (err) return err;
  struct seen s = view_get(&p->app->view, path);
  if (!s.exists) return ZK_NONODE;
  err = check_version(s.stat.version, version);
  if (err) return err;
  if (s.child_cnt) return ZK_NOTEMPTY;
  jute_put(&p->w, path);
  remove_from_view(p, path);
  return ZK_OK;
}

/* The znode that is to be changed or checked, if who asks may. */
static int32_t see(struct prep *p, struct span path, int32_t perm, struct seen *s) {
  int32_t err = tree_prepare_check_session(p);
  if (err) return err;
  if (!path_valid(path)) return ZK_BADARGUMENTS;
  *s = view_get(&p->app->view, path);
  return s->exists ? tree_prepare_may(p, s->acl, perm) : ZK_NONODE;
}

static int64_t more_bytes(const struct blob *is, struct span data) {
  return (data.len > 0 ? data.len : 0) - (int64_t)(is ? is->len : 0);
}

static int32_t prepare_set_data(struct prep *p, struct cursor *c) {
  struct span path = jute_text(c), data = jute_data(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  struct seen s;
  int32_t err = see(p, path, PERM_WRITE, &s);
  if (!err) err = tree_prepare_quota(p, path, (struct quota_use){0, more_bytes(s.data, data)});
  if (!err) err = check_version(s.stat.version, version);
  if (err) return err;
  s.stat.version = next_version(s.stat.version);
  s.stat.mtime_ms = p->time_ms;
  s.stat.mzxid = p->zxid;
  s.crc = znode_crc(path, data);
  s.data = blob_of(data);
  jute_put(&p->w, path);
  jute_put(&p->w, data);
  writer_i32(&p->w, s.stat.version);
  view_put(&p->app->view, p->zxid, path, &s);
  blob_drop(s.data);
  return ZK_OK;
}

static int32_t prepare_set_acl(struct prep *p, struct cursor *c) {
  struct span path = jute_text(c), list = acl_read(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  int32_t err = tree_prepare_check_session(p);
  if (err) return err;
  if (!path_valid(path)) return ZK_BADARGUMENTS;
  jute_put(&p->w, path);
  uint8_t *begin = p->w.next;
  err = acl_fix(list, p->q->ids, &p->w);
  if (err) return err;
  struct seen s = view_get(&p->app->view, path);
  if (!s.exists) return ZK_NONODE;
  err = tree_prepare_may(p, s.acl, PERM_ADMIN);
  if (!err) err = check_version(s.stat.aversion, version);
  if (err || p->w.bad) return err;
  struct acls *acls = &p->app->tree.acls;
  s.acl = acls_take(acls, (struct span){begin, (int32_t)(p->w.next - begin)});
  s.stat.aversion = next_version(s.stat.aversion);
  writer_i32(&p->w, s.stat.aversion);
  view_put(&p->app->view, p->zxid, path, &s);
  acls_drop(acls, s.acl);
  return ZK_OK;
}

static int32_t prepare_check(struct prep *p, struct cursor *c) {
  struct span path = jute_text(c);
  int32_t version = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  struct seen s;
  int32_t err = see(p, path, PERM_READ, &s);
  if (!err) err = check_version(s.stat.version, version);
  if (err) return err;
  jute_put(&p->w, path);
  writer_i32(&p->w, next_version(s.stat.version));
  return ZK_OK;
}

/* The leader's own, when a container's children or a TTL node's time are over. */
static int32_t prepare_delete_container(struct prep *p, struct cursor *c) {
  struct span path = jute_text(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  if (!path_has_parent(path) || path_special(path)) return ZK_BADARGUMENTS;
  struct seen s = view_get(&p->app->view, path);
  if (!s.exists) return ZK_NONODE;
  if (s.child_cnt) return ZK_NOTEMPTY;
  if (s.stat.owner == 0 || owner_is_session(s.stat.owner)) return ZK_BADVERSION;
  if (!sweep_is_over(&s.stat, p->time_ms)) return ZK_BADVERSION; /* used since it was found */
  jute_put(&p->w, path);
  remove_from_view(p, path);
  return ZK_OK;
}

int32_t tree_prepare_session(struct prep *p, struct cursor *c) {
  int32_t timeout_ms = cursor_i32(c);
  if (c->bad) return ZK_MARSHALLINGERROR;
  if (!owner_is_session(p->q->session)) return ZK_BADARGUMENTS;
  writer_i32(&p->w, timeout_ms);
  tracker_add(&p->app->tracker, p->q->session, timeout_ms, p->q->node);
  return ZK_OK;
}

/* ---- the end of a session ---- */

static void put_removed(struct prep *p, struct span path, int32_t *cnt) {
  struct seen s = view_get(&p->app->view, path);
  if (!s.exists || s.stat.owner != p->q->session) return;
  jute_put(&p->w, path);
  remove_from_view(p, path);
  *cnt += 1;
}

static void put_applied_ephemerals(struct prep *p, int32_t *cnt) {
  const struct owner *o = tree_owner(&p->app->tree, p->q->session);
  const struct owned *e, *next;
  if (!o) return;
  HASH_ITER(hh, o->nodes, e, next) {
    struct buffer path = {0};
    tree_append_path(e->node, &path);
    put_removed(p, (struct span){buffer_at(&path), (int32_t)buffer_len(&path)}, cnt);
    buffer_free(&path);
  }
}

int32_t tree_prepare_close(struct prep *p) {
  struct view *v = &p->app->view;
  struct change *last = v->last;
  struct writer before = p->w;
  uint8_t *begin = p->w.next;
  int32_t cnt = 0;
  if (!owner_is_session(p->q->session)) return ZK_BADARGUMENTS;
  writer_i32(&p->w, 0);
  put_applied_ephemerals(p, &cnt);
  for (struct change *c = v->first; last && c; c = c->next) { /* those not yet applied */
    put_removed(p, (struct span){c->path, (int32_t)c->path_len}, &cnt);
    if (c == last) break;
  }
  if (p->w.bad) { /* too many to list: what belongs to the session goes all the same (apply) */
    p->w = before;
    writer_i32(&p->w, cnt = 0);
  }
  struct writer count;
  writer_init(&count, begin, p->w.bad ? 0 : 4);
  writer_i32(&count, cnt);
  if (p->w.bad) return ZK_OK;
  tracker_remove(&p->app->tracker, p->q->session);
  p->app->tracker.expired += p->q->node == 0; /* our own request: nobody's client */
  return ZK_OK;
}

static int32_t prepare_create(struct prep *p, int32_t type, struct cursor *c) {
  struct create_record r = jute_create(c, type);
  return c->bad ? ZK_MARSHALLINGERROR : tree_prepare_create(p, type, &r);
}

int32_t tree_prepare_op(struct prep *p, int32_t type, struct cursor *c) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      return prepare_create(p, type, c);
    case OP_DELETE:
      return prepare_delete(p, c);
    case OP_SET_DATA:
      return prepare_set_data(p, c);
    case OP_SET_ACL:
      return prepare_set_acl(p, c);
    case OP_CHECK:
      return prepare_check(p, c);
    case OP_DELETE_CONTAINER:
      return prepare_delete_container(p, c);
    default:
      return ZK_UNIMPLEMENTED;
  }
}
