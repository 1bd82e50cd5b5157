/* wake.h - waking a thread that sleeps, at no cost while it is awake.
 *
 * The sleeper sets `sleeping`, then looks at its rings and positions once more, then waits on fd.
 * The waker first publishes (ring element, position), then looks at `sleeping`.  The two full
 * fences make it impossible that both miss the other (Dekker's pattern: the pairs are marked
 * below).
 *
 * wake.c decides, wake_fd.c sleeps and writes.
 *
 * Owner: the sleeper owns the struct; anybody may call waker_wake.  Source: design 1. */
#ifndef ZABLINE_DPDK_APP_WAKE_H
#define ZABLINE_DPDK_APP_WAKE_H

#include <stdbool.h>

#include "proto/atomic.h"

enum waker_sleep { WAKER_AWAKE, WAKER_LAZY, WAKER_SLEEPING };

struct waker {
  _Atomic int sleeping; /* enum waker_sleep */
  int fd;               /* eventfd, non-blocking */
};

/* waker_open returns 0 or -errno. */
int waker_open(struct waker *w);
void waker_close(struct waker *w);

/* waker_prepare announces sleep; the caller then checks its inputs again and calls waker_cancel if
 * there is something to do, or waits for w->fd and calls waker_cancel afterwards. */
void waker_prepare(struct waker *w);
void waker_cancel(struct waker *w);

/* waker_prepare_lazy: as waker_prepare, for a sleeper that comes back soon by itself: only what is
 * urgent wakes it, so that a stream of small things does not cost its source a system call each. */
void waker_prepare_lazy(struct waker *w);

/* waker_wait is prepare's other end for threads without an event loop: sleeps until woken, at most
 * timeout_ms, then cancels. */
void waker_wait(struct waker *w, int timeout_ms);

/* waker_drain forgets the wake-up writes so far. */
void waker_drain(struct waker *w);

void waker_wake(struct waker *w);
/* waker_poke also ends the sleep that the sleeper is about to begin: for what it does not look at
 * again between waker_prepare and its wait. */
void waker_poke(struct waker *w);
/* waker_wake_if: urgent as waker_wake; otherwise lazy sleepers sleep on. */
void waker_wake_if(struct waker *w, bool urgent);

#endif
