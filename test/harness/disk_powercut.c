#include "test/harness/disk_powercut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define BLOCK_ABANDONED 2 /* in dirty: was dirty when a sync failed */
#define NAME_LEN 32
#define NAMES 256
#define TRACE 4096
#define ROOM_MIN (64u << 10)

struct inode {
  uint8_t *now, *durable; /* both room bytes, zero behind their size */
  uint8_t *dirty;         /* per block: now may differ from durable */
  size_t cap, room;       /* cap: of which used */
  size_t now_size, durable_size;
  size_t dirty_from, dirty_to; /* blocks; none outside is dirty */
  int opens;
  bool locked;
  bool borrowed; /* now and durable are another disk's durable; nothing is dirty */
};

struct entry {
  char name[NAME_LEN];
  int inode;
};

struct directory {
  struct entry entry[NAMES];
  int cnt;
};

enum change_type { CHANGE_ADD, CHANGE_RENAME, CHANGE_UNLINK };

struct change {
  enum change_type type;
  char from[NAME_LEN], to[NAME_LEN];
  int inode;
};

struct traced {
  bool sync;
  char name[NAME_LEN];
};

struct powercut {
  struct inode *inode;
  int inode_cnt;
  struct directory now, durable;
  struct change change[NAMES];
  int change_cnt;
  struct powercut_plan plan;
  uint64_t ops, reads;
  bool cut;
  struct traced *trace; /* by operation */
  uint64_t trace_cap;
};

struct disk_file {
  int inode;
  bool writes;
  char name[NAME_LEN];
};

struct powercut *powercut_new(void) {
  return calloc(1, sizeof(struct powercut));
}

static void inode_free(struct inode *n) {
  if (!n->borrowed) {
    free(n->now);
    free(n->durable);
    free(n->dirty);
  }
  *n = (struct inode){.locked = false};
}

void powercut_free(struct powercut *p) {
  for (int i = 0; i < p->inode_cnt; i++) inode_free(&p->inode[i]);
  free(p->inode);
  free(p->trace);
  free(p);
}

static void *copy_of(const void *src, size_t len) {
  void *p = malloc(len ? len : 1);
  if (len) memcpy(p, src, len);
  return p;
}

/* Its bytes become its own. */
static void keep(struct inode *n) {
  n->now = copy_of(n->now, n->cap);
  n->durable = copy_of(n->durable, n->cap);
  n->dirty = n->borrowed ? calloc(n->cap / BLOCK + 1, 1) : copy_of(n->dirty, n->cap / BLOCK);
  n->room = n->cap;
  n->borrowed = false;
}

struct powercut *powercut_clone(const struct powercut *p) {
  struct powercut *c = copy_of(p, sizeof *p);
  c->inode = copy_of(p->inode, (size_t)p->inode_cnt * sizeof *p->inode);
  c->trace = copy_of(p->trace, p->trace_cap * sizeof *p->trace);
  for (int i = 0; i < c->inode_cnt; i++) {
    keep(&c->inode[i]);
    c->inode[i].locked = false;
    c->inode[i].opens = 0;
  }
  return c;
}

struct powercut *powercut_durable(const struct powercut *p) {
  struct powercut *c = powercut_new();
  c->inode = copy_of(p->inode, (size_t)p->inode_cnt * sizeof *p->inode);
  c->inode_cnt = p->inode_cnt;
  c->now = c->durable = p->durable;
  for (int i = 0; i < c->inode_cnt; i++) {
    struct inode *n = &c->inode[i];
    n->now = n->durable;
    n->now_size = n->durable_size;
    n->dirty_from = n->dirty_to = 0;
    n->locked = false;
    n->opens = 0;
    n->borrowed = true;
  }
  return c;
}

static void name_copy(char *dst, const char *name) {
  size_t len = strnlen(name, NAME_LEN - 1);
  memcpy(dst, name, len);
  dst[len] = 0;
}

static int find(const struct directory *d, const char *name) {
  for (int i = 0; i < d->cnt; i++)
    if (!strcmp(d->entry[i].name, name)) return i;
  return -1;
}

static void add(struct directory *d, const char *name, int inode) {
  int at = find(d, name);
  if (at < 0) {
    assert(d->cnt < NAMES);
    at = d->cnt++;
  }
  name_copy(d->entry[at].name, name);
  d->entry[at].inode = inode;
}

static void drop(struct directory *d, const char *name) {
  int at = find(d, name);
  if (at >= 0) d->entry[at] = d->entry[--d->cnt];
}

static void apply(struct directory *d, const struct change *c) {
  int at = find(d, c->from);
  if (c->type == CHANGE_ADD) add(d, c->from, c->inode);
  if (c->type == CHANGE_UNLINK) drop(d, c->from);
  if (c->type != CHANGE_RENAME || at < 0) return;
  drop(d, c->from);
  add(d, c->to, c->inode);
}

static void change(struct powercut *p, enum change_type type, const char *from, const char *to,
                   int inode) {
  struct change c = {.type = type, .inode = inode};
  name_copy(c.from, from);
  name_copy(c.to, to);
  apply(&p->now, &c);
  assert(p->change_cnt < NAMES);
  p->change[p->change_cnt++] = c;
}

static void make_room(struct inode *n, size_t room) {
  if (n->borrowed) keep(n);
  if (room <= n->room) return;
  n->room = room > 2 * n->room ? room : 2 * n->room;
  if (n->room < ROOM_MIN) n->room = ROOM_MIN;
  n->now = realloc(n->now, n->room);
  n->durable = realloc(n->durable, n->room);
  n->dirty = realloc(n->dirty, n->room / BLOCK);
}

static void grow(struct inode *n, size_t size) {
  size_t cap = (size + LIMIT_SECTOR - 1) / LIMIT_SECTOR * LIMIT_SECTOR;
  make_room(n, cap);
  if (cap <= n->cap) return;
  memset(n->now + n->cap, 0, cap - n->cap);
  memset(n->durable + n->cap, 0, cap - n->cap);
  memset(n->dirty + n->cap / BLOCK, 0, (cap - n->cap) / BLOCK);
  n->cap = cap;
}

static void trace(struct powercut *p, const char *name, bool sync) {
  if (p->ops >= TRACE) return;
  if (p->ops >= p->trace_cap) {
    p->trace_cap = p->trace_cap ? 2 * p->trace_cap : 64;
    p->trace = realloc(p->trace, p->trace_cap * sizeof *p->trace);
  }
  p->trace[p->ops].sync = sync;
  name_copy(p->trace[p->ops].name, name);
}

/* Every operation begins here.  0: do it; 1: do it, but nothing of it becomes durable by itself; <
 * 0: fail. */
static int begin(struct powercut *p, const char *name, bool sync) {
  if (p->cut) return -EIO;
  p->ops++;
  trace(p, name, sync);
  if (p->ops == p->plan.fail_at) return -p->plan.fail_errno;
  if (p->ops == p->plan.cut_at) p->cut = true;
  return p->cut || p->ops == p->plan.ignore_at;
}

static int end(const struct powercut *p) { return p->cut ? -EIO : 0; }

static struct powercut *self_of(struct disk *d) { return d->self; }

static int create(struct powercut *p, const char *name) {
  if (find(&p->now, name) >= 0) return -EEXIST;
  int rc = begin(p, name, false);
  if (rc < 0) return rc;
  p->inode = realloc(p->inode, (size_t)(p->inode_cnt + 1) * sizeof *p->inode);
  p->inode[p->inode_cnt++] = (struct inode){.locked = false};
  change(p, CHANGE_ADD, name, "", p->inode_cnt - 1);
  return end(p);
}

static int cut_open(struct disk *d, const char *name, enum disk_mode mode, struct disk_file **out) {
  struct powercut *p = self_of(d);
  if (p->cut) return -EIO;
  int rc = mode == DISK_CREATE ? create(p, name) : 0;
  if (rc) return rc;
  int at = find(&p->now, name);
  if (at < 0) return -ENOENT;
  struct inode *n = &p->inode[p->now.entry[at].inode];
  if (mode != DISK_READ_ONLY && n->locked) return -EWOULDBLOCK;
  struct disk_file *f = calloc(1, sizeof *f);
  f->inode = p->now.entry[at].inode;
  f->writes = mode != DISK_READ_ONLY;
  name_copy(f->name, name);
  n->locked = n->locked || f->writes;
  n->opens++;
  *out = f;
  return 0;
}

static void cut_close(struct disk *d, struct disk_file *f) {
  struct inode *n = &self_of(d)->inode[f->inode];
  if (f->writes) n->locked = false;
  n->opens--;
  free(f);
}

static ssize_t cut_read(struct disk *d, struct disk_file *f, void *buf, size_t len,
                        uint64_t offset) {
  struct powercut *p = self_of(d);
  const struct inode *n = &p->inode[f->inode];
  assert((uintptr_t)buf % LIMIT_SECTOR == 0 && len % LIMIT_SECTOR == 0);
  if (p->cut || ++p->reads == p->plan.fail_read_at) return -EIO;
  if (offset >= n->now_size) return 0;
  size_t got = n->now_size - offset < len ? n->now_size - offset : len;
  memcpy(buf, n->now + offset, got);
  return (ssize_t)got;
}

static void mark_dirty(struct inode *n, size_t from, size_t to) {
  memset(n->dirty + from, 1, to - from);
  if (n->dirty_from == n->dirty_to) n->dirty_from = from, n->dirty_to = to;
  if (from < n->dirty_from) n->dirty_from = from;
  if (to > n->dirty_to) n->dirty_to = to;
}

static void put(struct inode *n, const void *buf, size_t len, uint64_t offset) {
  grow(n, offset + len);
  memcpy(n->now + offset, buf, len);
  mark_dirty(n, offset / BLOCK, (offset + len) / BLOCK);
  if (n->now_size < offset + len) n->now_size = offset + len;
}

static void make_durable(struct inode *n, uint64_t from, uint64_t to) {
  if (n->borrowed) return;
  if (to > n->now_size) to = n->now_size;
  uint64_t first = from / BLOCK, end = (to + BLOCK - 1) / BLOCK;
  bool all = first <= n->dirty_from && end >= n->dirty_to;
  if (first < n->dirty_from) first = n->dirty_from;
  if (end > n->dirty_to) end = n->dirty_to;
  for (uint64_t b = first; b < end; b++) {
    uint64_t at = b * BLOCK;
    if (n->dirty[b] == BLOCK_ABANDONED) all = false;
    if (!n->dirty[b] || n->dirty[b] == BLOCK_ABANDONED) continue;
    memcpy(n->durable + at, n->now + at, to - at < BLOCK ? to - at : BLOCK);
    n->dirty[b] = 0;
  }
  if (all) n->dirty_from = n->dirty_to = 0;
  if (n->durable_size < to) n->durable_size = to;
}

static int cut_write(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                     uint64_t offset) {
  struct powercut *p = self_of(d);
  int rc = begin(p, f->name, false);
  if (rc < 0) return rc;
  put(&p->inode[f->inode], buf, len, offset);
  return end(p);
}

static int cut_write_durable(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                             uint64_t offset) {
  struct powercut *p = self_of(d);
  int rc = begin(p, f->name, true);
  if (rc < 0) return rc;
  put(&p->inode[f->inode], buf, len, offset);
  if (rc == 0) make_durable(&p->inode[f->inode], offset, offset + len);
  return end(p);
}

static int cut_sync(struct disk *d, struct disk_file *f) {
  struct powercut *p = self_of(d);
  int rc = begin(p, f->name, true);
  if (rc < 0) return rc;
  if (rc == 0) make_durable(&p->inode[f->inode], 0, p->inode[f->inode].now_size);
  return end(p);
}

static int64_t cut_size(struct disk *d, struct disk_file *f) {
  struct powercut *p = self_of(d);
  return p->cut ? -EIO : (int64_t)p->inode[f->inode].now_size;
}

static int cut_rename(struct disk *d, const char *from, const char *to) {
  struct powercut *p = self_of(d);
  int at = find(&p->now, from);
  if (at < 0) return -ENOENT;
  int rc = begin(p, to, false);
  if (rc < 0) return rc;
  change(p, CHANGE_RENAME, from, to, p->now.entry[at].inode);
  return end(p);
}

static int cut_unlink(struct disk *d, const char *name) {
  struct powercut *p = self_of(d);
  if (find(&p->now, name) < 0) return -ENOENT;
  int rc = begin(p, name, false);
  if (rc < 0) return rc;
  change(p, CHANGE_UNLINK, name, "", -1);
  return end(p);
}

static bool has_inode(const struct directory *d, int inode) {
  for (int i = 0; i < d->cnt; i++)
    if (d->entry[i].inode == inode) return true;
  return false;
}

/* Bytes that no name leads to any more, nor will. */
static void forget_unlinked(struct powercut *p) {
  for (int i = 0; i < p->inode_cnt; i++)
    if (p->inode[i].cap && !p->inode[i].opens && !has_inode(&p->durable, i))
      inode_free(&p->inode[i]);
}

static int cut_sync_dir(struct disk *d) {
  struct powercut *p = self_of(d);
  int rc = begin(p, "/", true);
  if (rc < 0) return rc;
  if (rc == 0) {
    p->durable = p->now;
    p->change_cnt = 0;
    forget_unlinked(p);
  }
  return end(p);
}

static int cut_list(struct disk *d, void (*each)(void *ctx, const char *name), void *ctx) {
  struct powercut *p = self_of(d);
  if (p->cut) return -EIO;
  struct directory *copy = copy_of(&p->now, sizeof p->now);
  for (int i = 0; i < copy->cnt; i++) each(ctx, copy->entry[i].name);
  free(copy);
  return 0;
}

static int64_t cut_free_bytes(struct disk *d) {
  (void)d;
  return (int64_t)1 << 40;
}

static const struct disk_ops cut_ops = {
    .open = cut_open,
    .close = cut_close,
    .read = cut_read,
    .write = cut_write,
    .write_durable = cut_write_durable,
    .sync = cut_sync,
    .size = cut_size,
    .rename = cut_rename,
    .unlink = cut_unlink,
    .sync_dir = cut_sync_dir,
    .list = cut_list,
    .free_bytes = cut_free_bytes,
};

void powercut_disk(struct powercut *p, struct disk *d) { *d = (struct disk){&cut_ops, p}; }

void powercut_arm(struct powercut *p, struct powercut_plan plan) {
  p->plan = plan;
  p->ops = 0;
  p->reads = 0;
}

uint64_t powercut_ops(const struct powercut *p) { return p->ops; }
uint64_t powercut_reads(const struct powercut *p) { return p->reads; }
bool powercut_is_cut(const struct powercut *p) { return p->cut; }

bool powercut_is_sync(const struct powercut *p, uint64_t op, const char **name) {
  assert(op < TRACE && op <= p->ops);
  *name = p->trace[op].name;
  return p->trace[op].sync;
}

static uint64_t mix(uint64_t *seed) { /* splitmix64 */
  uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Which of the unsynced survive: by a rule, or one item after the other. */
struct survival {
  enum powercut_survivors rule;
  uint64_t seed;
  uint32_t kept, groups, items, item; /* groups > 0: this way */
};

static bool item_survives(struct survival *v) {
  return v->kept >> (v->item++ * v->groups / v->items) & 1u;
}

static size_t run_len(const struct inode *n, size_t block) {
  size_t len = 0;
  while (block + len < n->dirty_to && n->dirty[block + len]) len++;
  return len;
}

static bool block_survives(struct survival *v, size_t at, size_t len) {
  enum powercut_survivors s = v->rule;
  if (v->groups) return item_survives(v);
  if (s == SURVIVE_RANDOM) return mix(&v->seed) & 1;
  if (s == SURVIVE_HEADS) return at < (len + 1) / 2;
  if (s == SURVIVE_TAILS) return at >= len / 2;
  return s == SURVIVE_ALL || s == SURVIVE_DATA;
}

static void restore_run(struct inode *n, size_t block, size_t len, struct survival *v) {
  for (size_t i = 0; i < len; i++) {
    size_t at = (block + i) * BLOCK;
    if (!block_survives(v, i, len) || n->dirty[block + i] == BLOCK_ABANDONED) continue;
    memcpy(n->durable + at, n->now + at, BLOCK);
    size_t size = (at / LIMIT_SECTOR + 1) * LIMIT_SECTOR;
    if (size > n->now_size) size = n->now_size;
    if (n->durable_size < size) n->durable_size = size;
  }
}

static bool has_grown(const struct inode *n) { return n->durable_size < n->now_size; }

static bool size_survives(const struct inode *n, bool grown, struct survival *v) {
  if (v->groups) return grown && item_survives(v) && has_grown(n);
  bool survives = v->rule == SURVIVE_RANDOM ? (mix(&v->seed) & 1) : v->rule == SURVIVE_NAMES;
  return survives && has_grown(n);
}

static void restore_inode(struct inode *n, struct survival *v) {
  size_t from = n->dirty_from, cnt = n->dirty_to - from;
  bool grown = has_grown(n);
  for (size_t b = from; b < n->dirty_to; b++) {
    size_t len = run_len(n, b);
    if (len) restore_run(n, b, len, v);
    b += len;
  }
  if (size_survives(n, grown, v)) n->durable_size = n->now_size;
  n->now_size = n->durable_size;
  if (cnt) memcpy(n->now + from * BLOCK, n->durable + from * BLOCK, cnt * BLOCK);
  if (cnt) memset(n->dirty + from, 0, cnt);
  n->dirty_from = n->dirty_to = 0;
  n->locked = false;
}

static bool name_survives(struct survival *v, int at, int cnt) {
  enum powercut_survivors s = v->rule;
  if (v->groups) return item_survives(v);
  if (s == SURVIVE_RANDOM) return mix(&v->seed) & 1;
  if (s == SURVIVE_HEADS) return at < (cnt + 1) / 2;
  if (s == SURVIVE_TAILS) return at >= cnt / 2;
  return s == SURVIVE_ALL || s == SURVIVE_NAMES;
}

static void restore(struct powercut *p, struct survival v) {
  for (int i = 0; i < p->inode_cnt; i++)
    if (!p->inode[i].borrowed) restore_inode(&p->inode[i], &v);
  for (int i = 0; i < p->change_cnt; i++)
    if (name_survives(&v, i, p->change_cnt)) apply(&p->durable, &p->change[i]);
  p->change_cnt = 0;
  p->now = p->durable;
  p->cut = false;
  powercut_arm(p, (struct powercut_plan){0});
}

void powercut_restore(struct powercut *p, enum powercut_survivors s, uint64_t seed) {
  restore(p, (struct survival){.rule = s, .seed = seed});
}

uint32_t powercut_unsynced(const struct powercut *p) {
  uint32_t cnt = (uint32_t)p->change_cnt;
  for (int i = 0; i < p->inode_cnt; i++) {
    const struct inode *n = &p->inode[i];
    cnt += has_grown(n);
    for (size_t b = n->dirty_from; b < n->dirty_to; b++) cnt += n->dirty[b] != 0;
  }
  return cnt;
}

void powercut_restore_groups(struct powercut *p, uint32_t kept, uint32_t groups) {
  restore(p, (struct survival){.kept = kept, .groups = groups, .items = powercut_unsynced(p)});
}

void powercut_abandon(struct powercut *p, struct disk_file *f) {
  struct inode *n = &p->inode[f->inode];
  for (size_t b = 0; !n->borrowed && b < n->cap / BLOCK; b++)
    if (n->dirty[b]) n->dirty[b] = BLOCK_ABANDONED;
}

void powercut_kill(struct powercut *p) {
  p->cut = false;
  powercut_arm(p, (struct powercut_plan){0});
}

uint8_t *powercut_file(struct powercut *p, const char *name, size_t *len) {
  int at = find(&p->now, name);
  if (at < 0) return NULL;
  struct inode *n = &p->inode[p->now.entry[at].inode];
  if (n->borrowed) keep(n);
  if (n->cap) mark_dirty(n, 0, n->cap / BLOCK);
  *len = n->now_size;
  return n->now;
}

void powercut_resize(struct powercut *p, const char *name, size_t len) {
  int at = find(&p->now, name);
  if (at < 0) return;
  struct inode *n = &p->inode[p->now.entry[at].inode];
  grow(n, len);
  if (len < n->now_size) memset(n->now + len, 0, n->now_size - len);
  n->now_size = len;
  n->durable_size = len;
  if (n->cap) memcpy(n->durable, n->now, n->cap);
}

void powercut_put(struct powercut *p, int inode, const void *bytes, size_t len, uint64_t offset) {
  struct inode *n = &p->inode[inode];
  if (n->borrowed) keep(n);
  grow(n, offset + len);
  memcpy(n->now + offset, bytes, len);
  memcpy(n->durable + offset, bytes, len);
  if (n->now_size < offset + len) n->now_size = offset + len;
  if (n->durable_size < offset + len) n->durable_size = offset + len;
}

const char *powercut_name_of(const struct disk_file *f) { return f->name; }

int powercut_inode(const struct disk_file *f) { return f->inode; }

const char *powercut_name_now(const struct powercut *p, int inode) {
  for (int i = 0; i < p->now.cnt; i++)
    if (p->now.entry[i].inode == inode) return p->now.entry[i].name;
  return NULL;
}

const char *powercut_name(const struct powercut *p, int idx) {
  return idx < p->now.cnt ? p->now.entry[idx].name : NULL;
}

void powercut_remove(struct powercut *p, const char *name) {
  drop(&p->now, name);
  drop(&p->durable, name);
}
