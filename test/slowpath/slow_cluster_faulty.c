/* Damaged records of the cluster's disks: answers to ASK, and repair, whose outcome must be the
 * very record that stood there. */
#include <string.h>

#include "test/slowpath/slow_cluster_parts.h"

void image_look(struct image *i) {
  i->state.faulty = 0;
  i->state.faulty_cnt = 0;
  for (int k = 0; k < i->entry_cnt; k++) {
    if (!i->faulty[k] || i->entries[k].zxid <= i->state.log_base) continue;
    if (!i->state.faulty_cnt++) i->state.faulty = i->entries[k].zxid;
  }
}

void image_spoil(struct image *i, int entry_idx) { image_spoil_group(i, entry_idx, 1); }

void image_spoil_group(struct image *i, int entry_idx, int cnt) {
  for (int k = entry_idx; k < entry_idx + cnt; k++) {
    i->faulty[k] = true;
    i->hole_end[k] = entry_idx + cnt - 1;
  }
  image_look(i);
}

static int index_of(const struct image *i, uint64_t zxid) {
  for (int k = 0; k < i->entry_cnt; k++)
    if (i->entries[k].zxid == zxid) return k;
  return -1;
}

/* What store_repair.c can say: of a hole over two epochs only its end has a name, and whoever has
 * one record of that epoch has all before it. */
static bool is_ours(const struct image *i, uint64_t after, uint64_t upto) {
  if (zxid_epoch(after) == zxid_epoch(upto)) return index_of(i, after + 1) >= 0;
  int floor = i->entry_cnt - 1;
  while (floor >= 0 && i->entries[floor].zxid > upto) floor--;
  return floor >= 0 && zxid_epoch(i->entries[floor].zxid) == zxid_epoch(upto);
}

void disk_answer(struct cluster *c, int node, struct disk_msg *m) {
  const struct image *i = &c->nodes[node].image;
  bool one_epoch = zxid_epoch(m->zxid) == zxid_epoch(m->upto);
  int at = index_of(i, m->zxid), next = m->zxid ? at + 1 : 0;
  m->len = 0;
  if (m->zxid < i->state.log_base) {
    m->reason = REASON_BELOW_LOG;
  } else if (!is_ours(i, m->zxid, m->upto) || (m->zxid && at < 0)) {
    int k = 0;
    while (k < i->entry_cnt && i->entries[k].zxid <= m->zxid) k++;
    bool part = !one_epoch && k < i->entry_cnt && i->entries[k].zxid < m->upto;
    m->reason = part ? REASON_FAULTY : REASON_NOT_HELD;
  } else if (i->faulty[next]) {
    m->reason = REASON_FAULTY;
  } else {
    CHECK(record_size(i->entries[next].len) <= m->cap);
    m->len = entry_write(m->buf, &i->entries[next]);
    m->zxid = i->entries[next].zxid;
  }
}

static void go_on(struct image *i, struct node *n, struct disk_msg *m) {
  int k = 0;
  while (k < i->entry_cnt &&
         (!i->faulty[k] || n->repaired[k] || i->entries[k].zxid <= i->state.log_base))
    k++;
  m->flag = k < i->entry_cnt ? REPAIR_NEEDS : REPAIR_DONE;
  if (m->flag == REPAIR_DONE) memset(i->faulty, 0, sizeof i->faulty);
  if (m->flag == REPAIR_DONE) return;
  m->zxid = image_last(i, k);
  m->upto = image_last(i, i->hole_end[k] < i->entry_cnt ? i->hole_end[k] + 1 : i->entry_cnt);
}

/* What comes is not what stood there, and a loss was accepted: the rest of ours goes with the hole,
 * but that a place of it stays. */
static void salvage(struct cluster *c, int node, int k, const struct disk_msg *m) {
  struct image *i = &c->nodes[node].image;
  struct record r;
  CHECK(record_read(&r, m->buf, m->len, LIMIT_RECORD_MAX) == RECORD_OK);
  CHECK(zxid_follows(image_last(i, k), r.zxid) && r.zxid <= image_last(i, i->hole_end[k] + 1));
  memmove(&i->entries[k + 1], &i->entries[k], (size_t)(i->entry_cnt - k) * sizeof i->entries[0]);
  i->entry_cnt++;
  i->entries[k] = entry_of(&r);
  for (int at = i->entry_cnt - 1; at > k; at--) {
    i->faulty[at] = i->faulty[at - 1];
    i->hole_end[at] = i->hole_end[at - 1] + 1;
  }
}

void disk_repair(struct cluster *c, int node, struct disk_msg *m) {
  struct node *n = &c->nodes[node];
  struct image *i = &n->image;
  struct disk_msg at = {0};
  go_on(i, n, &at);
  if (m->flag == REPAIR_BEGIN) {
    memset(n->repaired, 0, sizeof n->repaired);
  } else if (m->flag == REPAIR_DISCARD) {
    i->entry_cnt = at.zxid ? index_of(i, at.zxid) + 1 : 0;
    i->state.last_zxid = at.zxid;
  } else if (m->len) {
    uint8_t was[LIMIT_RECORD_HEADER + 65536 + 64];
    int k = at.zxid ? index_of(i, at.zxid) + 1 : 0;
    bool is_it = entry_write(was, &i->entries[k]) == m->len && !memcmp(was, m->buf, m->len);
    if (!is_it && n->replica.lead.salvage) {
      salvage(c, node, k, m);
    } else if (!is_it) {
      m->reason = REASON_RECORD_ORDER;
      return;
    }
    n->repaired[k] = true;
  }
  go_on(i, n, m);
}
