#include "dpdk_app/wake.h"

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
  waker_drain(w);
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
