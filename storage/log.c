#include "storage/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_segment_name(char *name, uint64_t id) {
  snprintf(name, IO_NAME_LEN, "log.%08llx", (unsigned long long)id);
}

int log_init(struct log *l, struct io *io, uint32_t owner, uint32_t largest,
             uint64_t segment_bytes) {
  memset(l, 0, sizeof *l);
  l->io = io;
  l->owner = owner;
  l->group_cap = group_size(record_size(LIMIT_RECORD_MAX));
  /* a TRUNCATE group and the largest record fit into one segment */
  uint64_t least = LIMIT_SECTOR + (uint64_t)group_size(record_size(largest));
  segment_bytes -= segment_bytes % LIMIT_SECTOR;
  l->segment_bytes = segment_bytes < least ? least : segment_bytes;
  uint64_t room = l->segment_bytes - LIMIT_SECTOR;
  l->group_aim = (room < LIMIT_GROUP ? (uint32_t)room : LIMIT_GROUP) - GROUP_HEADER;
  l->window.cap = l->group_cap + 2 * LIMIT_SECTOR;
  l->read_ahead = LOG_READ_AHEAD;
  l->read_budget = LOG_READ_BUDGET;
  l->group = io_alloc(io, l->group_cap);
  l->zeros = io_alloc_zeroed(io, LOG_FILL_SLICE);
  l->window.buf = io_alloc(io, l->window.cap);
  return l->group && l->zeros && l->window.buf ? 0 : -1;
}

void log_free(struct log *l) {
  io_close(l->io, &l->tail_file);
  io_close(l->io, &l->read_file);
  io_close(l->io, &l->spare.file);
  for (int i = 0; i < l->seg_cnt; i++) free(l->segs[i].index);
  free(l->segs);
  free(l->group);
  free(l->zeros);
  free(l->window.buf);
}

zxid_t log_base(const struct log *l) { return l->segs[0].base; }

static struct segment *last_segment(struct log *l) { return &l->segs[l->seg_cnt - 1]; }

static int grow_segments(struct log *l) {
  if (l->seg_cnt < l->seg_cap) return 0;
  int cap = l->seg_cap ? 2 * l->seg_cap : 16;
  if (cap > LIMIT_SEGMENTS)
    return io_fail(l->io, REASON_DISK_ERROR, "the log has more than %d segments; take snapshots",
                   LIMIT_SEGMENTS / 2);
  struct segment *segs = realloc(l->segs, (size_t)cap * sizeof *segs);
  if (!segs) return io_fail(l->io, REASON_DISK_ERROR, "no memory for %d segments", cap);
  l->segs = segs;
  l->seg_cap = cap;
  return 0;
}

struct segment *log_add_segment(struct log *l, uint64_t id, uint64_t size, zxid_t base) {
  if (grow_segments(l)) return NULL;
  struct segment s = {.id = id, .size = size, .base = base, .end = base};
  s.index_cap = (uint32_t)(size / LOG_INDEX_STRIDE) + 1;
  s.index = malloc(s.index_cap * sizeof *s.index);
  if (!s.index) {
    io_fail(l->io, REASON_DISK_ERROR, "no memory for the index of segment %llu",
            (unsigned long long)id);
    return NULL;
  }
  l->segs[l->seg_cnt] = s;
  return &l->segs[l->seg_cnt++];
}

void log_index_add(struct segment *s, zxid_t before, uint64_t offset) {
  if (s->index_cnt && offset - s->index[s->index_cnt - 1].offset < LOG_INDEX_STRIDE) return;
  assert(s->index_cnt < s->index_cap);
  s->index[s->index_cnt++] = (struct log_index){before, offset};
}

void log_forget_reads(struct log *l) {
  l->hint_cnt = l->hint_next = 0; /* both: an old hint that counts again names another segment */
  l->window.len = 0;
  io_close(l->io, &l->read_file);
}

/* log_clamp: everything above zxid is dead from now on. */
void log_clamp(struct log *l, zxid_t zxid) {
  for (int i = 0; i < l->seg_cnt; i++) {
    if (l->segs[i].base > zxid) l->segs[i].base = zxid;
    if (l->segs[i].end > zxid) l->segs[i].end = zxid;
  }
  while (l->hole_cnt && l->holes[l->hole_cnt - 1].after >= zxid) l->hole_cnt--;
  struct log_hole *last = l->hole_cnt ? &l->holes[l->hole_cnt - 1] : NULL;
  if (last && last->upto > zxid) last->upto = zxid; /* what is left of it is still faulty */
  l->last_zxid = zxid;
}

static int spare_create(struct log *l) {
  struct log_spare *p = &l->spare;
  if (io_open(l->io, &p->file, LOG_SPARE_TMP, DISK_CREATE)) return -1;
  p->id = l->seg_cnt ? last_segment(l)->id + 1 : 1;
  p->size = l->segment_bytes;
  p->filled = 0;
  p->state = SPARE_FILLING;
  return 0;
}

/* The file gets its name only when it is full of synced zeros: a short log.<n> is a damaged one. */
static int spare_name(struct log *l) {
  struct log_spare *p = &l->spare;
  char name[IO_NAME_LEN];
  log_segment_name(name, p->id);
  if (io_sync(l->io, &p->file) || io_rename(l->io, LOG_SPARE_TMP, name)) return -1;
  snprintf(p->file.name, sizeof p->file.name, "%s", name);
  if (io_sync_dir(l->io)) return -1;
  p->state = SPARE_READY;
  return 0;
}

int log_prepare(struct log *l, bool *more) {
  struct log_spare *p = &l->spare;
  *more = p->state != SPARE_READY;
  if (p->state == SPARE_READY) return 0;
  if (p->state == SPARE_NONE) return spare_create(l);
  uint64_t left = p->size - p->filled;
  if (left == 0) return spare_name(l);
  uint64_t len = left < LOG_FILL_SLICE ? left : LOG_FILL_SLICE;
  if (io_write(l->io, &p->file, l->zeros, len, p->filled)) return -1;
  p->filled += len;
  return 0;
}

int log_switch(struct log *l) {
  bool more = true;
  while (more)
    if (log_prepare(l, &more)) return -1;
  if (!log_add_segment(l, l->spare.id, l->spare.size, l->last_zxid)) return -1;
  io_close(l->io, &l->tail_file);
  l->tail_file = l->spare.file;
  l->spare = (struct log_spare){.state = SPARE_NONE};
  return 0;
}

/* Old history and a leader's may hold larger records than the config allows now: the segments grow,
 * and a spare that is too small goes. */
static int fit_segments(struct log *l, uint32_t size) {
  struct log_spare *p = &l->spare;
  uint64_t least = LIMIT_SECTOR + (uint64_t)size; /* a TRUNCATE group before it */
  if (l->segment_bytes < least) l->segment_bytes = least;
  if (p->state == SPARE_NONE || p->size >= least) return 0;
  char name[IO_NAME_LEN];
  snprintf(name, sizeof name, "%s", p->file.name);
  io_close(l->io, &p->file);
  p->state = SPARE_NONE;
  return io_unlink(l->io, name) || io_sync_dir(l->io) ? -1 : 0;
}

int log_write_group(struct log *l, enum group_type type, const uint8_t *records, uint32_t len,
                    zxid_t last_zxid) {
  uint32_t size = group_size(len);
  struct segment *s = l->seg_cnt ? last_segment(l) : NULL;
  if (!s || s->size - s->tail < size) {
    if (fit_segments(l, size) || log_switch(l)) return -1;
    s = last_segment(l);
  }
  struct group_header h = {.segment = s->id,
                           .segment_size = s->size,
                           .sequence = l->sequence,
                           .prev_zxid = l->last_zxid,
                           .last_zxid = last_zxid,
                           .chain = l->chain,
                           .len = len,
                           .type = type,
                           .accepted_epoch = l->accepted_epoch,
                           .owner = l->owner};
  assert(size <= l->group_cap && size <= s->size - s->tail);
  group_build(l->group, &h, records);
  if (io_write_durable(l->io, &l->tail_file, l->group, size, s->tail)) return -1;
  bool starts = type == GROUP_TRUNCATE || type == GROUP_RESTART;
  log_index_add(s, starts ? last_zxid : l->last_zxid, s->tail);
  s->tail += size;
  s->end = last_zxid;
  l->sequence++;
  l->chain = h.crc;
  l->last_zxid = last_zxid;
  l->sealed = type != GROUP_RECORDS;
  return 0;
}

/* How much of the spare is in step with so many bytes of the segment in use: it may be of another
 * size. */
static uint64_t in_step(const struct log *l, uint64_t bytes) {
  const struct segment *s = &l->segs[l->seg_cnt - 1];
  return bytes / LIMIT_SECTOR * l->segment_bytes / (s->size / LIMIT_SECTOR);
}

bool log_spare_due(const struct log *l) {
  if (l->spare.state == SPARE_READY || !l->seg_cnt) return false;
  uint64_t due = in_step(l, l->segs[l->seg_cnt - 1].tail);
  return l->spare.filled < due + due / 8 + LOG_FILL_SLICE;
}

/* keep_pace fills the spare in step with the second half of the segment, if nobody was idle to do
 * it, so that no group commit waits for a whole segment of zeros. */
static int keep_pace(struct log *l) {
  const struct segment *s = last_segment(l);
  bool more = l->spare.state != SPARE_READY;
  if (!more || s->tail <= s->size / 2) return 0;
  uint64_t due = in_step(l, 2 * (s->tail - s->size / 2));
  while (more && l->spare.filled < due && l->spare.filled < l->segment_bytes)
    if (log_prepare(l, &more)) return -1;
  return 0;
}

/* group_records returns how many bytes of whole records go into the next group, and its last zxid.
 */
static uint32_t group_records(const struct log *l, const uint8_t *records, size_t len,
                              zxid_t *last_zxid) {
  struct record r;
  size_t used = 0;
  while (used < len) {
    enum record_status status = record_peek(&r, records + used, len - used, LIMIT_RECORD_MAX);
    assert(status == RECORD_OK);
    (void)status;
    if (used && used + r.size > l->group_aim) break;
    used += r.size;
    *last_zxid = r.zxid;
  }
  return (uint32_t)used;
}

int log_append(struct log *l, const uint8_t *records, size_t len) {
  for (size_t done = 0; done < len;) {
    zxid_t last = l->last_zxid;
    uint32_t n = group_records(l, records + done, len - done, &last);
    if (log_write_group(l, GROUP_RECORDS, records + done, n, last) || keep_pace(l)) return -1;
    done += n;
  }
  return 0;
}

int log_truncate(struct log *l, zxid_t zxid) {
  assert(zxid >= log_base(l) && zxid <= l->last_zxid);
  if (log_switch(l) || log_write_group(l, GROUP_TRUNCATE, NULL, 0, zxid)) return -1;
  log_clamp(l, zxid);
  log_forget_reads(l);
  return 0;
}

int log_drop(struct log *l, int cnt) {
  char name[IO_NAME_LEN];
  assert(cnt < l->seg_cnt);
  log_forget_reads(l); /* closes the reader before the name goes */
  for (int i = 0; i < cnt; i++) {
    free(l->segs[i].index);
    log_segment_name(name, l->segs[i].id);
    io_unlink(l->io, name);
  }
  l->seg_cnt -= cnt;
  memmove(l->segs, l->segs + cnt, (size_t)l->seg_cnt * sizeof *l->segs);
  return l->io->reason == REASON_NONE ? 0 : -1;
}

int log_restart(struct log *l, zxid_t base) {
  if (log_switch(l) || log_write_group(l, GROUP_RESTART, NULL, 0, base)) return -1;
  struct segment *s = last_segment(l);
  s->base = s->end = base;
  l->hole_cnt = 0;
  return log_drop(l, l->seg_cnt - 1);
}

int log_create(struct log *l) { return log_restart(l, 0); }

int log_seal(struct log *l) {
  if (l->sealed) return 0;
  return log_write_group(l, GROUP_IDLE, NULL, 0, l->last_zxid);
}
