/* ctl_window.h - the lines of `submit` that are not acknowledged yet, as SUBMIT frames in their
 * order.
 *
 *      acked < sequences in the window <= last;  those up to `sent` have been given to the socket
 *
 * After a break everything above READY's last is given again from here, so nothing is lost, doubled
 * or reordered.  Owner: zabctl's thread.  Allocates: buffers grow to the window's bytes. */
#ifndef ZABLINE_SERVICE_CTL_WINDOW_H
#define ZABLINE_SERVICE_CTL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"
#include "service/buffer.h"

struct ctl_window {
  uint32_t max; /* entries at most */
  uint64_t client;
  uint64_t acked, sent, last; /* sequences */
  struct buffer frames;
  size_t sent_bytes;                            /* of frames, given to the socket */
  uint32_t frame_len[LIMIT_SUBMIT_OUTSTANDING]; /* [sequence % LIMIT_SUBMIT_OUTSTANDING] */
  uint64_t sent_ns[LIMIT_SUBMIT_OUTSTANDING];   /* when first given to the socket; 0: not yet */
};

static inline bool ctl_window_full(const struct ctl_window *w) {
  return w->last - w->acked >= w->max;
}

/* ctl_window_add appends one line as the next sequence; the window is not full. */
void ctl_window_add(struct ctl_window *w, const void *line, size_t len);
/* ctl_window_send moves frames not yet sent to out, about max_bytes of them. */
void ctl_window_send(struct ctl_window *w, struct buffer *out, size_t max_bytes, uint64_t now_ns);
/* ctl_window_ack drops the oldest entry. */
void ctl_window_ack(struct ctl_window *w);
/* ctl_window_rewind: everything in the window is to be sent again. */
void ctl_window_rewind(struct ctl_window *w);

#endif
