/* Reading a snapshot stream, in pieces of any size. */
#include <assert.h>
#include <zlib.h>

#include "config/limits.h"
#include "service/tree/tree_snapshot.h"

#define ITEM_MAX (2u * LIMIT_RECORD_MAX) /* no item is longer */

/* Without a byte behind it, it leaves the initial tree. */
void tree_restore_begin(struct tree *t) { tree_reset(t); }

static void begin(struct tree *t) {
  if (t->restore.begun) return;
  tree_clear(t);
  t->restore = (struct tree_restore){.begun = true, .adler = (uint32_t)adler32(0, NULL, 0)};
}

static bool take_header(struct tree *t, struct cursor *c) {
  int32_t magic = cursor_i32(c), version = cursor_i32(c);
  cursor_i64(c); /* dbid: means nothing */
  t->restore.left = cursor_i32(c);
  t->restore.step = t->restore.left ? RESTORE_SESSIONS : RESTORE_ACL_COUNT;
  return c->bad || (magic == SNAPSHOT_MAGIC && version == SNAPSHOT_VERSION && t->restore.left >= 0);
}

static bool take_session(struct tree *t, struct cursor *c) {
  int64_t id = cursor_i64(c);
  int32_t timeout_ms = cursor_i32(c);
  if (c->bad) return true;
  bool known = tree_session(t, id);
  tree_session_add(t, id, timeout_ms);
  if (!--t->restore.left) t->restore.step = RESTORE_ACL_COUNT;
  return !known;
}

static bool take_acl_count(struct tree *t, struct cursor *c) {
  t->restore.left = cursor_i32(c);
  t->restore.step = t->restore.left ? RESTORE_ACLS : RESTORE_NODES;
  return t->restore.left >= 0;
}

static bool take_acl(struct tree *t, struct cursor *c) {
  int64_t key = cursor_i64(c);
  struct span list = acl_read(c);
  if (c->bad) return true;
  if (!--t->restore.left) t->restore.step = RESTORE_NODES;
  return key == (int32_t)key && acls_put(&t->acls, (int32_t)key, list);
}

static struct znode_stat stat_read(struct cursor *c) {
  struct znode_stat s = {.czxid = (zxid_t)cursor_i64(c)};
  s.mzxid = (zxid_t)cursor_i64(c);
  s.ctime_ms = cursor_i64(c);
  s.mtime_ms = cursor_i64(c);
  s.version = cursor_i32(c);
  s.cversion = cursor_i32(c);
  s.aversion = cursor_i32(c);
  s.owner = cursor_i64(c);
  s.pzxid = (zxid_t)cursor_i64(c);
  return s;
}

static void set_root(struct tree *t, struct span data, int32_t acl, const struct znode_stat *s) {
  tree_change(t, t->root);
  t->root->stat = *s;
  t->root->acl = acl;
  tree_set_data(t, t->root, blob_of(data));
  tree_changed(t, t->root);
}

/* A fuzzy snapshot has its ACLs before its znodes: a znode made meanwhile may have one that is not
 * among them, until its create is replayed.  Until then it is nobody's. */
static const uint8_t closed_acl[] = "\0\0\0\1\0\0\0\0\0\0\0\5world\0\0\0\6anyone";

static bool put_node(struct tree *t, struct span path, struct span data, int32_t acl,
                     const struct znode_stat *s) {
  bool known = acl == ACL_OPEN || acls_list(&t->acls, acl).len;
  struct znode *parent = path.len && path_has_parent(path) ? tree_find(t, path_parent(path)) : NULL;
  if (path.len && (!parent || !path_last(path).len || tree_find(t, path))) return false;
  if (known)
    acls_hold(&t->acls, acl);
  else
    acl = acls_take(&t->acls, (struct span){closed_acl, sizeof closed_acl - 1});
  if (!path.len)
    set_root(t, data, acl, s);
  else
    tree_add(t, &(struct tree_new){parent, path_last(path), blob_of(data), acl, s});
  return true;
}

static bool take_node(struct tree *t, struct cursor *c) {
  struct span path = cursor_buf(c, ITEM_MAX);
  if (!c->bad && path_is(path, "/")) {
    t->restore.step = RESTORE_SEAL;
    return true;
  }
  struct span data = cursor_buf(c, ITEM_MAX);
  int64_t acl = cursor_i64(c);
  struct znode_stat s = stat_read(c);
  if (c->bad) return true;
  return path.len >= 0 && acl == (int32_t)acl && put_node(t, path, data, (int32_t)acl, &s);
}

static bool take_seal(struct tree *t, struct cursor *c) {
  uint64_t adler = (uint64_t)cursor_i64(c);
  struct span end = cursor_buf(c, ITEM_MAX);
  if (c->bad) return true;
  t->restore.step++;
  return adler == t->restore.adler && path_is(end, "/");
}

static bool take_digest(struct tree *t, struct cursor *c) {
  t->restore.digest_zxid = (zxid_t)cursor_i64(c);
  int32_t version = cursor_i32(c);
  t->restore.digest = (uint64_t)cursor_i64(c);
  t->restore.step = RESTORE_SEAL2;
  return c->bad || version == TREE_DIGEST_VERSION;
}

static bool take_zxid(struct tree *t, struct cursor *c) {
  t->restore.zxid = (zxid_t)cursor_i64(c);
  t->restore.step = RESTORE_SEAL3;
  return true;
}

static bool take_step(struct tree *t, struct cursor *c) {
  switch (t->restore.step) {
    case RESTORE_HEADER:
      return take_header(t, c);
    case RESTORE_SESSIONS:
      return take_session(t, c);
    case RESTORE_ACL_COUNT:
      return take_acl_count(t, c);
    case RESTORE_ACLS:
      return take_acl(t, c);
    case RESTORE_NODES:
      return take_node(t, c);
    case RESTORE_SEAL:
    case RESTORE_SEAL2:
    case RESTORE_SEAL3:
      return take_seal(t, c);
    case RESTORE_DIGEST:
      return take_digest(t, c);
    case RESTORE_ZXID:
      return take_zxid(t, c);
    case RESTORE_ENDED:
      return false; /* bytes behind the end */
  }
  return false;
}

/* Takes one item; *whole false: it is not all there yet, and nothing has changed. */
static bool take(struct tree *t, bool *whole) {
  struct tree_restore *r = &t->restore;
  struct cursor c;
  size_t len = buffer_len(&r->stage);
  *whole = len > 0;
  if (!*whole) return true;
  struct tree_restore before = *r;
  cursor_init(&c, buffer_at(&r->stage), len);
  bool good = take_step(t, &c);
  if (c.bad) { /* cut short: or a length that cannot be, which more bytes do not mend */
    *r = before;
    *whole = false;
    return len <= ITEM_MAX;
  }
  size_t used = (size_t)(c.next - buffer_at(&r->stage));
  r->adler = (uint32_t)adler32(r->adler, buffer_at(&r->stage), (uInt)used);
  buffer_consume(&r->stage, used);
  return good;
}

bool tree_restore_next(struct tree *t, const void *buf, uint32_t len) {
  bool whole = true;
  begin(t);
  buffer_append(&t->restore.stage, buf, len);
  while (whole && !t->restore.bad) t->restore.bad = !take(t, &whole);
  return !t->restore.bad;
}

/* An older writer's file may end behind the first or the second seal (storage.md 4.5). */
static bool ended(const struct tree_restore *r) {
  return r->step == RESTORE_ENDED || r->step == RESTORE_ZXID || r->step == RESTORE_DIGEST;
}

bool tree_restore_end(struct tree *t, zxid_t zxid) {
  struct tree_restore *r = &t->restore;
  bool good = !r->bad && ended(r) && !buffer_len(&r->stage);
  if (r->step == RESTORE_ENDED) good = good && r->zxid == zxid;
  buffer_free(&r->stage);
  if (!good) return false;
  acls_sweep(&t->acls);
  tree_own_nodes(t);
  if (r->digest_zxid == zxid && zxid && t->digest != r->digest) return false;
  t->applied = zxid;
  return true;
}
