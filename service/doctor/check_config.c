/* The config: its warnings, and its likeness with the configs of the peers. */
#include <string.h>

#include "service/doctor/doctor.h"

struct same {
  const char *name;
  size_t offset, size;
  bool must; /* else different values work, and surprise */
};

#define SAME(field, must) \
  { #field, offsetof(struct config, field), sizeof(((struct config *)0)->field), must }

static const struct same numbers[] = {
    SAME(mtu, true),         SAME(largest_record, true),   SAME(heartbeat_us, false),
    SAME(timeout_us, false), SAME(tick_ms, false),         SAME(init_limit, false),
    SAME(sync_limit, false), SAME(disk_timeout_ms, false), SAME(ring_bytes, false),
};

static unsigned long long value_of(const struct config *c, const struct same *s) {
  uint16_t small;
  uint32_t value;
  if (s->size == sizeof small) {
    memcpy(&small, (const char *)c + s->offset, sizeof small);
    return small;
  }
  memcpy(&value, (const char *)c + s->offset, sizeof value);
  return value;
}

/* Of our own address the port may be another, and the MAC is the device's. */
static bool same_endpoints(const struct config_peer *a, const struct config_peer *b) {
  for (int k = 0; k < a->fast_cnt && k < b->fast_cnt; k++)
    if (a->fast[k].ip != b->fast[k].ip || a->fast[k].udp_port != b->fast[k].udp_port) return false;
  return a->fast_cnt == b->fast_cnt;
}

/* -1: the lists are the same; else the id of a peer that only one has, or has otherwise. */
static int different_peer(const struct config *a, const struct config *b) {
  for (int i = 0; i < a->peer_cnt || i < b->peer_cnt; i++) {
    if (i == a->peer_cnt) return b->peers[i].id;
    const struct config_peer *p = &a->peers[i], *q = &b->peers[i];
    if (i == b->peer_cnt || p->id != q->id || p->role != q->role ||
        strcmp(p->address, q->address) != 0 || p->quorum_port != q->quorum_port ||
        p->election_port != q->election_port || !same_endpoints(p, q))
      return p->id;
  }
  return -1;
}

static int vlan_of(const struct config *c, int k) {
  for (int i = 0; i < c->port_cnt; i++)
    if (c->ports[i].fast_idx == k) return c->ports[i].vlan;
  return 0;
}

static const char *class_of(const struct config *c) {
  return c->durability == DURABILITY_SYNC ? "sync" : "memory";
}

/* What makes peers refuse each other; false: nothing. */
static bool refused(const struct config *a, const struct config *b, struct doctor_row *row) {
  int id = different_peer(a, b);
  bool cluster = strcmp(a->cluster, b->cluster) != 0, durability = a->durability != b->durability;
  if (cluster)
    row_says(row, DOCTOR_FAIL, "cluster: %s here, %s there", a->cluster, b->cluster);
  else if (a->id == b->id)
    row_says(row, DOCTOR_FAIL, "id: %d in both files", a->id);
  else if (durability)
    row_says(row, DOCTOR_FAIL, "durability: %s here, %s there", class_of(a), class_of(b));
  else if (id >= 0)
    row_says(row, DOCTOR_FAIL, "peers: node %d is not the same in both", id);
  return cluster || a->id == b->id || durability || id >= 0;
}

/* Frames of another VLAN do not arrive.  false: it is the same. */
static bool vlan_differs(const struct config *a, const struct config *b, struct doctor_row *row) {
  for (int k = 0; k < a->peers[0].fast_cnt; k++) {
    if (vlan_of(a, k) == vlan_of(b, k)) continue;
    row_says(row, DOCTOR_FAIL, "vlan: %d here, %d there", vlan_of(a, k), vlan_of(b, k));
    return true;
  }
  return false;
}

static void compare(const struct config *a, const struct config *b, struct doctor_row *row) {
  row_mend(row, "diff %.200s %.200s", a->file, b->file);
  if (refused(a, b, row) || vlan_differs(a, b, row)) return;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    unsigned long long here = value_of(a, &numbers[i]), there = value_of(b, &numbers[i]);
    if (here == there) continue;
    row_says(row, numbers[i].must ? DOCTOR_FAIL : DOCTOR_WARN, "%s: %llu here, %llu there",
             numbers[i].name, here, there);
    return;
  }
  row_mend(row_says(row, DOCTOR_OK, "agrees (node %d)", b->id), "%s", "");
}

static void check_peer_file(struct doctor *d, const char *file) {
  struct config peer;
  struct config_error e;
  struct doctor_row *row = row_add(d, "config", file);
  if (config_load(&peer, file, &e))
    row_mend(row_says(row, DOCTOR_FAIL, "%s", e.text), "zabd --check-config %s", file);
  else
    compare(d->config, &peer, row);
}

void doctor_check_config(struct doctor *d) {
  const char *line = config_warning(d->config, 0);
  if (!line) row_says(row_add(d, "config", NULL), DOCTOR_OK, "%s is good", d->config->file);
  for (int i = 0; (line = config_warning(d->config, i)) != NULL; i++)
    row_mend(row_says(row_add(d, "config", NULL), DOCTOR_WARN, "%s", line),
             "edit %s (config/README.md explains the keys)", d->config->file);
  for (int i = 0; i < d->peer_file_cnt; i++) check_peer_file(d, d->peer_files[i]);
}
