#include <gtest/gtest.h>

#include "test/proto/bytes.h"

extern "C" {
#include "proto/cursor.h"
#include "proto/txn.h"
}

namespace {

TEST(Cursor, ReadsBigEndianIntegersInOrder) {
  Block b(hex("7f 80 01 ff ff ff fe 01 02 03 04 05 06 07 08"));
  struct cursor c;
  cursor_init(&c, b.data.get(), b.len);
  EXPECT_EQ(cursor_u8(&c), 0x7f);
  EXPECT_EQ(cursor_u16(&c), 0x8001);
  EXPECT_EQ(cursor_i32(&c), -2);
  EXPECT_EQ(cursor_i64(&c), 0x0102030405060708);
  EXPECT_FALSE(c.bad);
  EXPECT_EQ(c.next, c.end);
}

TEST(Cursor, StaysBadAfterReadingPastTheEndAndYieldsZero) {
  Block b(hex("01 02 03"));
  struct cursor c;
  cursor_init(&c, b.data.get(), b.len);
  EXPECT_EQ(cursor_i32(&c), 0);
  EXPECT_TRUE(c.bad);
  EXPECT_EQ(cursor_u8(&c), 0) << "a byte is left, but what it means is no longer known";
  EXPECT_EQ(cursor_bytes(&c, 0), nullptr);
}

TEST(Cursor, ReadsNullEmptyAndFullBuffers) {
  Block b(hex("ff ff ff ff  00 00 00 00  00 00 00 02 'ab'"));
  struct cursor c;
  cursor_init(&c, b.data.get(), b.len);
  EXPECT_EQ(cursor_buf(&c, 10).len, -1);
  EXPECT_EQ(cursor_buf(&c, 10).len, 0);
  struct span s = cursor_buf(&c, 2);
  ASSERT_EQ(s.len, 2);
  EXPECT_EQ(memcmp(s.data, "ab", 2), 0);
  EXPECT_FALSE(c.bad);
}

TEST(Cursor, RefusesBufferLengthsBelowMinusOneAboveTheBoundAndBeyondTheEnd) {
  for (const char *text :
       {"ff ff ff fe", "80 00 00 00", "7f ff ff ff", "00 00 00 05 'abcde'", "00 00 00 03 'ab'"}) {
    Block b(hex(text));
    struct cursor c;
    cursor_init(&c, b.data.get(), b.len);
    struct span s = cursor_buf(&c, 4);
    EXPECT_TRUE(c.bad) << text;
    EXPECT_EQ(s.len, 0) << text;
    EXPECT_EQ(s.data, nullptr) << text;
  }
}

TEST(Cursor, AnEmptyBufferAtNullIsNotAnError) {
  struct cursor c;
  cursor_init(&c, nullptr, 0);
  EXPECT_FALSE(c.bad);
  cursor_u8(&c);
  EXPECT_TRUE(c.bad);
}

TEST(Writer, WritesWhatTheCursorReads) {
  uint8_t out[27];
  struct writer w;
  writer_init(&w, out, sizeof out);
  writer_u8(&w, 0x7f);
  writer_u16(&w, 0x8001);
  writer_i32(&w, -2);
  writer_i64(&w, 0x0102030405060708);
  writer_buf(&w, nullptr, -1);
  writer_buf(&w, "abcd", 4);
  EXPECT_FALSE(w.bad);
  EXPECT_EQ(std::string(out, w.next),
            hex("7f 80 01 ff ff ff fe 01 02 03 04 05 06 07 08 ff ff ff ff 00 00 00 04 'abcd'"));
}

TEST(Writer, SaysWhenItDoesNotFitAndWritesNothingBeyond) {
  uint8_t out[4] = {1, 1, 1, 0xee};
  struct writer w;
  writer_init(&w, out, 3);
  writer_u16(&w, 0x0203);
  writer_u16(&w, 0x0405);
  EXPECT_TRUE(w.bad);
  writer_u8(&w, 9); /* one byte is free, but the message is broken already */
  EXPECT_EQ(w.next, out + 2);
  EXPECT_EQ(out[3], 0xee);
}

/* storage.md's TxnHeader: i8 clientId, i4 cxid, i8 zxid, i8 time, i4 type. */
TEST(Txn, HeaderIsZooKeepersByteForByte) {
  struct txn_header h;
  h.client_id = 0x1000000000000001;
  h.cxid = -2;
  h.zxid = 0x0000000200000003;
  h.time_ms = 0x18d;
  h.type = TXN_ERROR;
  uint8_t out[TXN_HEADER_LEN];
  txn_header_write(out, &h);
  EXPECT_EQ(std::string(out, out + sizeof out),
            hex("10 00 00 00 00 00 00 01  ff ff ff fe  00 00 00 02 00 00 00 03"
                "00 00 00 00 00 00 01 8d  ff ff ff ff"));
  struct txn_header back = txn_header_read(out);
  EXPECT_EQ(back.client_id, h.client_id);
  EXPECT_EQ(back.cxid, h.cxid);
  EXPECT_EQ(back.zxid, h.zxid);
  EXPECT_EQ(back.time_ms, h.time_ms);
  EXPECT_EQ(back.type, h.type);
}

}  // namespace
