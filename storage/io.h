/* io.h - disk.h with the first error kept: every error is final (R15, E6) and has one line.
 *
 * After the first failure nothing reaches the disk any more, so a role cannot go on half-dead, and
 * no sync is tried twice.  Part of storage/, not used outside.
 *
 * Owner: the disk thread.  Blocks: yes.  Allocates: no.  Source: design 6 "Errors". */
#ifndef ZABLINE_STORAGE_IO_H
#define ZABLINE_STORAGE_IO_H

#include <stdbool.h>

#include "proto/reason.h"
#include "storage/disk.h"

#define IO_NAME_LEN 32 /* longest file name of a data directory; NUL included */

struct io {
  struct disk *disk;
  enum reason reason; /* NONE, then DISK_ERROR or CORRUPT for good */
  char error[LIMIT_TEXT_LEN];
};

struct io_file { /* handle NULL: closed */
  struct disk_file *handle;
  char name[IO_NAME_LEN];
};

/* All return 0, or -1 with io->reason and io->error set.  io_read reads exactly len bytes. */
int io_open(struct io *io, struct io_file *f, const char *name, enum disk_mode mode);
void io_close(struct io *io, struct io_file *f);
int io_read(struct io *io, struct io_file *f, void *buf, size_t len, uint64_t offset);
int io_write(struct io *io, struct io_file *f, const void *buf, size_t len, uint64_t offset);
int io_write_durable(struct io *io, struct io_file *f, const void *buf, size_t len,
                     uint64_t offset);
int io_sync(struct io *io, struct io_file *f);
int io_rename(struct io *io, const char *from, const char *to);
int io_unlink(struct io *io, const char *name);
int io_sync_dir(struct io *io);
int io_list(struct io *io, void (*each)(void *ctx, const char *name), void *ctx);
int64_t io_size(struct io *io, struct io_file *f);

/* io_sector_crc is that of a sector whose first four bytes are to hold it. */
uint32_t io_sector_crc(const void *sector);
/* io_write_file writes one sector as the whole of a new file, durably but for its name. */
int io_write_file(struct io *io, const char *name, const void *sector);

/* io_fail keeps the line (the first one wins) and returns -1. */
int io_fail(struct io *io, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* io_alloc returns memory aligned for O_DIRECT, io_alloc_zeroed zeroed; free() it.  NULL: io has
 * failed. */
void *io_alloc(struct io *io, size_t len);
void *io_alloc_zeroed(struct io *io, size_t len);

#endif
