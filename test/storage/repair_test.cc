// Repair of a damaged log with records of peers: "have, faulty" until all is there, then all at
// once (E1, E3); power may go at any point of it.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t epoch, uint32_t counter) { return zxid_make(epoch, counter); }

static uint8_t *File(Disk &d, const char *name) {
  size_t len;
  uint8_t *p = powercut_file(d.cut, name, &len);
  EXPECT_NE(p, nullptr) << name;
  return p;
}

// log.00000001: RESTART; (1,1..3) at 4096; (1,4..5),(2,1..2) at 8192; (2,3) at 12288; trailer.
static void Log(Disk &d, Model &m) {
  auto mixed = Recs(1, 4, 2, 500);
  for (const Rec &r : Recs(2, 1, 2, 500)) mixed.push_back(r);
  Prepare(d, m,
          {Accepted(2), Append(Recs(1, 1, 3, 500)), Append(mixed), Append(Recs(2, 3, 1)), Seal()});
}
static const uint32_t kRecord = record_size(500);
static size_t RecordAt(size_t group, uint32_t idx) { return group + 80 + idx * kRecord; }

static store_slice Ask(Disk &d, zxid_t after, zxid_t upto) {
  static uint8_t buf[60000];
  return store_ask(d.s, after, upto, buf, sizeof buf);
}

TEST(Repair, APeerSaysWhatItHasWhatIsFaultyAndWhatItNeverHad) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1; /* in (1,2) */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Ask(d, 0, Z(1, 1)).reason, REASON_NONE);
  EXPECT_EQ(Ask(d, Z(1, 1), Z(1, 2)).reason, REASON_FAULTY);
  EXPECT_EQ(Ask(d, Z(1, 2), Z(1, 3)).reason, REASON_NONE);
  EXPECT_EQ(Ask(d, Z(1, 5), Z(1, 6)).reason, REASON_NOT_HELD); /* of another branch */
  EXPECT_EQ(Ask(d, Z(2, 3), Z(2, 4)).reason, REASON_NOT_HELD);
  EXPECT_EQ(Ask(d, Z(1, 5), Z(2, 2)).last_zxid, Z(2, 1));    /* over two epochs: upto is ours */
  EXPECT_EQ(Ask(d, Z(1, 5), Z(3, 1)).reason, REASON_FAULTY); /* a part: nobody can say */
  EXPECT_EQ(Ask(d, Z(2, 3), Z(3, 1)).reason, REASON_NOT_HELD);
  EXPECT_EQ(store_read(d.s, Z(1, 1), ZXID_NONE, nullptr, 0).reason, REASON_FAULTY);
}

/* Whoever has any record of upto's epoch, up to upto, has all before it as the asker had. */
TEST(Repair, APartOfTheEpochInWhichAHoleEndsIsEnough) {
  Disk d;
  Model m;
  Log(d, m);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Ask(d, Z(1, 5), Z(2, 9)).last_zxid, Z(2, 1)); /* upto is not ours */
  EXPECT_EQ(Ask(d, Z(1, 3), Z(2, 9)).last_zxid, Z(1, 4));
  EXPECT_EQ(Ask(d, 0, Z(1, 4)).last_zxid, Z(1, 1));
  EXPECT_EQ(Ask(d, 0, Z(2, 9)).last_zxid, Z(1, 1));
  EXPECT_EQ(Ask(d, Z(1, 6), Z(2, 9)).reason, REASON_FAULTY); /* (1,6) is not: a dead branch */
  EXPECT_EQ(Ask(d, Z(1, 4), Z(3, 9)).reason, REASON_FAULTY); /* (1,5), (2,1..3) may be, or not */
}

TEST(Repair, WhatIsIntactBeforeOurOwnDamageIsGiven) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(8192, 2) + 100] ^= 1; /* in (2,1) */
  File(d, "log.00000001")[12288 + 100] ^= 1;             /* in (2,3) */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Ask(d, Z(1, 4), Z(2, 3)).last_zxid, Z(1, 5)); /* (2,3) is ours, if damaged */
  EXPECT_EQ(Ask(d, Z(1, 4), Z(2, 1)).last_zxid, Z(1, 5));
  EXPECT_EQ(Ask(d, Z(1, 5), Z(2, 3)).reason, REASON_FAULTY);
}

TEST(Repair, AWrongRecordIsRefusedAndNothingChanges) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  store_repair r = store_repair_begin(d.s);
  ASSERT_EQ(r.step, REPAIR_NEEDS);
  EXPECT_EQ(r.after, Z(1, 1));
  EXPECT_EQ(r.upto, Z(1, 2));
  auto right = PeerRecord(m, Z(1, 1)), next = PeerRecord(m, Z(1, 2)), bad = right;
  bad[40] ^= 1;
  EXPECT_EQ(store_repair_put(d.s, bad.data(), bad.size()).reason, REASON_RECORD_CRC);
  EXPECT_EQ(store_repair_put(d.s, next.data(), next.size()).reason, REASON_RECORD_ORDER);
  EXPECT_EQ(store_repair_put(d.s, right.data(), right.size()).step, REPAIR_DONE);
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Repair, UntilItIsDoneNothingOfTheLogIsGivenUp) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1;
  File(d, "log.00000001")[RecordAt(8192, 2)] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  store_repair r = store_repair_begin(d.s);
  auto record = PeerRecord(m, r.after);
  r = store_repair_put(d.s, record.data(), record.size());
  EXPECT_EQ(r.step, REPAIR_NEEDS);
  EXPECT_EQ(store_seal(d.s), REASON_NONE); /* the idle trailer is none of the repair's business */
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 2));
  record = PeerRecord(m, r.after);
  Disk copy(d); /* as if the power had gone */
  EXPECT_EQ(store_repair_put(d.s, record.data(), record.size()).step, REPAIR_DONE);
  EXPECT_EQ(Compare(d.s, m), "");
  ASSERT_TRUE(copy.Open()) << copy.error;
  EXPECT_EQ(store_state(copy.s).faulty, Z(1, 2));
  EXPECT_EQ(SafeAndRepairable(copy, m), "");
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

/* Its place is in a segment, and a purge moves them: the log could end there. */
TEST(Repair, WhileItIsOpenTheDiskThreadHasNoIdleWork) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  store_repair r = store_repair_begin(d.s);
  ASSERT_EQ(r.step, REPAIR_NEEDS);
  EXPECT_FALSE(store_idle(d.s, true));
  auto record = PeerRecord(m, r.after);
  ASSERT_EQ(store_repair_put(d.s, record.data(), record.size()).step, REPAIR_DONE);
  EXPECT_TRUE(store_idle(d.s, true)) << "the spare segment was left to do";
}

/* Within one epoch the next zxid is known: a peer's gap does not become ours. */
TEST(Repair, NoRecordOfAHoleIsLeftOut) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 5)), Seal()});
  File(d, "log.00000001")[8192] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_repair_begin(d.s).step, REPAIR_NEEDS);
  auto third = PeerRecord(m, Z(1, 2));
  EXPECT_EQ(store_repair_put(d.s, third.data(), third.size()).reason, REASON_RECORD_ORDER);
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Repair, AHoleEndsWhereWhatFollowsItBegins) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[8192] ^= 1; /* (1,4..5),(2,1..2) */
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_repair_begin(d.s).step, REPAIR_NEEDS);
  for (uint32_t i = 3; i < 5; i++) {
    auto record = PeerRecord(m, Z(1, i));
    ASSERT_EQ(store_repair_put(d.s, record.data(), record.size()).step, REPAIR_NEEDS);
  }
  std::vector<uint8_t> payload(100), later(record_size(100));
  record_write(later.data(), Z(3, 1), payload.data(), 100);
  EXPECT_EQ(store_repair_put(d.s, later.data(), later.size()).reason, REASON_RECORD_ORDER);
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

/* The new segment's name is durable before anything is acknowledged that stands in it. */
TEST(Repair, WhatIsAppendedToARepairedLogStaysWithItsName) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_repair_begin(d.s).step, REPAIR_NEEDS);
  auto record = PeerRecord(m, Z(1, 1));
  ASSERT_EQ(store_repair_put(d.s, record.data(), record.size()).step, REPAIR_DONE);
  ASSERT_EQ(d.Do(Append(Recs(2, 4, 1)), m), REASON_NONE);
  powercut_arm(d.cut, {1});
  (void)store_set_accepted(d.s, 3);
  d.Close();
  powercut_restore(d.cut, SURVIVE_NONE, 1);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, 0u);
  EXPECT_EQ(Compare(d.s, m), "");
}

/* It would not fit where the whole repaired log must: a peer's word ends no node. */
TEST(Repair, RecordsLongerThanAllThatStoodThereAreRefused) {
  Disk d;
  Model m;
  Prepare(
      d, m,
      {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 5)), Append(Recs(1, 7, 1)), Seal()});
  File(d, "log.00000001")[8192] ^= 1; /* the header of (1,2..6) */
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_repair_begin(d.s).step, REPAIR_NEEDS);
  std::vector<uint8_t> payload(19000), longer(record_size(19000));
  store_repair r = {};
  for (uint32_t i = 2; i <= 6 && r.reason == REASON_NONE; i++) {
    record_write(longer.data(), Z(1, i), payload.data(), 19000);
    r = store_repair_put(d.s, longer.data(), longer.size());
  }
  EXPECT_EQ(r.reason, REASON_RECORD_ORDER);
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  r = store_repair_discard(d.s); /* what was said of that repair is not of the next one */
  EXPECT_EQ(r.step, REPAIR_NEEDS);
  EXPECT_EQ(r.after, Z(1, 1));
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

/* The first groups of a segment are behind a misdirected one, the segment before is full. */
TEST(Repair, AMisdirectedGroupMayLeaveAHoleWithoutAByte) {
  Disk d;
  Model m;
  std::vector<Step> steps = {Accepted(1)};
  for (uint32_t i = 1; i <= 19; i++) steps.push_back(Append(Recs(1, i, 1, 900)));
  steps.push_back(Seal());
  Prepare(d, m, steps);
  uint8_t *p = File(d, "log.00000002");
  memcpy(p, p + 3 * 4096, 4096); /* (1,19) over (1,16) */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 16));
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Repair, WhatAQuorumNeverHadIsDiscardedWithWhatFollowsAndWhatWasRepairedStays) {
  Disk d;
  Model m;
  Log(d, m);
  File(d, "log.00000001")[RecordAt(4096, 0) + 600] ^= 1;
  File(d, "log.00000001")[12288 + 100] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  store_repair r = store_repair_begin(d.s);
  auto record = PeerRecord(m, r.after);
  r = store_repair_put(d.s, record.data(), record.size());
  ASSERT_EQ(r.step, REPAIR_NEEDS);
  EXPECT_EQ(r.after, Z(2, 2));
  EXPECT_EQ(store_repair_discard(d.s).reason, REASON_NONE);
  m.recs.pop_back();
  EXPECT_EQ(store_state(d.s).faulty, 0u);
  EXPECT_EQ(Compare(d.s, m), "");
  ASSERT_EQ(d.Do(Append(Recs(2, 3, 2, 77, 5)), m), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Repair, ALearnerIsCutToARecordThatItCannotRead) {
  Disk d;
  Model m;
  Log(d, m);
  memset(File(d, "log.00000001") + 4096, 1, 4096); /* (1,1..3) */
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(d.Do(Truncate(Z(1, 2)), m), REASON_NONE);
  EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 2));
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 2)); /* where epochs meet the end has a name */
  ASSERT_EQ(d.Do(Append(Recs(3, 1, 1)), m), REASON_RECORD_ORDER);
  ASSERT_EQ(d.Do(Accepted(3), m), REASON_NONE);
  ASSERT_EQ(d.Do(Append(Recs(3, 1, 3)), m), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 2)); /* where epochs meet the end has a name */
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Repair, ADamagedTruncationIsFoundFromWhatFollowsIt) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(2), Append(Recs(1, 1, 9)), Truncate(Z(1, 6)), Append(Recs(2, 1, 2)), Seal()});
  size_t len;
  int cnt = 0;
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++) {
    Disk bad(d);
    uint8_t *p = powercut_file(bad.cut, name, &len);
    if (strncmp(name, "log.", 4) || !p[0]) continue;
    memset(p, 7, 80);
    ASSERT_TRUE(bad.Open()) << name << bad.error;
    EXPECT_EQ(store_state(bad.s).last_zxid, m.last());
    EXPECT_EQ(SafeAndRepairable(bad, m), "") << name;
    cnt++;
  }
  EXPECT_EQ(cnt, 2);
}

TEST(Repair, WhatASnapshotHoldsNeedsNone) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 3)), Append(Recs(1, 4, 3)), SnapOwn(Z(1, 4), 9000),
           Append(Recs(1, 7, 2)), Seal()});
  File(d, "log.00000001")[4096 + 100] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, 0u);
  EXPECT_EQ(store_state(d.s).log_base, Z(1, 1));
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(Ask(d, 0, Z(1, 1)).reason, REASON_BELOW_LOG);
  d.Close();
  File(d, "log.00000001")[8192 + 100 + record_size(100)] ^= 1; /* (1,5): above it */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 5));
  EXPECT_EQ(store_state(d.s).log_base, Z(1, 1));
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Repair, ThePowerMayGoAtAnyPointOfIt) {
  Disk whole;
  Model m;
  std::vector<Step> steps{Accepted(2), Append(Recs(1, 1, 30, 5000)), Append(Recs(2, 1, 5, 5000)),
                          Seal()};
  Prepare(whole, m, steps);
  File(whole, "log.00000001")[4096 + 3000] ^= 1;
  File(whole, "log.00000002")[8192 + 9000] ^= 1;
  bool done = false;
  int repaired = 0, faulty = 0;
  for (uint64_t op = 1; !done; op++) {
    for (int how = 0; how < SURVIVE_CNT; how++) {
      Disk d(whole);
      ASSERT_TRUE(d.Open()) << d.error;
      ASSERT_NE(store_state(d.s).faulty, 0u);
      powercut_plan plan = {};
      plan.cut_at = op;
      powercut_arm(d.cut, plan);
      for (store_repair r = store_repair_begin(d.s); r.step != REPAIR_DONE && !r.reason;) {
        auto record = PeerRecord(m, r.after);
        r = r.step == REPAIR_COPIES ? store_repair_put(d.s, nullptr, 0)
                                    : store_repair_put(d.s, record.data(), record.size());
      }
      done = !powercut_is_cut(d.cut);
      d.Close();
      powercut_restore(d.cut, (powercut_survivors)how, op);
      ASSERT_TRUE(d.Open()) << op << " " << how << d.error;
      EXPECT_TRUE(store_state(d.s).may_vote);
      (store_state(d.s).faulty ? faulty : repaired)++;
      ASSERT_EQ(SafeAndRepairable(d, m), "") << op << " " << how;
    }
  }
  EXPECT_GT(repaired, 0);
  EXPECT_GT(faulty, 0);
}

// Random histories, random damage: it is never read, never denied, and peers can mend it; or the
// node stops with a line, or gives up its vote.
TEST(Repair, OfAnyDamage) {
  int outcomes[3] = {0, 0, 0};
  for (unsigned seed = 1; seed <= 600; seed++) {
    std::mt19937 random(seed);
    auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Disk d;
    Model m;
    uint32_t epoch = 1;
    std::vector<Step> steps{Accepted(9)};
    Model plan;
    for (int i = 0; i < 12; i++) {
      zxid_t last = plan.last();
      uint32_t next = zxid_epoch(last) == epoch ? zxid_counter(last) + 1 : 1;
      Step step =
          Append(Recs(epoch, next, 1 + below(6), 32 + below(9) * below(900), seed * 16 + i));
      if (below(6) == 0) step = Seal();
      if (below(8) == 0 && plan.recs.size() > 2) {
        step = Truncate(plan.recs[plan.recs.size() - 1 - below(2)].zxid);
        epoch++;
      } else if (below(10) == 0) {
        epoch++;
      }
      step.apply(plan);
      steps.push_back(step);
    }
    Prepare(d, m, steps);
    for (uint32_t n = 1 + below(3); n--;) {
      size_t len;
      const char *name = powercut_name(d.cut, (int)below(12) % 6);
      if (!name || strncmp(name, "log.", 4)) continue;
      uint8_t *p = powercut_file(d.cut, name, &len);
      size_t at = below(static_cast<uint32_t>(len));
      for (int tries = 0; !p[at] && tries < 50; tries++) at = below(static_cast<uint32_t>(len));
      if (!p[at]) continue;
      size_t sector = at / 4096 * 4096;
      bool last = sector + 4096 >= len || !p[sector + 4096]; /* zeros there: a torn write */
      if (below(3) == 0) memset(p + sector, below(2) && !last ? 0 : 0x5a, 4096);
      p[at] ^= 1 << below(8);
    }
    bool opened = d.Open();
    outcomes[!opened ? 0 : store_state(d.s).may_vote ? 2 : 1]++;
    if (!opened) {
      EXPECT_NE(std::string(d.error).find("offset"), std::string::npos) << seed << d.error;
    } else {
      /* a last group of which zeros stand there is torn, rightly so: its end may be gone */
      std::string notes;
      for (int i = 0; store_note(d.s, i); i++) notes += std::string("\n") + store_note(d.s, i);
      bool torn = notes.find("torn write") != std::string::npos;
      Model had = m;
      while (torn && had.last() > store_state(d.s).last_zxid) had.recs.pop_back();
      ASSERT_EQ(SafeAndRepairable(d, had), "") << seed << notes;
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(outcomes[2], 450);
  printf("stopped %d, gave up its vote %d, repaired or whole %d\n", outcomes[0], outcomes[1],
         outcomes[2]);
}
