#include "storage/log_repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BUDGET (1u << 20) /* bytes of records copied at a time */

/* All that stood behind the first hole stood in these segments, though not always where they say: a
 * misdirected group leaves a hole without a byte.  Every group of ours takes the place of at least
 * half of LIMIT_GROUP of old ones, or of one. */
static uint64_t size_of(const struct log *l, const struct log_hole *first) {
  uint64_t bytes = 0;
  for (int i = 0; i < l->seg_cnt; i++) {
    const struct segment *s = &l->segs[i];
    if (s->id < first->segment) continue;
    uint64_t from = s->id == first->segment ? first->from - first->from % LIMIT_SECTOR : 0;
    bytes += s->size - from;
  }
  return bytes + (2 * bytes / LIMIT_GROUP + 4) * LIMIT_SECTOR;
}

static int open_new(struct log_repair *p, struct log *l, uint64_t size) {
  struct log *to = &p->to;
  if (log_init(to, l->io, l->owner, LIMIT_RECORD_MIN, size)) return -1;
  p->pending = malloc(LIMIT_GROUP + record_size(LIMIT_RECORD_MAX));
  if (!p->pending) return io_fail(l->io, REASON_DISK_ERROR, "no memory for a repair of the log");
  if (io_open(l->io, &to->tail_file, LOG_REPAIR_TMP, DISK_CREATE)) return -1;
  to->sequence = l->sequence;
  to->chain = l->chain;
  to->last_zxid = l->last_zxid;
  to->accepted_epoch = l->accepted_epoch;
  to->spare.state = SPARE_READY; /* nobody fills one */
  return log_add_segment(to, l->segs[l->seg_cnt - 1].id + 1, size, p->from) ? 0 : -1;
}

int log_repair_begin(struct log_repair *p, struct log *l) {
  const struct log_hole *first = log_first_hole(l);
  assert(first && !p->open);
  memset(p, 0, sizeof *p);
  p->open = true;
  p->from = first->after > log_base(l) ? first->after : log_base(l);
  p->begun = l->sequence;
  if (open_new(p, l, size_of(l, first))) return -1;
  if (log_write_group(&p->to, GROUP_TRUNCATE, NULL, 0, p->from)) return -1;
  return log_find(l, p->from, &p->place);
}

static int flush(struct log_repair *p) {
  uint32_t len = p->len;
  const struct segment *s = &p->to.segs[0];
  if (s->size - s->tail < group_size(len)) return LOG_FULL;
  p->len = 0;
  return len ? log_append(&p->to, p->pending, len) : 0;
}

/* Room for one more record at p->pending + p->len; groups are filled, so that the new segment is
 * not longer than planned. */
static int make_room(struct log_repair *p, uint32_t size) {
  return p->len && p->len + size > p->to.group_aim ? flush(p) : 0;
}

static int copy_one(struct log_repair *p, struct log *l, const struct log_place *at,
                    const struct record *r) {
  int rc = make_room(p, r->size);
  if (rc) return rc;
  if (log_copy(l, at, r, p->pending + p->len)) return -1;
  p->len += r->size;
  p->place = *at;
  return 0;
}

int log_repair_copy(struct log_repair *p, struct log *l) {
  for (uint32_t bytes = 0; bytes < COPY_BUDGET;) {
    struct log_place next = p->place;
    struct record r;
    int rc = log_next(l, &next, &r);
    if (rc == LOG_DAMAGED)
      p->place = next; /* before the hole, maybe behind groups without records */
    if (rc != 1) return rc;
    rc = copy_one(p, l, &next, &r);
    if (rc) return rc;
    bytes += r.size;
  }
  return 1;
}

/* Within one epoch the next zxid is known (zxid_follows).  Where a hole spans epochs the peer has
 * seen that it is on our branch (store_ask). */
bool log_repair_fits(const struct log_repair *p, const struct log *l, const struct record *r) {
  const struct log_hole *hole = log_hole_at(l, &p->place);
  return p->open && hole && zxid_follows(p->place.zxid, r->zxid) && r->zxid <= hole->upto;
}

int log_repair_put(struct log_repair *p, struct log *l, const struct record *r, const void *bytes) {
  assert(log_repair_fits(p, l, r));
  int rc = make_room(p, r->size);
  if (rc) return rc;
  memcpy(p->pending + p->len, bytes, r->size);
  p->len += r->size;
  p->place.zxid = r->zxid;
  if (r->zxid == log_hole_at(l, &p->place)->upto) log_pass(l, &p->place);
  return 0;
}

/* A segment is filled with zeros before it is used (group.h). */
static int fill_up(struct log_repair *p) {
  const struct segment *s = &p->to.segs[0];
  for (uint64_t at = s->tail; at < s->size;) {
    uint64_t left = s->size - at;
    uint64_t len = left < LOG_FILL_SLICE ? left : LOG_FILL_SLICE;
    if (io_write(p->to.io, &p->to.tail_file, p->to.zeros, len, at)) return -1;
    at += len;
  }
  return io_sync(p->to.io, &p->to.tail_file);
}

/* The name is that of the spare segment, if there is one, and takes its place. */
static int rename_new(struct log_repair *p, struct log *l) {
  char name[IO_NAME_LEN];
  bool filling = l->spare.state == SPARE_FILLING;
  io_close(l->io, &l->spare.file);
  l->spare = (struct log_spare){.state = SPARE_NONE};
  if (filling && io_unlink(l->io, LOG_SPARE_TMP)) return -1;
  log_segment_name(name, p->to.segs[0].id);
  if (io_rename(l->io, LOG_REPAIR_TMP, name) || io_sync_dir(l->io)) return -1;
  snprintf(p->to.tail_file.name, sizeof p->to.tail_file.name, "%s", name);
  return 0;
}

/* The new segment is the log's tail. */
static int adopt(struct log_repair *p, struct log *l) {
  struct segment *from = &p->to.segs[0];
  struct segment *s = log_add_segment(l, from->id, from->size, p->from);
  if (!s) return -1;
  log_clamp(l, p->from);
  free(s->index);
  *s = *from;
  from->index = NULL;
  io_close(l->io, &l->tail_file);
  l->tail_file = p->to.tail_file;
  p->to.tail_file.handle = NULL;
  l->sequence = p->to.sequence;
  l->chain = p->to.chain;
  l->last_zxid = p->to.last_zxid;
  l->sealed = p->to.sealed;
  log_forget_reads(l);
  return 0;
}

static void release(struct log_repair *p) {
  log_free(&p->to);
  free(p->pending);
  memset(p, 0, sizeof *p);
}

int log_repair_finish(struct log_repair *p, struct log *l) {
  assert(p->open && p->begun == l->sequence); /* one role at a time writes (5.2) */
  int rc = flush(p);
  if (rc == LOG_FULL) return rc;
  if (rc || fill_up(p) || rename_new(p, l) || adopt(p, l)) rc = -1;
  release(p);
  return rc;
}

void log_repair_abort(struct log_repair *p, struct log *l) {
  if (!p->open) return;
  bool there = p->to.tail_file.handle != NULL;
  release(p);
  if (there) io_unlink(l->io, LOG_REPAIR_TMP);
}
