/* The data directory: there, writable, with O_DIRECT, room and quick durable writes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "service/doctor/doctor.h"

#define WRITES 200
#define ZERO_BYTES (64 * LIMIT_SECTOR)     /* the file; written in turns, as a log segment is */
#define MEASURE_NS (1000u * 1000u * 1000u) /* a very slow disk is not asked for all of them */
#define SLOW_US 1000                       /* p50 of a disk without a durable cache */

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static bool write_at(int fd, const void *buf, size_t len, off_t offset) {
  ssize_t n = pwrite(fd, buf, len, offset);
  if (n >= 0 && (size_t)n != len) errno = EIO;
  return n == (ssize_t)len;
}

static bool durable(const struct doctor_writes *w, int fd, const void *buf, off_t offset) {
  return write_at(fd, buf, LIMIT_SECTOR, offset) && (w->direct || fdatasync(fd) == 0);
}

static void measure(struct doctor_writes *w, int fd, const void *zeros) {
  uint64_t took[WRITES], begin = now_ns(), last = begin;
  for (size_t at = 0; at < ZERO_BYTES && !w->error; at += LIMIT_SECTOR)
    if (!write_at(fd, zeros, LIMIT_SECTOR, (off_t)at)) w->error = errno;
  if (!w->error && fsync(fd)) w->error = errno;
  for (begin = last = now_ns(); w->cnt < WRITES && !w->error && last - begin < MEASURE_NS;) {
    if (!durable(w, fd, zeros, (off_t)w->cnt * LIMIT_SECTOR % ZERO_BYTES)) w->error = errno;
    uint64_t now = now_ns();
    took[w->cnt++] = (now - last) / 1000;
    last = now;
  }
  if (w->error) return;
  qsort(took, (size_t)w->cnt, sizeof took[0], by_value);
  w->p50_us = took[w->cnt / 2];
  w->p99_us = took[w->cnt * 99 / 100];
  w->max_us = took[w->cnt - 1];
}

/* Without a name at once, so that nothing is left whatever ends us.  The second descriptor is
 * opened as storage/disk_real.c does. */
static int open_unnamed(struct doctor_writes *w, const char *directory) {
  char name[LIMIT_PATH_LEN + 16];
  snprintf(name, sizeof name, "%s/doctor-XXXXXX", directory);
  int fd = mkostemp(name, O_CLOEXEC);
  if (fd < 0) return -1;
  int direct = open(name, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC | O_NOFOLLOW);
  unlink(name);
  w->direct = direct >= 0;
  if (!w->direct) return fd;
  close(fd);
  return direct;
}

struct doctor_writes doctor_measure(const char *directory) {
  struct doctor_writes w = {0};
  void *zeros = aligned_alloc(LIMIT_SECTOR, LIMIT_SECTOR);
  int fd = zeros ? open_unnamed(&w, directory) : -1;
  if (fd < 0) {
    w.error = zeros ? errno : ENOMEM;
  } else {
    memset(zeros, 0, LIMIT_SECTOR);
    measure(&w, fd, zeros);
    close(fd);
  }
  free(zeros);
  return w;
}

static void judge_latency(struct doctor *d, const struct doctor_writes *w) {
  struct doctor_row *row = row_add(d, "write_latency", NULL);
  uint64_t timeout_us = (uint64_t)d->config->disk_timeout_ms * 1000;
  enum doctor_verdict verdict = w->max_us >= timeout_us ? DOCTOR_FAIL
                                : w->p50_us >= SLOW_US  ? DOCTOR_WARN
                                                        : DOCTOR_OK;
  row_says(row, verdict, "%d durable writes of 4 KiB: p50 %llu, p99 %llu, longest %llu us", w->cnt,
           (unsigned long long)w->p50_us, (unsigned long long)w->p99_us,
           (unsigned long long)w->max_us);
  if (verdict == DOCTOR_FAIL)
    row_mend(row,
             "a leader steps down after %u ms (disk_timeout_ms): iostat -x 1 shows who "
             "writes; use another disk",
             d->config->disk_timeout_ms);
  if (verdict == DOCTOR_WARN)
    row_mend(row,
             "every commit waits for one such write: put data_dir on an NVMe disk with "
             "power-loss protection");
}

void doctor_judge_writes(struct doctor *d, const struct doctor_writes *w) {
  if (w->error) {
    row_mend(row_says(row_add(d, "write_latency", NULL), DOCTOR_UNKNOWN,
                      "a temporary file cannot be written: %s", strerror(w->error)),
             "run zabctl doctor as zabd's user, or as root");
    return;
  }
  struct doctor_row *row = row_add(d, "o_direct", NULL);
  if (w->direct)
    row_says(row, DOCTOR_OK, "the file system has it");
  else
    row_mend(row_says(row, DOCTOR_WARN,
                      "the file system refuses it: zabd writes through the page "
                      "cache, slower"),
             "put data_dir on ext4 or xfs");
  judge_latency(d, w);
}

static void check_space(struct doctor *d, const char *directory) {
  struct statvfs v;
  const struct config *c = d->config;
  struct doctor_row *row = row_add(d, "free_space", NULL);
  if (statvfs(directory, &v)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "%s: %s", directory, strerror(errno)), "df -h %s",
             directory);
    return;
  }
  uint64_t there = (uint64_t)v.f_bavail * v.f_frsize >> 20, least = c->min_free_bytes >> 20;
  /* what zabd keeps: the log since the oldest snapshot, the snapshots, two segments ahead */
  uint64_t kept =
      (c->snapshots_kept * (c->snapshot_log_bytes + LIMIT_KEPT_BYTES) + 2 * c->segment_bytes) >> 20;
  enum doctor_verdict verdict = there < least                        ? DOCTOR_FAIL
                                : there < least + kept && !d->status ? DOCTOR_WARN
                                                                     : DOCTOR_OK;
  row_says(row, verdict, "%llu MiB free; min_free_bytes %llu MiB, log and snapshots up to %llu MiB",
           (unsigned long long)there, (unsigned long long)least, (unsigned long long)kept);
  if (verdict != DOCTOR_OK) row_mend(row, "df -h %s; free some, or use a larger disk", directory);
}

/* The nearest directory above that is there: the one to be made will be on the same disk. */
static void parent_of(char *path) {
  struct stat st;
  while (stat(path, &st) || !S_ISDIR(st.st_mode)) { /* ends at / or . */
    char *slash = strrchr(path, '/');
    if (!slash) {
      strcpy(path, ".");
      return;
    }
    slash[slash == path] = '\0';
  }
}

void doctor_check_disk(struct doctor *d) {
  char directory[LIMIT_PATH_LEN];
  struct stat st;
  const char *path = d->config->data_dir;
  struct doctor_row *row = row_add(d, "data_dir", NULL);
  bool failed = stat(path, &st) != 0;
  strcpy(directory, path);
  if (failed && errno == ENOENT) {
    parent_of(directory);
    row_says(row, DOCTOR_WARN, "%s is not there yet; measured in %s", path, directory);
    doctor_mend_format(d, row, directory);
  } else if (failed) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "%s: %s", path, strerror(errno)),
             "run zabctl doctor as zabd's user, or as root");
    return;
  } else if (!S_ISDIR(st.st_mode)) {
    row_mend(row_says(row, DOCTOR_FAIL, "%s is not a directory", path),
             "put another data_dir into %s", d->config->file);
    return;
  } else if (access(path, R_OK | W_OK | X_OK)) {
    row_mend(row_says(row, DOCTOR_FAIL, "%s may not be written by this user", path),
             "run zabctl doctor as zabd's user, or: chown zabline %s", path);
  } else {
    row_says(row, DOCTOR_OK, "%s", path);
  }
  struct doctor_writes w = doctor_measure(directory);
  doctor_judge_writes(d, &w);
  check_space(d, directory);
}
