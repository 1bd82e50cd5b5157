#include "dpdk_app/guard.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <rte_interrupts.h>
#include <rte_memzone.h>

#include "config/limits.h"

#define GUARD_ZONE "zabline_guard"
#define POLL_NS 10000

/* memif's messages that may bear a descriptor, and the one with which a client begins. */
enum { MEMIF_INIT = 3, MEMIF_ADD_REGION = 4, MEMIF_ADD_RING = 5 };

/* munmap is told nothing of a node, so what it waits for stands in a memzone: EAL is one per
 * process. */
struct guard {
  _Atomic bool ready;                          /* rcu is set up; memzones start as zeros */
  uint32_t used;                               /* bit per reader; main only */
  bool said_init[LIMIT_FILES];                 /* by descriptor; interrupt thread only */
  _Alignas(RTE_CACHE_LINE_SIZE) uint8_t rcu[]; /* struct rte_rcu_qsbr and its readers */
};

static struct rte_rcu_qsbr *rcu_of(struct guard *g) {
  return (struct rte_rcu_qsbr *)(void *)g->rcu;
}

static struct guard *reserve(void) {
  const struct rte_memzone *zone = rte_memzone_lookup(GUARD_ZONE);
  if (zone) return zone->addr;
  size_t len = sizeof(struct guard) + rte_rcu_qsbr_get_memsize(GUARD_READERS);
  zone = rte_memzone_reserve_aligned(GUARD_ZONE, len, SOCKET_ID_ANY, 0, RTE_CACHE_LINE_SIZE);
  if (!zone) return NULL;
  struct guard *g = zone->addr;
  g->used = 0;
  if (rte_rcu_qsbr_init(rcu_of(g), GUARD_READERS)) return NULL;
  atomic_store_explicit(&g->ready, true, memory_order_release); /* pairs: guard_wait */
  return g;
}

int guard_open(struct guard_reader *r) {
  /* The driver is a shared library: it gets ours only if the executable exports them. */
  assert(dlsym(RTLD_DEFAULT, "munmap") == (void *)(uintptr_t)munmap);
  struct guard *g = reserve();
  if (!g) return -1;
  for (unsigned id = 0; id < GUARD_READERS; id++) {
    if (g->used & 1u << id) continue;
    g->used |= 1u << id;
    *r = (struct guard_reader){.rcu = rcu_of(g), .id = id};
    return rte_rcu_qsbr_thread_register(r->rcu, id) ? -1 : 0;
  }
  return -1;
}

void guard_close(struct guard_reader *r) {
  struct guard *g = reserve();
  assert(g && rcu_of(g) == r->rcu && g->used & 1u << r->id);
  rte_rcu_qsbr_thread_offline(r->rcu, r->id);
  rte_rcu_qsbr_thread_unregister(r->rcu, r->id);
  g->used &= ~(1u << r->id);
}

/* The bound is the longest turn of a fast lcore; not spinning, since it may need this very core. */
void guard_wait(void) {
  const struct rte_memzone *zone = rte_memzone_lookup(GUARD_ZONE);
  struct guard *g = zone ? zone->addr : NULL;
  if (!g || !atomic_load_explicit(&g->ready, memory_order_acquire)) return; /* no reader yet */
  struct rte_rcu_qsbr *rcu = rcu_of(g);
  uint64_t token = rte_rcu_qsbr_start(rcu);
  while (!rte_rcu_qsbr_check(rcu, token, false))
    nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

int munmap(void *addr, size_t len) {
  if (rte_thread_is_intr()) guard_wait();
  return (int)syscall(SYS_munmap, addr, len);
}

static struct guard *find(void) {
  const struct rte_memzone *zone = rte_memzone_lookup(GUARD_ZONE);
  return zone ? zone->addr : NULL;
}

int close(int fd) {
  if (rte_thread_is_intr()) {
    guard_wait();
    struct guard *g = find();
    if (g && fd >= 0 && fd < LIMIT_FILES) g->said_init[fd] = false;
  }
  return (int)syscall(SYS_close, fd);
}

/* The queue of a hung peer's listening socket is soon full, and connect would wait for it for ever.
 */
int connect(int fd, const struct sockaddr *addr, socklen_t len) {
  if (rte_thread_is_intr()) {
    struct timeval patience = {.tv_usec = 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  return (int)syscall(SYS_connect, fd, addr, len);
}

/* A peer that is gone before the server's first message makes the driver free a connection that EAL
 * still watches, and EAL panics: whoever may open the socket could end us.  So that message counts
 * as sent; reading then finds the end of the connection, which the driver handles. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
  ssize_t sent = syscall(SYS_sendmsg, fd, msg, flags);
  if (sent >= 0 || !rte_thread_is_intr() || errno == EBADF) return sent;
  sent = 0;
  for (size_t i = 0; i < msg->msg_iovlen; i++) sent += (ssize_t)msg->msg_iov[i].iov_len;
  return sent;
}

/* May the driver, which forgets those that it does not look for, have the message's descriptor? */
static bool bears(struct guard *g, int fd, const struct msghdr *msg, ssize_t len) {
  uint16_t type;
  if (!g || fd < 0 || fd >= LIMIT_FILES) return true;
  if (msg->msg_iovlen != 1 || (size_t)len != msg->msg_iov[0].iov_len) return false;
  memcpy(&type, msg->msg_iov[0].iov_base, sizeof type);
  if (type == MEMIF_INIT) g->said_init[fd] = true;
  return g->said_init[fd] && (type == MEMIF_ADD_REGION || type == MEMIF_ADD_RING);
}

/* Closes all that came but the first `keep`, which the driver takes. */
static void close_rights(struct cmsghdr *c, size_t keep) {
  size_t cnt = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = keep; i < cnt; i++) {
    int fd, none = -1;
    uint8_t *at = CMSG_DATA(c) + i * sizeof fd;
    memcpy(&fd, at, sizeof fd);
    memcpy(at, &none, sizeof none);
    syscall(SYS_close, fd);
  }
}

/* Whoever may open the socket can pass descriptors with any message, and the driver would keep them
 * until we end. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags) {
  ssize_t len = syscall(SYS_recvmsg, fd, msg, flags);
  if (len < 0 || !rte_thread_is_intr()) return len;
  size_t keep = bears(find(), fd, msg, len) ? 1 : 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    close_rights(c, keep);
    keep = 0;
  }
  return len;
}
