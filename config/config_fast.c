/* Addresses and ports of the fast path: who is reached where, and whose MAC is known. */
#include <stdio.h>
#include <string.h>

#include "config/config_key.h"

#define FAST_PATH_LEN 40

/* As in the file: the index only if there is a list of two. */
static const char *fast_path(const struct config *c, int peer, int k, char buf[FAST_PATH_LEN]) {
  if (c->peers[peer].fast_cnt > 1)
    snprintf(buf, FAST_PATH_LEN, "peers[%d].fast[%d]", peer, k);
  else
    snprintf(buf, FAST_PATH_LEN, "peers[%d].fast", peer);
  return buf;
}

/* What cannot be told from the name is taken for memif's kind: addresses by config alone. */
static bool is_ethernet(const char *name) {
  static const char *const drivers[] = {"net_af_xdp", "net_af_packet", "net_tap", "net_bonding"};
  for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
    if (!strncmp(name, drivers[i], strlen(drivers[i]))) return true;
  return strchr(name, ':') != NULL; /* a PCI address */
}

static int check_names(struct reader *r) {
  struct config *c = r->c;
  for (int i = 0; i < c->port_cnt; i++) {
    c->ports[i].ethernet = is_ethernet(c->ports[i].name);
    c->ports[i].fast_idx = KEY_NO_PORT;
    for (int j = 0; j < i; j++)
      if (!strcmp(c->ports[i].name, c->ports[j].name))
        return reader_fail(
            r, "ports[%d].name: found \"%s\", which ports[%d] has too, allowed: each name once", i,
            c->ports[i].name, j);
  }
  return 0;
}

/* Every node is on each network, so that the i-th address of one reaches the i-th of all. */
static int check_counts(struct reader *r) {
  const struct config *c = r->c;
  for (int i = 1; i < c->peer_cnt; i++)
    if (c->peers[i].fast_cnt != c->peers[0].fast_cnt)
      return reader_fail(r,
                         "peers[%d].fast: found %d of them, and peers[0] has %d, allowed: the same "
                         "number for all peers",
                         i, c->peers[i].fast_cnt, c->peers[0].fast_cnt);
  return 0;
}

/* With one port it leads to everybody; with several each peer says which. */
static int check_port(struct reader *r, int peer, int k) {
  struct config *c = r->c;
  char path[FAST_PATH_LEN];
  int *idx = &c->peers[peer].fast[k].port_idx;
  if (!c->port_cnt)
    return reader_fail(
        r, "ports: found nothing, allowed: at least one port when there are other peers");
  if (*idx == KEY_NO_PORT && c->port_cnt == 1) *idx = 0;
  if (*idx == KEY_NO_PORT)
    return reader_fail(r, "%s.port: found nothing, allowed: the name of one of ports[]",
                       fast_path(c, peer, k, path));
  int *address = &c->ports[*idx].fast_idx;
  if (*address != KEY_NO_PORT && *address != k)
    return reader_fail(r,
                       "%s.port: found \"%s\", which leads to the other address of a peer, "
                       "allowed: another port for each of the two",
                       fast_path(c, peer, k, path), c->ports[*idx].name);
  *address = k;
  return 0;
}

/* Our own entry may name the port, as the same list does on other nodes, or leave it out. */
static int check_own_port(struct reader *r, int self, int k) {
  struct config *c = r->c;
  char path[FAST_PATH_LEN];
  int *idx = &c->peers[self].fast[k].port_idx;
  if (c->peers[self].fast_cnt > 1 && *idx >= 0 && c->ports[*idx].fast_idx != KEY_NO_PORT &&
      c->ports[*idx].fast_idx != k)
    return reader_fail(r,
                       "%s.port: found \"%s\", which leads to the other address of the peers, "
                       "allowed: a port that leads to this one",
                       fast_path(c, self, k, path), c->ports[*idx].name);
  *idx = -1;
  return 0;
}

static int check_ports(struct reader *r) {
  struct config *c = r->c;
  int self = config_peer_idx(c, c->id);
  for (int i = 0; i < c->peer_cnt; i++)
    for (int k = 0; k < c->peers[i].fast_cnt; k++)
      if (i != self && check_port(r, i, k)) return -1;
  for (int k = 0; k < c->peers[self].fast_cnt; k++)
    if (check_own_port(r, self, k)) return -1;
  for (int i = 0; i < c->port_cnt; i++)
    if (c->ports[i].fast_idx == KEY_NO_PORT) c->ports[i].fast_idx = 0; /* leads to nobody */
  return 0;
}

/* Is our k-th address on a port that has no MAC of its own? */
static bool is_on_memory(const struct config *c, int k) {
  for (int i = 0; i < c->port_cnt; i++)
    if (c->ports[i].fast_idx == k && !c->ports[i].ethernet) return true;
  return !c->port_cnt;
}

static bool has_mac(const struct config_fast *f) {
  static const uint8_t none[6];
  return memcmp(f->mac, none, sizeof none);
}

static void set_mac(struct config *c, int peer, int k) {
  struct config_fast *f = &c->peers[peer].fast[k];
  bool self = c->peers[peer].id == c->id, given = has_mac(f);
  bool memory = self ? is_on_memory(c, k) : !c->ports[f->port_idx].ethernet;
  if (!given && memory)
    memcpy(f->mac, (const uint8_t[6]){0x02, 0x5a, 0x42, 0, (uint8_t)k, c->peers[peer].id}, 6);
  f->mac_static = given || (memory && !self);
}

static int check_address(struct reader *r, int peer, int k, int other, int other_k) {
  const struct config *c = r->c;
  const struct config_fast *f = &c->peers[peer].fast[k], *g = &c->peers[other].fast[other_k];
  char path[FAST_PATH_LEN], owner[FAST_PATH_LEN];
  snprintf(owner, sizeof owner, "peers[%d]", other);
  if (c->peers[other].fast_cnt > 1) fast_path(c, other, other_k, owner);
  if (f->ip && f->ip == g->ip)
    return reader_fail(r, "%s.ip: found that of %s, allowed: each address once",
                       fast_path(c, peer, k, path), owner);
  if (has_mac(f) && !memcmp(f->mac, g->mac, sizeof f->mac))
    return reader_fail(r, "%s.mac: found that of %s, allowed: each address once",
                       fast_path(c, peer, k, path), owner);
  return 0;
}

/* Address number n of the file: that of peer n / cnt at n % cnt, cnt being the same for all. */
static int check_addresses(struct reader *r) {
  struct config *c = r->c;
  int cnt = c->peers[0].fast_cnt;
  char path[FAST_PATH_LEN];
  for (int n = 0; n < c->peer_cnt * cnt; n++) {
    if (!c->peers[n / cnt].fast[n % cnt].ip && (c->peer_cnt > 1 || cnt > 1))
      return reader_fail(r, "%s.ip: found nothing, allowed: one host's IPv4 address",
                         fast_path(c, n / cnt, n % cnt, path));
    for (int m = 0; m < n; m++)
      if (check_address(r, n / cnt, n % cnt, m / cnt, m % cnt)) return -1;
  }
  return 0;
}

int config_check_fast(struct reader *r) {
  struct config *c = r->c;
  if (check_names(r) || check_counts(r) || check_ports(r)) return -1;
  for (int i = 0; i < c->peer_cnt; i++)
    for (int k = 0; k < c->peers[i].fast_cnt; k++) set_mac(c, i, k);
  return check_addresses(r);
}
