/* What the tree was like behind each transaction, as the first node to apply it has it; the others
 * must have the same (digests).  What a transaction changes is read from its own paths, and not
 * from what apply does. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/txn.h"
#include "service/tree/jute.h"
#include "test/sim/oracle.h"
#include "test/sim/oracle_state.h"
#include "test/sim/zk_parts.h"

#define FULL_EVERY 16 /* transactions between two looks at all of a tree */

struct known {
  struct zk_state *state; /* by zxid */
  uint32_t state_cnt, state_cap;
  struct zk_change *change;
  uint32_t change_cnt, change_cap;
  UT_hash_handle hh;
  char name[ZK_PATH];
};

static struct known *paths;
static struct zk_txn *txns;
static struct zk_session *sessions;
static zxid_t frontier;

void zk_history_init(void) {
  paths = NULL;
  txns = NULL;
  sessions = NULL;
  frontier = 0;
}

void zk_history_free(void) {
  struct known *p, *next;
  struct zk_txn *t, *next_txn;
  struct zk_session *s, *next_session;
  HASH_ITER(hh, paths, p, next) {
    HASH_DEL(paths, p);
    free(p->state);
    free(p->change);
    free(p);
  }
  HASH_ITER(hh, txns, t, next_txn) {
    HASH_DEL(txns, t);
    free(t);
  }
  HASH_ITER(hh, sessions, s, next_session) {
    HASH_DEL(sessions, s);
    free(s);
  }
}

zxid_t zk_frontier(void) { return frontier; }

static struct known *find_path(const char *name) {
  struct known *p;
  HASH_FIND_STR(paths, name, p);
  return p;
}

static struct known *path_of(const char *name) {
  struct known *p = find_path(name);
  if (p) return p;
  p = calloc(1, sizeof *p);
  assert(p && strlen(name) < ZK_PATH);
  strcpy(p->name, name);
  HASH_ADD_STR(paths, name, p);
  return p;
}

void zk_parent(const char *path, char parent[ZK_PATH]) {
  size_t len = (size_t)(strrchr(path, '/') - path);
  if (!len) len = 1;
  memmove(parent, path, len);
  parent[len] = 0;
}

/* ---- what there was ---- */

const struct zk_state *zk_state_at(const char *path, zxid_t zxid) {
  static const struct zk_state absent;
  const struct known *p = find_path(path);
  uint32_t i = p ? p->state_cnt : 0;
  while (i && p->state[i - 1].zxid > zxid) i--;
  return i ? &p->state[i - 1] : &absent;
}

static bool hears(enum zk_watched kind, enum zk_event type) {
  if (type == EVENT_DELETED) return true;
  return (type == EVENT_CHILDREN_CHANGED) == (kind == ZK_WATCHED_CHILD);
}

struct zk_change zk_change_after(const char *path, enum zk_watched kind, zxid_t zxid) {
  const struct known *p = find_path(path);
  for (uint32_t i = 0; p && i < p->change_cnt; i++)
    if (p->change[i].zxid > zxid && hears(kind, p->change[i].type)) return p->change[i];
  return (struct zk_change){0};
}

const struct zk_txn *zk_txn_at(zxid_t zxid) {
  struct zk_txn *t;
  HASH_FIND(hh, txns, &zxid, sizeof zxid, t);
  return t;
}

const struct zk_session *zk_session_of(int64_t id) {
  struct zk_session *s;
  HASH_FIND(hh, sessions, &id, sizeof id, s);
  return s;
}

int zk_sessions_left(const int64_t *ids, int n) {
  struct zk_session *s, *next;
  int left = 0;
  HASH_ITER(hh, sessions, s, next) {
    bool known = s->closed;
    for (int i = 0; i < n; i++) known |= ids[i] == s->id;
    left += !known;
  }
  return left;
}

/* ---- what there is now ---- */

static struct zk_state look(const struct tree *t, const char *path, zxid_t zxid) {
  const struct znode *n = tree_find(t, span_of(path));
  struct zk_state s = {.zxid = zxid, .exists = n != NULL};
  if (!n) return s;
  s.stat = (struct zk_stat){.czxid = n->stat.czxid,
                            .mzxid = n->stat.mzxid,
                            .ctime_ms = n->stat.ctime_ms,
                            .mtime_ms = n->stat.mtime_ms,
                            .version = n->stat.version,
                            .cversion = 2 * n->stat.cversion - (int32_t)n->child_cnt,
                            .aversion = n->stat.aversion,
                            .owner = owner_is_session(n->stat.owner) ? n->stat.owner : 0,
                            .len = n->data ? (int32_t)n->data->len : 0,
                            .children = (int32_t)n->child_cnt,
                            .pzxid = n->stat.pzxid};
  s.owner = n->stat.owner;
  s.sequence = n->stat.cversion;
  s.crc = n->data ? crc32c(n->data->bytes, n->data->len) : crc32c("", 0);
  return s;
}

static void keep(const struct tree *t, const char *name, zxid_t zxid) {
  struct known *p = path_of(name);
  if (p->state_cnt && p->state[p->state_cnt - 1].zxid == zxid) p->state_cnt--;
  if (p->state_cnt == p->state_cap) {
    p->state_cap = p->state_cap ? 2 * p->state_cap : 8;
    p->state = realloc(p->state, p->state_cap * sizeof *p->state);
    assert(p->state);
  }
  p->state[p->state_cnt++] = look(t, name, zxid);
}

static void note_change(const char *name, enum zk_event type, zxid_t zxid) {
  struct known *p = path_of(name);
  if (p->change_cnt == p->change_cap) {
    p->change_cap = p->change_cap ? 2 * p->change_cap : 8;
    p->change = realloc(p->change, p->change_cap * sizeof *p->change);
    assert(p->change);
  }
  p->change[p->change_cnt++] = (struct zk_change){zxid, type};
}

/* ---- a transaction ---- */

struct step {
  const struct tree *tree;
  zxid_t zxid;
};

static void changed(const struct step *x, struct span path, enum zk_event type) {
  char name[ZK_PATH], parent[ZK_PATH];
  assert(path.len > 0 && path.len < ZK_PATH);
  memcpy(name, path.data, (size_t)path.len);
  name[path.len] = 0;
  keep(x->tree, name, x->zxid);
  if (type) note_change(name, type, x->zxid);
  if (type != EVENT_CREATED && type != EVENT_DELETED) return;
  zk_parent(name, parent);
  keep(x->tree, parent, x->zxid);
  note_change(parent, EVENT_CHILDREN_CHANGED, x->zxid);
}

/* ZooKeeper's "no ephemeral survives its session": of all that any of its transactions has made. */
static void check_no_more_owned(const struct step *x, int64_t session) {
  struct known *p, *next;
  HASH_ITER(hh, paths, p, next) {
    const struct zk_state *s = zk_state_at(p->name, x->zxid);
    if (!s->exists || s->stat.owner != session) continue;
    if (look(x->tree, p->name, x->zxid).exists)
      violation("%s is left behind 0x%llx, the end of its session 0x%llx", p->name,
                (unsigned long long)x->zxid, (unsigned long long)session);
    changed(x, span_of(p->name), EVENT_DELETED); /* too many to be listed */
  }
}

static void end_session(const struct step *x, const struct txn_header *h, struct cursor *c) {
  int32_t cnt = cursor_i32(c);
  for (int32_t i = 0; i < cnt && !c->bad; i++) changed(x, jute_text(c), EVENT_DELETED);
  check_no_more_owned(x, h->client_id);
  struct zk_session *s;
  HASH_FIND(hh, sessions, &h->client_id, sizeof h->client_id, s);
  if (!s) violation("0x%llx ends a session that was never made", (unsigned long long)x->zxid);
  if (!s->closed) s->closed = x->zxid;
}

static void make_session(const struct step *x, const struct txn_header *h) {
  if (zk_session_of(h->client_id))
    violation("0x%llx makes session 0x%llx, which there has been", (unsigned long long)x->zxid,
              (unsigned long long)h->client_id);
  struct zk_session *s = calloc(1, sizeof *s);
  assert(s);
  s->id = h->client_id;
  s->made = x->zxid;
  HASH_ADD(hh, sessions, id, sizeof s->id, s);
}

/* The leader's own: of a container that had children and has none, of a TTL node whose time since
 * it was written is over. */
static void check_swept(const struct step *x, const struct txn_header *h, struct cursor c) {
  char name[ZK_PATH] = "";
  struct span path = jute_text(&c);
  if (path.len > 0 && path.len < ZK_PATH) memcpy(name, path.data, (size_t)path.len);
  const struct zk_state *s = zk_state_at(name, x->zxid - 1);
  int64_t ttl = (int64_t)((uint64_t)s->owner & TTL_MAX);
  bool over = s->owner == OWNER_CONTAINER ? s->sequence > 0 : h->time_ms - s->stat.mtime_ms > ttl;
  if (!s->exists || s->stat.children || !s->owner || s->stat.owner || !over)
    violation("0x%llx sweeps %s away, whose time is not over", (unsigned long long)x->zxid, name);
}

static void take_op(const struct step *x, int32_t type, struct cursor *c) {
  switch (type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      changed(x, jute_text(c), EVENT_CREATED);
      break;
    case OP_DELETE:
    case OP_DELETE_CONTAINER:
      changed(x, jute_text(c), EVENT_DELETED);
      break;
    case OP_SET_DATA:
      changed(x, jute_text(c), EVENT_DATA_CHANGED);
      break;
    case OP_SET_ACL:
      changed(x, jute_text(c), 0);
      break;
    default:
      break;
  }
}

/* All of it or nothing: it says itself whether it has failed. */
static bool take_multi(const struct step *x, struct cursor *c) {
  bool failed = false;
  for (int pass = 0; pass < 2 && !failed; pass++) {
    struct cursor at = *c;
    int32_t cnt = cursor_i32(&at);
    for (int32_t i = 0; i < cnt && !at.bad; i++) {
      int32_t type = cursor_i32(&at);
      struct span record = jute_data(&at);
      struct cursor op;
      cursor_init(&op, record.data, (size_t)record.len);
      failed |= type == OP_ERROR;
      if (pass) take_op(x, type, &op);
    }
  }
  return !failed;
}

/* A session's requests that do something, once each, in the order in which it made them, and none
 * behind its end. */
static void check_session(const struct txn_header *h) {
  struct zk_session *s;
  HASH_FIND(hh, sessions, &h->client_id, sizeof h->client_id, s);
  if (!s || s->closed)
    violation("0x%llx is of session 0x%llx, which has ended or never was",
              (unsigned long long)h->zxid, (unsigned long long)h->client_id);
  if (h->cxid <= s->cxid)
    violation("0x%llx is request %d of session 0x%llx, which stands behind its %d",
              (unsigned long long)h->zxid, h->cxid, (unsigned long long)h->client_id, s->cxid);
  s->cxid = h->cxid;
}

static void extend(const struct tree *t, const void *txn, uint32_t len) {
  struct txn_header h = txn_header_read(txn);
  struct step x = {t, h.zxid};
  struct cursor c;
  cursor_init(&c, (const uint8_t *)txn + TXN_HEADER_LEN, len - TXN_HEADER_LEN);
  struct zk_txn *k = calloc(1, sizeof *k);
  assert(k);
  *k = (struct zk_txn){.zxid = h.zxid, .session = h.client_id, .cxid = h.cxid, .type = h.type};
  HASH_ADD(hh, txns, zxid, sizeof k->zxid, k);
  frontier = h.zxid;
  if (!find_path("/")) keep(t, "/", 0); /* the first transaction makes a session */
  bool done = h.type != TXN_ERROR;
  if (h.type == OP_DELETE_CONTAINER) check_swept(&x, &h, c);
  if (h.type == OP_CREATE_SESSION)
    make_session(&x, &h);
  else if (h.type == OP_CLOSE_SESSION)
    end_session(&x, &h, &c);
  else if (h.type == OP_MULTI)
    done = take_multi(&x, &c);
  else
    take_op(&x, h.type, &c);
  bool of_client = h.type != OP_CREATE_SESSION && h.type != OP_CLOSE_SESSION;
  if (done && of_client && h.type != OP_DELETE_CONTAINER) check_session(&h);
}

/* ---- all of a tree ---- */

static uint64_t digest_of(const struct tree *t, const struct znode *n, struct span path) {
  struct zk_state s = look(t, (const char *)path.data, 0);
  uint8_t stat[JUTE_STAT_LEN];
  struct writer w;
  writer_init(&w, stat, sizeof stat);
  jute_stat(&w, n);
  struct span acl = acls_list(&t->acls, n->acl);
  uint64_t h = hash_mix(crc32c(path.data, (size_t)path.len));
  h = hash_mix(h ^ crc32c(stat, sizeof stat));
  h = hash_mix(h ^ (uint64_t)n->stat.owner);
  h = hash_mix(h ^ ((uint64_t)s.crc << 32 | (uint32_t)s.sequence));
  return hash_mix(h ^ (acl.len > 0 ? crc32c(acl.data, (size_t)acl.len) : 1));
}

static uint64_t owned_cnt(const struct tree *t) {
  struct owner *o, *next;
  uint64_t cnt = 0;
  HASH_ITER(hh, t->owners, o, next) cnt += o->cnt;
  return cnt;
}

/* Beyond the tree's own digest: ACLs, counts, owners; and that digest computed anew. */
static uint64_t full_digest(const struct machine *m) {
  const struct tree *t = &m->node->app_tree->tree;
  uint64_t full = 1, own = 0, owned = 0, cnt = 0;
  for (const struct znode *n = t->root; n; n = tree_next(n), cnt++) {
    struct buffer b = {0};
    tree_append_path(n, &b);
    struct span path = {buffer_at(&b), (int32_t)buffer_len(&b)};
    buffer_append(&b, "", 1);
    path.data = buffer_at(&b);
    full += digest_of(t, n, path);
    if (!path_in_zookeeper(path))
      own += znode_digest(znode_crc(path, blob_span(n->data)), &n->stat);
    owned += n->stat.owner != 0;
    buffer_free(&b);
  }
  if (own != t->digest || cnt != t->node_cnt || owned != owned_cnt(t))
    violation("n%d: digest, count or owners of its tree are not those of its znodes at 0x%llx",
              m->idx + 1, (unsigned long long)t->applied);
  return full + t->session_digest;
}

static void check_full(struct machine *m, zxid_t zxid) {
  struct history_record *r = history_record(&oracle_state()->history, zxid);
  uint64_t full = full_digest(m) | 1;
  if (!r) return; /* the initial state */
  if (r->full && r->full != full)
    violation("n%d: its tree differs at 0x%llx, though digests do not", m->idx + 1,
              (unsigned long long)zxid);
  r->full = full;
}

/* What each of them has is looked at there, too. */
static void check_tree(const struct machine *m) {
  const struct tree *t = &m->node->app_tree->tree;
  struct owner *o, *next;
  if (t->digest_mismatches)
    violation("n%d: its tree is not what the leader foresaw, at 0x%llx", m->idx + 1,
              (unsigned long long)t->applied);
  HASH_ITER(hh, t->owners, o, next) {
    if (owner_is_session(o->id) && !tree_session(t, o->id))
      violation("n%d: an ephemeral of session 0x%llx, which is no more, at 0x%llx", m->idx + 1,
                (unsigned long long)o->id, (unsigned long long)t->applied);
  }
}

void zk_applied(struct machine *m, zxid_t zxid, const void *txn, uint32_t len) {
  if (!m->node->app_tree) return;
  check_tree(m);
  if (zxid > frontier) extend(&m->node->app_tree->tree, txn, len);
  if (zxid % FULL_EVERY == 0) check_full(m, zxid);
}

void zk_restored(struct machine *m, zxid_t zxid) {
  if (!m->node->app_tree) return;
  check_tree(m);
  check_full(m, zxid);
}

void zk_snapshot_taken(struct machine *m) { check_full(m, m->node->app_tree->tree.applied); }
