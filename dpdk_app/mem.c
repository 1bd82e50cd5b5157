#include "dpdk_app/mem.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map_twice(int fd, uint64_t bytes) {
  uint8_t *p = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return NULL;
  for (int half = 0; half < 2; half++) {
    void *at = mmap(p + (uint64_t)half * bytes, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED) {
      int err = errno;
      munmap(p, 2 * bytes);
      errno = err;
      return NULL;
    }
  }
  (void)mlock(p, 2 * bytes); /* an ordinary user may not; the pages are there all the same */
  return p;
}

void *ring_map(uint64_t bytes) {
  assert(bytes >= (uint64_t)sysconf(_SC_PAGESIZE) && (bytes & (bytes - 1)) == 0);
  int fd = memfd_create("zabline-ring", MFD_CLOEXEC);
  if (fd < 0) return NULL;
  void *p = ftruncate(fd, (off_t)bytes) == 0 ? map_twice(fd, bytes) : NULL;
  int err = errno;
  close(fd);
  errno = err;
  return p;
}

void ring_unmap(void *ring, uint64_t bytes) {
  if (ring) munmap(ring, 2 * bytes);
}
