/* zk_replay DIR - applies ZooKeeper's own transactions to our tree: DIR is its version-2.
 *
 * From the empty tree, and from each snapshot (fuzzy ones: they hold effects of what follows them),
 * all transactions of its log are applied.  Compared is our digest with the one that ZooKeeper has
 * put into each transaction, and in the end every tree with the first one, znode by znode.  A fuzzy
 * snapshot's digest is right behind the zxid that it names.
 *
 * Says "transactions=N digests=N snapshots=N fuzzy=N znodes=N"; status 1 and what differs.
 * Source: zookeeper/storage.md 3, 4, 5, 8. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "proto/txn.h"
#include "service/tree/app_tree.h"

#define LOG_HEADER_LEN 16
#define LOG_MAGIC 0x5A4B4C47
#define FILES_MAX 4096
#define BURST 8 /* requests of differential.py that are under way at once */

struct file {
  zxid_t zxid;
  char name[64];
  uint8_t *data;
  size_t len;
};

struct files {
  struct file at[FILES_MAX];
  int cnt;
};

struct txn {
  zxid_t zxid;
  const uint8_t *data;
  uint32_t len;
};

struct txns {
  struct txn *at;
  size_t cnt, cap;
};

static void fail(const char *what, const char *name) {
  printf("%s: %s\n", name, what);
  exit(1);
}

static void file_read(struct file *f, const char *dir) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, f->name);
  FILE *in = fopen(path, "rb");
  if (!in) fail("cannot be opened", path);
  fseek(in, 0, SEEK_END);
  f->len = (size_t)ftell(in);
  rewind(in);
  f->data = memory_or_end(malloc(f->len + 1), f->len + 1);
  if (fread(f->data, 1, f->len, in) != f->len) fail("cannot be read", path);
  fclose(in);
}

static int by_zxid(const void *a, const void *b) {
  const struct file *x = a, *y = b;
  return x->zxid < y->zxid ? -1 : x->zxid > y->zxid;
}

static void files_read(struct files *files, const char *dir, const char *prefix) {
  DIR *d = opendir(dir);
  if (!d) fail("is no directory", dir);
  size_t len = strlen(prefix);
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (strncmp(e->d_name, prefix, len) != 0 || strlen(e->d_name) >= 64) continue;
    if (files->cnt == FILES_MAX) fail("too many files", dir);
    struct file *f = &files->at[files->cnt++];
    snprintf(f->name, sizeof f->name, "%s", e->d_name);
    f->zxid = strtoull(e->d_name + len, NULL, 16);
    file_read(f, dir);
  }
  closedir(d);
  qsort(files->at, (size_t)files->cnt, sizeof files->at[0], by_zxid);
}

static void add(struct txns *t, struct txn txn) {
  if (t->cnt == t->cap) {
    t->cap = t->cap ? 2 * t->cap : 1024;
    t->at = memory_or_end(realloc(t->at, t->cap * sizeof *t->at), t->cap * sizeof *t->at);
  }
  t->at[t->cnt++] = txn;
}

/* Up to the padding, or a tail that was not finished. */
static void log_read(struct txns *t, const struct file *f) {
  struct cursor c;
  cursor_init(&c, f->data, f->len);
  if (cursor_i32(&c) != LOG_MAGIC) fail("is no log", f->name);
  c.next = f->data + LOG_HEADER_LEN;
  for (;;) {
    cursor_i64(&c); /* Adler-32 */
    struct span payload = cursor_buf(&c, INT32_MAX);
    if (c.bad || payload.len < TXN_HEADER_LEN || cursor_u8(&c) != 'B') return;
    zxid_t zxid = txn_header_read(payload.data).zxid;
    add(t, (struct txn){zxid, payload.data, (uint32_t)payload.len});
  }
}

/* ---- replay ---- */

struct replay {
  struct app_tree *tree;
  struct app app;
  uint64_t digests; /* that were compared */
};

static void replay_init(struct replay *r) {
  *r = (struct replay){.tree = app_tree_create("", 60000)};
  r->app = app_tree_app(r->tree);
}

/* A multi without operations changes nothing, and carries what its server knew of changes that were
 * under way, taken back ones too: not always the digest of any tree. */
static bool is_empty_multi(const struct txn *t) {
  struct cursor c;
  cursor_init(&c, t->data + TXN_HEADER_LEN, t->len - TXN_HEADER_LEN);
  return txn_header_read(t->data).type == OP_MULTI && cursor_i32(&c) == 0;
}

/* An error has a digest where ZooKeeper failed within a multi in a way that it does not take back:
 * until the error is applied, what is prepared behind it counts those changes, too. */
static bool is_half_taken_back(const struct txn *t) {
  return txn_header_read(t->data).type == OP_ERROR &&
         t->len == TXN_HEADER_LEN + 4 + JUTE_DIGEST_LEN;
}

static bool has_digest(const struct txn *t) {
  int32_t type = txn_header_read(t->data).type;
  if (is_empty_multi(t)) return false;
  return type != OP_ERROR && t->len >= TXN_HEADER_LEN + JUTE_DIGEST_LEN;
}

static void differs(const struct replay *r, const struct txn *t, const char *from) {
  struct txn_header h = txn_header_read(t->data);
  struct cursor c;
  cursor_init(&c, t->data + t->len - 8, 8);
  printf("from %s: zxid 0x%" PRIx64 " (type %d): ZooKeeper's digest is %" PRIu64 ", ours %" PRIu64
         "\n  ",
         from, h.zxid, h.type, (uint64_t)cursor_i64(&c), r->tree->tree.digest);
  for (uint32_t i = TXN_HEADER_LEN; i < t->len && i < 600; i++)
    printf(t->data[i] >= ' ' && t->data[i] < 127 ? "%c" : "\\%02x", t->data[i]);
  printf("\n");
  exit(1);
}

/* Applies all behind the tree; digests count behind `settled`: the transaction that was being
 * applied when the server wrote that zxid into its snapshot may be in the znodes already. */
static void replay_all(struct replay *r, const struct txns *all, zxid_t settled, const char *from) {
  int unsure = 0; /* transactions, of which ZooKeeper's digest may be of no tree */
  for (size_t i = 0; i < all->cnt; i++) {
    const struct txn *t = &all->at[i];
    unsure = is_half_taken_back(t) ? BURST : unsure - (unsure > 0);
    if (t->zxid <= r->tree->tree.applied) continue;
    uint64_t before = r->tree->tree.digest_mismatches;
    r->app.ops->apply(&r->app, t->zxid, t->data, t->len);
    if (t->zxid <= settled || unsure || !has_digest(t)) continue;
    if (r->tree->tree.digest_mismatches != before) differs(r, t, from);
    r->digests++;
  }
}

static void node_differs(const struct znode *n, const char *what, const char *from) {
  struct buffer path = {0};
  tree_append_path(n, &path);
  printf("from %s: %.*s has another %s\n", from, (int)buffer_len(&path),
         (const char *)buffer_at(&path), what);
  exit(1);
}

static void node_compare(const struct tree *a, const struct znode *n, const struct tree *b,
                         const char *from) {
  struct buffer path = {0};
  tree_append_path(n, &path);
  const struct znode *o = tree_find(b, (struct span){buffer_at(&path), (int32_t)buffer_len(&path)});
  buffer_free(&path);
  if (!o) node_differs(n, "existence", from);
  if (!span_equal(blob_span(n->data), blob_span(o->data))) node_differs(n, "data", from);
  if (n->child_cnt != o->child_cnt) node_differs(n, "number of children", from);
  if (!span_equal(acls_list(&a->acls, n->acl), acls_list(&b->acls, o->acl)))
    node_differs(n, "ACL", from);
  if (!n->in_zookeeper && znode_digest(0, &n->stat) != znode_digest(0, &o->stat))
    node_differs(n, "Stat", from);
}

static void trees_compare(const struct tree *a, const struct tree *b, const char *from) {
  for (const struct znode *n = a->root; n; n = tree_next(n)) node_compare(a, n, b, from);
  if (a->node_cnt != b->node_cnt || a->session_digest != b->session_digest)
    fail("another number of znodes, or other sessions", from);
}

/* The newest may have been under way when ZooKeeper was killed: it looks for the end, too. */
static bool is_whole(const struct file *f) {
  return f->len >= 10 && memcmp(f->data + f->len - 5, "\0\0\0\1/", 5) == 0;
}

static void restore(struct replay *r, const struct file *f) {
  r->app.ops->restore_begin(&r->app);
  bool good = r->app.ops->restore_next(&r->app, f->data, (uint32_t)f->len);
  if (!good || !r->app.ops->restore_end(&r->app, f->zxid)) fail("is refused", f->name);
}

int main(int argc, char **argv) {
  static struct files logs, snapshots;
  static struct txns all;
  if (argc != 2) fail("one directory is wanted", argv[0]);
  files_read(&logs, argv[1], "log.");
  files_read(&snapshots, argv[1], "snapshot.");
  for (int i = 0; i < logs.cnt; i++) log_read(&all, &logs.at[i]);
  struct replay whole, part;
  replay_init(&whole);
  replay_all(&whole, &all, 0, "the beginning");
  int fuzzy = 0;
  if (snapshots.cnt && !is_whole(&snapshots.at[snapshots.cnt - 1])) snapshots.cnt--;
  for (int i = 0; i < snapshots.cnt; i++) {
    replay_init(&part);
    restore(&part, &snapshots.at[i]);
    zxid_t settled = part.tree->tree.restore.digest_zxid;
    fuzzy += settled > snapshots.at[i].zxid;
    replay_all(&part, &all, settled, snapshots.at[i].name);
    trees_compare(&whole.tree->tree, &part.tree->tree, snapshots.at[i].name);
    whole.digests += part.digests;
    app_tree_destroy(part.tree);
  }
  printf("transactions=%zu digests=%" PRIu64 " snapshots=%d fuzzy=%d znodes=%" PRIu64 "\n", all.cnt,
         whole.digests, snapshots.cnt, fuzzy, whole.tree->tree.node_cnt);
  return 0;
}
