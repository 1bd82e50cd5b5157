/* Watches of a client: each one-shot, told exactly once, of the first change behind what its client
 * knew when it was set, and before any answer that shows that change (client.md 8). */
#include <string.h>

#include "service/tree/jute.h"
#include "test/sim/oracle.h"
#include "test/sim/zk_parts.h"

static struct zk_watch *find(struct zk_client *c, const char *path, enum zk_watched kind) {
  for (int i = 0; i < ZK_WATCHES; i++) {
    struct zk_watch *w = &c->watch[i];
    if (w->set && w->kind == kind && !strcmp(w->path, path)) return w;
  }
  return NULL;
}

bool zk_watch_any(const struct zk_client *c) {
  for (int i = 0; i < ZK_WATCHES; i++)
    if (c->watch[i].set) return true;
  return false;
}

/* Set once more it is still one; there are fewer paths than places. */
void zk_watch_set(struct zk_client *c, const struct zk_do *op, enum zk_watched kind, zxid_t zxid) {
  struct zk_watch *w = find(c, op->path, kind);
  for (int i = 0; i < ZK_WATCHES && !w; i++)
    if (!c->watch[i].set) w = &c->watch[i];
  if (!w) violation("client %d: more watches than paths", c->idx);
  *w = (struct zk_watch){.set = true, .kind = kind, .from = zxid};
  w->absent = !zk_state_at(op->path, zxid)->exists;
  strcpy(w->path, op->path);
}

void zk_watch_shown(struct zk_client *c, zxid_t zxid) {
  if (c->rewatching) return;
  for (int i = 0; i < ZK_WATCHES; i++) {
    const struct zk_watch *w = &c->watch[i];
    if (!w->set) continue;
    struct zk_change x = zk_change_after(w->path, w->kind, w->from);
    if (x.zxid && x.zxid <= zxid)
      violation(
          "client %d is shown 0x%llx, and was not told that %s, watched since 0x%llx, has "
          "changed at 0x%llx",
          c->idx, (unsigned long long)zxid, w->path, (unsigned long long)w->from,
          (unsigned long long)x.zxid);
  }
}

/* One event is for both kinds, if its end is. */
static bool take(struct zk_client *c, const char *path, enum zk_watched kind, enum zk_event type,
                 zxid_t zxid) {
  struct zk_watch *w = find(c, path, kind);
  if (!w) return false;
  struct zk_change x = zk_change_after(path, kind, w->from);
  if (zxid != ZXID_NONE && (x.zxid != zxid || x.type != type)) {
    bool other = find(c, path, !kind) && type == EVENT_DELETED;
    if (other) return false; /* see there */
    violation(
        "client %d is told of event %d of %s at 0x%llx; watched since 0x%llx, the first is %d "
        "at 0x%llx",
        c->idx, type, path, (unsigned long long)zxid, (unsigned long long)w->from, x.type,
        (unsigned long long)x.zxid);
  }
  w->set = false;
  return true;
}

/* Of what it missed: told with no zxid, and only while its watches are set again. */
static void check_missed(const struct zk_client *c, const char *path, zxid_t zxid) {
  if (zxid != ZXID_NONE || c->rewatching) return;
  violation("client %d is told of %s as if it had missed that", c->idx, path);
}

void zk_watch_event(struct zk_client *c, zxid_t zxid, struct cursor *in) {
  char path[ZK_PATH];
  int32_t err = cursor_i32(in), type = cursor_i32(in), state = cursor_i32(in);
  struct span p = jute_text(in);
  if (in->bad || in->next != in->end || err || state != ZK_STATE_CONNECTED || p.len <= 0 ||
      p.len >= ZK_PATH)
    violation("client %d: a malformed event", c->idx);
  memcpy(path, p.data, (size_t)p.len);
  path[p.len] = 0;
  check_missed(c, path, zxid);
  bool data = type == EVENT_CHILDREN_CHANGED
                  ? false
                  : take(c, path, ZK_WATCHED_DATA, (enum zk_event)type, zxid);
  bool of_children = type == EVENT_CHILDREN_CHANGED || type == EVENT_DELETED;
  if (zxid == ZXID_NONE && data) of_children = false; /* told for each list (client.md 8) */
  bool child = of_children && take(c, path, ZK_WATCHED_CHILD, (enum zk_event)type, zxid);
  if (!data && !child)
    violation("client %d is told of event %d of %s at 0x%llx, which it does not watch (any more)",
              c->idx, type, path, (unsigned long long)zxid);
  note("ClientEvent", "zxid client type",
       (struct noted){c->node, -1, {zxid, (uint64_t)c->idx, (uint64_t)type}});
}

/* What of it should have been told when it was set again, by ZooKeeper's rule for each list. */
static bool was_missed(const struct zk_watch *w, zxid_t seen, zxid_t zxid) {
  const struct zk_state *s = zk_state_at(w->path, zxid);
  if (w->kind == ZK_WATCHED_DATA && w->absent) return s->exists;
  zxid_t changed = w->kind == ZK_WATCHED_DATA ? s->stat.mzxid : s->stat.pzxid;
  return !s->exists || changed > seen;
}

void zk_watch_rewatched(struct zk_client *c, zxid_t zxid) {
  c->rewatching = false;
  for (int i = 0; i < ZK_WATCHES; i++) {
    struct zk_watch *w = &c->watch[i];
    if (!w->set) continue;
    if (was_missed(w, c->rewatched, zxid))
      violation("client %d was not told at 0x%llx that %s has changed since 0x%llx", c->idx,
                (unsigned long long)zxid, w->path, (unsigned long long)c->rewatched);
    w->from = zxid;
  }
}
