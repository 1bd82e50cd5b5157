#include <gtest/gtest.h>

#include <memory>

#include "test/proto/bytes.h"

extern "C" {
#include "proto/extension.h"
}

namespace {

struct extension sample() {
  struct extension e;
  memset(&e, 0, sizeof e);
  e.present = true;
  strcpy(e.build, "z1");
  strcpy(e.cluster, "rack");
  e.durability = 1;
  e.largest_record = 0x00100000;
  e.mtu = 1500;
  e.fast_ip = 0x0a000001;
  e.fast_port = 7000;
  e.iteration = 0x1122334455667788;
  e.features = FEATURE_NON_COUNTING | FEATURE_REJOIN;
  e.position = 0x40;
  return e;
}

/* design 5.1: u32 "ZABL", u16 version 1, u16 length, then (u16 type, u16 length, value), big
 * endian. Length: 4*9 of headers + 2 + 4 + 1 + 4 + 2 + 6 + 8 + 8 + 8 = 79 = 0x4f. */
const char *const GOLDEN =
    "'ZABL' 00 01 00 4f"
    "00 01 00 02 'z1'  00 02 00 04 'rack'  00 03 00 01 01  00 04 00 04 00 10 00 00"
    "00 05 00 02 05 dc  00 06 00 06 0a 00 00 01 1b 58  00 07 00 08 11 22 33 44 55 66 77 88"
    "00 09 00 08 00 00 00 00 00 00 00 03  00 0a 00 08 00 00 00 00 00 00 00 40";

enum reason read(struct extension *e, const std::string &bytes) {
  Block b(bytes);
  memset(e, 0xee, sizeof *e);
  return extension_read(e, b.data.get(), b.len);
}

std::string block(const std::string &tlvs) {
  uint8_t len[2] = {static_cast<uint8_t>(tlvs.size() >> 8), static_cast<uint8_t>(tlvs.size())};
  return hex("'ZABL' 00 01") + std::string(len, len + 2) + tlvs;
}

TEST(Extension, IsWrittenAsDesigned) {
  struct extension e = sample();
  uint8_t out[LIMIT_EXTENSION];
  size_t len = extension_write(out, sizeof out, &e);
  EXPECT_EQ(show(std::string(out, out + len)), show(hex(GOLDEN)));
}

TEST(Extension, SaysWhereRequestsGoOnWhenTheyDo) {
  struct extension e = sample(), back;
  uint8_t out[LIMIT_EXTENSION];
  e.requests = 0x1234567890;
  size_t without = extension_write(out, sizeof out, &e);
  ASSERT_EQ(extension_read(&back, out, without), REASON_NONE);
  EXPECT_EQ(back.requests, 0u);
  e.features |= FEATURE_RESUMES;
  size_t with = extension_write(out, sizeof out, &e);
  EXPECT_EQ(with, without + 12);
  ASSERT_EQ(extension_read(&back, out, with), REASON_NONE);
  EXPECT_EQ(back.requests, 0x1234567890u);
  EXPECT_TRUE(back.features & FEATURE_RESUMES);
}

TEST(Extension, RoundTrips) {
  struct extension e = sample(), back;
  ASSERT_EQ(read(&back, hex(GOLDEN)), REASON_NONE);
  EXPECT_TRUE(back.present);
  EXPECT_STREQ(back.build, e.build);
  EXPECT_STREQ(back.cluster, e.cluster);
  EXPECT_EQ(back.durability, e.durability);
  EXPECT_EQ(back.largest_record, e.largest_record);
  EXPECT_EQ(back.mtu, e.mtu);
  EXPECT_EQ(back.fast_ip, e.fast_ip);
  EXPECT_EQ(back.fast_port, e.fast_port);
  EXPECT_EQ(back.iteration, e.iteration);
  EXPECT_EQ(back.features, e.features);
  EXPECT_EQ(back.position, e.position);
}

TEST(Extension, RoundTripsExtremes) {
  struct extension e = sample(), back;
  memset(e.build, 'b', LIMIT_NAME_LEN - 1);
  memset(e.cluster, 'c', LIMIT_NAME_LEN - 1);
  e.durability = 0xff;
  e.largest_record = e.fast_ip = UINT32_MAX;
  e.mtu = e.fast_port = UINT16_MAX;
  e.iteration = e.features = e.position = UINT64_MAX;
  uint8_t out[LIMIT_EXTENSION];
  size_t len = extension_write(out, sizeof out, &e);
  ASSERT_GT(len, 0u);
  ASSERT_EQ(read(&back, std::string(out, out + len)), REASON_NONE);
  EXPECT_EQ(memcmp(back.build, e.build, sizeof e.build), 0);
  EXPECT_EQ(memcmp(back.cluster, e.cluster, sizeof e.cluster), 0);
  EXPECT_EQ(back.largest_record, UINT32_MAX);
  EXPECT_EQ(back.fast_ip, UINT32_MAX);
  EXPECT_EQ(back.fast_port, UINT16_MAX);
  EXPECT_EQ(back.position, UINT64_MAX);
}

TEST(Extension, IsNotWrittenIntoLessRoomThanItNeeds) {
  struct extension e = sample();
  for (size_t cap = 0; cap < hex(GOLDEN).size(); cap++) {
    std::unique_ptr<uint8_t[]> out(new uint8_t[cap]);
    EXPECT_EQ(extension_write(out.get(), cap, &e), 0u) << cap;
  }
}

TEST(Extension, WithoutMagicIsAZooKeeperPeer) {
  struct extension e;
  for (const char *text : {"", "'ZAB'", "00 01 00 00", "'ZABM' 00 01 00 00"}) {
    EXPECT_EQ(read(&e, hex(text)), REASON_NONE) << text;
    EXPECT_FALSE(e.present) << text;
  }
}

TEST(Extension, EveryTruncationBehindTheMagicIsRefused) {
  std::string whole = hex(GOLDEN);
  struct extension e;
  for (size_t len = 4; len < whole.size(); len++) {
    EXPECT_EQ(read(&e, whole.substr(0, len)), REASON_EXTENSION_BAD) << len;
    EXPECT_FALSE(e.present);
  }
}

TEST(Extension, ABlockThatEndsInsideAValueIsRefused) {
  std::string tlvs = hex(GOLDEN).substr(8);
  struct extension e;
  int good = 0;
  for (size_t len = 0; len <= tlvs.size(); len++)
    if (read(&e, block(tlvs.substr(0, len))) == REASON_NONE) good++;
  EXPECT_EQ(good, 10) << "only the ends of the nine values, and the empty block";
}

TEST(Extension, UnknownTypesAreSkipped) {
  struct extension e;
  ASSERT_EQ(read(&e, block(hex("00 7f 00 03 01 02 03  ff ff 00 00  00 08 00 02 'kk'"
                               "00 05 00 02 05 dc  00 1f 00 01 00"))),
            REASON_NONE);
  EXPECT_TRUE(e.present);
  EXPECT_EQ(e.mtu, 1500);
}

TEST(Extension, MissingTypesStayZero) {
  struct extension e;
  ASSERT_EQ(read(&e, block("")), REASON_NONE);
  EXPECT_TRUE(e.present);
  EXPECT_STREQ(e.cluster, "");
  EXPECT_EQ(e.iteration, 0u);
}

TEST(Extension, LaterVersionsMayBringMoreTypes) {
  struct extension e;
  EXPECT_EQ(read(&e, hex("'ZABL' 00 02 00 06 00 05 00 02 05 dc")), REASON_NONE);
  EXPECT_EQ(e.mtu, 1500);
  EXPECT_EQ(read(&e, hex("'ZABL' 00 00 00 00")), REASON_EXTENSION_BAD);
}

TEST(Extension, WrongLengthsOfKnownTypesAreRefused) {
  struct extension e;
  const int lengths[] = {-1, -1, -1, 1, 4, 2, 6, 8, -1, 8, 8};
  for (int type = 3; type <= 10; type++) {
    if (lengths[type] < 0) continue;
    for (int len = 0; len <= 10; len++) {
      std::string tlv = {0, static_cast<char>(type), 0, static_cast<char>(len)};
      tlv += std::string(static_cast<size_t>(len), '\x01');
      EXPECT_EQ(read(&e, block(tlv)), len == lengths[type] ? REASON_NONE : REASON_EXTENSION_BAD)
          << "type " << type << " length " << len;
    }
  }
}

TEST(Extension, HugeLengthsAreRefused) {
  struct extension e;
  EXPECT_EQ(read(&e, hex("'ZABL' 00 01 ff ff")), REASON_EXTENSION_BAD);
  EXPECT_EQ(read(&e, block(hex("00 7f ff ff 00"))), REASON_EXTENSION_BAD);
  EXPECT_EQ(read(&e, block(std::string(LIMIT_EXTENSION, 0))), REASON_EXTENSION_BAD);
}

TEST(Extension, TextsThatAreTooLongOrHoldNulAreRefused) {
  struct extension e;
  EXPECT_EQ(read(&e, block(hex("00 02 00 40") + std::string(64, 'c'))), REASON_EXTENSION_BAD);
  EXPECT_EQ(read(&e, block(hex("00 02 00 3f") + std::string(63, 'c'))), REASON_NONE);
  EXPECT_EQ(read(&e, block(hex("00 02 00 03 'a' 00 'b'"))), REASON_EXTENSION_BAD);
}

TEST(Extension, TwoValuesOfOneTypeAreRefused) {
  struct extension e;
  EXPECT_EQ(read(&e, block(hex("00 05 00 02 05 dc 00 05 00 02 05 dd"))), REASON_EXTENSION_BAD);
}

TEST(Extension, BytesBehindTheBlockAreNotItsOwn) {
  struct extension e;
  EXPECT_EQ(read(&e, hex(GOLDEN) + "anything"), REASON_NONE);
  EXPECT_TRUE(e.present);
}

}  // namespace
