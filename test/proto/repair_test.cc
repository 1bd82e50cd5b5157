#include <gtest/gtest.h>

#include "test/proto/bytes.h"

extern "C" {
#include "proto/repair.h"
}

namespace {

/* The data of one packet, in a block of exactly its length. */
enum reason read(struct repair_msg *m, int32_t type, zxid_t after, const std::string &data) {
  keep_test_seed(std::string(1, static_cast<char>(type == PACKET_ANSWER)) + data);
  Block b(data);
  memset(m, 0xee, sizeof *m);
  struct packet p = {.type = static_cast<packet_type>(type), .zxid = after};
  p.data = {b.data.get(), static_cast<int32_t>(b.len)};
  enum reason r = repair_read(m, &p);
  if (r == REASON_NONE && m->record.len > 0)
    EXPECT_EQ(m->record.data + m->record.len, b.data.get() + b.len);
  return r;
}

std::string bytes_of(const struct packet &p) {
  return std::string(reinterpret_cast<const char *>(p.data.data), static_cast<size_t>(p.data.len));
}

TEST(Repair, AnAskNamesTheRecordBehindOneAndTheLastThatItMayBe) {
  uint8_t room[REPAIR_ASK_LEN];
  struct packet p = repair_ask(room, zxid_make(2, 7), zxid_make(3, 9));
  EXPECT_EQ(p.type, PACKET_ASK);
  EXPECT_EQ(p.zxid, zxid_make(2, 7));
  EXPECT_EQ(show(bytes_of(p)), show(hex("00 00 00 03 00 00 00 09")));
  struct repair_msg m;
  EXPECT_EQ(read(&m, PACKET_ASK, zxid_make(2, 7), bytes_of(p)), REASON_NONE);
  EXPECT_EQ(m.after, zxid_make(2, 7));
  EXPECT_EQ(m.upto, zxid_make(3, 9));
}

TEST(Repair, AnAnswerCarriesTheRecordWholeIfThereIsOne) {
  uint8_t room[REPAIR_ANSWER_HEAD + 3] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'r', 'e', 'c'};
  struct repair_msg m = {.after = 5, .upto = 6, .answer = ANSWER_HAVE};
  m.record = {room + REPAIR_ANSWER_HEAD, 3};
  struct packet p = repair_answer(room, &m);
  EXPECT_EQ(p.type, PACKET_ANSWER);
  EXPECT_EQ(show(bytes_of(p)), show(hex("00 00 00 01  00 00 00 00 00 00 00 06 'rec'")));
  struct repair_msg back;
  EXPECT_EQ(read(&back, PACKET_ANSWER, 5, bytes_of(p)), REASON_NONE);
  EXPECT_EQ(back.answer, ANSWER_HAVE);
  EXPECT_EQ(back.upto, 6u);
  EXPECT_EQ(back.record.len, 3);
  for (int32_t a = ANSWER_DONT_HAVE; a <= ANSWER_BELOW_LOG; a++) {
    m.answer = static_cast<enum repair_answer>(a);
    p = repair_answer(room, &m);
    EXPECT_EQ(p.data.len, REPAIR_ANSWER_HEAD) << "only a HAVE has the record";
    EXPECT_EQ(read(&back, PACKET_ANSWER, 5, bytes_of(p)), REASON_NONE);
    EXPECT_EQ(back.answer, a);
  }
}

TEST(Repair, EveryTruncationIsBad) {
  std::string ask = hex("00 00 00 03 00 00 00 09");
  std::string have = hex("00 00 00 01  00 00 00 00 00 00 00 06 'r'");
  std::string none = hex("00 00 00 02  00 00 00 00 00 00 00 06");
  struct repair_msg m;
  for (size_t i = 0; i < ask.size(); i++)
    EXPECT_EQ(read(&m, PACKET_ASK, 1, ask.substr(0, i)), REASON_PACKET_BAD) << i;
  for (size_t i = 0; i < have.size(); i++)
    EXPECT_EQ(read(&m, PACKET_ANSWER, 1, have.substr(0, i)), REASON_PACKET_BAD) << i;
  for (size_t i = 0; i < none.size(); i++)
    EXPECT_EQ(read(&m, PACKET_ANSWER, 1, none.substr(0, i)), REASON_PACKET_BAD) << i;
  EXPECT_EQ(read(&m, PACKET_ASK, 1, ask + "x"), REASON_PACKET_BAD);
  EXPECT_EQ(read(&m, PACKET_ANSWER, 1, none + "x"), REASON_PACKET_BAD);
}

TEST(Repair, WhatCannotBeIsBad) {
  struct repair_msg m;
  for (const char *answer : {"00 00 00 00", "00 00 00 05", "ff ff ff ff", "80 00 00 00"})
    for (const char *rest : {"00 00 00 00 00 00 00 06", "00 00 00 00 00 00 00 06 'r'"})
      EXPECT_EQ(read(&m, PACKET_ANSWER, 1, hex(answer) + hex(rest)), REASON_PACKET_BAD)
          << answer << ", " << rest;
  EXPECT_EQ(read(&m, PACKET_ASK, 9, hex("00 00 00 00 00 00 00 09")), REASON_PACKET_BAD);
  EXPECT_EQ(read(&m, PACKET_ASK, 10, hex("00 00 00 00 00 00 00 09")), REASON_PACKET_BAD);
  EXPECT_EQ(read(&m, PACKET_ASK, 8, hex("00 00 00 00 00 00 00 09")), REASON_NONE);
}

}  // namespace
