#include "proto/record.h"

#include <string.h>

#include "proto/crc32c.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little endian in memory");

uint32_t record_write(void *dst, zxid_t zxid, const void *payload, uint32_t payload_len) {
  uint8_t *p = dst;
  uint32_t size = record_size(payload_len);
  memmove(p + LIMIT_RECORD_HEADER, payload, payload_len);
  memset(p + LIMIT_RECORD_HEADER + payload_len, 0, size - LIMIT_RECORD_HEADER - payload_len);
  memcpy(p + 4, &payload_len, 4);
  memcpy(p + 8, &zxid, 8);
  uint32_t crc = crc32c(p + 4, size - 4);
  memcpy(p, &crc, 4);
  return size;
}

enum record_status record_peek(struct record *r, const void *buf, size_t len,
                               uint32_t max_payload) {
  const uint8_t *p = buf;
  r->size = 0;
  if (len < LIMIT_RECORD_HEADER) return RECORD_SHORT;
  memcpy(&r->crc, p, 4);
  memcpy(&r->payload_len, p + 4, 4);
  memcpy(&r->zxid, p + 8, 8);
  if (r->payload_len > max_payload || r->payload_len < LIMIT_RECORD_MIN) return RECORD_BAD_LENGTH;
  r->size = record_size(r->payload_len);
  r->payload = p + LIMIT_RECORD_HEADER;
  return len < r->size ? RECORD_SHORT : RECORD_OK;
}

enum record_status record_read(struct record *r, const void *buf, size_t len,
                               uint32_t max_payload) {
  enum record_status status = record_peek(r, buf, len, max_payload);
  if (status != RECORD_OK) return status;
  const uint8_t *p = buf;
  if (crc32c(p + 4, r->size - 4) != r->crc) return RECORD_BAD_CRC;
  for (uint32_t i = LIMIT_RECORD_HEADER + r->payload_len; i < r->size; i++)
    if (p[i]) return RECORD_BAD_CRC;
  return RECORD_OK;
}
