#include "service/clients.h"

#include <assert.h>
#include <stddef.h>

uint64_t hash_mix(uint64_t v) {
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
  v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
  return v ^ (v >> 31);
}

static uint64_t entry_digest(const struct client *e) {
  return hash_mix(hash_mix(hash_mix(e->id + 1) + e->sequence) + e->zxid);
}

void clients_init(struct clients *c) {
  c->index = NULL;
  clients_clear(c);
}

void clients_clear(struct clients *c) {
  HASH_CLEAR(hh, c->index);
  c->cnt = 0;
  c->digest = 0;
  c->oldest = c->newest = NULL;
}

const struct client *clients_find(const struct clients *c, uint64_t id) {
  struct client *e;
  HASH_FIND(hh, c->index, &id, sizeof id, e);
  return e;
}

static void unlink_entry(struct clients *c, struct client *e) {
  if (e->older)
    e->older->newer = e->newer;
  else
    c->oldest = e->newer;
  if (e->newer)
    e->newer->older = e->older;
  else
    c->newest = e->older;
}

static void link_newest(struct clients *c, struct client *e) {
  assert(!c->newest || e->zxid > c->newest->zxid);
  e->older = c->newest;
  e->newer = NULL;
  if (c->newest)
    c->newest->newer = e;
  else
    c->oldest = e;
  c->newest = e;
}

/* A free entry, or that of the client evicted. */
static struct client *entry_for(struct clients *c, uint64_t id) {
  struct client *e;
  if (c->cnt < LIMIT_CLIENTS) {
    e = &c->at[c->cnt++];
  } else {
    e = c->oldest;
    c->digest ^= entry_digest(e);
    unlink_entry(c, e);
    HASH_DELETE(hh, c->index, e);
  }
  e->id = id;
  HASH_ADD(hh, c->index, id, sizeof e->id, e);
  return e;
}

void clients_set(struct clients *c, uint64_t id, uint64_t sequence, zxid_t zxid) {
  struct client *e;
  HASH_FIND(hh, c->index, &id, sizeof id, e);
  if (e) {
    c->digest ^= entry_digest(e);
    unlink_entry(c, e);
  } else {
    e = entry_for(c, id);
  }
  e->sequence = sequence;
  e->zxid = zxid;
  link_newest(c, e);
  c->digest ^= entry_digest(e);
}
