#include "service/tree/tree.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "proto/crc32c.h"
#include "service/tree/tree_snapshot.h"

#define BUCKETS_FIRST 1024u
#define DIGEST_STAT_LEN 60

static const uint8_t read_only_acl[] = "\0\0\0\1\0\0\0\1\0\0\0\5world\0\0\0\6anyone";

/* ---- blobs ---- */

struct blob *blob_of(struct span data) {
  if (data.len < 0) return NULL;
  size_t size = sizeof(struct blob) + (size_t)data.len;
  struct blob *b = memory_or_end(malloc(size), size);
  b->refs = 1;
  b->len = (uint32_t)data.len;
  if (data.len) memcpy(b->bytes, data.data, (size_t)data.len);
  return b;
}

struct blob *blob_hold(struct blob *b) {
  if (b) b->refs++;
  return b;
}

void blob_drop(struct blob *b) {
  if (b && --b->refs == 0) free(b);
}

/* ---- digest ---- */

uint32_t znode_crc(struct span path, struct span data) {
  uLong crc = crc32(0, NULL, 0);
  if (path.len > 1) crc = crc32(crc, path.data, (uInt)path.len);
  if (data.len > 0) crc = crc32(crc, data.data, (uInt)data.len);
  return (uint32_t)crc;
}

static uint8_t *put64(uint8_t *at, uint64_t v) {
  v = htobe64(v);
  memcpy(at, &v, sizeof v);
  return at + sizeof v;
}

static uint8_t *put32(uint8_t *at, int32_t v) {
  uint32_t big_endian = htobe32((uint32_t)v);
  memcpy(at, &big_endian, sizeof big_endian);
  return at + sizeof big_endian;
}

/* Twice for each write on the leader, so by straight stores. */
uint32_t znode_digest(uint32_t crc, const struct znode_stat *s) {
  uint8_t bytes[DIGEST_STAT_LEN], *at = bytes;
  at = put64(at, s->czxid);
  at = put64(at, s->mzxid);
  at = put64(at, s->pzxid);
  at = put64(at, (uint64_t)s->ctime_ms);
  at = put64(at, (uint64_t)s->mtime_ms);
  at = put32(at, s->version);
  at = put32(at, s->cversion);
  at = put32(at, s->aversion);
  at = put64(at, (uint64_t)s->owner);
  assert(at == bytes + sizeof bytes);
  return (uint32_t)crc32(crc, bytes, sizeof bytes);
}

void tree_change(struct tree *t, struct znode *n) {
  if (t->snapshot.active) tree_snapshot_keep(t, n);
  t->digest -= n->digest;
}

void tree_changed(struct tree *t, struct znode *n) {
  n->digest = n->in_zookeeper ? 0 : znode_digest(n->crc, &n->stat);
  t->digest += n->digest;
}

void tree_append_path(const struct znode *n, struct buffer *b) {
  if (!n->parent) {
    buffer_append(b, "/", 1);
    return;
  }
  size_t len = 0;
  for (const struct znode *p = n; p->parent; p = p->parent) len += 1 + p->name_len;
  uint8_t *end = buffer_room(b, len) + len;
  for (const struct znode *p = n; p->parent; p = p->parent) {
    end -= p->name_len;
    memcpy(end, p->name, p->name_len);
    *--end = '/';
  }
  buffer_added(b, len);
}

static void set_crc(struct znode *n) {
  struct buffer path = {0};
  tree_append_path(n, &path);
  struct span s = {buffer_at(&path), (int32_t)buffer_len(&path)};
  n->crc = znode_crc(s, blob_span(n->data));
  buffer_free(&path);
}

/* All above n have so many more znodes and bytes below them; both wrap. */
static void count_below(const struct znode *n, uint32_t cnt, uint64_t bytes) {
  for (struct znode *p = n->parent; p; p = p->parent) {
    p->below_cnt += cnt;
    p->below_bytes += bytes;
  }
}

void tree_set_data(struct tree *t, struct znode *n, struct blob *data) {
  uint64_t more = (data ? data->len : 0) - (uint64_t)(n->data ? n->data->len : 0); /* wraps */
  t->data_bytes += more;
  count_below(n, 0, more);
  blob_drop(n->data);
  n->data = data;
  set_crc(n);
}

/* ---- look-up ---- */

static uint32_t hash_of(const struct znode *parent, struct span name) {
  return crc32c_extend(parent->hash, name.data, (size_t)name.len);
}

static struct znode **bucket(const struct tree *t, uint32_t hash) {
  return &t->buckets[hash & t->bucket_mask];
}

struct znode *tree_child(const struct tree *t, const struct znode *parent, struct span name) {
  uint32_t hash = hash_of(parent, name);
  struct znode *n = *bucket(t, hash);
  for (; n; n = n->bucket_next) {
    if (n->hash == hash && n->parent == parent && n->name_len == (uint32_t)name.len &&
        memcmp(n->name, name.data, (size_t)name.len) == 0)
      return n;
  }
  return NULL;
}

struct znode *tree_find(const struct tree *t, struct span path) {
  struct znode *n = t->root;
  if (path.len <= 0 || (path.len == 1 && path.data[0] == '/')) return path.len < 0 ? NULL : n;
  const uint8_t *end = path.data + path.len, *p = path.data;
  while (n && p < end) {
    if (*p++ != '/') return NULL;
    const uint8_t *slash = memchr(p, '/', (size_t)(end - p));
    struct span name = {p, (int32_t)((slash ? slash : end) - p)};
    if (!name.len) return NULL;
    n = tree_child(t, n, name);
    p += name.len;
  }
  return n;
}

static void grow(struct tree *t) {
  uint32_t mask = 2 * t->bucket_mask + 1;
  size_t size = ((size_t)mask + 1) * sizeof *t->buckets;
  struct znode **old = t->buckets;
  t->buckets = memory_or_end(calloc(1, size), size);
  uint32_t old_mask = t->bucket_mask;
  t->bucket_mask = mask;
  for (uint32_t i = 0; i <= old_mask; i++) {
    for (struct znode *n = old[i], *next; n; n = next) {
      next = n->bucket_next;
      n->bucket_next = *bucket(t, n->hash);
      *bucket(t, n->hash) = n;
    }
  }
  free(old);
}

struct znode *tree_next(const struct znode *n) {
  if (n->child) return n->child;
  while (n && !n->next) n = n->parent;
  return n ? n->next : NULL;
}

/* ---- owners ---- */

bool owner_is_session(int64_t owner) {
  if (owner == 0 || owner == OWNER_CONTAINER) return false;
  return ((uint64_t)owner & OWNER_TTL_BITS) != OWNER_TTL_BITS;
}

static int64_t owner_key(int64_t owner) {
  bool ttl = owner && owner != OWNER_CONTAINER && !owner_is_session(owner);
  return ttl ? (int64_t)OWNER_TTL_BITS : owner;
}

struct owner *tree_owner(const struct tree *t, int64_t id) {
  struct owner *o;
  HASH_FIND(hh, t->owners, &id, sizeof id, o);
  return o;
}

static void own(struct tree *t, struct znode *n) {
  int64_t id = owner_key(n->stat.owner);
  if (!id) return;
  struct owner *o = tree_owner(t, id);
  if (!o) {
    o = memory_or_end(calloc(1, sizeof *o), sizeof *o);
    o->id = id;
    HASH_ADD(hh, t->owners, id, sizeof o->id, o);
  }
  struct owned *e = memory_or_end(calloc(1, sizeof *e), sizeof *e);
  e->node = n;
  HASH_ADD_PTR(o->nodes, node, e);
  o->cnt++;
  t->ephemeral_cnt += owner_is_session(id);
}

static void disown(struct tree *t, struct znode *n) {
  struct owner *o = tree_owner(t, owner_key(n->stat.owner));
  struct owned *e;
  if (!o) return;
  HASH_FIND_PTR(o->nodes, &n, e);
  if (!e) return;
  if (t->swept == e) t->swept = e->hh.next;
  HASH_DEL(o->nodes, e);
  free(e);
  t->ephemeral_cnt -= owner_is_session(o->id);
  if (--o->cnt) return;
  HASH_DEL(t->owners, o);
  free(o);
}

/* ---- nodes ---- */

static struct znode *node_new(struct span name) {
  size_t size = sizeof(struct znode) + (size_t)name.len;
  struct znode *n = memory_or_end(calloc(1, size), size);
  n->name_len = (uint32_t)name.len & 0x7fffffffu;
  if (name.len) memcpy(n->name, name.data, (size_t)name.len);
  return n;
}

/* A child of /zookeeper and all below it. */
static bool is_in_zookeeper(const struct znode *parent) {
  if (parent->in_zookeeper) return true;
  return parent->parent && !parent->parent->parent && parent->name_len == 9 &&
         memcmp(parent->name, "zookeeper", 9) == 0;
}

static void link_child(struct tree *t, struct znode *parent, struct znode *n) {
  n->parent = parent;
  n->hash = hash_of(parent, (struct span){(const uint8_t *)n->name, (int32_t)n->name_len});
  n->in_zookeeper = is_in_zookeeper(parent);
  n->next = parent->child;
  if (n->next) n->next->prev = n;
  parent->child = n;
  parent->child_cnt++;
  if (t->node_cnt > t->bucket_mask) grow(t);
  n->bucket_next = *bucket(t, n->hash);
  *bucket(t, n->hash) = n;
}

struct znode *tree_add(struct tree *t, const struct tree_new *in) {
  struct znode *n = node_new(in->name);
  n->data = in->data;
  n->acl = in->acl;
  n->stat = *in->stat;
  n->snapshot = t->snapshot.number; /* a running one began before it */
  link_child(t, in->parent, n);
  set_crc(n);
  own(t, n);
  t->node_cnt++;
  count_below(n, 1, n->data ? n->data->len : 0);
  t->data_bytes += n->name_len + 1 + (n->data ? n->data->len : 0);
  tree_changed(t, n);
  return n;
}

static void unlink_child(struct tree *t, struct znode *n) {
  struct znode **b = bucket(t, n->hash);
  while (*b != n) b = &(*b)->bucket_next;
  *b = n->bucket_next;
  if (n->prev)
    n->prev->next = n->next;
  else
    n->parent->child = n->next;
  if (n->next) n->next->prev = n->prev;
  n->parent->child_cnt--;
}

void tree_remove(struct tree *t, struct znode *n) {
  assert(!n->child && n->parent);
  tree_change(t, n);
  if (t->snapshot.next == n) t->snapshot.next = tree_next(n);
  disown(t, n);
  count_below(n, UINT32_MAX, -(uint64_t)(n->data ? n->data->len : 0));
  unlink_child(t, n);
  t->node_cnt--;
  t->data_bytes -= n->name_len + 1 + (n->data ? n->data->len : 0);
  acls_drop(&t->acls, n->acl);
  blob_drop(n->data);
  free(n);
}

/* ---- sessions ---- */

static uint64_t digest_of_session(int64_t id, int32_t timeout_ms) {
  return hash_mix(hash_mix((uint64_t)id + 1) + (uint32_t)timeout_ms);
}

struct session *tree_session(const struct tree *t, int64_t id) {
  struct session *s;
  HASH_FIND(hh, t->sessions, &id, sizeof id, s);
  return s;
}

void tree_session_add(struct tree *t, int64_t id, int32_t timeout_ms) {
  tree_session_remove(t, id);
  struct session *s = memory_or_end(calloc(1, sizeof *s), sizeof *s);
  s->id = id;
  s->timeout_ms = timeout_ms;
  HASH_ADD(hh, t->sessions, id, sizeof s->id, s);
  t->session_digest += digest_of_session(id, timeout_ms);
}

void tree_session_remove(struct tree *t, int64_t id) {
  struct session *s = tree_session(t, id);
  if (!s) return;
  t->session_digest -= digest_of_session(id, s->timeout_ms);
  HASH_DEL(t->sessions, s);
  free(s);
}

/* ---- the whole ---- */

static void add_own(struct tree *t, const char *path) {
  static const struct znode_stat zero;
  struct span p = span_of(path);
  if (tree_find(t, p)) return;
  tree_add(t, &(struct tree_new){tree_find(t, path_parent(p)), path_last(p), blob_of(span_of("")),
                                 ACL_OPEN, &zero});
}

void tree_own_nodes(struct tree *t) {
  static const char *const paths[] = {"/zookeeper", "/zookeeper/quota", "/zookeeper/config"};
  for (int i = 0; i < 3; i++) add_own(t, paths[i]);
  struct znode *config = tree_find(t, span_of("/zookeeper/config"));
  if (config->acl == ACL_OPEN)
    config->acl = acls_take(&t->acls, (struct span){read_only_acl, sizeof read_only_acl - 1});
  config->stat.aversion = -1; /* as there: it is not of a transaction, and not of the digest */
  tree_set_data(t, config, blob_of(t->config_text));
}

static void free_nodes(struct tree *t) {
  for (uint64_t i = 0; t->buckets && i <= t->bucket_mask; i++) {
    for (struct znode *n = t->buckets[i], *next; n; n = next) {
      next = n->bucket_next;
      blob_drop(n->data);
      free(n);
    }
  }
  free(t->buckets);
  if (t->root) blob_drop(t->root->data);
  free(t->root);
}

static void free_owners(struct tree *t) {
  struct owner *o, *next;
  HASH_ITER(hh, t->owners, o, next) {
    struct owned *e, *next_owned;
    HASH_ITER(hh, o->nodes, e, next_owned) {
      HASH_DEL(o->nodes, e);
      free(e);
    }
    HASH_DEL(t->owners, o);
    free(o);
  }
}

static void free_sessions(struct tree *t) {
  struct session *s, *next;
  HASH_ITER(hh, t->sessions, s, next) tree_session_remove(t, s->id);
}

void tree_free(struct tree *t) {
  free_nodes(t);
  free_owners(t);
  free_sessions(t);
  acls_clear(&t->acls);
  buffer_free(&t->snapshot.stage);
  buffer_free(&t->restore.stage);
}

void tree_clear(struct tree *t) {
  assert(!t->snapshot.active);
  tree_free(t);
  *t = (struct tree){.listener = t->listener,
                     .config_text = t->config_text,
                     .digest_mismatches = t->digest_mismatches,
                     .bucket_mask = BUCKETS_FIRST - 1};
  t->buckets = memory_or_end(calloc(BUCKETS_FIRST, sizeof *t->buckets), 0);
  t->root = node_new(span_of(""));
  t->root->data = blob_of(span_of(""));
  t->root->acl = ACL_OPEN;
  set_crc(t->root);
  t->node_cnt = 1;
  tree_changed(t, t->root);
}

void tree_reset(struct tree *t) {
  tree_clear(t);
  tree_own_nodes(t);
}

void tree_init(struct tree *t, struct span config_text) {
  *t = (struct tree){.config_text = config_text};
  tree_reset(t);
}
