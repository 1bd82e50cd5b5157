/* raw_write.c - the limit "one durable write": 4 KiB O_DIRECT | O_DSYNC pwrites, one after the
 * other, into a file that was filled with zeros and synced before.  Links nothing of Zabline.
 *
 *     raw_write FILE [COUNT [WARM_UP]]     prints one JSON object; FILE is removed
 *
 * Source: performance.md, "The limits". */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "perf/raw/samples.h"

#define BLOCK 4096
#define FILE_BYTES (64u << 20)
#define FILL_BYTES (1u << 20)
#define COUNT_MAX 10000000

static int die(const char *what, const char *path) {
  fprintf(stderr, "raw_write: %s %s: %s\n", what, path, strerror(errno));
  exit(1);
}

static void *aligned(size_t bytes) {
  void *p = aligned_alloc(BLOCK, bytes);
  if (!p) die("memory for", "a block");
  memset(p, 0, bytes);
  return p;
}

static void fill_with_zeros(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void *zeros = aligned(FILL_BYTES);
  if (fd < 0) die("cannot create", path);
  for (uint32_t at = 0; at < FILE_BYTES; at += FILL_BYTES)
    if (pwrite(fd, zeros, FILL_BYTES, at) != FILL_BYTES) die("cannot fill", path);
  if (fsync(fd)) die("cannot sync", path);
  close(fd);
  free(zeros);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: raw_write FILE [COUNT [WARM_UP]]\n");
    return 2;
  }
  const char *path = argv[1];
  long count = argc > 2 ? atol(argv[2]) : 10000, warm_up = argc > 3 ? atol(argv[3]) : 500;
  if (count < 1 || count > COUNT_MAX || warm_up < 0) return 2;
  fill_with_zeros(path);
  int fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
  if (fd < 0) die("no O_DIRECT for", path);
  unlink(path);
  uint8_t *block = aligned(BLOCK);
  uint64_t *ns = calloc((size_t)count, sizeof *ns);
  if (!ns) die("memory for", "the samples");
  for (long i = -warm_up; i < count; i++) {
    memcpy(block, &i, sizeof i);
    off_t at = (off_t)((uint64_t)(i + warm_up) * BLOCK % FILE_BYTES);
    uint64_t start = now_ns();
    if (pwrite(fd, block, BLOCK, at) != BLOCK) die("cannot write", path);
    if (i >= 0) ns[i] = now_ns() - start;
  }
  printf(
      "{\"name\": \"raw_write\", \"unit\": \"us\", \"bytes\": %d, \"flags\": "
      "\"O_DIRECT|O_DSYNC\", ",
      BLOCK);
  samples_print(ns, (size_t)count);
  printf("}\n");
  free(block);
  free(ns);
  return 0;
}
