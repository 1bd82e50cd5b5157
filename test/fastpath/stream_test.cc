#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "proto/atomic.h"
extern "C" {
#include "fastpath/inflow.h"
#include "fastpath/outflow.h"
#include "fastpath/peer.h"
#include "fastpath/stream.h"
}
#include "test/fastpath/ring_map.h"

namespace {

constexpr uint64_t kRing = 65536;
constexpr uint32_t kLargest = 16384;

struct Ring {
  explicit Ring(pos_t pos = 0, zxid_t zxid = 0) : memory(ring_map(kRing)) {
    stream_init(&s, memory, kRing, kLargest);
    stream_reset(&s, pos, zxid);
  }
  ~Ring() { ring_unmap(memory, kRing); }
  reason Append(zxid_t zxid, uint32_t len) {
    return stream_append(&s, zxid, std::string(len, static_cast<char>(zxid)).data(), len);
  }
  reason Place(pos_t pos, const std::string &slice) {
    return stream_place(&s, pos, slice.data(), static_cast<uint32_t>(slice.size()));
  }
  std::string Bytes(pos_t from, pos_t to) const {
    return std::string(reinterpret_cast<const char *>(stream_at(&s, from)), to - from);
  }
  void *memory;
  stream s;
};

zxid_t Z(uint32_t counter) { return zxid_make(1, counter); }

/* cnt records of len bytes as one string, from counter `first` on. */
std::string Records(uint32_t first, int cnt, uint32_t len) {
  std::string out;
  for (int i = 0; i < cnt; i++) {
    std::string record(record_size(len), 0);
    record_write(&record[0], Z(first + static_cast<uint32_t>(i)), std::string(len, 'a').data(),
                 len);
    out += record;
  }
  return out;
}

TEST(Stream, AppendsUntilTheRingIsFullAndGoesOnWhenItIsReclaimed) {
  Ring r;
  uint32_t n = 0;
  while (r.Append(Z(n + 1), 1000) == REASON_NONE) n++;
  EXPECT_EQ(kRing / record_size(1000), n);
  pos_t high = r.s.high;
  EXPECT_EQ(REASON_BUSY, r.Append(Z(n + 1), 1000));
  EXPECT_EQ(high, r.s.high);
  stream_reclaim(&r.s, record_size(1000));
  EXPECT_EQ(REASON_NONE, r.Append(Z(n + 1), 1000));
  EXPECT_EQ(r.s.high, r.s.whole);
  /* the record that wraps is linear thanks to the mirror */
  record rec;
  EXPECT_EQ(RECORD_OK, record_read(&rec, stream_at(&r.s, high), record_size(1000), kLargest));
}

TEST(Stream, RefusesToAppendWhatIsNotNext) {
  Ring r;
  EXPECT_EQ(REASON_RECORD_ORDER, r.Append(Z(2), 40));
  EXPECT_EQ(REASON_NONE, r.Append(Z(1), 40));
  EXPECT_EQ(REASON_RECORD_ORDER, r.Append(Z(1), 40));
  EXPECT_EQ(REASON_RECORD_ORDER, r.Append(Z(3), 40));
  EXPECT_EQ(record_size(40), r.s.high);
}

TEST(Stream, AFragmentedRecordIsWholeOnlyWithItsLastByte) {
  Ring r;
  std::string bytes = Records(1, 1, 5000);
  for (size_t at = 0; at < bytes.size(); at += 300) {
    EXPECT_EQ(0u, r.s.whole);
    EXPECT_EQ(at, r.s.received);
    ASSERT_EQ(REASON_NONE, r.Place(at, bytes.substr(at, 300)));
  }
  EXPECT_EQ(bytes.size(), r.s.whole);
  EXPECT_EQ(Z(1), r.s.last_zxid);
}

TEST(Stream, SlicesInAnyOrderGiveTheSameBytes) {
  std::mt19937_64 random(5);
  for (int run = 0; run < 300; run++) {
    Ring r;
    std::string bytes = Records(1, 20, 32 + run % 200);
    std::vector<std::pair<size_t, size_t>> slices;
    for (size_t at = 0; at < bytes.size();) {
      size_t len = 1 + random() % 400;
      if (at + len > bytes.size()) len = bytes.size() - at;
      slices.push_back({at, len});
      if (random() % 4 == 0 && at > 100) slices.push_back({at - 100, len + 50});
      at += len;
    }
    for (auto &s : slices)
      if (s.first + s.second > bytes.size()) s.second = bytes.size() - s.first;
    for (int pass = 0; pass < 3; pass++) { /* again for those that found no island free */
      std::shuffle(slices.begin(), slices.end(), random);
      for (auto &s : slices) {
        reason got = r.Place(s.first, bytes.substr(s.first, s.second));
        ASSERT_TRUE(got == REASON_NONE || got == REASON_STALE_SLICE || got == REASON_ISLANDS_FULL);
        ASSERT_LE(r.s.whole, r.s.received);
        ASSERT_LE(r.s.received, r.s.high);
        for (int i = 0; i < r.s.island_cnt; i++) {
          pos_t before = i ? r.s.islands[i - 1].to : r.s.received;
          ASSERT_LT(before, r.s.islands[i].from) << "islands touch";
          ASSERT_LT(r.s.islands[i].from, r.s.islands[i].to);
        }
      }
    }
    ASSERT_EQ(bytes.size(), r.s.whole);
    ASSERT_EQ(0, r.s.island_cnt);
    ASSERT_EQ(bytes, r.Bytes(0, bytes.size()));
  }
}

TEST(Stream, ListsTheGapsBetweenIslands) {
  Ring r;
  std::string bytes = Records(1, 10, 100);
  ASSERT_EQ(REASON_NONE, r.Place(100, bytes.substr(100, 50)));
  ASSERT_EQ(REASON_NONE, r.Place(300, bytes.substr(300, 50)));
  ASSERT_EQ(REASON_NONE, r.Place(200, bytes.substr(200, 50)));
  frame_range gaps[STREAM_GAPS];
  ASSERT_EQ(3, stream_gaps(&r.s, gaps, STREAM_GAPS));
  EXPECT_EQ(0u, gaps[0].from);
  EXPECT_EQ(100u, gaps[0].to);
  EXPECT_EQ(150u, gaps[1].from);
  EXPECT_EQ(200u, gaps[1].to);
  EXPECT_EQ(250u, gaps[2].from);
  EXPECT_EQ(300u, gaps[2].to);
  EXPECT_EQ(1, stream_gaps(&r.s, gaps, 1));
  /* one slice bridges all */
  ASSERT_EQ(REASON_NONE, r.Place(0, bytes.substr(0, 320)));
  EXPECT_EQ(350u, r.s.received);
  EXPECT_EQ(0, stream_gaps(&r.s, gaps, STREAM_GAPS));
}

TEST(Stream, AFurtherIslandThanItRemembersIsDroppedAndNothingChanges) {
  Ring r;
  std::string bytes = Records(1, 40, 100);
  for (pos_t i = 0; i < STREAM_GAPS; i++)
    ASSERT_EQ(REASON_NONE, r.Place(100 + 100 * i, bytes.substr(100 + 100 * i, 8)));
  pos_t high = r.s.high;
  EXPECT_EQ(REASON_ISLANDS_FULL, r.Place(4000, bytes.substr(4000, 8)));
  EXPECT_EQ(high, r.s.high);
  EXPECT_EQ(REASON_NONE, r.Place(108, bytes.substr(108, 8))) << "touches one: still room";
  EXPECT_EQ(REASON_NONE, r.Place(0, bytes.substr(0, 4200)));
  EXPECT_EQ(4200u, r.s.received);
}

TEST(Stream, RefusesSliceBeyondRing) {
  Ring r;
  std::string slice(100, 'x');
  EXPECT_EQ(REASON_BEYOND_RING, r.Place(kRing - 99, slice));
  EXPECT_EQ(REASON_BEYOND_RING, r.Place(UINT64_MAX - 50, slice)) << "the end wraps around";
  EXPECT_EQ(0u, r.s.high);
  EXPECT_EQ(REASON_NONE, r.Place(kRing - 100, slice));
}

TEST(Stream, ASliceThatIsThereIsStaleAndOverwritesNothing) {
  Ring r;
  std::string bytes = Records(1, 2, 100);
  ASSERT_EQ(REASON_NONE, r.Place(0, bytes));
  EXPECT_EQ(REASON_STALE_SLICE, r.Place(0, std::string(bytes.size(), 'x')));
  EXPECT_EQ(bytes, r.Bytes(0, bytes.size()));
  std::string more = Records(3, 1, 100);
  std::string overlapping = std::string(50, 'x') + more; /* its old part is damaged (J11) */
  EXPECT_EQ(REASON_NONE, r.Place(bytes.size() - 50, overlapping));
  EXPECT_EQ(bytes + more, r.Bytes(0, bytes.size() + more.size()));
  EXPECT_EQ(bytes.size() + more.size(), r.s.whole);
}

TEST(Stream, ADamagedRecordFallsBackToTheLastWholeOne) {
  for (size_t bit = 0; bit < record_size(100) * 8; bit += 7) {
    Ring r;
    std::string good = Records(1, 1, 100), next = Records(2, 1, 100), bad = next;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(REASON_NONE, r.Place(0, good));
    reason got = r.Place(good.size(), bad);
    if (got == REASON_NONE) { /* a larger length: waits for more, and falls then */
      ASSERT_EQ(good.size(), r.s.whole);
      got = r.Place(good.size() + bad.size(), std::string(kLargest + 16, 'x'));
    }
    ASSERT_EQ(REASON_RECORD_CRC, got) << bit;
    EXPECT_EQ(good.size(), r.s.whole);
    EXPECT_EQ(good.size(), r.s.received);
    EXPECT_EQ(good.size(), r.s.high);
    EXPECT_EQ(REASON_NONE, r.Place(good.size(), next));
    EXPECT_EQ(good.size() + next.size(), r.s.whole);
  }
}

TEST(Stream, ARecordOutOfOrderIsNotTaken) {
  Ring r;
  ASSERT_EQ(REASON_NONE, r.Place(0, Records(1, 1, 100)));
  EXPECT_EQ(REASON_RECORD_ORDER, r.Place(r.s.whole, Records(3, 1, 100)));
  EXPECT_EQ(REASON_RECORD_ORDER, r.Place(r.s.whole, Records(1, 1, 100)));
  EXPECT_EQ(Z(1), r.s.last_zxid);
  EXPECT_EQ(record_size(100), r.s.received);
}

TEST(Stream, KnowsTheZxidAtARecordEnd) {
  Ring r(0, zxid_make(0, 9));
  for (uint32_t i = 1; i <= 3; i++) ASSERT_EQ(REASON_NONE, r.Append(Z(i), 100));
  EXPECT_EQ(zxid_make(0, 9), stream_zxid_at(&r.s, 0, zxid_make(0, 9)));
  EXPECT_EQ(Z(1), stream_zxid_at(&r.s, record_size(100), zxid_make(0, 9)));
  EXPECT_EQ(Z(3), stream_zxid_at(&r.s, 3 * record_size(100), zxid_make(0, 9)));
}

TEST(Outflow, SendsUpToTheWindowAndTheSlicesInFlight) {
  outflow o;
  outflow_init(&o, 0, 4);
  EXPECT_EQ(0u, outflow_take(&o, 1000, 100, 1).len) << "no window yet";
  outflow_ack(&o, 0, 250, 1);
  EXPECT_EQ(100u, outflow_take(&o, 1000, 100, 1).len);
  EXPECT_EQ(100u, outflow_take(&o, 1000, 100, 1).len);
  EXPECT_EQ(50u, outflow_take(&o, 1000, 100, 1).len);
  EXPECT_EQ(0u, outflow_take(&o, 1000, 100, 1).len) << "window";
  outflow_ack(&o, 0, 1000, 1);
  EXPECT_EQ(100u, outflow_take(&o, 1000, 100, 1).len);
  EXPECT_EQ(0u, outflow_take(&o, 1000, 100, 1).len) << "four slices in flight";
  outflow_ack(&o, 150, 850, 2);
  EXPECT_EQ(100u, outflow_take(&o, 1000, 100, 2).len);
  EXPECT_EQ(0u, outflow_take(&o, 1000, 100, 2).len) << "one slice arrived, the second in part";
}

TEST(Outflow, AnOldAckTakesNothingBack) {
  outflow o;
  outflow_init(&o, 0, 4);
  outflow_ack(&o, 0, 500, 1);
  outflow_take(&o, 300, 300, 1);
  outflow_ack(&o, 300, 400, 2);
  outflow_ack(&o, 100, 100, 3);
  EXPECT_EQ(300u, o.acked);
  EXPECT_EQ(700u, o.limit);
}

TEST(Outflow, RepeatsExactlyWhatIsMissingAndFirst) {
  outflow o;
  outflow_init(&o, 0, 16);
  outflow_ack(&o, 0, 5000, 1);
  for (int i = 0; i < 5; i++) outflow_take(&o, 1000, 100, 1);
  outflow_missing(&o, {100, 350});
  outflow_missing(&o, {150, 300}); /* asked for already */
  outflow_missing(&o, {480, 900}); /* partly never sent */
  outflow_slice s = outflow_take(&o, 1000, 200, 2);
  EXPECT_TRUE(s.again && s.pos == 100 && s.len == 200);
  s = outflow_take(&o, 1000, 200, 2);
  EXPECT_TRUE(s.again && s.pos == 300 && s.len == 50);
  s = outflow_take(&o, 1000, 200, 2);
  EXPECT_TRUE(s.again && s.pos == 480 && s.len == 20);
  s = outflow_take(&o, 1000, 200, 2);
  EXPECT_TRUE(!s.again && s.pos == 500 && s.len == 200);
}

/* A path may have room for fewer than were sent on the one before; what does not fit waits. */
TEST(Outflow, RepeatsNoMoreThanThePathHasRoomFor) {
  outflow o;
  outflow_init(&o, 0, 32);
  outflow_ack(&o, 0, 5000, 1);
  for (int i = 0; i < 32; i++) ASSERT_EQ(100u, outflow_take(&o, 3200, 100, 1).len);
  outflow_moved(&o, 4, 2);
  outflow_missing(&o, {0, 3200});
  pos_t held = 0;
  for (int flight = 0; held < 3200; held += 100) {
    for (; outflow_take(&o, 3200, 100, 3).len; flight++) {
    }
    ASSERT_EQ(held < 2800 ? 4 : (3200 - static_cast<int>(held)) / 100, flight) << held;
    outflow_ack(&o, held + 100, 5000, 3);
    flight--;
  }
}

TEST(Outflow, WhatHoldsUpAllElseIsRepeatedEvenIfMuchWaits) {
  outflow o;
  outflow_init(&o, 0, 32);
  outflow_ack(&o, 0, 5000, 1);
  for (int i = 0; i < 32; i++) outflow_take(&o, 3200, 100, 1);
  outflow_moved(&o, 1, 2);
  for (pos_t at = 300; at < 300 + 200 * LIMIT_GAP_RANGES; at += 200)
    outflow_missing(&o, {at, at + 100});
  EXPECT_EQ(0u, outflow_take(&o, 3200, 100, 3).len) << "all too far ahead";
  outflow_missing(&o, {0, 100});
  outflow_slice s = outflow_take(&o, 3200, 100, 3);
  EXPECT_TRUE(s.again && s.pos == 0 && s.len == 100) << "though the list was full";
  outflow_tick(&o, 1000, 300, 1000); /* that was lost, too */
  s = outflow_take(&o, 3200, 100, 1000);
  EXPECT_TRUE(s.again && s.pos == 0 && s.len == 100);
}

TEST(Outflow, NeverRepeatsWhatTheRingHasLost) {
  outflow o;
  outflow_init(&o, 0, 16);
  outflow_ack(&o, 0, 5000, 1);
  outflow_take(&o, 1000, 1000, 1);
  outflow_missing(&o, {100, 300});
  outflow_missing(&o, {400, 600});
  outflow_forget(&o, 500);
  outflow_slice s = outflow_take(&o, 1000, 200, 2);
  EXPECT_TRUE(s.again && s.pos == 500 && s.len == 100);
  EXPECT_EQ(0u, outflow_take(&o, 1000, 200, 2).len);
}

TEST(Outflow, TheTailIsRepeatedAfterATimeoutThatDoubles) {
  outflow o;
  outflow_init(&o, 0, 16);
  outflow_ack(&o, 0, 5000, 0);
  outflow_take(&o, 100, 100, 1000);
  uint64_t last = 1000, waits[4];
  for (uint64_t &w : waits) {
    uint64_t now = last;
    do outflow_tick(&o, ++now, 300, 1000);
    while (outflow_take(&o, 100, 100, now).len == 0);
    w = now - last;
    last = now;
  }
  EXPECT_EQ(300u, waits[0]);
  EXPECT_EQ(600u, waits[1]);
  EXPECT_EQ(1000u, waits[2]) << "bounded";
  EXPECT_EQ(1000u, waits[3]);
  outflow_ack(&o, 100, 100, last);
  outflow_tick(&o, last + 100000, 300, 1000);
  EXPECT_EQ(0u, outflow_take(&o, 100, 100, last).len) << "all received: nothing to repeat";
}

TEST(Inflow, ReportsANewGapAtOnceAndAgainOnlyAfterAWhile) {
  Ring r;
  inflow f;
  inflow_init(&f, 0);
  frame_range out[LIMIT_GAP_RANGES];
  std::string bytes = Records(1, 10, 100);
  EXPECT_EQ(0, inflow_report(&f, &r.s, 1000, 300, out));
  r.Place(200, bytes.substr(200, 100));
  ASSERT_EQ(1, inflow_report(&f, &r.s, 1000, 300, out));
  EXPECT_TRUE(out[0].from == 0 && out[0].to == 200);
  EXPECT_EQ(0, inflow_report(&f, &r.s, 1100, 300, out));
  r.Place(400, bytes.substr(400, 100));
  ASSERT_EQ(1, inflow_report(&f, &r.s, 1150, 300, out)) << "only the new one";
  EXPECT_TRUE(out[0].from == 300 && out[0].to == 400);
  EXPECT_EQ(0, inflow_report(&f, &r.s, 1299, 300, out));
  EXPECT_EQ(2, inflow_report(&f, &r.s, 1300, 300, out)) << "both again";
  r.Place(0, bytes.substr(0, 450));
  EXPECT_EQ(0, inflow_report(&f, &r.s, 2000, 300, out));
  inflow_announce(&f, 600);
  ASSERT_EQ(1, inflow_report(&f, &r.s, 2000, 300, out)) << "the tail that never came";
  EXPECT_TRUE(out[0].from == 500 && out[0].to == 600);
}

TEST(Peer, EachSequenceNumberCountsOnceAndMayComeLate) {
  bcast_peer p = {};
  peer_attach(&p, 1, 0, 1u << PATH_FAST);
  EXPECT_FALSE(peer_take_seq(&p, 0));
  EXPECT_TRUE(peer_take_seq(&p, 5));
  EXPECT_FALSE(peer_take_seq(&p, 5));
  EXPECT_TRUE(peer_take_seq(&p, 3));
  EXPECT_FALSE(peer_take_seq(&p, 3));
  EXPECT_TRUE(peer_take_seq(&p, 4));
  EXPECT_TRUE(peer_take_seq(&p, 100));
  EXPECT_TRUE(peer_take_seq(&p, 100 - PEER_SEQ_WINDOW + 1));
  EXPECT_FALSE(peer_take_seq(&p, 100 - PEER_SEQ_WINDOW)) << "too old to tell";
  EXPECT_TRUE(peer_take_seq(&p, 101));
  EXPECT_FALSE(peer_take_seq(&p, 100));
  EXPECT_TRUE(peer_take_seq(&p, 99));
  EXPECT_TRUE(peer_take_seq(&p, 101 + PEER_SEQ_WINDOW));
  EXPECT_FALSE(peer_take_seq(&p, 101)) << "64 back: too old";
  EXPECT_TRUE(peer_take_seq(&p, 102));
}

TEST(Peer, OnlyANewerSendTimeIsNewEvenWhenTheClockWraps) {
  bcast_peer p = {};
  peer_attach(&p, 1, 0, 1u << PATH_FAST);
  EXPECT_TRUE(peer_heard_time(&p, UINT32_MAX - 1));
  EXPECT_FALSE(peer_heard_time(&p, UINT32_MAX - 1));
  EXPECT_FALSE(peer_heard_time(&p, UINT32_MAX - 100));
  EXPECT_TRUE(peer_heard_time(&p, 5));
  EXPECT_FALSE(peer_heard_time(&p, UINT32_MAX));
  EXPECT_EQ(UINT32_MAX, peer_send_stamp(1ull << 32)) << "0 says: none yet";
  EXPECT_EQ(7u, peer_send_stamp((1ull << 32) + 7));
}

}  // namespace
