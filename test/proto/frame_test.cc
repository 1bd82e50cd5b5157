/* The 88-byte header: golden bytes worked out by hand from design 4, then every field wrong once.
 */
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "proto/crc32c.h"
#include "proto/frame.h"
}
#include "test/proto/bytes.h"

namespace {

frame_header Sample() {
  frame_header h = {};
  h.type = FRAME_PROPOSAL;
  h.payload_len = 0x0030;
  h.cluster_id = 0x11223344;
  h.source = 1;
  h.destination = 254;
  h.iteration = 0x0102030405060708;
  h.seq = 0x1112131415161718;
  h.epoch = 0x21222324;
  h.window = 0x31323334;
  h.position = 0x4142434445464748;
  h.committed = 0x5152535455565758;
  h.durable = 0x6162636465666768;
  h.received = 0x7172737475767778;
  h.send_time = 0x81828384;
  h.echo_time = 0x91929394;
  frame_seal(&h);
  return h;
}

/* By hand: the table of design 4, each field's bytes from the lowest. */
const char *const golden =
    "5a 42 01 01"              /*  0 magic 0x425a, version 1, type PROPOSAL */
    "00 00 30 00"              /*  4 flags, key id, payload length 48 */
    "44 33 22 11"              /*  8 cluster id */
    "01 fe 00 00"              /* 12 source, destination, zero */
    "08 07 06 05 04 03 02 01"  /* 16 iteration */
    "18 17 16 15 14 13 12 11"  /* 24 seq */
    "24 23 22 21 34 33 32 31"  /* 32 epoch, window */
    "48 47 46 45 44 43 42 41"  /* 40 position */
    "58 57 56 55 54 53 52 51"  /* 48 committed */
    "68 67 66 65 64 63 62 61"  /* 56 durable */
    "78 77 76 75 74 73 72 71"  /* 64 received */
    "84 83 82 81 94 93 92 91"; /* 72 send time, echoed time */

std::string Frame(const frame_header &h, size_t payload) {
  std::string out(reinterpret_cast<const char *>(&h), sizeof h);
  return out + std::string(payload, 'x');
}

/* check hands the frame over in a heap block of its length, at an odd address. */
reason Check(const std::string &frame, frame_header *out = nullptr) {
  keep_test_seed(frame);
  std::unique_ptr<char[]> block(new char[frame.size() + 1]);
  memcpy(block.get() + 1, frame.data(), frame.size());
  frame_header h = {};
  reason r = frame_check(&h, block.get() + 1, frame.size());
  if (out) *out = h;
  return r;
}

/* Bitwise CRC32C, so that the golden bytes do not lean on the code under test. */
uint32_t PlainCrc(const std::string &bytes) {
  uint32_t crc = 0xffffffff;
  for (unsigned char c : bytes) {
    crc ^= c;
    for (int i = 0; i < 8; i++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Frame, HeaderIsTheTableOfTheDesignByteForByte) {
  std::string expected = hex(golden);
  ASSERT_EQ(80u, expected.size());
  uint32_t crc = PlainCrc(expected);
  for (int i = 0; i < 4; i++) expected += static_cast<char>(crc >> (8 * i));
  expected += std::string(4, '\0');
  EXPECT_EQ(expected, Frame(Sample(), 0));
}

TEST(Frame, ASealedFrameIsReadBackWhole) {
  frame_header h = Sample(), out;
  ASSERT_EQ(REASON_NONE, Check(Frame(h, 48), &out));
  EXPECT_EQ(0, memcmp(&h, &out, sizeof h));
}

TEST(Frame, EveryTruncationIsShort) {
  std::string whole = Frame(Sample(), 48);
  for (size_t len = 0; len < whole.size(); len++)
    EXPECT_EQ(REASON_FRAME_SHORT, Check(whole.substr(0, len))) << len;
}

TEST(Frame, BytesBehindThePayloadAreRefused) {
  EXPECT_EQ(REASON_FRAME_FIELD, Check(Frame(Sample(), 49)));
}

TEST(Frame, EveryFlippedBitOfTheHeaderIsSeen) {
  std::string whole = Frame(Sample(), 48);
  for (size_t bit = 0; bit < 88 * 8; bit++) {
    std::string bad = whole;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(REASON_NONE, Check(bad)) << "bit " << bit;
  }
}

/* The same with a checksum that fits: what a sender with a fault, not a wire, would send. */
struct Wrong {
  const char *name;
  void (*change)(frame_header *h);
  reason expected;
};

TEST(Frame, EveryWrongFieldUnderAGoodChecksumIsRefused) {
  const std::vector<Wrong> wrongs = {
      {"magic", [](frame_header *h) { h->magic = 0x5a42; }, REASON_FRAME_MAGIC},
      {"version", [](frame_header *h) { h->version = 2; }, REASON_FRAME_MAGIC},
      {"type 0", [](frame_header *h) { h->type = 0; }, REASON_FRAME_FIELD},
      {"type 7", [](frame_header *h) { h->type = 7; }, REASON_FRAME_FIELD},
      {"type 255", [](frame_header *h) { h->type = 255; }, REASON_FRAME_FIELD},
      {"gap on a slice", [](frame_header *h) { h->flags = FRAME_GAP; }, REASON_FRAME_FIELD},
      {"group", [](frame_header *h) { h->flags = FRAME_GROUP; }, REASON_FRAME_FIELD},
      {"unknown flag", [](frame_header *h) { h->flags = 0x80; }, REASON_FRAME_FIELD},
      {"key id", [](frame_header *h) { h->key_id = 1; }, REASON_FRAME_FIELD},
      {"zero a", [](frame_header *h) { h->zero_a = 1; }, REASON_FRAME_FIELD},
      {"zero b", [](frame_header *h) { h->zero_b = 1; }, REASON_FRAME_FIELD},
      {"send time", [](frame_header *h) { h->send_time = 0; }, REASON_FRAME_FIELD},
      {"longer", [](frame_header *h) { h->payload_len = 49; }, REASON_FRAME_SHORT},
      {"shorter", [](frame_header *h) { h->payload_len = 47; }, REASON_FRAME_FIELD},
      {"ping with payload", [](frame_header *h) { h->type = FRAME_PING; }, REASON_FRAME_FIELD},
      {"commit with payload", [](frame_header *h) { h->type = FRAME_COMMIT; }, REASON_FRAME_FIELD},
      {"ack with payload", [](frame_header *h) { h->type = FRAME_ACK; }, REASON_FRAME_FIELD},
  };
  for (const Wrong &w : wrongs) {
    frame_header h = Sample();
    w.change(&h);
    h.crc = crc32c(&h, 80);
    EXPECT_EQ(w.expected, Check(Frame(h, 48))) << w.name;
  }
  frame_header h = Sample();
  h.crc ^= 1;
  EXPECT_EQ(REASON_FRAME_CRC, Check(Frame(h, 48)));
}

frame_header Typed(uint8_t type, uint8_t flags, uint16_t payload_len) {
  frame_header h = Sample();
  h.type = type;
  h.flags = flags;
  h.payload_len = payload_len;
  frame_seal(&h);
  return h;
}

TEST(Frame, GapReportsHoldOneToEightWholeRanges) {
  for (uint16_t len = 0; len <= 160; len++) {
    reason expected = len && len % 16 == 0 && len <= 128 ? REASON_NONE : REASON_FRAME_FIELD;
    EXPECT_EQ(expected, Check(Frame(Typed(FRAME_ACK, FRAME_GAP, len), len))) << len;
  }
}

TEST(Frame, AProbeIsBare) {
  EXPECT_EQ(REASON_NONE, Check(Frame(Typed(FRAME_PING, FRAME_PROBE, 0), 0)));
  EXPECT_EQ(REASON_NONE, Check(Frame(Typed(FRAME_ACK, FRAME_PROBE, 0), 0)));
  EXPECT_EQ(REASON_FRAME_FIELD, Check(Frame(Typed(FRAME_ACK, FRAME_PROBE | FRAME_GAP, 16), 16)));
  EXPECT_EQ(REASON_FRAME_FIELD, Check(Frame(Typed(FRAME_PROPOSAL, FRAME_PROBE, 8), 8)));
}

TEST(Frame, SlicesAreNeverEmptyAndTheRestAlwaysIs) {
  for (uint8_t type : {FRAME_PROPOSAL, FRAME_REQUEST, FRAME_INFORM}) {
    EXPECT_EQ(REASON_FRAME_FIELD, Check(Frame(Typed(type, 0, 0), 0)));
    EXPECT_EQ(REASON_NONE, Check(Frame(Typed(type, 0, 1), 1)));
  }
  for (uint8_t type : {FRAME_ACK, FRAME_COMMIT, FRAME_PING})
    EXPECT_EQ(REASON_NONE, Check(Frame(Typed(type, 0, 0), 0)));
}

TEST(Frame, EachTypeHasItsNameAndSender) {
  EXPECT_STREQ("PROPOSAL", frame_name(1));
  EXPECT_STREQ("ACK", frame_name(2));
  EXPECT_STREQ("COMMIT", frame_name(3));
  EXPECT_STREQ("PING", frame_name(4));
  EXPECT_STREQ("REQUEST", frame_name(5));
  EXPECT_STREQ("INFORM", frame_name(6));
  EXPECT_STREQ("unknown", frame_name(0));
  EXPECT_STREQ("unknown", frame_name(7));
  EXPECT_STREQ("unknown", frame_name(255));
  for (uint8_t type : {1, 3, 4, 6}) EXPECT_EQ(unsigned{SENDER_LEADER}, frame_sender(type));
  EXPECT_EQ(unsigned{SENDER_EITHER}, frame_sender(FRAME_ACK));
  EXPECT_EQ(unsigned{SENDER_FOLLOWER}, frame_sender(FRAME_REQUEST));
  EXPECT_EQ(0u, frame_sender(0));
  EXPECT_EQ(0u, frame_sender(200));
}

}  // namespace
