/* The mark of a stop names the end of the log that it was made at, and says whether the stop was
 * clean.  One that reappears after a power cut, or was copied there, names an earlier end and says
 * nothing.  A log that ends before its mark has lost its last groups whole (E7): only the epochs,
 * if they were written since, can tell, too.  So a node writes a mark also when it stops because it
 * cannot read what it has written. */
#include <stdlib.h>
#include <string.h>

#include "storage/store_impl.h"

#define MARK_MAGIC 0x314c435au /* "ZCL1" */

struct mark_sector {
  uint32_t crc;
  uint32_t magic;
  uint64_t sequence; /* of the next group */
  uint64_t generation;
  uint32_t owner, chain;
  uint32_t unclean, zero;
  uint64_t last_zxid;
};

static void encode(const struct store *s, bool clean, uint8_t *sector) {
  struct mark_sector m = {.magic = MARK_MAGIC,
                          .sequence = s->log.sequence,
                          .generation = s->epochs.now.generation,
                          .owner = s->owner,
                          .chain = s->log.chain,
                          .unclean = !clean,
                          .last_zxid = s->log.last_zxid};
  memset(sector, 0, LIMIT_SECTOR);
  memcpy(sector, &m, sizeof m);
  m.crc = io_sector_crc(sector);
  memcpy(sector, &m, sizeof m);
}

static void decode(const struct store *s, const uint8_t *sector, struct stop_mark *mark) {
  struct mark_sector m;
  memcpy(&m, sector, sizeof m);
  if (m.crc != io_sector_crc(sector) || m.magic != MARK_MAGIC || m.owner != s->owner) return;
  *mark = (struct stop_mark){.there = true,
                             .clean = !m.unclean,
                             .sequence = m.sequence,
                             .generation = m.generation,
                             .chain = m.chain,
                             .last_zxid = m.last_zxid};
}

int stop_mark_write(const struct store *s, struct io *io, bool clean) {
  uint8_t *sector = io_alloc_zeroed(io, LIMIT_SECTOR);
  if (!sector) return -1;
  encode(s, clean, sector);
  int rc = io_write_file(io, STOP_MARK_NAME, sector) || io_sync_dir(io) ? -1 : 0;
  free(sector);
  return rc;
}

static int read_sector(struct store *s, struct io_file *f, struct stop_mark *mark) {
  int64_t size = io_size(&s->io, f);
  if (size < 0) return -1;
  if (size != LIMIT_SECTOR) return 0;
  uint8_t *sector = io_alloc(&s->io, LIMIT_SECTOR);
  int rc = sector ? io_read(&s->io, f, sector, LIMIT_SECTOR, 0) : -1;
  if (!rc) decode(s, sector, mark);
  free(sector);
  return rc;
}

static void see_name(void *ctx, const char *name) {
  if (!strcmp(name, STOP_MARK_NAME)) *(bool *)ctx = true;
}

int stop_mark_read(struct store *s, struct stop_mark *mark) {
  struct io_file f;
  memset(mark, 0, sizeof *mark);
  if (io_list(&s->io, see_name, &mark->file)) return -1;
  if (!mark->file) return 0;
  if (io_open(&s->io, &f, STOP_MARK_NAME, DISK_READ_ONLY)) return -1;
  int rc = read_sector(s, &f, mark);
  mark->file = true;
  io_close(&s->io, &f);
  return rc;
}

bool stop_mark_is_end(const struct store *s, const struct stop_mark *m) {
  return m->there && m->sequence == s->log.sequence && m->chain == s->log.chain &&
         m->generation == s->epochs.now.generation;
}

int stop_mark_remove(struct store *s, const struct stop_mark *m) {
  if (!m->file) return 0;
  return io_unlink(&s->io, STOP_MARK_NAME) || io_sync_dir(&s->io) ? -1 : 0;
}
