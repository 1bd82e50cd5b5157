/* record.h - one record of the epoch stream, the same bytes on the wire, in rings and in log files.
 *
 *      u32 crc32c | u32 payload length | u64 zxid | payload | zero padding to 8
 *
 * Little endian.  The crc covers all that follows it, padding included (J7: made once, by the
 * leader). Pure.  Source: design 3. */
#ifndef ZABLINE_PROTO_RECORD_H
#define ZABLINE_PROTO_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "config/limits.h"
#include "proto/zxid.h"

struct record { /* a parsed record: points into the buffer it was read from */
  zxid_t zxid;
  const uint8_t *payload;
  uint32_t payload_len;
  uint32_t crc;
  uint32_t size; /* header + payload + padding */
};

/* record_size returns the bytes a record with payload_len takes. */
static inline uint32_t record_size(uint32_t payload_len) {
  uint32_t padded = (payload_len + LIMIT_RECORD_ALIGN - 1u) & ~(LIMIT_RECORD_ALIGN - 1u);
  return LIMIT_RECORD_HEADER + padded;
}

/* record_write puts the record at dst (record_size(payload_len) bytes, which must be there) and
 * returns its size.  payload may already stand at dst + LIMIT_RECORD_HEADER. */
uint32_t record_write(void *dst, zxid_t zxid, const void *payload, uint32_t payload_len);

enum record_status { RECORD_OK, RECORD_SHORT, RECORD_BAD_LENGTH, RECORD_BAD_CRC };

/* record_peek reads the header only: RECORD_SHORT (len too small for header or for the whole
 * record; r->size is set when the header was there), RECORD_BAD_LENGTH (above max_payload or below
 * LIMIT_RECORD_MIN), RECORD_OK (whole record present, crc NOT checked). */
enum record_status record_peek(struct record *r, const void *buf, size_t len, uint32_t max_payload);

/* record_read is record_peek plus the check of crc and padding. */
enum record_status record_read(struct record *r, const void *buf, size_t len, uint32_t max_payload);

#endif
