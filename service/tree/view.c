#include "service/tree/view.h"

#include <stdlib.h>
#include <string.h>

void view_init(struct view *v, struct tree *t) { *v = (struct view){.tree = t}; }

/* The root has two names. */
static struct span canonical(struct span path) { return path.len == 0 ? span_of("/") : path; }

static struct change *find(const struct view *v, struct span path) {
  struct change *c;
  HASH_FIND(hh, v->index, path.data, (unsigned)path.len, c);
  return c;
}

struct seen view_get(const struct view *v, struct span path) {
  path = canonical(path);
  if (path.len < 0) return (struct seen){.exists = false};
  const struct change *c = find(v, path);
  if (c) return c->seen;
  const struct znode *n = tree_find(v->tree, path);
  if (!n) return (struct seen){.exists = false};
  return (struct seen){.exists = true,
                       .stat = n->stat,
                       .child_cnt = n->child_cnt,
                       .acl = n->acl,
                       .data = n->data,
                       .crc = n->crc,
                       .digest = n->digest};
}

uint64_t view_digest(const struct view *v) { return v->first ? v->digest : v->tree->digest; }

static uint32_t digest_of(struct span path, const struct seen *s) {
  return s->exists && !path_in_zookeeper(path) ? znode_digest(s->crc, &s->stat) : 0;
}

void view_put(struct view *v, zxid_t zxid, struct span path, const struct seen *s) {
  path = canonical(path);
  struct seen before = view_get(v, path);
  uint32_t was = before.exists ? before.digest : 0, is = digest_of(path, s);
  uint64_t digest = view_digest(v) - was + is;
  size_t size = sizeof(struct change) + (size_t)path.len;
  struct change *c = memory_or_end(calloc(1, size), size);
  c->zxid = zxid;
  c->seen = *s;
  c->seen.digest = is;
  c->path_len = (uint32_t)path.len;
  memcpy(c->path, path.data, (size_t)path.len);
  if (s->exists) {
    blob_hold(s->data);
    acls_hold(&v->tree->acls, s->acl);
  }
  c->older = find(v, path);
  if (c->older) {
    c->older->newer = c;
    HASH_DEL(v->index, c->older);
  }
  HASH_ADD_KEYPTR(hh, v->index, c->path, c->path_len, c);
  c->prev = v->last;
  if (c->prev)
    c->prev->next = c;
  else
    v->first = c;
  v->last = c;
  v->digest = digest;
}

static void forget(struct view *v, struct change *c) {
  if (!c->newer) HASH_DEL(v->index, c);
  if (!c->newer && c->older)
    HASH_ADD_KEYPTR(hh, v->index, c->older->path, c->older->path_len, c->older);
  if (c->newer) c->newer->older = c->older;
  if (c->older) c->older->newer = c->newer;
  if (c->prev)
    c->prev->next = c->next;
  else
    v->first = c->next;
  if (c->next)
    c->next->prev = c->prev;
  else
    v->last = c->prev;
  if (c->seen.exists) {
    blob_drop(c->seen.data);
    acls_drop(&v->tree->acls, c->seen.acl);
  }
  free(c);
}

void view_applied(struct view *v, zxid_t zxid) {
  while (v->first && v->first->zxid <= zxid) forget(v, v->first);
}

void view_rollback(struct view *v, zxid_t zxid, uint64_t digest) {
  while (v->last && v->last->zxid == zxid) forget(v, v->last);
  v->digest = digest;
}

void view_clear(struct view *v) {
  while (v->last) forget(v, v->last);
}
