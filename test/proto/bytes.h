/* bytes.h - byte strings for codec tests.
 *
 * Inputs are handed over in a heap block of exactly their length, so that ASan sees any read
 * beyond. */
#ifndef ZABLINE_TEST_PROTO_BYTES_H
#define ZABLINE_TEST_PROTO_BYTES_H

#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "test/harness/keep_seed.h"

/* The bytes are a fuzzer's seed, of the kind that the test suite has its name from. */
inline void keep_test_seed(const std::string &bytes) {
  std::string kind = testing::UnitTest::GetInstance()->current_test_info()->test_suite_name();
  for (char &c : kind) c = static_cast<char>(tolower(c));
  keep_seed(kind, bytes);
}

/* hex("00 ff 'text'") -> bytes; text in quotes stands for itself. */
inline std::string hex(const std::string &text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '\n') {
      i++;
    } else if (text[i] == '\'') {
      size_t close = text.find('\'', i + 1);
      out += text.substr(i + 1, close - i - 1);
      i = close + 1;
    } else {
      out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
      i += 2;
    }
  }
  return out;
}

inline std::string show(const std::string &bytes) {
  std::string out;
  char two[4];
  for (unsigned char c : bytes) {
    snprintf(two, sizeof two, "%02x ", c);
    out += two;
  }
  return out;
}

/* The bytes in a block of their own. */
struct Block {
  explicit Block(const std::string &bytes) : data(new uint8_t[bytes.size()]), len(bytes.size()) {
    if (len) memcpy(data.get(), bytes.data(), len);
    keep_test_seed(bytes);
  }
  std::unique_ptr<uint8_t[]> data;
  size_t len;
};

#endif
