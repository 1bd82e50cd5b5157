/* The mark of a clean stop.  It names the end of the log that it was made at: one that reappears
 * after a power cut, or was copied there, says nothing. */
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "storage/store_impl.h"

#define CLEAN_MAGIC 0x314c435au /* "ZCL1" */

struct clean_sector {
  uint32_t crc;
  uint32_t magic;
  uint64_t sequence;
  uint64_t generation;
  uint32_t owner, chain;
};

static void encode(const struct store *s, uint8_t *sector) {
  struct clean_sector c = {.magic = CLEAN_MAGIC,
                           .sequence = s->log.sequence,
                           .generation = s->epochs.now.generation,
                           .owner = s->owner,
                           .chain = s->log.chain};
  memset(sector, 0, LIMIT_SECTOR);
  memcpy(sector, &c, sizeof c);
  c.crc = crc32c(sector + 4, LIMIT_SECTOR - 4);
  memcpy(sector, &c, sizeof c);
}

int clean_write(struct store *s) {
  uint8_t *sector = io_alloc_zeroed(&s->io, LIMIT_SECTOR);
  if (!sector) return -1;
  encode(s, sector);
  int rc = io_write_file(&s->io, CLEAN_NAME, sector) || io_sync_dir(&s->io) ? -1 : 0;
  free(sector);
  return rc;
}

static int compare(struct store *s, struct io_file *f, uint8_t *buf) {
  int64_t size = io_size(&s->io, f);
  if (size < 0) return -1;
  if (size != LIMIT_SECTOR) return 0;
  if (io_read(&s->io, f, buf, LIMIT_SECTOR, 0)) return -1;
  encode(s, buf + LIMIT_SECTOR);
  s->clean_stop = memcmp(buf, buf + LIMIT_SECTOR, LIMIT_SECTOR) == 0;
  return 0;
}

static void see_name(void *ctx, const char *name) {
  if (!strcmp(name, CLEAN_NAME)) *(bool *)ctx = true;
}

int clean_take(struct store *s) {
  struct io_file f;
  bool there = false;
  if (io_list(&s->io, see_name, &there)) return -1;
  if (!there) return 0;
  uint8_t *buf = io_alloc_zeroed(&s->io, 2 * LIMIT_SECTOR);
  if (!buf) return -1;
  int rc = io_open(&s->io, &f, CLEAN_NAME, DISK_READ_ONLY);
  if (!rc) {
    rc = compare(s, &f, buf);
    io_close(&s->io, &f);
  }
  free(buf);
  return rc || io_unlink(&s->io, CLEAN_NAME) || io_sync_dir(&s->io) ? -1 : 0;
}
