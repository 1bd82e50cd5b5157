// Records of a stream, one behind the other: what is read is what would have been written; as they
// come, and the first one with its checksum put right.
#include "test/fuzz/input.h"

extern "C" {
#include "proto/crc32c.h"
#include "proto/record.h"
}

static void one(const uint8_t *data, size_t len, uint32_t max) {
  struct record r;
  while (record_read(&r, data, len, max) == RECORD_OK) {
    CHECK(r.size <= len && r.payload_len <= max && record_size(r.payload_len) == r.size);
    Exact again(data, r.size);
    record_write(again.data.get(), r.zxid, r.payload, r.payload_len);
    CHECK(memcmp(again.data.get(), data, r.size) == 0);
    data += r.size;
    len -= r.size;
  }
  record_peek(&r, data, len, max);
}

static void sealed(const uint8_t *data, size_t len) {
  struct record r;
  Exact copy(data, len);
  uint8_t *at = copy.data.get();
  if (record_peek(&r, at, len, LIMIT_RECORD_MAX) != RECORD_OK) return;
  uint32_t crc = crc32c(at + sizeof crc, r.size - sizeof crc);
  memcpy(at, &crc, sizeof crc);
  one(at, len, LIMIT_RECORD_MAX);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  one(data, len, 64);
  one(data, len, LIMIT_RECORD_MAX);
  sealed(data, len);
  return 0;
}
