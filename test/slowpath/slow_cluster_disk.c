#include <assert.h>
#include <string.h>

#include "proto/record.h"
#include "test/slowpath/slow_cluster_parts.h"

uint32_t entry_write(uint8_t *dst, const struct entry *e) {
  uint8_t payload[LIMIT_RECORD_MIN + 65536];
  assert(e->len >= LIMIT_RECORD_MIN && e->len <= sizeof payload);
  memset(payload, (int)(e->zxid & 0xff), e->len);
  memcpy(payload, &e->salt, sizeof e->salt);
  return record_write(dst, e->zxid, payload, e->len);
}

struct entry entry_of(const struct record *r) {
  struct entry e = {.zxid = r->zxid, .len = r->payload_len};
  memcpy(&e.salt, r->payload, sizeof e.salt);
  return e;
}

bool entry_equal(const struct entry *a, const struct entry *b) {
  return a->zxid == b->zxid && a->salt == b->salt && a->len == b->len;
}

uint64_t image_last(const struct image *i, int cnt) { return cnt ? i->entries[cnt - 1].zxid : 0; }

void image_push(struct image *i, uint32_t epoch, int cnt, uint32_t salt, uint32_t len) {
  for (int k = 0; k < cnt; k++) {
    uint64_t last = i->state.last_zxid;
    uint32_t counter = zxid_epoch(last) == epoch ? zxid_counter(last) + 1 : 1;
    assert(i->entry_cnt < CLUSTER_ENTRIES);
    i->entries[i->entry_cnt++] = (struct entry){zxid_make(epoch, counter), salt, len};
    i->state.last_zxid = zxid_make(epoch, counter);
  }
}

void image_snapshot(struct image *i, int entry_cnt) {
  i->snapshot_cnt = entry_cnt;
  i->state.snapshot_zxid = i->state.log_base = image_last(i, entry_cnt);
}

void cluster_purge(struct cluster *c, int node, int entry_cnt) {
  struct image *i = &c->nodes[node].image;
  int pinned = c->nodes[node].snap_read_cnt;
  image_snapshot(i, entry_cnt);
  if (pinned >= 0 && pinned < entry_cnt) i->state.log_base = image_last(i, pinned);
}

static void append(struct cluster *c, int node, const struct entry *e) {
  struct image *i = &c->nodes[node].image;
  CHECK(zxid_follows(i->state.last_zxid, e->zxid)); /* R10 */
  CHECK(i->entry_cnt < CLUSTER_ENTRIES);
  i->faulty[i->entry_cnt] = false;
  i->entries[i->entry_cnt++] = *e;
  i->state.last_zxid = e->zxid;
}

void disk_write_ring(struct cluster *c, int node, int to) {
  struct node *n = &c->nodes[node];
  while (n->image.entry_cnt < to) append(c, node, &n->fast.ring[n->image.entry_cnt]);
}

static void do_append(struct cluster *c, int node, struct disk_msg *m) {
  uint32_t off = 0;
  while (off < m->len) {
    struct record r;
    CHECK(record_read(&r, (uint8_t *)m->buf + off, m->len - off, LIMIT_RECORD_MAX) == RECORD_OK);
    struct entry e = entry_of(&r);
    append(c, node, &e);
    off += r.size;
  }
  m->zxid = c->nodes[node].image.state.last_zxid;
}

static int floor_cnt(const struct image *i, uint64_t zxid) {
  int cnt = i->entry_cnt;
  while (cnt > 0 && i->entries[cnt - 1].zxid > zxid) cnt--;
  return cnt;
}

static void do_truncate(struct image *i, struct disk_msg *m) {
  if (m->zxid < i->state.log_base) {
    m->reason = REASON_BELOW_LOG;
    return;
  }
  i->entry_cnt = floor_cnt(i, m->zxid);
  i->state.last_zxid = m->zxid = image_last(i, i->entry_cnt);
}

static void do_read(struct cluster *c, const struct image *i, struct disk_msg *m) {
  if (m->zxid < i->state.log_base) {
    m->reason = REASON_BELOW_LOG;
    return;
  }
  m->len = 0;
  for (int k = floor_cnt(i, m->zxid); k < i->entry_cnt; k++) {
    CHECK(!i->faulty[k]); /* nobody is served what is damaged (E1) */
    if (m->len + record_size(i->entries[k].len) > m->cap) break;
    m->len += entry_write((uint8_t *)m->buf + m->len, &i->entries[k]);
    m->zxid = i->entries[k].zxid;
  }
}

static void do_snap_read(const struct node *n, struct disk_msg *m) {
  uint64_t total = (uint64_t)n->snap_read_cnt * sizeof(struct entry);
  uint64_t rest = m->pos < total ? total - m->pos : 0;
  m->len = rest < m->cap ? (uint32_t)rest : m->cap;
  if (m->len) memcpy(m->buf, (const uint8_t *)n->image.entries + m->pos, m->len);
}

static void do_install(struct cluster *c, struct node *n) {
  struct image *i = &n->image;
  CHECK(n->snap_write_cnt >= 0 && n->snap_write_cnt % (int)sizeof(struct entry) == 0);
  i->entry_cnt = i->snapshot_cnt = n->snap_write_cnt / (int)sizeof(struct entry);
  memcpy(i->entries, n->snap_write, (size_t)n->snap_write_cnt);
  CHECK(image_last(i, i->entry_cnt) == n->snap_zxid);
  i->state.no_state = false;
  memset(i->faulty, 0, sizeof i->faulty);
  i->state.last_zxid = i->state.log_base = i->state.snapshot_zxid = n->snap_zxid;
  n->snap_write_cnt = -1;
}

static void snapshot(struct cluster *c, struct node *n, struct disk_msg *m) {
  struct image *i = &n->image;
  switch (m->type) {
    case DISK_SNAP_OPEN:
      CHECK(n->snap_read_cnt == -1); /* one at a time */
      n->snap_read_cnt = i->snapshot_cnt;
      m->zxid = i->state.snapshot_zxid;
      if (!i->snapshot_cnt) m->reason = REASON_BELOW_LOG;
      break;
    case DISK_SNAP_READ:
      do_snap_read(n, m);
      break;
    case DISK_SNAP_CLOSE:
      n->snap_read_cnt = -1;
      i->state.log_base = i->state.snapshot_zxid; /* what it pinned */
      break;
    case DISK_SNAP_BEGIN:
      CHECK(n->snap_write_cnt == -1);
      n->snap_write_cnt = 0;
      n->snap_zxid = m->zxid;
      break;
    case DISK_SNAP_WRITE:
      CHECK(n->snap_write_cnt >= 0);
      memcpy(n->snap_write + n->snap_write_cnt, m->buf, m->len);
      n->snap_write_cnt += (int)m->len;
      break;
    case DISK_SNAP_COMMIT:
      do_install(c, n);
      break;
    case DISK_SNAP_ABORT:
      n->snap_write_cnt = -1;
      break;
    default:
      CHECK(false); /* a request */
  }
}

/* A long log is copied a piece at a time. */
static void copy_first(struct node *n, struct disk_msg *m) {
  bool copies = m->flag == REPAIR_NEEDS && !m->reason && n->copies_cnt++ % 3 == 0;
  if (copies) m->flag = REPAIR_COPIES;
}

static void apply(struct cluster *c, int node, struct disk_msg *m) {
  struct node *n = &c->nodes[node];
  struct image *i = &n->image;
  switch (m->type) {
    case DISK_OPENED:
      i->state.clean_stop = false; /* the mark goes before the first ACK */
      return;
    case DISK_START:
      n->started_disk = true;
      break;
    case DISK_DRAIN:
      if (n->started_disk) disk_write_ring(c, node, n->fast.appended);
      n->started_disk = false;
      break;
    case DISK_ACCEPTED:
      CHECK(m->epoch > i->state.accepted_epoch); /* R1 */
      i->state.accepted_epoch = m->epoch;
      break;
    case DISK_CURRENT:
      CHECK(m->epoch > i->state.current_epoch && m->epoch == i->state.accepted_epoch);
      i->state.current_epoch = m->epoch;
      break;
    case DISK_MAY_VOTE:
      i->state.may_vote = m->flag;
      break;
    case DISK_APPEND:
      do_append(c, node, m);
      break;
    case DISK_TRUNCATE:
      do_truncate(i, m);
      break;
    case DISK_LOOKUP:
      if (m->zxid < i->state.log_base) m->reason = REASON_BELOW_LOG;
      m->zxid = image_last(i, floor_cnt(i, m->zxid));
      break;
    case DISK_READ:
      do_read(c, i, m);
      m->upto = i->state.last_zxid;
      break;
    case DISK_ASK:
      disk_answer(c, node, m);
      break;
    case DISK_REPAIR:
      disk_repair(c, node, m);
      copy_first(n, m);
      break;
    case DISK_CLEAN_STOP:
      i->state.clean_stop = true;
      break;
    default:
      snapshot(c, n, m);
      break;
  }
  image_look(i);
  m->state = i->state;
}

void disk_ask(struct cluster *c, int node, const struct disk_msg *m) {
  struct disk_queue *q = &c->nodes[node].disk;
  CHECK(q->cnt < 64);
  int at = (q->head + q->cnt) % 64;
  uint64_t done = c->now + 20 + cluster_random(c) % 200;
  if (q->cnt && q->done[(at + 63) % 64] >= done) done = q->done[(at + 63) % 64] + 1;
  q->at[at] = *m;
  q->done[at] = done;
  q->cnt++;
}

uint64_t disk_next(const struct cluster *c, int node) {
  const struct node *n = &c->nodes[node];
  if (!n->up || !n->disk.cnt || n->disk_held) return UINT64_MAX;
  uint64_t at = n->disk.done[n->disk.head];
  return at > c->now ? at : c->now;
}

void disk_complete(struct cluster *c, int node) {
  struct node *n = &c->nodes[node];
  struct disk_msg m = n->disk.at[n->disk.head];
  n->disk.head = (n->disk.head + 1) % 64;
  n->disk.cnt--;
  if (n->fail_at && --n->fail_at == 0) {
    m.reason = REASON_DISK_ERROR;
  } else {
    bool crash = n->crash_at && --n->crash_at == 0;
    if (!crash || n->crash_applied) apply(c, node, &m);
    if (crash) {
      cluster_crash(c, node);
      return;
    }
  }
  if (m.type == DISK_START) return;
  struct replica_event e = {.type = EV_DISK};
  e.disk = m;
  cluster_step(c, node, &e);
}
