#include "storage/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"

void snap_name(char *name, zxid_t zxid, bool install) {
  snprintf(name, IO_NAME_LEN, "%s.%016llx", install ? "inst" : "snap", (unsigned long long)zxid);
}

static void tmp_name(char *name, int asker) { snprintf(name, IO_NAME_LEN, "tmp.snap.%d", asker); }

int snap_init(struct snapshots *s, struct io *io, uint32_t owner) {
  memset(s, 0, sizeof *s);
  s->io = io;
  s->owner = owner;
  for (int i = 0; i < STORE_ASKERS; i++) {
    s->reader[i].chunk = io_alloc_zeroed(io, LIMIT_SNAP_CHUNK);
    s->writer[i].chunk = io_alloc_zeroed(io, LIMIT_SNAP_CHUNK);
    if (!s->reader[i].chunk || !s->writer[i].chunk) return -1;
  }
  return 0;
}

void snap_free(struct snapshots *s) {
  for (int i = 0; i < STORE_ASKERS; i++) {
    if (s->reader[i].open) io_close(s->io, &s->reader[i].file);
    if (s->writer[i].open) io_close(s->io, &s->writer[i].file);
    free(s->reader[i].chunk);
    free(s->writer[i].chunk);
  }
}

int snap_newest(const struct snapshots *s, zxid_t max_zxid) {
  for (int i = s->cnt - 1; i >= 0; i--)
    if (s->list[i].good && s->list[i].zxid <= max_zxid) return i;
  return -1;
}

int snap_oldest(const struct snapshots *s) {
  for (int i = 0; i < s->cnt; i++)
    if (s->list[i].good) return i;
  return -1;
}

bool snap_pinned(const struct snapshots *s, zxid_t zxid) {
  for (int i = 0; i < STORE_ASKERS; i++)
    if (s->reader[i].open && s->reader[i].zxid == zxid) return true;
  return false;
}

/* snap_list_add keeps the order; a snapshot of the same zxid is replaced. */
void snap_list_add(struct snapshots *s, zxid_t zxid, bool good) {
  int at = s->cnt;
  while (at > 0 && s->list[at - 1].zxid >= zxid) at--;
  if (at == s->cnt || s->list[at].zxid != zxid) {
    assert(s->cnt < SNAP_FILES);
    memmove(&s->list[at + 1], &s->list[at], (size_t)(s->cnt - at) * sizeof s->list[0]);
    s->cnt++;
  }
  s->list[at] = (struct snapshot){zxid, good};
}

static int remove_at(struct snapshots *s, int idx) {
  char name[IO_NAME_LEN];
  snap_name(name, s->list[idx].zxid, false);
  s->cnt--;
  memmove(&s->list[idx], &s->list[idx + 1], (size_t)(s->cnt - idx) * sizeof s->list[0]);
  return io_unlink(s->io, name);
}

int snap_remove_range(struct snapshots *s, zxid_t from, zxid_t to) {
  bool any = false;
  for (int i = s->cnt - 1; i >= 0; i--) {
    if (s->list[i].zxid < from || s->list[i].zxid > to) continue;
    if (remove_at(s, i)) return -1;
    any = true;
  }
  return any ? io_sync_dir(s->io) : 0;
}

/* first_kept returns the index of the oldest of the newest kept good ones. */
static int first_kept(const struct snapshots *s, uint32_t kept) {
  uint32_t good = 0;
  for (int i = s->cnt - 1; i >= 0; i--) {
    good += s->list[i].good;
    if (good == kept) return i;
  }
  return 0;
}

int snap_purge(struct snapshots *s, uint32_t kept, bool *more) {
  int end = first_kept(s, kept);
  *more = false;
  for (int i = 0; i < end; i++) {
    if (snap_pinned(s, s->list[i].zxid)) continue;
    *more = true;
    return remove_at(s, i); /* one that reappears is removed again */
  }
  return 0;
}

int snap_writer_open(struct snapshots *s, int asker, zxid_t zxid) {
  struct snap_writer *w = &s->writer[asker];
  char name[IO_NAME_LEN];
  assert(!w->open);
  tmp_name(name, asker);
  *w = (struct snap_writer){.chunk = w->chunk, .zxid = zxid};
  if (io_open(s->io, &w->file, name, DISK_CREATE)) return -1;
  w->open = true;
  return 0;
}

static int flush_chunk(struct snapshots *s, struct snap_writer *w) {
  uint32_t size = snap_chunk_size(w->fill);
  struct snap_header h = {.magic = SNAP_CHUNK_MAGIC,
                          .zxid = w->zxid,
                          .index = w->chunk_cnt,
                          .len = w->fill,
                          .owner = s->owner};
  memset(w->chunk + SNAP_HEADER + w->fill, 0, size - SNAP_HEADER - w->fill);
  memcpy(w->chunk, &h, sizeof h);
  h.crc = crc32c(w->chunk + 4, size - 4);
  memcpy(w->chunk, &h, sizeof h);
  w->crc = crc32c_extend(w->crc, w->chunk + SNAP_HEADER, w->fill);
  if (io_write(s->io, &w->file, w->chunk, size, w->chunk_cnt * LIMIT_SNAP_CHUNK)) return -1;
  w->chunk_cnt++;
  w->fill = 0;
  return w->chunk_cnt % SNAP_SYNC_CHUNKS ? 0 : io_sync(s->io, &w->file);
}

int snap_writer_write(struct snapshots *s, int asker, const uint8_t *buf, uint32_t len) {
  struct snap_writer *w = &s->writer[asker];
  assert(w->open);
  w->len += len;
  while (len) {
    uint32_t room = SNAP_PAYLOAD - w->fill;
    uint32_t n = len < room ? len : room;
    memcpy(w->chunk + SNAP_HEADER + w->fill, buf, n);
    w->fill += n;
    buf += n;
    len -= n;
    if (w->fill == SNAP_PAYLOAD && flush_chunk(s, w)) return -1;
  }
  return 0;
}

static int write_end(struct snapshots *s, struct snap_writer *w, uint64_t offset) {
  struct snap_end e = {.magic = SNAP_END_MAGIC,
                       .zxid = w->zxid,
                       .chunk_cnt = w->chunk_cnt,
                       .len = w->len,
                       .total_crc = w->crc,
                       .owner = s->owner};
  memset(w->chunk, 0, LIMIT_SECTOR);
  memcpy(w->chunk, &e, sizeof e);
  e.crc = io_sector_crc(w->chunk);
  memcpy(w->chunk, &e, sizeof e);
  return io_write(s->io, &w->file, w->chunk, LIMIT_SECTOR, offset);
}

int snap_writer_finish(struct snapshots *s, int asker, bool install) {
  struct snap_writer *w = &s->writer[asker];
  char from[IO_NAME_LEN], to[IO_NAME_LEN];
  uint32_t last = w->fill;
  if (last && flush_chunk(s, w)) return -1;
  uint64_t whole = w->chunk_cnt - (last ? 1 : 0);
  uint64_t offset = whole * LIMIT_SNAP_CHUNK + (last ? snap_chunk_size(last) : 0);
  if (write_end(s, w, offset) || io_sync(s->io, &w->file)) return -1;
  io_close(s->io, &w->file);
  w->open = false;
  tmp_name(from, asker);
  snap_name(to, w->zxid, install);
  return io_rename(s->io, from, to) || io_sync_dir(s->io) ? -1 : 0;
}

int snap_writer_abort(struct snapshots *s, int asker) {
  struct snap_writer *w = &s->writer[asker];
  char name[IO_NAME_LEN];
  if (!w->open) return 0;
  io_close(s->io, &w->file);
  w->open = false;
  tmp_name(name, asker);
  return io_unlink(s->io, name);
}

/* The log already begins behind zxid; all other snapshots belong to a history that is gone.  Those
 * above go for good while inst.<zxid> is there: without it, one above the end of the log proves
 * that the log has lost something.  The rest is done again by recovery (snap_recover). */
int snap_install(struct snapshots *s, zxid_t zxid) {
  char from[IO_NAME_LEN], to[IO_NAME_LEN];
  snap_name(from, zxid, true);
  snap_name(to, zxid, false);
  if (snap_remove_range(s, zxid + 1, ZXID_NONE) || io_rename(s->io, from, to)) return -1;
  snap_list_add(s, zxid, true);
  for (int i = s->cnt - 1; i >= 0; i--)
    if (s->list[i].zxid != zxid && remove_at(s, i)) return -1;
  return 0;
}
