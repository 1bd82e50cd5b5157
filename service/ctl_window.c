#include "service/ctl_window.h"

#include <assert.h>

#include "proto/cursor.h"
#include "service/app_log.h"
#include "service/control_wire.h"

static uint32_t slot(uint64_t sequence) { return (uint32_t)(sequence % LIMIT_SUBMIT_OUTSTANDING); }

void ctl_window_add(struct ctl_window *w, const void *line, size_t len) {
  uint8_t head[CONTROL_FRAME_HEADER + APP_LOG_REQUEST_HEADER];
  struct writer to;
  assert(!ctl_window_full(w));
  w->last++;
  writer_init(&to, head, sizeof head);
  writer_i32(&to, (int32_t)(1 + APP_LOG_REQUEST_HEADER + len));
  writer_u8(&to, CONTROL_SUBMIT);
  writer_i64(&to, (int64_t)w->client);
  writer_i64(&to, (int64_t)w->last);
  buffer_append(&w->frames, head, sizeof head);
  buffer_append(&w->frames, line, len);
  w->frame_len[slot(w->last)] = (uint32_t)(sizeof head + len);
  w->sent_ns[slot(w->last)] = 0;
}

void ctl_window_send(struct ctl_window *w, struct buffer *out, size_t max_bytes, uint64_t now_ns) {
  size_t len = 0;
  while (w->sent < w->last && len < max_bytes) {
    uint32_t i = slot(++w->sent);
    len += w->frame_len[i];
    if (!w->sent_ns[i]) w->sent_ns[i] = now_ns;
  }
  if (!len) return;
  buffer_append(out, buffer_at(&w->frames) + w->sent_bytes, len);
  w->sent_bytes += len;
}

void ctl_window_ack(struct ctl_window *w) {
  uint32_t len = w->frame_len[slot(w->acked + 1)];
  assert(w->acked < w->last);
  w->acked++;
  buffer_consume(&w->frames, len);
  if (w->sent < w->acked) /* READY named one that this connection had not sent again */
    w->sent = w->acked;
  else
    w->sent_bytes -= len;
}

void ctl_window_rewind(struct ctl_window *w) {
  w->sent = w->acked;
  w->sent_bytes = 0;
}
