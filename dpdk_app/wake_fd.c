/* The sleep itself: an eventfd. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dpdk_app/wake.h"

int waker_open(struct waker *w) {
  atomic_init(&w->sleeping, WAKER_AWAKE);
  w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return w->fd < 0 ? -errno : 0;
}

void waker_close(struct waker *w) {
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
}

void waker_drain(struct waker *w) {
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
