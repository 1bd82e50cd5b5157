/* What an operation must do: on a few paths as they were before its transaction, in ZooKeeper's
 * order of checks (client.md 4), and what has become of them is then compared with the history. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "test/sim/oracle.h"
#include "test/sim/zk_parts.h"

#define SEEN (2 * ZK_MULTI + 2)

struct touched {
  char path[ZK_PATH];
  bool changed;
  struct zk_state now;
};

static struct model {
  const struct zk_client *client;
  zxid_t zxid;
  int cnt;
  struct touched seen[SEEN];
} model;

void zk_model_begin(const struct zk_client *c, zxid_t zxid) {
  model.client = c;
  model.zxid = zxid;
  model.cnt = 0;
}

/* The root is always there. */
static struct touched *see(const char *path) {
  for (int i = 0; i < model.cnt; i++)
    if (!strcmp(model.seen[i].path, path)) return &model.seen[i];
  assert(model.cnt < SEEN);
  struct touched *s = &model.seen[model.cnt++];
  *s = (struct touched){.now = *zk_state_at(path, model.zxid - 1)};
  strcpy(s->path, path);
  if (!strcmp(path, "/")) s->now.exists = true;
  return s;
}

static void change_children(struct touched *parent, int32_t by) {
  parent->changed = true;
  parent->now.stat.children += by;
  if (by > 0) parent->now.sequence++;
  parent->now.stat.pzxid = model.zxid;
}

static int32_t do_create(const struct zk_do *op, char made[ZK_PATH]) {
  char up[ZK_PATH];
  zk_parent(op->path, up);
  struct touched *parent = see(up);
  if (!parent->now.exists) return ZK_NONODE;
  bool sequential = op->flags == CREATE_SEQUENTIAL || op->flags == CREATE_EPHEMERAL_SEQUENTIAL;
  bool ephemeral = op->flags == CREATE_EPHEMERAL || op->flags == CREATE_EPHEMERAL_SEQUENTIAL;
  int len = sequential ? snprintf(made, ZK_PATH, "%s%010d", op->path, parent->now.sequence)
                       : snprintf(made, ZK_PATH, "%s", op->path);
  assert(len < ZK_PATH);
  struct touched *s = see(made);
  if (s->now.exists) return ZK_NODEEXISTS;
  if (parent->now.stat.owner) return ZK_NOCHILDRENFOREPHEMERALS;
  change_children(parent, 1);
  s->changed = true;
  s->now = (struct zk_state){.exists = true, .crc = op->crc};
  s->now.stat = (struct zk_stat){.czxid = model.zxid,
                                 .mzxid = model.zxid,
                                 .pzxid = model.zxid,
                                 .owner = ephemeral ? model.client->session : 0,
                                 .len = (int32_t)op->len};
  return ZK_OK;
}

static int32_t do_delete(const struct zk_do *op) {
  char up[ZK_PATH];
  zk_parent(op->path, up);
  struct touched *parent = see(up), *s = see(op->path);
  if (!parent->now.exists || !s->now.exists) return ZK_NONODE;
  if (op->version != -1 && op->version != s->now.stat.version) return ZK_BADVERSION;
  if (s->now.stat.children) return ZK_NOTEMPTY;
  change_children(parent, -1);
  s->changed = true;
  s->now = (struct zk_state){.exists = false};
  return ZK_OK;
}

static int32_t do_set(const struct zk_do *op) {
  struct touched *s = see(op->path);
  bool acl = op->type == OP_SET_ACL;
  if (!s->now.exists) return ZK_NONODE;
  int32_t version = acl ? s->now.stat.aversion : s->now.stat.version;
  if (op->version != -1 && op->version != version) return ZK_BADVERSION;
  if (op->type == OP_CHECK) return ZK_OK;
  s->changed = true;
  if (acl) {
    s->now.stat.aversion++;
    return ZK_OK;
  }
  s->now.stat.version++;
  s->now.stat.mzxid = model.zxid;
  s->now.stat.len = (int32_t)op->len;
  s->now.crc = op->crc;
  return ZK_OK;
}

int32_t zk_model_do(const struct zk_do *op, char made[ZK_PATH]) {
  switch (op->type) {
    case OP_CREATE:
    case OP_CREATE2:
    case OP_CREATE_CONTAINER:
    case OP_CREATE_TTL:
      return do_create(op, made);
    case OP_DELETE:
      return do_delete(op);
    default:
      return do_set(op);
  }
}

/* Times are the leader's own, and have been compared where they are shown. */
static bool as_foreseen(const struct zk_state *a, const struct zk_state *b) {
  if (a->exists != b->exists) return false;
  if (!a->exists) return true;
  const struct zk_stat *x = &a->stat, *y = &b->stat;
  return x->czxid == y->czxid && x->mzxid == y->mzxid && x->pzxid == y->pzxid &&
         x->version == y->version && x->aversion == y->aversion && x->owner == y->owner &&
         x->len == y->len && x->children == y->children && a->crc == b->crc &&
         a->sequence == b->sequence;
}

void zk_model_end(bool failed) {
  for (int i = 0; i < model.cnt; i++) {
    const struct touched *s = &model.seen[i];
    const struct zk_state *is = zk_state_at(s->path, model.zxid);
    if (failed && is->zxid == model.zxid)
      violation("client %d: a request that failed has changed %s at 0x%llx", model.client->idx,
                s->path, (unsigned long long)model.zxid);
    if (!failed && s->changed && !as_foreseen(is, &s->now))
      violation("client %d: %s is not what its request has to make of it at 0x%llx",
                model.client->idx, s->path, (unsigned long long)model.zxid);
  }
}
