#include "dpdk_app/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int waker_open(struct waker *w) {
  atomic_init(&w->sleeping, WAKER_AWAKE);
  w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return w->fd < 0 ? -errno : 0;
}

void waker_close(struct waker *w) {
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
}

/* Both sides read-modify-write the same word.  Either the waker reads our announcement, and wakes;
 * or our exchange reads what the waker wrote, and so we see, at the look that follows, what it
 * published before. */
void waker_prepare(struct waker *w) {
  atomic_exchange_explicit(&w->sleeping, WAKER_SLEEPING, memory_order_seq_cst);
}

void waker_prepare_lazy(struct waker *w) {
  atomic_exchange_explicit(&w->sleeping, WAKER_LAZY, memory_order_seq_cst);
}

void waker_cancel(struct waker *w) {
  atomic_store_explicit(&w->sleeping, WAKER_AWAKE, memory_order_seq_cst);
  uint64_t count;
  ssize_t ignored = read(w->fd, &count, sizeof count); /* empty is fine */
  (void)ignored;
}

void waker_wait(struct waker *w, int timeout_ms) {
  struct pollfd p = {.fd = w->fd, .events = POLLIN};
  poll(&p, 1, timeout_ms);
  waker_cancel(w);
}

void waker_poke(struct waker *w) {
  uint64_t one = 1;
  ssize_t ignored = write(w->fd, &one, sizeof one); /* full means that it is awake already */
  (void)ignored;
}

void waker_wake(struct waker *w) { waker_wake_if(w, true); }

void waker_wake_if(struct waker *w, bool urgent) {
  /* A read-modify-write, so that it cannot be reordered with the publication before it. */
  int state = atomic_fetch_or_explicit(&w->sleeping, 0, memory_order_seq_cst);
  if (state == WAKER_AWAKE || (state == WAKER_LAZY && !urgent)) return;
  if (atomic_exchange_explicit(&w->sleeping, WAKER_AWAKE, memory_order_seq_cst) == WAKER_AWAKE)
    return;
  waker_poke(w);
}
