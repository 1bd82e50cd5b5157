#include "test/fastpath/ring_map.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void *ring_map(size_t bytes) {
  int fd = memfd_create("ring", 0);
  assert(fd >= 0);
  int err = ftruncate(fd, (off_t)bytes);
  assert(err == 0);
  uint8_t *base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert(base != MAP_FAILED);
  for (int i = 0; i < 2; i++) {
    void *at = mmap(base + (size_t)i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                    fd, 0);
    assert(at != MAP_FAILED);
  }
  close(fd);
  return base;
}

void ring_unmap(void *ring, size_t bytes) { munmap(ring, 2 * bytes); }
