/* Reads: answered from the tree as it is here. */
#include <assert.h>
#include <string.h>

#include "service/client/client.h"
#include "service/tree/jute.h"

typedef int32_t read_handler(struct client *c, struct cursor *in);

static const struct znode *find(const struct client *c, struct span path) {
  return tree_find(&c->port->app->tree, path);
}

static int32_t may(const struct client *c, const struct znode *n, int32_t perm) {
  struct span list = acls_list(&c->port->app->tree.acls, n->acl);
  return acl_allows(list, client_ids(c), perm) ? ZK_OK : ZK_NOAUTH;
}

/* A path that Java would refuse to read, or that no znode can have. */
static int32_t check_path(const struct cursor *in, struct span path) {
  return in->bad || path.len < 0 ? ZK_MARSHALLINGERROR : ZK_OK;
}

static int32_t read_exists(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  bool watch = jute_bool(in);
  int32_t err = check_path(in, path);
  if (err) return err;
  if (path.len && memchr(path.data, 0, (size_t)path.len)) return ZK_BADARGUMENTS; /* it alone */
  const struct znode *n = find(c, path);
  if (n) err = may(c, n, PERM_READ);
  if (watch && !err) client_watch(c, path, WATCH_DATA);
  if (!n) return ZK_NONODE;
  if (!err) jute_append_stat(&c->port->scratch, n);
  return err;
}

/* The znode at path, if it may be read. */
static int32_t see(const struct client *c, struct span path, const struct znode **n) {
  *n = find(c, path);
  return *n ? may(c, *n, PERM_READ) : ZK_NONODE;
}

static int32_t put_data(struct client *c, struct span path) {
  const struct znode *n;
  int32_t err = see(c, path, &n);
  if (err) return err;
  jute_append_text(&c->port->scratch, blob_span(n->data));
  jute_append_stat(&c->port->scratch, n);
  return ZK_OK;
}

static int32_t read_data(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  bool watch = jute_bool(in);
  int32_t err = check_path(in, path);
  if (!err) err = put_data(c, path);
  if (!err && watch) client_watch(c, path, WATCH_DATA);
  return err;
}

static void append_children(struct buffer *b, const struct znode *n) {
  jute_append_i32(b, (int32_t)n->child_cnt);
  for (const struct znode *k = n->child; k; k = k->next)
    jute_append_text(b, (struct span){(const uint8_t *)k->name, (int32_t)k->name_len});
}

static int32_t put_children(struct client *c, struct span path) {
  const struct znode *n;
  int32_t err = see(c, path, &n);
  if (!err) append_children(&c->port->scratch, n);
  return err;
}

static int32_t read_children_of(struct client *c, struct cursor *in, struct span *path) {
  *path = jute_text(in);
  bool watch = jute_bool(in);
  int32_t err = check_path(in, *path);
  if (!err) err = put_children(c, *path);
  if (!err && watch) client_watch(c, *path, WATCH_CHILD);
  return err;
}

static int32_t read_children(struct client *c, struct cursor *in) {
  struct span path;
  return read_children_of(c, in, &path);
}

static int32_t read_children2(struct client *c, struct cursor *in) {
  struct span path;
  int32_t err = read_children_of(c, in, &path);
  if (!err) jute_append_stat(&c->port->scratch, find(c, path));
  return err;
}

/* Without ADMIN, the hashes of passwords are not shown. */
static void append_acl(struct buffer *b, struct span list, bool hidden) {
  struct cursor c;
  cursor_init(&c, list.data, (size_t)list.len);
  int32_t cnt = cursor_i32(&c);
  jute_append_i32(b, cnt);
  for (int32_t i = 0; i < cnt; i++) {
    int32_t perms = cursor_i32(&c);
    struct span scheme = jute_text(&c), id = jute_text(&c);
    const uint8_t *colon = id.len > 0 ? memchr(id.data, ':', (size_t)id.len) : NULL;
    bool hide = hidden && colon && path_is(scheme, "digest");
    jute_append_i32(b, perms);
    jute_append_text(b, scheme);
    if (hide) {
      jute_append_i32(b, (int32_t)(colon - id.data) + 2);
      buffer_append(b, id.data, (size_t)(colon - id.data) + 1);
      buffer_append(b, "x", 1);
    } else {
      jute_append_text(b, id);
    }
  }
}

static int32_t read_acl(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  int32_t err = check_path(in, path);
  if (err) return err;
  const struct znode *n = find(c, path);
  if (!n) return ZK_NONODE;
  err = may(c, n, PERM_READ | PERM_ADMIN);
  if (err) return err;
  bool hidden = may(c, n, PERM_ADMIN) != ZK_OK;
  append_acl(&c->port->scratch, acls_list(&c->port->app->tree.acls, n->acl), hidden);
  jute_append_stat(&c->port->scratch, n);
  return ZK_OK;
}

static int32_t read_descendants(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  int32_t err = check_path(in, path);
  if (err) return err;
  const struct znode *n = find(c, path);
  if (!n) return ZK_NONODE;
  err = may(c, n, PERM_READ);
  if (err) return err;
  /* the root has two names there, "" and "/": below the one is the other */
  jute_append_i32(&c->port->scratch, (int32_t)(n->below_cnt + (path.len <= 0)));
  return ZK_OK;
}

/* null, "" and "/", with white space around them as Java trims it, stand for all. */
static struct span trimmed(struct span s) {
  while (s.len > 0 && s.data[s.len - 1] <= ' ') s.len--;
  for (; s.len > 0 && s.data[0] <= ' '; s.len--) s.data++;
  return s;
}

static int32_t read_ephemerals(struct client *c, struct cursor *in) {
  struct span prefix = jute_text(in);
  int32_t cnt = 0;
  if (in->bad) return ZK_MARSHALLINGERROR;
  if (trimmed(prefix).len <= 0 || path_is(trimmed(prefix), "/")) prefix.len = 0;
  struct buffer *b = &c->port->scratch;
  size_t begin = buffer_len(b);
  const struct owner *o = tree_owner(&c->port->app->tree, c->session);
  const struct owned *e = NULL, *next, *nodes = o ? o->nodes : NULL;
  jute_append_i32(b, 0);
  HASH_ITER(hh, nodes, e, next) {
    struct buffer path = {0};
    tree_append_path(e->node, &path);
    struct span s = {buffer_at(&path), (int32_t)buffer_len(&path)};
    bool wanted =
        s.len >= prefix.len && (!prefix.len || !memcmp(s.data, prefix.data, (size_t)prefix.len));
    if (wanted) jute_append_text(b, s);
    cnt += wanted;
    buffer_free(&path);
  }
  struct writer w;
  writer_init(&w, b->data + b->begin + begin, 4);
  writer_i32(&w, cnt);
  return ZK_OK;
}

static int32_t read_who_am_i(struct client *c, struct cursor *in) {
  struct cursor ids;
  struct span s = client_ids(c);
  (void)in;
  cursor_init(&ids, s.data, (size_t)s.len);
  int32_t cnt = cursor_i32(&ids);
  jute_append_i32(&c->port->scratch, cnt);
  for (int32_t i = 0; i < cnt; i++) {
    struct span scheme = jute_text(&ids), id = jute_text(&ids);
    const uint8_t *colon = id.len > 0 ? memchr(id.data, ':', (size_t)id.len) : NULL;
    if (path_is(scheme, "digest") && colon) id.len = (int32_t)(colon - id.data);
    jute_append_text(&c->port->scratch, scheme);
    jute_append_text(&c->port->scratch, id);
  }
  return ZK_OK;
}

/* ---- watches ---- */

enum watcher_type {
  WATCHER_CHILDREN = 1,
  WATCHER_DATA,
  WATCHER_ANY,
  WATCHER_PERSISTENT,
  WATCHER_RECURSIVE
};

static uint32_t kinds_of(int32_t type) {
  switch (type) {
    case WATCHER_CHILDREN:
      return WATCH_CHILD;
    case WATCHER_DATA:
      return WATCH_DATA;
    case WATCHER_ANY:
      return WATCH_DATA | WATCH_CHILD | WATCH_PERSISTENT | WATCH_RECURSIVE;
    case WATCHER_PERSISTENT:
      return WATCH_PERSISTENT;
    case WATCHER_RECURSIVE:
      return WATCH_RECURSIVE;
    default:
      return 0;
  }
}

static int32_t read_check_watches(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  uint32_t kinds = kinds_of(cursor_i32(in));
  if (in->bad || !kinds) return ZK_MARSHALLINGERROR;
  return client_watched(c, path) & kinds ? ZK_OK : ZK_NOWATCHER;
}

static int32_t read_remove_watches(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  uint32_t kinds = kinds_of(cursor_i32(in));
  if (in->bad || !kinds) return ZK_MARSHALLINGERROR;
  if (!(client_watched(c, path) & kinds)) return ZK_NOWATCHER;
  client_unwatch(c, path, kinds);
  return ZK_OK;
}

static int32_t read_add_watch(struct client *c, struct cursor *in) {
  struct span path = jute_text(in);
  int32_t mode = cursor_i32(in);
  if (in->bad || path.len < 0 || (mode != 0 && mode != 1)) return ZK_MARSHALLINGERROR;
  client_watch(c, path, mode ? WATCH_RECURSIVE : WATCH_PERSISTENT);
  jute_append_i32(&c->port->scratch, 0);
  return ZK_OK;
}

/* What a client missed while it had no connection is told now; for the rest it watches again.
 * seen is signed, as there: -1 is before all. */
static void rewatch_node(struct client *c, struct span path, const struct znode *n, bool changed,
                         enum watch_kind kind) {
  if (!n)
    client_event(c, EVENT_DELETED, path, ZXID_NONE);
  else if (changed)
    client_event(c, kind == WATCH_DATA ? EVENT_DATA_CHANGED : EVENT_CHILDREN_CHANGED, path,
                 ZXID_NONE);
  else
    client_watch(c, path, kind);
}

static void rewatch_data(struct client *c, struct span path, int64_t seen) {
  const struct znode *n = find(c, path);
  rewatch_node(c, path, n, n && (int64_t)n->stat.mzxid > seen, WATCH_DATA);
}

static void rewatch_exists(struct client *c, struct span path, int64_t seen) {
  (void)seen;
  if (find(c, path))
    client_event(c, EVENT_CREATED, path, ZXID_NONE);
  else
    client_watch(c, path, WATCH_DATA);
}

static void rewatch_child(struct client *c, struct span path, int64_t seen) {
  const struct znode *n = find(c, path);
  rewatch_node(c, path, n, n && (int64_t)n->stat.pzxid > seen, WATCH_CHILD);
}

static void rewatch_persistent(struct client *c, struct span path, int64_t seen) {
  (void)seen;
  client_watch(c, path, WATCH_PERSISTENT);
}

static void rewatch_recursive(struct client *c, struct span path, int64_t seen) {
  (void)seen;
  client_watch(c, path, WATCH_RECURSIVE);
}

typedef void rewatch(struct client *c, struct span path, int64_t seen);

/* The lists are read twice: a malformed request sets no watch at all. */
static int32_t read_set_watches_of(struct client *c, struct cursor *in, int lists) {
  static rewatch *const again[] = {rewatch_data, rewatch_exists, rewatch_child, rewatch_persistent,
                                   rewatch_recursive};
  for (int pass = 0; pass < 2; pass++) {
    struct cursor at = *in;
    int64_t seen = cursor_i64(&at);
    for (int i = 0; i < lists; i++) {
      int32_t cnt = cursor_i32(&at);
      for (int32_t k = 0; k < cnt && !at.bad; k++) {
        struct span path = jute_text(&at);
        if (pass && path.len >= 0) again[i](c, path, seen);
      }
    }
    if (at.bad) return ZK_MARSHALLINGERROR;
  }
  return ZK_OK;
}

static int32_t read_set_watches(struct client *c, struct cursor *in) {
  return read_set_watches_of(c, in, 3);
}

static int32_t read_set_watches2(struct client *c, struct cursor *in) {
  return read_set_watches_of(c, in, 5);
}

/* ---- dispatch ---- */

static read_handler read_multi;

static read_handler *handler_of(int32_t type) {
  switch (type) {
    case OP_EXISTS:
      return read_exists;
    case OP_GET_DATA:
      return read_data;
    case OP_GET_CHILDREN:
      return read_children;
    case OP_GET_CHILDREN2:
      return read_children2;
    case OP_GET_ACL:
      return read_acl;
    case OP_GET_ALL_CHILDREN_NUMBER:
      return read_descendants;
    case OP_GET_EPHEMERALS:
      return read_ephemerals;
    case OP_WHO_AM_I:
      return read_who_am_i;
    case OP_CHECK_WATCHES:
      return read_check_watches;
    case OP_REMOVE_WATCHES:
      return read_remove_watches;
    case OP_ADD_WATCH:
      return read_add_watch;
    case OP_SET_WATCHES:
      return read_set_watches;
    case OP_SET_WATCHES2:
      return read_set_watches2;
    case OP_MULTI_READ:
      return read_multi;
    default:
      return NULL;
  }
}

bool client_is_read(int32_t type) { return handler_of(type) != NULL; }

static bool is_multi_read(int32_t type) { return type == OP_GET_DATA || type == OP_GET_CHILDREN; }

/* As there, it sets no watch, whatever it says. */
static int32_t read_part(struct client *c, int32_t type, struct cursor *in) {
  struct span path = jute_text(in);
  jute_bool(in);
  int32_t err = check_path(in, path);
  if (err) return err;
  return type == OP_GET_DATA ? put_data(c, path) : put_children(c, path);
}

static int32_t read_multi(struct client *c, struct cursor *in) {
  struct buffer *b = &c->port->scratch;
  for (;;) { /* each turn takes nine bytes or ends */
    struct multi_header h = jute_multi_header(in);
    if (!in->bad && h.done) break;
    if (in->bad || !is_multi_read(h.type)) return ZK_MARSHALLINGERROR;
    if (buffer_len(b) > LIMIT_CLIENT_READ) return ZK_BADARGUMENTS;
    size_t begin = buffer_len(b);
    jute_append_multi_header(b, h.type, false, 0);
    int32_t err = read_part(c, h.type, in);
    if (in->bad) return ZK_MARSHALLINGERROR;
    if (!err) continue;
    b->end = b->begin + begin; /* what it has put so far */
    jute_append_multi_header(b, OP_ERROR, false, err);
    jute_append_i32(b, err);
  }
  jute_append_multi_header(b, -1, true, -1);
  return ZK_OK;
}

void client_read(struct client *c, const struct ask *a) {
  struct buffer *b = &c->port->scratch;
  struct cursor in;
  cursor_init(&in, a->bytes, a->len);
  buffer_consume(b, buffer_len(b));
  int32_t err = handler_of(a->type)(c, &in); /* watch events of setWatches go out first */
  if (c->closing) return;
  size_t begin = client_begin(c);
  client_header(c, a->xid, err);
  if (!err) buffer_append(&c->out, buffer_at(b), buffer_len(b));
  client_end(c, begin);
  if (b->cap > LIMIT_CLIENT_OUT) buffer_free(b);
}
