#include "storage/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct disk_file {
  int fd;      /* reads, plain writes, fsync; O_DIRECT where the file system has it */
  int fd_sync; /* O_DIRECT | O_DSYNC; -1 without O_DIRECT: then write + fdatasync */
};

struct real {
  int dir;
};

static int dir_of(const struct disk *d) { return ((const struct real *)d->self)->dir; }

/* open_direct drops O_DIRECT where the file system refuses it (tmpfs before Linux 6.6). */
static int open_direct(int dir, const char *name, int flags, bool *direct) {
  int fd = openat(dir, name, flags | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
  *direct = fd >= 0;
  if (fd >= 0 || errno != EINVAL) return fd;
  return openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW);
}

/* open_fds: a file open for writing is locked, so that two processes cannot share a directory. */
static int open_fds(int dir, const char *name, enum disk_mode mode, struct disk_file *f) {
  bool direct, ignored;
  f->fd = open_direct(dir, name, mode == DISK_READ_ONLY ? O_RDONLY : O_RDWR, &direct);
  if (f->fd < 0) return -errno;
  if (mode == DISK_READ_ONLY) return 0;
  if (flock(f->fd, LOCK_EX | LOCK_NB)) return -errno;
  if (!direct) return 0;
  f->fd_sync = open_direct(dir, name, O_WRONLY | O_DSYNC, &ignored);
  return f->fd_sync < 0 ? -errno : 0;
}

static void real_close(struct disk *d, struct disk_file *f) {
  (void)d;
  if (f->fd_sync >= 0) close(f->fd_sync);
  if (f->fd >= 0) close(f->fd);
  free(f);
}

static int real_open(struct disk *d, const char *name, enum disk_mode mode,
                     struct disk_file **out) {
  if (mode == DISK_CREATE) { /* O_CREAT with a refused O_DIRECT would leave the file behind */
    int fd = openat(dir_of(d), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return -errno;
    close(fd);
  }
  struct disk_file *f = malloc(sizeof *f);
  if (!f) return -ENOMEM;
  *f = (struct disk_file){-1, -1};
  int rc = open_fds(dir_of(d), name, mode, f);
  if (rc) real_close(d, f);
  *out = rc ? NULL : f;
  return rc;
}

static ssize_t real_read(struct disk *d, struct disk_file *f, void *buf, size_t len,
                         uint64_t offset) {
  (void)d;
  size_t done = 0;
  while (done < len) {
    ssize_t n = pread(f->fd, (char *)buf + done, len - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    done += (size_t)n;
    if (n == 0 || done % LIMIT_SECTOR) break; /* the end of the file */
  }
  return (ssize_t)done;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t offset) {
  size_t done = 0;
  while (done < len) {
    ssize_t n = pwrite(fd, (const char *)buf + done, len - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return -EIO;
    done += (size_t)n;
  }
  return 0;
}

static int real_write(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                      uint64_t offset) {
  (void)d;
  return write_all(f->fd, buf, len, offset);
}

static int real_write_durable(struct disk *d, struct disk_file *f, const void *buf, size_t len,
                              uint64_t offset) {
  (void)d;
  if (f->fd_sync >= 0) return write_all(f->fd_sync, buf, len, offset);
  int rc = write_all(f->fd, buf, len, offset);
  if (rc) return rc;
  return fdatasync(f->fd) ? -errno : 0;
}

static int real_sync(struct disk *d, struct disk_file *f) {
  (void)d;
  return fsync(f->fd) ? -errno : 0;
}

static int64_t real_size(struct disk *d, struct disk_file *f) {
  (void)d;
  struct stat st;
  return fstat(f->fd, &st) ? -errno : st.st_size;
}

static int real_rename(struct disk *d, const char *from, const char *to) {
  return renameat(dir_of(d), from, dir_of(d), to) ? -errno : 0;
}

static int real_unlink(struct disk *d, const char *name) {
  return unlinkat(dir_of(d), name, 0) ? -errno : 0;
}

static int real_sync_dir(struct disk *d) { return fsync(dir_of(d)) ? -errno : 0; }

static int real_list(struct disk *d, void (*each)(void *ctx, const char *name), void *ctx) {
  int fd = openat(dir_of(d), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR *dir = fdopendir(fd);
  if (!dir) {
    int err = -errno;
    close(fd);
    return err;
  }
  struct dirent *e;
  for (errno = 0; (e = readdir(dir)) != NULL; errno = 0) {
    bool own = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    /* a data directory may be a mount point of its own */
    if (!own && strcmp(e->d_name, "lost+found") != 0) each(ctx, e->d_name);
  }
  int rc = -errno;
  closedir(dir);
  return rc;
}

static int64_t real_free_bytes(struct disk *d) {
  struct statvfs v;
  if (fstatvfs(dir_of(d), &v)) return -errno;
  return (int64_t)(v.f_bavail * v.f_frsize);
}

static const struct disk_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .write_durable = real_write_durable,
    .sync = real_sync,
    .size = real_size,
    .rename = real_rename,
    .unlink = real_unlink,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .free_bytes = real_free_bytes,
};

int disk_real_open(struct disk *d, const char *path) {
  struct real *r = malloc(sizeof *r);
  if (!r) return -ENOMEM;
  r->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (r->dir < 0) {
    int err = -errno;
    free(r);
    return err;
  }
  *d = (struct disk){&real_ops, r};
  return 0;
}

void disk_real_close(struct disk *d) {
  struct real *r = d->self;
  if (!r) return;
  close(r->dir);
  free(r);
  d->self = NULL;
}

void disk_real_explain(const char *path, int err, char *error) {
  char text[128];
  snprintf(error, LIMIT_TEXT_LEN, "data directory %.300s: %s%s", path,
           strerror_r(-err, text, sizeof text),
           err == -ENOENT ? "; `zabd --config FILE --format` makes a new one" : "");
}

/* make_one makes the directory and its name durable. */
static int make_one(const char *path) {
  char parent[LIMIT_PATH_LEN];
  if (mkdir(path, 0750)) return errno == EEXIST ? 0 : -errno;
  snprintf(parent, sizeof parent, "%s/..", path);
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int rc = fsync(fd) ? -errno : 0;
  close(fd);
  return rc;
}

int disk_real_create(const char *path) {
  char part[LIMIT_PATH_LEN - 3];
  size_t len = strlen(path);
  if (len == 0 || len >= sizeof part) return -ENAMETOOLONG;
  for (size_t i = 1; i <= len; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    int rc = make_one(part);
    if (rc) return rc;
  }
  return 0;
}
