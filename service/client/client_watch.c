/* Watches: by path for what happens, by client for its end.
 *
 * A path's watchers are in one list, each with the kinds that it waits for.  One-shot kinds go when
 * they fire, also if the client may not be told (its ids may not READ the znode). */
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "service/client/client.h"
#include "service/tree/jute.h"

#define XID_EVENT (-1)

struct watch_path {
  struct watch *watches;
  UT_hash_handle hh;
  uint32_t len;
  uint8_t bytes[];
};

struct watch_key {
  const struct watch_path *path;
  const struct client *client;
};

struct watch {
  struct watch_key key;
  struct watch_path *path;
  struct client *client;
  uint32_t kinds;

  struct watch *next, *prev;               /* of the path */
  struct watch *client_next, *client_prev; /* of the client */
  UT_hash_handle hh;
};

static struct watch_path *find_path(const struct client_port *p, struct span path) {
  struct watch_path *w;
  if (path.len < 0) return NULL;
  const void *bytes = path.len ? path.data : (const void *)"";
  HASH_FIND(hh, p->watch_paths, bytes, (unsigned)path.len, w);
  return w;
}

static struct watch *find(const struct client *c, const struct watch_path *path) {
  struct watch_key key = {path, c};
  struct watch *w;
  HASH_FIND(hh, c->port->watch_index, &key, sizeof key, w);
  return w;
}

static struct watch_path *add_path(struct client_port *p, struct span path) {
  size_t size = sizeof(struct watch_path) + (size_t)path.len;
  struct watch_path *w = memory_or_end(calloc(1, size), size);
  w->len = (uint32_t)path.len;
  if (path.len) memcpy(w->bytes, path.data, (size_t)path.len);
  HASH_ADD_KEYPTR(hh, p->watch_paths, w->bytes, w->len, w);
  p->watch_path_cnt++;
  return w;
}

/* As if each had its path for itself. */
static size_t bytes_of(uint32_t path_len) {
  return sizeof(struct watch) + sizeof(struct watch_path) + path_len;
}

static bool has_room(const struct client *c, struct span path) {
  size_t more = bytes_of((uint32_t)path.len);
  return c->watch_cnt < LIMIT_CLIENT_WATCHES && c->watch_bytes + more <= LIMIT_CLIENT_WATCH_BYTES &&
         c->port->watch_bytes + more <= LIMIT_WATCH_BYTES;
}

static struct watch *add(struct client *c, struct watch_path *path) {
  struct client_port *p = c->port;
  struct watch *w = memory_or_end(calloc(1, sizeof *w), sizeof *w);
  w->key.path = w->path = path;
  w->key.client = w->client = c;
  w->next = path->watches;
  if (w->next) w->next->prev = w;
  path->watches = w;
  w->client_next = c->watches;
  if (w->client_next) w->client_next->client_prev = w;
  c->watches = w;
  HASH_ADD(hh, p->watch_index, key, sizeof w->key, w);
  c->watch_cnt++;
  p->watch_cnt++;
  c->watch_bytes += bytes_of(path->len);
  p->watch_bytes += bytes_of(path->len);
  return w;
}

static void remove_watch(struct watch *w) {
  struct client_port *p = w->client->port;
  struct watch_path *path = w->path;
  *(w->prev ? &w->prev->next : &path->watches) = w->next;
  if (w->next) w->next->prev = w->prev;
  *(w->client_prev ? &w->client_prev->client_next : &w->client->watches) = w->client_next;
  if (w->client_next) w->client_next->client_prev = w->client_prev;
  if (w->kinds & WATCH_RECURSIVE) p->recursive_cnt--;
  w->client->watch_cnt--;
  p->watch_cnt--;
  w->client->watch_bytes -= bytes_of(path->len);
  p->watch_bytes -= bytes_of(path->len);
  HASH_DEL(p->watch_index, w);
  free(w);
  if (path->watches) return;
  HASH_DEL(p->watch_paths, path);
  p->watch_path_cnt--;
  free(path);
}

void client_watch(struct client *c, struct span path, enum watch_kind kind) {
  if (path.len < 0 || c->closing) return;
  struct watch_path *at = find_path(c->port, path);
  struct watch *w = at ? find(c, at) : NULL;
  if (!w && !has_room(c, path)) { /* not here: whoever asks still reads the request */
    c->crowded = true;
    client_ready(c);
    return;
  }
  if (!w) w = add(c, at ? at : add_path(c->port, path));
  if (kind == WATCH_RECURSIVE && !(w->kinds & WATCH_RECURSIVE)) c->port->recursive_cnt++;
  w->kinds |= kind;
}

uint32_t client_watched(const struct client *c, struct span path) {
  const struct watch_path *at = find_path(c->port, path);
  const struct watch *w = at ? find(c, at) : NULL;
  return w ? w->kinds : 0;
}

static void drop_kinds(struct watch *w, uint32_t kinds) {
  if (w->kinds & kinds & WATCH_RECURSIVE) w->client->port->recursive_cnt--;
  w->kinds &= ~kinds;
  if (!w->kinds) remove_watch(w);
}

void client_unwatch(struct client *c, struct span path, uint32_t kinds) {
  struct watch_path *at = find_path(c->port, path);
  struct watch *w = at ? find(c, at) : NULL;
  if (w) drop_kinds(w, kinds);
}

void client_unwatch_all(struct client *c) {
  while (c->watches) remove_watch(c->watches);
}

/* ---- wchs, wchc, wchp ---- */

uint32_t client_watching(const struct client_port *p) {
  uint32_t cnt = 0;
  for (int i = 0; i < p->client_cnt; i++) cnt += p->clients[i]->watches != NULL;
  return cnt;
}

void client_watches_by_session(struct client *c) {
  for (int i = 0; i < c->port->client_cnt; i++) {
    const struct client *o = c->port->clients[i];
    if (o->watches) client_say(c, "0x%llx\n", (unsigned long long)o->session);
    for (const struct watch *w = o->watches; w; w = w->client_next) {
      buffer_append(&c->out, "\t", 1);
      buffer_append(&c->out, w->path->bytes, w->path->len);
      buffer_append(&c->out, "\n", 1);
    }
  }
  client_say(c, "\n");
}

void client_watches_by_path(struct client *c) {
  const struct watch_path *path, *next;
  HASH_ITER(hh, c->port->watch_paths, path, next) {
    buffer_append(&c->out, path->bytes, path->len);
    buffer_append(&c->out, "\n", 1);
    for (const struct watch *w = path->watches; w; w = w->next)
      client_say(c, "\t0x%llx\n", (unsigned long long)w->client->session);
  }
  client_say(c, "\n");
}

/* ---- events ---- */

void client_event(struct client *c, enum zk_event type, struct span path, zxid_t zxid) {
  if (c->closing || c->last_words) return;
  size_t begin = client_begin(c);
  jute_append_i32(&c->out, XID_EVENT);
  jute_append_i64(&c->out, (int64_t)zxid);
  jute_append_i32(&c->out, 0);
  jute_append_i32(&c->out, (int32_t)type);
  jute_append_i32(&c->out, ZK_STATE_CONNECTED);
  jute_append_text(&c->out, path);
  client_end(c, begin);
  c->event_bytes += buffer_len(&c->out) - begin;
  c->out_events += buffer_len(&c->out) - begin;
  c->port->stats.events[type]++;
}

struct fire {
  struct client_port *port;
  enum zk_event type;
  struct span path;
  struct span acl;
  uint32_t kinds; /* that hear of it */
  uint32_t once;  /* of these, those that are gone then */
};

static void tell(const struct fire *f, struct watch *w) {
  struct client *c = w->client;
  c->told = f->port->event_number;
  if (!acl_allows(f->acl, client_ids(c), PERM_READ)) return;
  client_event(c, f->type, f->path, f->port->app->tree.applied);
}

/* Everybody at `at` with one of the kinds; nobody twice by one event, wherever he watches. */
static void fire_at(const struct fire *f, struct span at) {
  struct watch_path *path = find_path(f->port, at);
  for (struct watch *w = path ? path->watches : NULL, *next; w; w = next) {
    next = w->next; /* the path may go with the last */
    if ((w->kinds & f->kinds) && w->client->told != f->port->event_number) tell(f, w);
    drop_kinds(w, f->once);
  }
}

static void fire_ancestors(const struct fire *f) {
  struct fire above = *f;
  above.kinds = WATCH_RECURSIVE;
  above.once = 0;
  for (struct span p = f->path; f->port->recursive_cnt && p.len > 1;) {
    p = path_parent(p);
    fire_at(&above, p.len ? p : span_of("/"));
  }
}

void client_heard_event(void *port, enum zk_event type, struct span path, int32_t acl) {
  struct client_port *p = port;
  if (!p->watch_cnt) return;
  p->event_number++;
  struct fire f = {.port = p, .type = type, .path = path};
  f.acl = acls_list(&p->app->tree.acls, acl);
  f.kinds = WATCH_DATA | WATCH_PERSISTENT | WATCH_RECURSIVE;
  f.once = WATCH_DATA;
  if (type == EVENT_CHILDREN_CHANGED) {
    f.kinds = WATCH_CHILD | WATCH_PERSISTENT;
    f.once = WATCH_CHILD;
    fire_at(&f, path);
    return;
  }
  fire_at(&f, path);
  fire_ancestors(&f);
  if (type != EVENT_DELETED) return;
  f.kinds = f.once = WATCH_CHILD;
  fire_at(&f, path);
}
