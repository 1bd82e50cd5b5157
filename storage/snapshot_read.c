#include <stdio.h>
#include <string.h>

#include "proto/crc32c.h"
#include "storage/snapshot.h"

/* load_end reads the end sector and compares it with the file's length.  Returns 1, 0 or -1. */
static int load_end(struct snapshots *s, struct io_file *f, zxid_t zxid, uint8_t *sector,
                    struct snap_end *e) {
  int64_t size = io_size(s->io, f);
  if (size < 0) return -1;
  if (size < LIMIT_SECTOR || size % LIMIT_SECTOR) return 0;
  if (io_read(s->io, f, sector, LIMIT_SECTOR, (uint64_t)size - LIMIT_SECTOR)) return -1;
  memcpy(e, sector, sizeof *e);
  if (e->crc != io_sector_crc(sector) || e->magic != SNAP_END_MAGIC || e->zxid != zxid ||
      e->owner != s->owner)
    return 0;
  uint64_t whole = e->len / SNAP_PAYLOAD;
  uint32_t rest = (uint32_t)(e->len % SNAP_PAYLOAD);
  uint64_t expected = whole * LIMIT_SNAP_CHUNK + (rest ? snap_chunk_size(rest) : 0) + LIMIT_SECTOR;
  return e->chunk_cnt == whole + (rest ? 1 : 0) && expected == (uint64_t)size;
}

static uint32_t chunk_len(uint64_t len, uint64_t idx) {
  uint64_t left = len - idx * SNAP_PAYLOAD;
  return left < SNAP_PAYLOAD ? (uint32_t)left : SNAP_PAYLOAD;
}

/* load_chunk returns 1 if the chunk is intact, 0 if not, -1. */
static int load_chunk(struct snapshots *s, struct snap_reader *r, uint64_t idx) {
  struct snap_header h;
  uint32_t len = chunk_len(r->len, idx);
  uint32_t size = snap_chunk_size(len);
  r->chunk_len = 0;
  if (io_read(s->io, &r->file, r->chunk, size, idx * LIMIT_SNAP_CHUNK)) return -1;
  memcpy(&h, r->chunk, sizeof h);
  if (h.crc != crc32c(r->chunk + 4, size - 4) || h.magic != SNAP_CHUNK_MAGIC || h.zxid != r->zxid ||
      h.index != idx || h.len != len || h.owner != s->owner)
    return 0;
  r->chunk_idx = idx;
  r->chunk_len = len;
  return 1;
}

static int check_chunks(struct snapshots *s, struct snap_reader *r, const struct snap_end *e,
                        char *text) {
  uint32_t crc = 0;
  for (uint64_t i = 0; i < e->chunk_cnt; i++) {
    int ok = load_chunk(s, r, i);
    if (ok < 0) return -1;
    if (!ok)
      snprintf(text, LIMIT_TEXT_LEN, "at offset %llu", (unsigned long long)(i * LIMIT_SNAP_CHUNK));
    if (!ok) return 0;
    crc = crc32c_extend(crc, r->chunk + SNAP_HEADER, r->chunk_len);
  }
  snprintf(text, LIMIT_TEXT_LEN, "in its total checksum");
  return crc == e->total_crc;
}

/* reader_start opens the file as r.  Returns 1, 0 if it is damaged, -1. */
static int reader_start(struct snapshots *s, struct snap_reader *r, const char *name, zxid_t zxid,
                        struct snap_end *e) {
  if (io_open(s->io, &r->file, name, DISK_READ_ONLY)) return -1;
  r->zxid = zxid;
  r->chunk_len = 0;
  int ok = load_end(s, &r->file, zxid, r->chunk, e);
  r->len = ok == 1 ? e->len : 0;
  if (ok != 1) io_close(s->io, &r->file);
  return ok;
}

int snap_check(struct snapshots *s, const char *name, zxid_t zxid, char *text) {
  struct snap_reader *r = &s->reader[0];
  struct snap_end e;
  assert(!r->open);
  snprintf(text, LIMIT_TEXT_LEN, "at its end");
  int ok = reader_start(s, r, name, zxid, &e);
  if (ok != 1) return ok;
  ok = check_chunks(s, r, &e, text);
  io_close(s->io, &r->file);
  r->chunk_len = 0;
  return ok;
}

int snap_reader_open(struct snapshots *s, int asker, int idx) {
  struct snap_reader *r = &s->reader[asker];
  struct snap_end e;
  char name[IO_NAME_LEN];
  assert(!r->open);
  snap_name(name, s->list[idx].zxid, false);
  int ok = reader_start(s, r, name, s->list[idx].zxid, &e);
  if (ok == 0) return io_fail(s->io, REASON_CORRUPT, "%s is damaged at its end", name);
  r->open = ok == 1;
  return ok == 1 ? 0 : -1;
}

int64_t snap_reader_read(struct snapshots *s, int asker, uint64_t offset, void *buf, uint32_t cap) {
  struct snap_reader *r = &s->reader[asker];
  assert(r->open);
  if (offset >= r->len) return 0;
  uint64_t idx = offset / SNAP_PAYLOAD;
  if (r->chunk_len == 0 || r->chunk_idx != idx) {
    int ok = load_chunk(s, r, idx);
    if (ok < 0) return -1;
    if (!ok)
      return io_fail(s->io, REASON_CORRUPT, "%s is damaged at offset %llu, snapshot of zxid 0x%llx",
                     r->file.name, (unsigned long long)(idx * LIMIT_SNAP_CHUNK),
                     (unsigned long long)r->zxid);
  }
  uint32_t from = (uint32_t)(offset % SNAP_PAYLOAD);
  uint32_t n = r->chunk_len - from;
  if (n > cap) n = cap;
  memcpy(buf, r->chunk + SNAP_HEADER + from, n);
  return n;
}

void snap_reader_close(struct snapshots *s, int asker) {
  struct snap_reader *r = &s->reader[asker];
  if (r->open) io_close(s->io, &r->file);
  r->open = false;
  r->chunk_len = 0;
}
