#include "storage/format_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"

#define FORMAT_MAGIC 0x544d4f464c42415aull /* "ZABLFOMT" */

struct format_sector { /* the rest of the sector is zero and covered by the crc */
  uint32_t crc;
  uint32_t version; /* stays here in every later format, as do crc and magic */
  uint64_t magic;
  uint32_t id;
  uint32_t zero;
  char cluster[LIMIT_NAME_LEN];
};

uint32_t format_owner(const struct store_config *c) {
  return crc32c_extend(crc32c(c->cluster, strlen(c->cluster)), &c->id, 1);
}

int format_write(struct io *io, const char *name, const struct store_config *c) {
  struct format_sector s = {.version = FORMAT_VERSION, .magic = FORMAT_MAGIC, .id = c->id};
  assert(strlen(c->cluster) < sizeof s.cluster);
  snprintf(s.cluster, sizeof s.cluster, "%s", c->cluster);
  uint8_t *sector = io_alloc_zeroed(io, LIMIT_SECTOR);
  if (!sector) return -1;
  memcpy(sector, &s, sizeof s);
  s.crc = io_sector_crc(sector);
  memcpy(sector, &s, sizeof s);
  int rc = io_write_file(io, name, sector) || io_sync_dir(io) ? -1 : 0;
  free(sector);
  return rc;
}

static int check(struct io *io, const uint8_t *sector, const struct store_config *c) {
  struct format_sector s;
  memcpy(&s, sector, sizeof s);
  if (s.magic != FORMAT_MAGIC || s.crc != io_sector_crc(sector))
    return io_fail(
        io, REASON_DATA_DIR_FOREIGN,
        "file format is damaged at offset 0: not a data directory of zabd, or an unfinished "
        "one; `zabd --config FILE --format` makes a new one in an empty directory");
  if (s.version > FORMAT_VERSION)
    return io_fail(
        io, REASON_DATA_DIR_FOREIGN,
        "data directory has format version %u, this program reads up to %u: run the newer "
        "zabd, or `zabd --config FILE --format` on an empty directory",
        s.version, FORMAT_VERSION);
  s.cluster[sizeof s.cluster - 1] = '\0';
  if (s.id != c->id || strcmp(s.cluster, c->cluster) != 0)
    return io_fail(io, REASON_DATA_DIR_FOREIGN,
                   "data directory is of node %u of cluster \"%s\", config says node %u of \"%s\"; "
                   "`zabd --config FILE --format` makes a new one in an empty directory",
                   s.id, s.cluster, c->id, c->cluster);
  return 0;
}

/* Opened by hand, since a missing and a locked file each have their own line. */
static int open_locked(struct io *io, struct io_file *f) {
  snprintf(f->name, sizeof f->name, "%s", FORMAT_NAME);
  f->handle = NULL;
  int rc = io->disk->ops->open(io->disk, FORMAT_NAME, DISK_READ_WRITE, &f->handle);
  if (rc == -ENOENT)
    return io_fail(io, REASON_DATA_DIR_FOREIGN,
                   "no data directory of zabd (file format is missing); "
                   "`zabd --config FILE --format` makes one");
  if (rc == -EWOULDBLOCK)
    return io_fail(io, REASON_DATA_DIR_IN_USE, "data directory is in use by another process");
  char text[128];
  return rc ? io_fail(io, REASON_DISK_ERROR, "open of %s failed: %s", FORMAT_NAME,
                      strerror_r(-rc, text, sizeof text))
            : 0;
}

int format_open(struct io *io, struct io_file *f, const struct store_config *c) {
  if (open_locked(io, f)) return -1;
  uint8_t *sector = io_alloc_zeroed(io, LIMIT_SECTOR);
  if (!sector) return -1;
  int64_t size = io_size(io, f);
  int rc = size < 0 ? -1 : 0;
  if (size >= LIMIT_SECTOR) rc = io_read(io, f, sector, LIMIT_SECTOR, 0);
  if (!rc) rc = check(io, sector, c); /* a cut file reads as zeros here */
  free(sector);
  return rc;
}
