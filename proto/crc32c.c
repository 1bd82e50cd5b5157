#include "proto/crc32c.h"

#include <string.h>

#if defined(__SSE4_2__)
#include <nmmintrin.h>

uint32_t crc32c_extend(uint32_t crc, const void *buf, size_t len) {
  const unsigned char *p = buf;
  uint64_t c = ~crc;
  for (; len >= 8; len -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  for (; len; len--, p++) c = _mm_crc32_u8((uint32_t)c, *p);
  return ~(uint32_t)c;
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t crc32c_extend(uint32_t crc, const void *buf, size_t len) {
  const unsigned char *p = buf;
  uint32_t c = ~crc;
  for (; len >= 8; len -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = __crc32cd(c, word);
  }
  for (; len; len--, p++) c = __crc32cb(c, *p);
  return ~c;
}
#else
#error "CRC32C by instruction is needed: build with -msse4.2 or -march=armv8-a+crc"
#endif

uint32_t crc32c(const void *buf, size_t len) { return crc32c_extend(0, buf, len); }
