#include "proto/crc32c.h"

#include <string.h>

#if defined(__SSE4_2__) && defined(__PCLMUL__)
#include <nmmintrin.h>
#include <wmmintrin.h>

static uint64_t add_word(uint64_t c, uint64_t word) { return _mm_crc32_u64(c, word); }
static uint64_t add_half(uint64_t c, uint32_t half) { return _mm_crc32_u32((uint32_t)c, half); }
static uint64_t add_byte(uint64_t c, uint8_t byte) { return _mm_crc32_u8((uint32_t)c, byte); }

/* The CRC c behind one or two lanes of zeros; by: `one` or `two` of struct lanes.  It is c times
 * that, and the remainder by the instruction itself, which multiplies by x^32; reflected factors
 * lose a bit. */
static uint64_t behind_zeros(uint64_t c, uint32_t by) {
  __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)c), _mm_cvtsi32_si128((int)by), 0);
  return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

#define HAVE_LANES 1
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint64_t add_word(uint64_t c, uint64_t word) { return __crc32cd((uint32_t)c, word); }
static uint64_t add_half(uint64_t c, uint32_t half) { return __crc32cw((uint32_t)c, half); }
static uint64_t add_byte(uint64_t c, uint8_t byte) { return __crc32cb((uint32_t)c, byte); }
#else
#error "CRC32C by instruction is needed: build with -msse4.2 -mpclmul or -march=armv8-a+crc"
#endif

static uint64_t word_at(const uint8_t *p, size_t idx) {
  uint64_t word;
  memcpy(&word, p + idx * sizeof word, sizeof word);
  return word;
}

#ifdef HAVE_LANES
/* The instruction takes three cycles, and one can begin in each: three lanes side by side. */
struct lanes {
  size_t words;      /* of one lane */
  uint32_t one, two; /* x^(bits of so many lanes - 33) mod P, reflected */
};

static const struct lanes longer = {42, 0xa60ce07b, 0xcec3662e};
static const struct lanes shorter = {6, 0xddc0152b, 0x0715ce53}; /* a record of 100 bytes is one */

static size_t bytes_of(struct lanes l) { return 3 * l.words * sizeof(uint64_t); }

static uint64_t add_lanes(uint64_t c, const uint8_t *p, struct lanes l) {
  uint64_t second = 0, third = 0;
  for (size_t i = 0; i < l.words; i++) {
    c = add_word(c, word_at(p, i));
    second = add_word(second, word_at(p, l.words + i));
    third = add_word(third, word_at(p, 2 * l.words + i));
  }
  return behind_zeros(c, l.two) ^ behind_zeros(second, l.one) ^ third;
}
#endif

uint32_t crc32c_extend(uint32_t crc, const void *buf, size_t len) {
  const uint8_t *p = buf;
  uint64_t c = ~crc;
#ifdef HAVE_LANES
  for (size_t size = bytes_of(longer); len >= size; len -= size, p += size)
    c = add_lanes(c, p, longer);
  for (size_t size = bytes_of(shorter); len >= size; len -= size, p += size)
    c = add_lanes(c, p, shorter);
#endif
  for (; len >= 8; len -= 8, p += 8) c = add_word(c, word_at(p, 0));
  if (len >= 4) { /* a record's bytes behind its own CRC */
    uint32_t half;
    memcpy(&half, p, sizeof half);
    c = add_half(c, half);
    len -= sizeof half;
    p += sizeof half;
  }
  for (; len; len--, p++) c = add_byte(c, *p);
  return ~(uint32_t)c;
}

uint32_t crc32c(const void *buf, size_t len) { return crc32c_extend(0, buf, len); }
