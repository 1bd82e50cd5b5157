#include "dpdk_app/mem.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

static bool no_limit_applies(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {{0}};
  if (syscall(SYS_capget, &head, caps)) return false;
  return caps[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK);
}

int mem_lock(void) {
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &none) && !no_limit_applies()) return -EPERM;
  /* ON_FAULT: of what is only reserved (EAL's address space, stacks) nothing is made resident */
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ? -errno : 0;
}

void ring_unmap(void *ring, uint64_t bytes) {
  if (ring) munmap(ring, 2 * bytes);
}
