#include <string.h>

#include "storage/log.h"

/* A slice for a sync must not load a segment: what is read ahead is kept, so that the next slice
 * begins where this one ended, and never reaches past what is written. */

static struct io_file *file_of(struct log *l, const struct segment *s) {
  char name[IO_NAME_LEN];
  if (l->tail_file.handle && s == &l->segs[l->seg_cnt - 1]) return &l->tail_file;
  if (l->read_file.handle && l->read_segment == s->id) return &l->read_file;
  io_close(l->io, &l->read_file);
  log_segment_name(name, s->id);
  if (io_open(l->io, &l->read_file, name, DISK_READ_ONLY)) return NULL;
  l->read_segment = s->id;
  return &l->read_file;
}

const uint8_t *log_window(struct log *l, const struct segment *s, uint64_t limit, uint64_t offset,
                          size_t len) {
  struct log_window *w = &l->window;
  assert(offset + len <= limit);
  if (w->len && w->segment == s->id && offset >= w->offset && offset + len <= w->offset + w->len)
    return w->buf + (offset - w->offset);
  uint64_t from = offset - offset % LIMIT_SECTOR;
  uint64_t to = offset + (len > l->read_ahead ? len : l->read_ahead);
  to = (to + LIMIT_SECTOR - 1) / LIMIT_SECTOR * LIMIT_SECTOR;
  if (to > limit) to = limit;
  if (to - from > w->cap) to = from + w->cap;
  assert(offset + len <= to);
  w->len = 0;
  struct io_file *f = file_of(l, s);
  if (!f || io_read(l->io, f, w->buf, to - from, from)) return NULL;
  l->read_bytes += to - from;
  *w = (struct log_window){w->buf, w->cap, to - from, s->id, from};
  return w->buf + (offset - from);
}

static int corrupt(struct log *l, const struct log_place *p, const char *what) {
  const struct segment *s = &l->segs[p->seg_idx];
  char name[IO_NAME_LEN];
  log_segment_name(name, s->id);
  return io_fail(l->io, REASON_CORRUPT, "%s is damaged at offset %llu, after zxid 0x%llx: %s", name,
                 (unsigned long long)(p->group + p->inner), (unsigned long long)p->zxid, what);
}

/* Reads the header of the group at p; skips groups without records behind p. */
static int enter_group(struct log *l, struct log_place *p) {
  const struct segment *s = &l->segs[p->seg_idx];
  if (p->group + LIMIT_SECTOR > s->tail) return corrupt(l, p, "the segment ends early");
  const uint8_t *sector = log_window(l, s, s->tail, p->group, LIMIT_SECTOR);
  if (!sector) return -1;
  if (!group_read_header(&p->h, sector, s->id, l->owner) ||
      group_size(p->h.len) > s->tail - p->group)
    return corrupt(l, p, "group header");
  /* A group from further behind in this place (a misdirected write, E7) hides what stood here. */
  if (p->h.type == GROUP_RECORDS && p->h.prev_zxid > p->zxid)
    return corrupt(l, p, "not the group that stood here");
  if (p->h.type == GROUP_RECORDS && p->h.last_zxid > p->zxid)
    p->inner = GROUP_HEADER;
  else
    p->group += group_size(p->h.len);
  return 0;
}

static int next_in_group(struct log *l, struct log_place *p, struct record *r) {
  const struct segment *s = &l->segs[p->seg_idx];
  uint32_t left = GROUP_HEADER + p->h.len - p->inner;
  uint8_t header[LIMIT_RECORD_HEADER];
  if (left < sizeof header) return corrupt(l, p, "record beyond its group");
  const uint8_t *raw = log_window(l, s, s->tail, p->group + p->inner, sizeof header);
  if (!raw) return -1;
  memcpy(header, raw, sizeof header);
  group_unmask(&p->h, header, sizeof header);
  enum record_status status = record_peek(r, header, sizeof header, LIMIT_RECORD_MAX);
  if (status == RECORD_BAD_LENGTH || r->size > left) return corrupt(l, p, "record length");
  p->inner += r->size;
  return 1;
}

/* Moves p to the first segment with live records behind p->zxid; 0, and p unchanged, if there is
 * none. */
static int enter_segment(const struct log *l, struct log_place *p) {
  int idx = p->seg_idx;
  while (idx < l->seg_cnt && l->segs[idx].end <= p->zxid) idx++;
  if (idx == l->seg_cnt) return 0;
  if (idx != p->seg_idx) {
    p->seg_idx = idx;
    p->group = 0;
    p->inner = 0;
  }
  return 1;
}

void log_pass(struct log *l, struct log_place *p) {
  const struct log_hole *h = log_hole_at(l, p);
  assert(h);
  if (h->upto > p->zxid) p->zxid = h->upto;
  if (p->inner && h->to <= p->group + GROUP_HEADER + p->h.len) {
    p->inner = (uint32_t)(h->to - p->group);
  } else {
    p->group = h->to;
    p->inner = 0;
  }
}

int log_next(struct log *l, struct log_place *p, struct record *r) {
  while (enter_segment(l, p)) {
    const struct log_hole *hole = log_hole_at(l, p);
    if (hole && hole->upto > p->zxid) return LOG_DAMAGED;
    if (hole) {
      log_pass(l, p);
      continue;
    }
    if (p->inner && p->inner == GROUP_HEADER + p->h.len) {
      p->group += group_size(p->h.len);
      p->inner = 0;
      continue; /* a hole may begin there */
    }
    if (p->inner == 0) {
      if (enter_group(l, p)) return -1;
      continue;
    }
    if (next_in_group(l, p, r) < 0) return -1;
    if (r->zxid <= p->zxid) continue; /* before the place that log_find looks for */
    if (!zxid_follows(p->zxid, r->zxid)) return corrupt(l, p, "record out of order");
    p->zxid = r->zxid;
    return 1;
  }
  return 0;
}

int log_copy(struct log *l, const struct log_place *p, const struct record *r, uint8_t *buf) {
  const struct segment *s = &l->segs[p->seg_idx];
  struct record whole;
  const uint8_t *raw = log_window(l, s, s->tail, p->group + p->inner - r->size, r->size);
  if (!raw) return -1;
  memcpy(buf, raw, r->size);
  group_unmask(&p->h, buf, r->size);
  if (record_read(&whole, buf, r->size, LIMIT_RECORD_MAX) != RECORD_OK)
    return corrupt(l, p, "record checksum");
  return 0;
}

void log_keep_hint(struct log *l, const struct log_place *p) {
  l->hints[l->hint_next] = *p;
  l->hint_next = (l->hint_next + 1) % LOG_HINTS;
  if (l->hint_cnt < LOG_HINTS) l->hint_cnt++;
}

static bool find_hint(struct log *l, zxid_t zxid, struct log_place *p) {
  for (int i = 0; i < l->hint_cnt; i++) {
    if (l->hints[i].zxid != zxid) continue;
    *p = l->hints[i];
    return true;
  }
  return false;
}

static int first_segment_behind(const struct log *l, zxid_t zxid) {
  int low = 0, high = l->seg_cnt;
  while (low < high) {
    int mid = (low + high) / 2;
    if (l->segs[mid].end > zxid)
      high = mid;
    else
      low = mid + 1;
  }
  return low;
}

static uint32_t index_entry(const struct segment *s, zxid_t zxid) {
  uint32_t low = 0, high = s->index_cnt; /* the answer is low - 1, or 0 */
  while (low < high) {
    uint32_t mid = (low + high) / 2;
    if (s->index[mid].before <= zxid)
      low = mid + 1;
    else
      high = mid;
  }
  return low ? low - 1 : 0;
}

int log_find(struct log *l, zxid_t zxid, struct log_place *p) {
  assert(zxid >= log_base(l));
  if (find_hint(l, zxid, p)) return 0;
  *p = (struct log_place){.seg_idx = first_segment_behind(l, zxid), .zxid = l->last_zxid};
  if (p->seg_idx == l->seg_cnt) return 0;
  const struct segment *s = &l->segs[p->seg_idx];
  const struct log_index *entry = &s->index[index_entry(s, zxid)];
  p->group = entry->offset;
  p->zxid = entry->before > s->base ? entry->before : s->base;
  struct log_place before = *p;
  struct record r;
  int rc = 0;
  while (p->zxid < zxid && (rc = log_next(l, p, &r)) > 0) {
    if (rc == LOG_DAMAGED) log_pass(l, p);
    if (p->zxid > zxid) break;
    before = *p;
  }
  *p = before;
  return rc < 0 ? -1 : 0;
}
