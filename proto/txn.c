#include "proto/txn.h"

#include "proto/cursor.h"

void txn_header_write(void *dst, const struct txn_header *h) {
  struct writer w;
  writer_init(&w, dst, TXN_HEADER_LEN);
  writer_i64(&w, h->client_id);
  writer_i32(&w, h->cxid);
  writer_i64(&w, (int64_t)h->zxid);
  writer_i64(&w, h->time_ms);
  writer_i32(&w, h->type);
}

struct txn_header txn_header_read(const void *src) {
  struct cursor c;
  struct txn_header h;
  cursor_init(&c, src, TXN_HEADER_LEN);
  h.client_id = cursor_i64(&c);
  h.cxid = cursor_i32(&c);
  h.zxid = (zxid_t)cursor_i64(&c);
  h.time_ms = cursor_i64(&c);
  h.type = cursor_i32(&c);
  return h;
}
