#include "storage/io.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"

int io_fail(struct io *io, enum reason reason, const char *format, ...) {
  if (io->reason != REASON_NONE) return -1;
  io->reason = reason;
  va_list args;
  va_start(args, format);
  vsnprintf(io->error, sizeof io->error, format, args);
  va_end(args);
  return -1;
}

static int fail_errno(struct io *io, const char *operation, const char *name, int err) {
  char text[128];
  return io_fail(io, REASON_DISK_ERROR, "%s of %s failed: %s", operation, name,
                 strerror_r(-err, text, sizeof text));
}

static int fail_at(struct io *io, const char *operation, const char *name, uint64_t offset,
                   int err) {
  char text[128];
  return io_fail(io, REASON_DISK_ERROR, "%s of %s at offset %llu failed: %s", operation, name,
                 (unsigned long long)offset, strerror_r(-err, text, sizeof text));
}

int io_open(struct io *io, struct io_file *f, const char *name, enum disk_mode mode) {
  if (io->reason != REASON_NONE) return -1;
  snprintf(f->name, sizeof f->name, "%s", name);
  f->handle = NULL;
  int rc = io->disk->ops->open(io->disk, name, mode, &f->handle);
  return rc ? fail_errno(io, mode == DISK_CREATE ? "create" : "open", name, rc) : 0;
}

void io_close(struct io *io, struct io_file *f) {
  if (f->handle) io->disk->ops->close(io->disk, f->handle);
  f->handle = NULL;
}

int io_read(struct io *io, struct io_file *f, void *buf, size_t len, uint64_t offset) {
  if (io->reason != REASON_NONE) return -1;
  ssize_t n = io->disk->ops->read(io->disk, f->handle, buf, len, offset);
  if (n < 0) return fail_at(io, "read", f->name, offset, (int)n);
  if ((size_t)n == len) return 0;
  return io_fail(io, REASON_CORRUPT, "read of %s at offset %llu failed: the file ends at %llu",
                 f->name, (unsigned long long)offset, (unsigned long long)offset + (size_t)n);
}

static void check_aligned(const void *buf, size_t len, uint64_t offset) {
  assert((uintptr_t)buf % LIMIT_SECTOR == 0);
  assert(len % LIMIT_SECTOR == 0 && offset % LIMIT_SECTOR == 0);
}

int io_write(struct io *io, struct io_file *f, const void *buf, size_t len, uint64_t offset) {
  check_aligned(buf, len, offset);
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->write(io->disk, f->handle, buf, len, offset);
  return rc ? fail_at(io, "write", f->name, offset, rc) : 0;
}

int io_write_durable(struct io *io, struct io_file *f, const void *buf, size_t len,
                     uint64_t offset) {
  check_aligned(buf, len, offset);
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->write_durable(io->disk, f->handle, buf, len, offset);
  return rc ? fail_at(io, "durable write", f->name, offset, rc) : 0;
}

int io_sync(struct io *io, struct io_file *f) {
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->sync(io->disk, f->handle);
  return rc ? fail_errno(io, "sync", f->name, rc) : 0;
}

int io_rename(struct io *io, const char *from, const char *to) {
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->rename(io->disk, from, to);
  return rc ? fail_errno(io, "rename", to, rc) : 0;
}

int io_unlink(struct io *io, const char *name) {
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->unlink(io->disk, name);
  return rc ? fail_errno(io, "unlink", name, rc) : 0;
}

int io_sync_dir(struct io *io) {
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->sync_dir(io->disk);
  return rc ? fail_errno(io, "sync", "the data directory", rc) : 0;
}

int io_list(struct io *io, void (*each)(void *ctx, const char *name), void *ctx) {
  if (io->reason != REASON_NONE) return -1;
  int rc = io->disk->ops->list(io->disk, each, ctx);
  return rc ? fail_errno(io, "listing", "the data directory", rc) : 0;
}

int64_t io_size(struct io *io, struct io_file *f) {
  if (io->reason != REASON_NONE) return -1;
  int64_t n = io->disk->ops->size(io->disk, f->handle);
  return n < 0 ? fail_errno(io, "size", f->name, (int)n) : n;
}

int io_write_file(struct io *io, const char *name, const void *sector) {
  struct io_file f;
  if (io_open(io, &f, name, DISK_CREATE)) return -1;
  int rc = io_write(io, &f, sector, LIMIT_SECTOR, 0) || io_sync(io, &f) ? -1 : 0;
  io_close(io, &f);
  return rc;
}

uint32_t io_sector_crc(const void *sector) {
  return crc32c((const uint8_t *)sector + 4, LIMIT_SECTOR - 4);
}

void *io_alloc(struct io *io, size_t len) {
  void *p = NULL;
  if (posix_memalign(&p, LIMIT_SECTOR, len)) {
    io_fail(io, REASON_DISK_ERROR, "no memory for %zu bytes of buffer", len);
    return NULL;
  }
  return p;
}

void *io_alloc_zeroed(struct io *io, size_t len) {
  void *p = io_alloc(io, len);
  if (p) memset(p, 0, len);
  return p;
}
