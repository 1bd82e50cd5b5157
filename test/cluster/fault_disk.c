/* fault_disk.c - LD_PRELOAD shim: a disk that fails or is slow, a clock that jumps, a second host.
 *
 *     FAULT_CONTROL=FILE FAULT_DIR=ABSOLUTE_DATA_DIR LD_PRELOAD=.../fault_disk.so zabd ...
 *
 * FILE is a struct fault_control, mapped by both sides: the test arms a fault while zabd runs
 * (cluster/fault.py).  A call is hit if its operation and the name of its file inside FAULT_DIR
 * match ("." is the directory itself); it waits delay_ms, and fails with error if that is not 0.
 * Not part of zabd: globals, since a preloaded library has no other place. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct fault_control {
  _Atomic uint32_t armed; /* 0: nothing fails; written last */
  _Atomic uint32_t hits;
  uint32_t skip;    /* matching calls that are let pass first */
  uint32_t for_all; /* 0: one call is hit, then disarmed; 1: each */
  int32_t error;
  uint32_t delay_ms;
  _Atomic int64_t realtime_ns; /* added to CLOCK_REALTIME */
  int32_t bind_shift;          /* added to each TCP port that is bound: another host's */
  char op[16];                 /* open, create, write, sync, rename, unlink, read, stat */
  char file[64];               /* pattern of fnmatch */
};

static struct fault_control *control(void) {
  static struct fault_control *_Atomic mapped;
  struct fault_control *c = atomic_load(&mapped);
  const char *path = getenv("FAULT_CONTROL");
  if (c || !path) return c;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return NULL;
  c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (c == MAP_FAILED) return NULL;
  atomic_store(&mapped, c);
  return c;
}

/* Returns 0, or -1 with errno set. */
static int hit(const char *op, const char *name) {
  struct fault_control *c = control();
  if (!c || !atomic_load(&c->armed) || strcmp(op, c->op) != 0 || fnmatch(c->file, name, 0))
    return 0;
  if (c->skip) {
    c->skip--;
    return 0;
  }
  if (!c->for_all) atomic_store(&c->armed, 0);
  atomic_fetch_add(&c->hits, 1);
  if (c->delay_ms) {
    struct timespec t = {.tv_sec = c->delay_ms / 1000, .tv_nsec = c->delay_ms % 1000 * 1000000l};
    nanosleep(&t, NULL);
  }
  errno = c->error;
  return c->error ? -1 : 0;
}

/* The name inside FAULT_DIR of an open file, "." for the directory; NULL: elsewhere. */
static const char *name_of(int fd, char *buf, size_t cap) {
  char link[64];
  const char *dir = getenv("FAULT_DIR");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, buf, cap - 1);
  if (len < 0 || !dir) return NULL;
  buf[len] = 0;
  size_t dir_len = strlen(dir);
  if (strncmp(buf, dir, dir_len) != 0) return NULL;
  if (!buf[dir_len]) return ".";
  return buf[dir_len] == '/' ? buf + dir_len + 1 : NULL;
}

static int hit_fd(const char *op, int fd) {
  char buf[1024];
  int saved = errno;
  const char *name = control() ? name_of(fd, buf, sizeof buf) : NULL;
  errno = saved;
  return name ? hit(op, name) : 0;
}

static int hit_at(const char *op, int dir, const char *name) {
  char buf[1024];
  const char *of = dir == AT_FDCWD || !control() ? NULL : name_of(dir, buf, sizeof buf);
  return of && strcmp(of, ".") == 0 && strcmp(name, ".") != 0 ? hit(op, name) : 0;
}

/* NEXT declares `next`, the function that this one stands before. */
#define NEXT(type, name, ...)       \
  static type (*next)(__VA_ARGS__); \
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)

int openat(int dir, const char *name, int flags, ...) {
  NEXT(int, "openat", int, const char *, int, ...);
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  if (hit_at(flags & O_CREAT ? "create" : "open", dir, name)) return -1;
  return next(dir, name, flags, mode);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at) {
  NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return hit_fd("write", fd) ? -1 : next(fd, buf, len, at);
}

ssize_t pread(int fd, void *buf, size_t len, off_t at) {
  NEXT(ssize_t, "pread", int, void *, size_t, off_t);
  return hit_fd("read", fd) ? -1 : next(fd, buf, len, at);
}

int fdatasync(int fd) {
  NEXT(int, "fdatasync", int);
  return hit_fd("sync", fd) ? -1 : next(fd);
}

int fsync(int fd) {
  NEXT(int, "fsync", int);
  return hit_fd("sync", fd) ? -1 : next(fd);
}

int fstat(int fd, struct stat *st) {
  NEXT(int, "fstat", int, struct stat *);
  return hit_fd("stat", fd) ? -1 : next(fd, st);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  NEXT(int, "renameat", int, const char *, int, const char *);
  return hit_at("rename", to_dir, to) ? -1 : next(from_dir, from, to_dir, to);
}

int unlinkat(int dir, const char *name, int flags) {
  NEXT(int, "unlinkat", int, const char *, int);
  return hit_at("unlink", dir, name) ? -1 : next(dir, name, flags);
}

/* ---- the clock on the wall ---- */

static int64_t realtime_shift(void) {
  struct fault_control *c = control();
  return c ? atomic_load(&c->realtime_ns) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t) {
  NEXT(int, "clock_gettime", clockid_t, struct timespec *);
  int err = next(id, t);
  if (err || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return err;
  int64_t ns = t->tv_nsec + realtime_shift() % 1000000000;
  t->tv_sec += realtime_shift() / 1000000000;
  if (ns < 0) ns += 1000000000, t->tv_sec--;
  if (ns >= 1000000000) ns -= 1000000000, t->tv_sec++;
  t->tv_nsec = ns;
  return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  (void)zone;
  int err = clock_gettime(CLOCK_REALTIME, &now);
  *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return err;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}

/* ---- another host: the same config, other ports ---- */

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len) {
  const struct sockaddr *a = address.__sockaddr__; /* as glibc declares it */
  NEXT(int, "bind", int, const struct sockaddr *, socklen_t);
  struct fault_control *c = control();
  if (!c || !c->bind_shift || a->sa_family != AF_INET) return next(fd, a, len);
  struct sockaddr_in moved = *(const struct sockaddr_in *)(const void *)a;
  moved.sin_port = htons((uint16_t)(ntohs(moved.sin_port) + c->bind_shift));
  return next(fd, (const struct sockaddr *)&moved, sizeof moved);
}
