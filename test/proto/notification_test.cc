#include <gtest/gtest.h>

#include <memory>

#include "test/proto/bytes.h"

extern "C" {
#include "proto/notification.h"
}

namespace {

/* election.md 2, field by field: i4 state FOLLOWING, i8 leader 3, i8 zxid (1,5), i8 electionEpoch
 * 7, i8 peerEpoch 1; then version and config by format. */
const char *const FIELDS =
    "00 00 00 01  00 00 00 00 00 00 00 03  00 00 00 01 00 00 00 05"
    "00 00 00 00 00 00 00 07  00 00 00 00 00 00 00 01";

std::string v2_body(const std::string &config) {
  uint8_t len[4] = {0, 0, static_cast<uint8_t>(config.size() >> 8),
                    static_cast<uint8_t>(config.size())};
  return hex(FIELDS) + hex("00 00 00 02") + std::string(len, len + 4) + config;
}

enum reason read(struct notification *n, const std::string &bytes) {
  Block b(bytes);
  memset(n, 0xee, sizeof *n);
  return notification_read(n, b.data.get(), b.len);
}

struct notification sample() {
  struct notification n;
  memset(&n, 0, sizeof n);
  n.state = PEER_FOLLOWING;
  n.vote.leader = 3;
  n.vote.zxid = 0x100000005;
  n.vote.election_epoch = 7;
  n.vote.peer_epoch = 1;
  n.version = 2;
  strcpy(n.config, "version=0");
  return n;
}

void expect_sample_vote(const struct notification &n) {
  EXPECT_EQ(n.state, PEER_FOLLOWING);
  EXPECT_EQ(n.vote.leader, 3);
  EXPECT_EQ(n.vote.zxid, 0x100000005u);
  EXPECT_EQ(n.vote.election_epoch, 7);
  EXPECT_EQ(n.vote.peer_epoch, 1);
}

TEST(Notification, IsWrittenAsZooKeepersVersion2) {
  struct notification n = sample();
  uint8_t out[100];
  size_t len = notification_write(out, sizeof out, &n);
  /* length 53 = 44 + 9, i4 length of the config text 9 */
  EXPECT_EQ(show(std::string(out, out + len)),
            show(hex(std::string("00 00 00 35") + FIELDS + "00 00 00 02 00 00 00 09 'version=0'")));
}

TEST(Notification, WithoutConfigTextHas44Bytes) {
  struct notification n = sample();
  n.config[0] = 0;
  uint8_t out[48];
  EXPECT_EQ(notification_write(out, sizeof out, &n), 48u);
  EXPECT_EQ(std::string(out, out + 4), hex("00 00 00 2c"));
}

TEST(Notification, IsNotWrittenIntoLessRoomThanItNeeds) {
  struct notification n = sample();
  for (size_t cap = 0; cap < 57; cap++) {
    std::unique_ptr<uint8_t[]> out(new uint8_t[cap]);
    EXPECT_EQ(notification_write(out.get(), cap, &n), 0u) << cap;
  }
}

TEST(Notification, RoundTripsEveryStateAndExtremeVotes) {
  const int64_t extremes[] = {0, 1, -1, INT64_MAX, INT64_MIN};
  for (int state = 0; state <= 3; state++)
    for (int64_t v : extremes) {
      struct notification n = sample(), back;
      n.state = static_cast<enum peer_state>(state);
      n.vote = {v, static_cast<zxid_t>(v), v, v};
      uint8_t out[100];
      size_t len = notification_write(out, sizeof out, &n);
      ASSERT_EQ(read(&back, std::string(out + 4, out + len)), REASON_NONE);
      EXPECT_EQ(back.state, n.state);
      EXPECT_EQ(back.vote.leader, v);
      EXPECT_EQ(back.vote.zxid, static_cast<zxid_t>(v));
      EXPECT_EQ(back.vote.election_epoch, v);
      EXPECT_EQ(back.vote.peer_epoch, v);
      EXPECT_EQ(back.version, 2);
      EXPECT_STREQ(back.config, "version=0");
    }
}

TEST(Notification, OldestFormatOf28BytesTakesPeerEpochFromTheZxid) {
  struct notification n;
  ASSERT_EQ(read(&n, hex(FIELDS).substr(0, 28)), REASON_NONE);
  expect_sample_vote(n); /* (1,5) >> 32 = 1 */
  EXPECT_EQ(n.version, 0);
  EXPECT_STREQ(n.config, "");
}

TEST(Notification, OldestFormatWithZxidMinusOneHasPeerEpochMinusOne) {
  struct notification n;
  ASSERT_EQ(read(&n, hex("00 00 00 00  00 00 00 00 00 00 00 03  ff ff ff ff ff ff ff ff"
                         "00 00 00 00 00 00 00 07")),
            REASON_NONE);
  EXPECT_EQ(n.vote.zxid, ZXID_NONE);
  EXPECT_EQ(n.vote.peer_epoch, -1);
}

TEST(Notification, FormatOf40BytesHasPeerEpochAndNoVersion) {
  struct notification n;
  ASSERT_EQ(read(&n, hex(FIELDS) + hex("aa aa aa aa")), REASON_NONE); /* 4 bytes of no meaning */
  expect_sample_vote(n);
  EXPECT_EQ(n.version, 0);
}

TEST(Notification, Version1HasNoConfigWhateverFollows) {
  struct notification n;
  ASSERT_EQ(read(&n, hex(FIELDS) + hex("00 00 00 01 ff ff ff ff")), REASON_NONE);
  expect_sample_vote(n);
  EXPECT_EQ(n.version, 1);
  EXPECT_STREQ(n.config, "");
}

TEST(Notification, LaterVersionsAndTrailingBytesAreAccepted) {
  struct notification n;
  ASSERT_EQ(read(&n, hex(FIELDS) + hex("00 00 00 03 00 00 00 02 'ab' 01 02 03")), REASON_NONE);
  EXPECT_EQ(n.version, 3);
  EXPECT_STREQ(n.config, "ab");
}

TEST(Notification, EveryTruncationIsRefusedUnlessItIsAnOlderFormat) {
  std::string whole = v2_body("version=0");
  for (size_t len = 0; len < whole.size(); len++) {
    struct notification n;
    enum reason expected = len == 28 || len == 40 ? REASON_NONE : REASON_NOTIFICATION_BAD;
    EXPECT_EQ(read(&n, whole.substr(0, len)), expected) << len;
  }
}

TEST(Notification, NegativeHugeAndNullConfigLengthsAreRefused) {
  for (const char *len : {"ff ff ff ff", "80 00 00 00", "7f ff ff ff", "00 00 00 0a"}) {
    struct notification n;
    EXPECT_EQ(read(&n, hex(FIELDS) + hex("00 00 00 02") + hex(len) + "version=0"),
              REASON_NOTIFICATION_BAD)
        << len;
  }
}

TEST(Notification, UnknownStatesAreRefused) {
  for (const char *state : {"00 00 00 04", "ff ff ff ff", "80 00 00 00"}) {
    struct notification n;
    EXPECT_EQ(read(&n, hex(state) + v2_body("").substr(4)), REASON_NOTIFICATION_BAD) << state;
  }
}

TEST(Notification, AServerListLongerThanOursCanBeIsCutNotRefused) {
  struct notification n;
  ASSERT_EQ(read(&n, v2_body(std::string(LIMIT_CONFIG_TEXT + 100, 'x'))), REASON_NONE);
  EXPECT_EQ(strlen(n.config), size_t{LIMIT_CONFIG_TEXT - 1});
}

TEST(Notification, AMessageAboveThePacketBoundIsRefused) {
  struct notification n;
  EXPECT_EQ(read(&n, v2_body("") + std::string(LIMIT_NOTIFICATION, 'x')), REASON_NOTIFICATION_BAD);
}

/* ---- hello, election.md 1.3 ---- */

int read_hello(struct hello *h, const std::string &bytes) {
  Block b(bytes);
  return hello_read(h, b.data.get(), b.len);
}

const char *const V1 = "ff ff ff ff ff ff 00 00  00 00 00 00 00 00 00 02";
const char *const V2 = "ff ff ff ff ff ff 00 01  00 00 00 00 00 00 00 02";

TEST(Hello, IsWrittenAsV1) {
  uint8_t out[64];
  size_t len = hello_write(out, sizeof out, 2, "node", 3888);
  EXPECT_EQ(show(std::string(out, out + len)),
            show(hex(std::string(V1) + "00 00 00 09 'node:3888'")));
}

TEST(Hello, PutsIpv6LiteralsInBrackets) {
  uint8_t out[64];
  size_t len = hello_write(out, sizeof out, 2, "fe80::1", 1);
  EXPECT_EQ(std::string(out + 20, out + len), "[fe80::1]:1");
  len = hello_write(out, sizeof out, 2, "[fe80::1]", 65535);
  EXPECT_EQ(std::string(out + 20, out + len), "[fe80::1]:65535");
}

TEST(Hello, IsNotWrittenIntoLessRoomThanItNeedsNorWithoutAHost) {
  for (size_t cap = 0; cap < 29; cap++) {
    std::unique_ptr<uint8_t[]> out(new uint8_t[cap]);
    EXPECT_EQ(hello_write(out.get(), cap, 2, "node", 3888), 0u) << cap;
  }
  uint8_t out[400];
  EXPECT_EQ(hello_write(out, sizeof out, 2, "", 3888), 0u);
  EXPECT_EQ(hello_write(out, sizeof out, 2, std::string(256, 'h').c_str(), 3888), 0u);
  EXPECT_EQ(hello_write(out, sizeof out, 2, std::string(255, 'h').c_str(), 3888), 280u);
}

TEST(Hello, RoundTripsWithTheLongestHost) {
  uint8_t out[400];
  std::string host(255, 'h');
  size_t len = hello_write(out, sizeof out, 254, host.c_str(), 65535);
  struct hello h;
  EXPECT_EQ(read_hello(&h, std::string(out, out + len)), static_cast<int>(len));
  EXPECT_EQ(h.sid, 254);
  EXPECT_EQ(h.address, host + ":65535");
}

TEST(Hello, OfV2YieldsTheFirstAddress) {
  struct hello h;
  EXPECT_EQ(read_hello(&h, hex(std::string(V2) + "00 00 00 07 'a:1|b:2' 99")), 27);
  EXPECT_EQ(h.sid, 2);
  EXPECT_STREQ(h.address, "a:1");
}

TEST(Hello, OfLegacyServersIsTheIdItself) {
  struct hello h;
  EXPECT_EQ(read_hello(&h, hex("00 00 00 00 00 00 00 03 00 00 00 2c")), 8);
  EXPECT_EQ(h.sid, 3);
  EXPECT_STREQ(h.address, "");
}

TEST(Hello, EveryTruncationAsksForMore) {
  std::string whole = hex(std::string(V1) + "00 00 00 09 'node:3888'");
  struct hello h;
  for (size_t len = 0; len < whole.size(); len++)
    EXPECT_EQ(read_hello(&h, whole.substr(0, len)), 0) << len;
  EXPECT_EQ(read_hello(&h, whole), 29);
}

TEST(Hello, UnknownNegativeVersionsAreRefusedAtOnce) {
  struct hello h;
  EXPECT_EQ(read_hello(&h, hex("ff ff ff ff ff ff ff ff")), -1);
  EXPECT_EQ(read_hello(&h, hex("ff ff ff ff ff ff 00 02")), -1);
  EXPECT_EQ(read_hello(&h, hex("80 00 00 00 00 00 00 00")), -1);
}

TEST(Hello, AddressLengthsOutOf1To2048AreRefusedBeforeTheAddressHasCome) {
  struct hello h;
  for (const char *len :
       {"00 00 00 00", "ff ff ff ff", "80 00 00 00", "00 00 08 01", "7f ff ff ff"})
    EXPECT_EQ(read_hello(&h, hex(V1) + hex(len)), -1) << len;
  EXPECT_EQ(read_hello(&h, hex(V1) + hex("00 00 08 00")), 0);
}

TEST(Hello, MalformedAddressesAreRefused) {
  struct hello h;
  for (std::string address :
       {"n", ":", "n:", ":1", "n:0", "n:65536", "n:123456", "n:1x", "n 1:1", "n\n:1", "99999"}) {
    uint8_t len[4] = {0, 0, 0, static_cast<uint8_t>(address.size())};
    EXPECT_EQ(read_hello(&h, hex(V1) + std::string(len, len + 4) + address), -1) << address;
  }
  std::string nul("n\0:1", 4);
  EXPECT_EQ(read_hello(&h, hex(V1) + hex("00 00 00 04") + nul), -1);
  EXPECT_EQ(read_hello(&h, hex(V2) + hex("00 00 00 04") + "|n:1"), -1);
  EXPECT_EQ(read_hello(&h, hex(V1) + hex("00 00 01 09") + std::string(263, 'h') + ":1"), -1);
}

}  // namespace
