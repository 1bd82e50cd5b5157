#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "test/proto/bytes.h"

extern "C" {
#include "proto/crc32c.h"
#include "proto/record.h"
}

namespace {

/* One bit at a time, from the polynomial's definition. */
uint32_t crc_by_definition(const std::string &bytes) {
  uint32_t crc = 0xffffffffu;
  for (unsigned char c : bytes) {
    crc ^= c;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, MatchesThePublishedValues) {
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c("", 0), 0u);
  EXPECT_EQ(crc32c(std::string(32, 0).data(), 32), 0x8a9136aau); /* RFC 3720 B.4 */
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62a8ab43u);
}

TEST(Crc32c, MatchesItsDefinitionForEveryLengthAlignmentAndSplit) {
  std::string bytes;
  for (int i = 0; i < 80; i++) bytes += static_cast<char>(i * 37 + 11);
  for (size_t from = 0; from < 9; from++)
    for (size_t len = 0; len + from <= bytes.size(); len++) {
      uint32_t expected = crc_by_definition(bytes.substr(from, len));
      ASSERT_EQ(crc32c(bytes.data() + from, len), expected);
      size_t half = len / 3;
      uint32_t part = crc32c(bytes.data() + from, half);
      ASSERT_EQ(crc32c_extend(part, bytes.data() + from + half, len - half), expected);
    }
}

/* Lanes of 42 and of 6 words, words, and what is left. */
TEST(Crc32c, MatchesItsDefinitionForLongOnes) {
  std::mt19937 random(11);
  std::string bytes;
  for (int i = 0; i < 2 * 1008 + 2 * 144 + 30; i++) bytes += static_cast<char>(random());
  for (size_t len = 100; len <= bytes.size(); len += 1 + len / 150) {
    size_t from = len % 8;
    std::string some = bytes.substr(from, len);
    uint32_t expected = crc_by_definition(some), part = crc32c(some.data(), len / 3);
    ASSERT_EQ(crc32c(bytes.data() + from, some.size()), expected) << len;
    ASSERT_EQ(crc32c_extend(part, some.data() + len / 3, some.size() - len / 3), expected) << len;
  }
  ASSERT_EQ(crc32c(bytes.data(), bytes.size()), crc_by_definition(bytes));
}

std::string payload(size_t len) {
  std::string p;
  for (size_t i = 0; i < len; i++) p += static_cast<char>('a' + i % 26);
  return p;
}

std::string record(zxid_t zxid, const std::string &body) {
  std::vector<uint8_t> out(record_size(static_cast<uint32_t>(body.size())), 0xee);
  uint32_t size = record_write(out.data(), zxid, body.data(), static_cast<uint32_t>(body.size()));
  EXPECT_EQ(size, out.size());
  return std::string(out.begin(), out.end());
}

enum record_status read(struct record *r, const std::string &bytes, uint32_t max = 1000) {
  Block b(bytes);
  return record_read(r, b.data.get(), b.len, max);
}

TEST(Record, IsLittleEndianPaddedWithZerosAndCheckedFromTheLengthOn) {
  /* design 3: u32 crc, u32 length 33, u64 zxid (2,3), 33 bytes, 7 zeros */
  std::string body = payload(33);
  std::string bytes = record(0x0000000200000003, body);
  std::string covered = hex("21 00 00 00  03 00 00 00 02 00 00 00") + body + std::string(7, 0);
  EXPECT_EQ(show(bytes.substr(4)), show(covered));
  uint32_t crc = crc_by_definition(covered);
  uint8_t le[4] = {static_cast<uint8_t>(crc), static_cast<uint8_t>(crc >> 8),
                   static_cast<uint8_t>(crc >> 16), static_cast<uint8_t>(crc >> 24)};
  EXPECT_EQ(show(bytes.substr(0, 4)), show(std::string(le, le + 4)));
}

TEST(Record, RoundTripsEveryPayloadLength) {
  for (uint32_t len = LIMIT_RECORD_MIN; len <= 100; len++) {
    std::string body = payload(len), bytes = record(zxid_make(1, len), body);
    EXPECT_EQ(bytes.size() % LIMIT_RECORD_ALIGN, 0u);
    struct record r;
    Block b(bytes + "next");
    ASSERT_EQ(record_read(&r, b.data.get(), b.len, 1000), RECORD_OK) << len;
    EXPECT_EQ(r.size, bytes.size());
    EXPECT_EQ(r.zxid, zxid_make(1, len));
    EXPECT_EQ(std::string(r.payload, r.payload + r.payload_len), body);
  }
}

TEST(Record, MayBeWrittenAroundAPayloadThatIsAlreadyInPlace) {
  std::string body = payload(40);
  std::vector<uint8_t> out(record_size(40));
  memcpy(out.data() + LIMIT_RECORD_HEADER, body.data(), 40);
  record_write(out.data(), 7, out.data() + LIMIT_RECORD_HEADER, 40);
  EXPECT_EQ(std::string(out.begin(), out.end()), record(7, body));
}

TEST(Record, EveryTruncationIsShort) {
  std::string bytes = record(9, payload(45));
  for (size_t len = 0; len < bytes.size(); len++) {
    struct record r;
    EXPECT_EQ(read(&r, bytes.substr(0, len)), RECORD_SHORT) << len;
    EXPECT_EQ(r.size, len < LIMIT_RECORD_HEADER ? 0 : bytes.size()) << len;
  }
}

TEST(Record, AnyFlippedBitIsFound) {
  std::string bytes = record(9, payload(45));
  for (size_t bit = 0; bit < 8 * bytes.size(); bit++) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    struct record r;
    EXPECT_NE(read(&r, bad), RECORD_OK) << "bit " << bit;
  }
}

TEST(Record, LengthsOutOfBoundsAreRefused) {
  struct record r;
  for (const char *len :
       {"00 00 00 00", "1f 00 00 00", "e9 03 00 00", "ff ff ff ff", "fd ff ff ff", "00 00 00 80"})
    EXPECT_EQ(read(&r, hex("00 00 00 00") + hex(len) + std::string(100, 0)), RECORD_BAD_LENGTH)
        << len;
}

TEST(Record, PaddingThatIsNotZeroIsRefusedEvenWithARightChecksum) {
  std::string bytes = record(9, payload(45));
  bytes[bytes.size() - 1] = 1;
  uint32_t crc = crc_by_definition(bytes.substr(4));
  for (int i = 0; i < 4; i++) bytes[static_cast<size_t>(i)] = static_cast<char>(crc >> (8 * i));
  struct record r;
  EXPECT_EQ(read(&r, bytes), RECORD_BAD_CRC);
}

TEST(Zxid, FollowsOnlyTheNextOfTheEpochOrTheFirstOfALaterOne) {
  EXPECT_TRUE(zxid_follows(zxid_make(1, 5), zxid_make(1, 6)));
  EXPECT_TRUE(zxid_follows(zxid_make(1, 5), zxid_make(2, 1)));
  EXPECT_TRUE(zxid_follows(zxid_make(1, 5), zxid_make(9, 1)));
  EXPECT_TRUE(zxid_follows(0, zxid_make(1, 1)));
  EXPECT_TRUE(zxid_follows(zxid_make(2, 0), zxid_make(2, 1)));
  EXPECT_FALSE(zxid_follows(zxid_make(1, 5), zxid_make(1, 5)));
  EXPECT_FALSE(zxid_follows(zxid_make(1, 5), zxid_make(1, 7)));
  EXPECT_FALSE(zxid_follows(zxid_make(1, 5), zxid_make(2, 2)));
  EXPECT_FALSE(zxid_follows(zxid_make(2, 5), zxid_make(1, 1)));
  EXPECT_FALSE(zxid_follows(zxid_make(1, UINT32_MAX), zxid_make(2, 0)));
}

TEST(Zxid, IsPrintedAsZooKeeperPrintsIt) {
  char text[ZXID_TEXT_LEN];
  EXPECT_STREQ(zxid_text(text, 0), "0x0");
  EXPECT_STREQ(zxid_text(text, 0x100000005), "0x100000005");
  EXPECT_STREQ(zxid_text(text, ZXID_NONE), "0xffffffffffffffff");
}

}  // namespace
