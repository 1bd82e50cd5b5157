#include "service/tree/request.h"

#include <assert.h>

bool request_read(struct request *q, const void *data, uint32_t len) {
  struct cursor c;
  cursor_init(&c, data, len);
  q->session = cursor_i64(&c);
  q->cxid = cursor_i32(&c);
  q->type = cursor_i32(&c);
  q->node = cursor_u8(&c);
  const uint8_t *ids = c.next;
  int32_t cnt = cursor_i32(&c);
  for (int32_t i = 0; i < cnt && !c.bad; i++) {
    cursor_buf(&c, INT32_MAX);
    cursor_buf(&c, INT32_MAX);
  }
  if (c.bad || cnt < 0) return false;
  q->ids = (struct span){ids, (int32_t)(c.next - ids)};
  q->record = (struct span){c.next, (int32_t)(c.end - c.next)};
  return true;
}

uint32_t request_len(const struct request *q) {
  return REQUEST_HEADER_LEN + (uint32_t)q->ids.len + (uint32_t)q->record.len;
}

void request_write(const struct request *q, void *dst) {
  struct writer w;
  writer_init(&w, dst, request_len(q));
  writer_i64(&w, q->session);
  writer_i32(&w, q->cxid);
  writer_i32(&w, q->type);
  writer_u8(&w, q->node);
  writer_bytes(&w, q->ids.data, (size_t)q->ids.len);
  writer_bytes(&w, q->record.data, (size_t)q->record.len);
  assert(!w.bad);
}
