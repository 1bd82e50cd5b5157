// input.h - the bytes of one fuzz input, taken from the front; behind the end there are zeros.
#ifndef ZABLINE_TEST_FUZZ_INPUT_H
#define ZABLINE_TEST_FUZZ_INPUT_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#define CHECK(cond)                                                  \
  do {                                                               \
    if (!(cond)) {                                                   \
      fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #cond); \
      abort();                                                       \
    }                                                                \
  } while (0)

struct Input {
  const uint8_t *data;
  size_t len;

  bool empty() const { return len == 0; }
  uint8_t u8() {
    if (!len) return 0;
    len--;
    return *data++;
  }
  uint16_t u16() {
    uint16_t low = u8();
    return static_cast<uint16_t>(low | u8() << 8);
  }
  uint32_t u32() {
    uint32_t low = u16();
    return low | static_cast<uint32_t>(u16()) << 16;
  }
  uint64_t u64() {
    uint64_t low = u32();
    return low | static_cast<uint64_t>(u32()) << 32;
  }
  uint32_t below(uint32_t n) { return u8() % n; }
  bool flag() { return u8() & 1; }
  std::string take(size_t n) {
    if (n > len) n = len;
    std::string s(reinterpret_cast<const char *>(data), n);
    data += n;
    len -= n;
    return s;
  }
};

// Bytes in a heap block of exactly their length: any read beyond is seen.
struct Exact {
  Exact(const void *bytes, size_t n) : data(new uint8_t[n ? n : 1]), len(n) {
    if (n) memcpy(data.get(), bytes, n);
  }
  explicit Exact(const std::string &s) : Exact(s.data(), s.size()) {}
  std::unique_ptr<uint8_t[]> data;
  size_t len;
};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
