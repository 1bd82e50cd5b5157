/* Prepare: create, create2, createContainer, createTTL. */
#include <stdio.h>
#include <string.h>

#include "service/tree/app_tree.h"
#include "service/tree/jute.h"

#define SEQUENCE_LEN 12 /* "-2147483648" and NUL */

static bool is_sequential(int32_t flags) {
  return flags == CREATE_SEQUENTIAL || flags == CREATE_EPHEMERAL_SEQUENTIAL ||
         flags == CREATE_SEQUENTIAL_TTL;
}

static bool is_ephemeral(int32_t flags) {
  return flags == CREATE_EPHEMERAL || flags == CREATE_EPHEMERAL_SEQUENTIAL;
}

static bool is_ttl(int32_t flags) { return flags == CREATE_TTL || flags == CREATE_SEQUENTIAL_TTL; }

/* The kind of a node that is made shows in its transaction's type, so both must fit. */
static int32_t check_flags(const struct create_record *r, int32_t type) {
  if (r->flags < CREATE_PERSISTENT || r->flags > CREATE_SEQUENTIAL_TTL) return ZK_BADARGUMENTS;
  if (is_ttl(r->flags) != (type == OP_CREATE_TTL)) return ZK_BADARGUMENTS;
  if (is_ttl(r->flags) && (r->ttl <= 0 || r->ttl > TTL_MAX)) return ZK_BADARGUMENTS;
  if ((r->flags == CREATE_CONTAINER) != (type == OP_CREATE_CONTAINER)) return ZK_BADARGUMENTS;
  return ZK_OK;
}

static int64_t owner_of(const struct prep *p, const struct create_record *r, int32_t type) {
  if (type == OP_CREATE_CONTAINER) return OWNER_CONTAINER;
  if (type == OP_CREATE_TTL) return (int64_t)(OWNER_TTL_BITS | (uint64_t)r->ttl);
  return is_ephemeral(r->flags) ? p->q->session : 0;
}

/* Puts the path as it will be, and returns it (in the record). */
static struct span put_path(struct prep *p, const struct create_record *r, int32_t cversion) {
  char sequence[SEQUENCE_LEN] = "";
  if (is_sequential(r->flags)) snprintf(sequence, sizeof sequence, "%010d", cversion);
  int32_t len = r->path.len + (int32_t)strlen(sequence);
  writer_i32(&p->w, len);
  const uint8_t *begin = p->w.next;
  writer_bytes(&p->w, r->path.data, (size_t)r->path.len);
  writer_bytes(&p->w, sequence, strlen(sequence));
  return p->w.bad ? r->path : (struct span){begin, len};
}

static int32_t check_parent(struct prep *p, const struct seen *parent) {
  if (!parent->exists) return ZK_NONODE;
  return tree_prepare_may(p, parent->acl, PERM_CREATE);
}

/* Puts the rest of the record; returns the ACL as it is stored. */
static struct span put_rest(struct prep *p, const struct create_record *r, int32_t type,
                            int32_t parent_cversion) {
  jute_put(&p->w, r->data);
  const uint8_t *begin = p->w.next;
  acl_fix(r->acl, p->q->ids, &p->w);
  struct span acl = {begin, (int32_t)(p->w.next - begin)};
  if (type == OP_CREATE || type == OP_CREATE2) jute_put_bool(&p->w, is_ephemeral(r->flags));
  writer_i32(&p->w, parent_cversion);
  if (type == OP_CREATE_TTL) writer_i64(&p->w, r->ttl);
  return acl;
}

static void put_node(struct prep *p, struct span path, const struct create_record *r,
                     struct seen *s) {
  s->exists = true;
  s->stat.czxid = s->stat.mzxid = s->stat.pzxid = p->zxid;
  s->stat.ctime_ms = s->stat.mtime_ms = p->time_ms;
  s->crc = znode_crc(path, r->data);
  s->data = blob_of(r->data);
  view_put(&p->app->view, p->zxid, path, s);
  blob_drop(s->data);
}

int32_t tree_prepare_create(struct prep *p, int32_t type, const struct create_record *r) {
  struct view *v = &p->app->view;
  int32_t err = check_flags(r, type);
  if (!err) err = tree_prepare_check_session(p);
  if (err) return err;
  if (!path_has_parent(r->path)) return ZK_BADARGUMENTS;
  struct writer before = p->w;
  err = acl_fix(r->acl, p->q->ids, &p->w); /* only to see whether it can be */
  if (err) return err;
  p->w = before;
  struct span parent_path = path_parent(r->path);
  struct seen parent = view_get(v, parent_path);
  err = check_parent(p, &parent);
  if (err) return err;
  struct span path = put_path(p, r, parent.stat.cversion);
  if (!path_valid(path)) return ZK_BADARGUMENTS;
  if (view_get(v, path).exists) return ZK_NODEEXISTS;
  if (owner_is_session(parent.stat.owner)) return ZK_NOCHILDRENFOREPHEMERALS;
  err = tree_prepare_quota(p, path, (struct quota_use){1, r->data.len > 0 ? r->data.len : 0});
  if (err) return err;
  parent.stat.cversion = (int32_t)((uint32_t)parent.stat.cversion + 1);
  parent.stat.pzxid = p->zxid;
  parent.child_cnt++;
  struct span acl = put_rest(p, r, type, parent.stat.cversion);
  if (p->w.bad) return ZK_OK; /* too large: nothing of it may show in the view */
  view_put(v, p->zxid, parent_path, &parent);
  struct seen s = {.stat = {.owner = owner_of(p, r, type)}};
  s.acl = acls_take(&p->app->tree.acls, acl);
  put_node(p, path, r, &s);
  acls_drop(&p->app->tree.acls, s.acl);
  return ZK_OK;
}
