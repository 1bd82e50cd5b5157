// A torn group that an earlier recovery left behind stays dead whatever else is damaged later, and
// none that is live is taken for one: the sequence numbers say which (E1, E2).
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t counter) { return zxid_make(1, counter); }

static uint8_t *File(Disk &d, const char *name) {
  size_t len;
  uint8_t *p = powercut_file(d.cut, name, &len);
  EXPECT_NE(p, nullptr) << name;
  return p;
}

static void Reopened(Disk &d, Model &m, const std::vector<Step> &steps) {
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(Compare(d.s, m), "");
  for (const Step &step : steps) ASSERT_EQ(d.Do(step, m), REASON_NONE) << step.name;
  d.Close();
}

// log.00000001: (1,1..5) at 4096, T = (1,6..8) at 8192, torn, nothing of it kept; log.00000002:
// TRUNCATE, then (2,1), (2,2), (2,3).
static void TornAndLeftBehind(Disk &d, Model &m, bool header) {
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 5))});
  Model lost = m;
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Append(Recs(1, 6, 3, 3000)), lost), REASON_NONE);
  d.Close();
  memset(File(d, "log.00000001") + 8192 + 1024, 0, 512);
  if (!header) memset(File(d, "log.00000001") + 8192, 0, 512);
  Reopened(d, m,
           {Accepted(2), Append(Recs(2, 1, 1)), Append(Recs(2, 2, 1)), Append(Recs(2, 3, 1))});
}

TEST(LeftBehind, StaysDeadIfTheTruncationAndWhatFollowsItAreDamaged) {
  Disk d;
  Model m;
  TornAndLeftBehind(d, m, true);
  File(d, "log.00000002")[0] ^= 1;
  File(d, "log.00000002")[4096] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(SafeAndRepairable(d, m), "");
  EXPECT_FALSE(store_state(d.s).may_vote); /* (2,1) may be lost, and nobody can say behind what */
}

// The same where the torn group is the first of a segment.
static void TornFirstOfASegment(Disk &d, Model &m) {
  std::vector<Step> full = {Accepted(1)};
  for (uint32_t i = 1; i <= 5; i++) full.push_back(Append(Recs(1, i, 1, 9000)));
  Prepare(d, m, full); /* 12288 bytes each: log.00000001 is full */
  Model lost = m;
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Append(Recs(1, 6, 1, 9000)), lost), REASON_NONE);
  d.Close();
  memset(File(d, "log.00000002") + 4096, 0, 4096);
  Reopened(d, m,
           {Accepted(2), Append(Recs(2, 1, 1)), Append(Recs(2, 2, 1)), Append(Recs(2, 3, 1))});
}

TEST(LeftBehind, StaysDeadAsTheFirstGroupOfASegment) {
  for (int damaged : {1, 2}) {
    Disk d;
    Model m;
    TornFirstOfASegment(d, m);
    for (int i = 0; i < damaged; i++) File(d, "log.00000003")[4096 * i] ^= 1;
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_EQ(SafeAndRepairable(d, m), "");
    EXPECT_EQ(store_state(d.s).may_vote, damaged == 1);
  }
}

TEST(LeftBehind, NeedsNoTruncationThatCanBeRead) {
  for (bool header : {false, true}) {
    Disk d;
    Model m;
    TornAndLeftBehind(d, m, header);
    File(d, "log.00000002")[0] ^= 1;
    ASSERT_TRUE(d.Open()) << header << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote);
    EXPECT_EQ(store_state(d.s).faulty, 0u);
    EXPECT_EQ(SafeAndRepairable(d, m), "") << header;
  }
}

static bool Exists(Disk &d, const std::string &file) {
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++)
    if (file == name) return true;
  return false;
}

// What is left of a TRUNCATE group if the power goes in its write.
enum Left { kHeader, kRest };
static void Tear(Disk &d, const char *name, Left left) {
  uint8_t *p = File(d, name);
  left == kHeader ? memset(p + 512, 0, 4096 - 512) : memset(p, 0, 512);
}

// log.00000001: (1,1..5), then (1,6), damaged; a learner's TRUNCATE to 3 was torn; log.00000003:
// TRUNCATE to 6, then what follows.
static void TornTruncation(Disk &d, Model &m, Left left, uint32_t behind) {
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 5)), Append(Recs(1, 6, 1))});
  Model cut = m;
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Truncate(Z(3)), cut), REASON_NONE);
  d.Close();
  Tear(d, "log.00000002", left);
  Reopened(d, m, {Append(Recs(1, 7, behind))});
  ASSERT_TRUE(Exists(d, "log.00000003"));
  File(d, "log.00000001")[8192] ^= 1;
}

static void TruncationThatNeverWas(Left left, uint32_t behind) {
  Disk d;
  Model m;
  TornTruncation(d, m, left, behind);
  SCOPED_TRACE(behind);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_TRUE(store_state(d.s).may_vote);
  EXPECT_EQ(store_state(d.s).faulty, Z(6));
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(LeftBehind, StandsBetweenADamagedGroupAndWhatFollowsIt) {
  for (uint32_t behind : {0, 1}) TruncationThatNeverWas(kRest, behind);
}

// All of a segment but its first group, a TRUNCATE, is too small for the next one.
TEST(LeftBehind, ALostTruncationAloneInItsSegmentIsKnownFromTheNextSegment) {
  for (bool torn : {false, true}) {
    Disk d;
    Model m;
    Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 5)), Truncate(Z(3))});
    d.config.segment_bytes = 4 << 20;
    Reopened(d, m, {Append(Recs(2, 1, 8, 18000)), Append(Recs(2, 9, 1))});
    ASSERT_TRUE(Exists(d, "log.00000003"));
    File(d, "log.00000002")[0] ^= 1;
    if (torn) memset(File(d, "log.00000001") + 8192, 1, 4096); /* behind (1,1..5): dead */
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote);
    EXPECT_EQ(store_state(d.s).faulty, 0u);
    EXPECT_EQ(SafeAndRepairable(d, m), "");
  }
}

TEST(LeftBehind, TruncationThatNeverWasIsNotBelieved) {
  for (uint32_t behind : {0, 1}) TruncationThatNeverWas(kHeader, behind);
}

// Snapshots that log.00000001 is not needed for; the process ends when purge has dropped it and no
// more.
static void GoOnAndPurge(Disk &d, Model &m) {
  Reopened(d, m,
           {Append(Recs(1, 6, 1)), Append(Recs(1, 7, 1)), SnapOwn(Z(6), 900), SnapOwn(Z(7), 900)});
  ASSERT_TRUE(d.Open());
  while (Exists(d, "log.00000001")) ASSERT_TRUE(store_idle(d.s, true));
  d.Close();
  ASSERT_TRUE(Exists(d, "log.00000002"));
}

// log.00000001: (1,1..5), T; then TRUNCATE groups as torn says, the last one whole.
static void PurgedUpToTorn(Disk &d, Model &m, const std::vector<Left> &torn) {
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 5))});
  memset(File(d, "log.00000001") + 8192 + 512, 1, 512);
  std::string name = "log.00000002";
  for (Left left : torn) {
    Reopened(d, m, {});
    Tear(d, name.c_str(), left);
    name.back()++;
  }
  GoOnAndPurge(d, m);
}

TEST(LeftBehind, MayBecomeTheFirstSegmentOfThePurgedLog) {
  for (const std::vector<Left> &torn : std::vector<std::vector<Left>>{{kHeader},
                                                                      {kRest},
                                                                      {kHeader, kHeader},
                                                                      {kHeader, kRest},
                                                                      {kRest, kHeader},
                                                                      {kRest, kRest},
                                                                      {kRest, kRest, kHeader}}) {
    Disk d;
    Model m;
    PurgedUpToTorn(d, m, torn);
    SCOPED_TRACE(testing::PrintToString(torn));
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote);
    EXPECT_EQ(store_state(d.s).faulty, 0u);
    EXPECT_EQ(SafeAndRepairable(d, m), "");
  }
}

// One rotten sector more: the truncation by which the last torn one was left behind.
TEST(LeftBehind, MayBecomeTheFirstSegmentEvenIfWhatLeftItBehindIsDamaged) {
  for (const std::vector<Left> &torn :
       std::vector<std::vector<Left>>{{kHeader}, {kRest}, {kHeader, kHeader}, {kRest, kRest}}) {
    Disk d;
    Model m;
    PurgedUpToTorn(d, m, torn);
    SCOPED_TRACE(testing::PrintToString(torn));
    File(d, torn.size() == 1 ? "log.00000003" : "log.00000004")[0] ^= 1;
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote);
    EXPECT_EQ(SafeAndRepairable(d, m), "");
  }
}

TEST(LeftBehind, TruncationThatNeverWasMayBecomeTheFirstSegment) {
  for (Left left : {kHeader, kRest}) {
    Disk d;
    Model m;
    Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 5))});
    Model cut = m;
    ASSERT_TRUE(d.Open());
    ASSERT_EQ(d.Do(Truncate(Z(3)), cut), REASON_NONE);
    d.Close();
    Tear(d, "log.00000002", left);
    GoOnAndPurge(d, m);
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote);
    EXPECT_EQ(store_state(d.s).faulty, 0u);
    EXPECT_EQ(SafeAndRepairable(d, m), "");
  }
}

// A truncation and what follows it up to the end of its segment, all of it lost: what it cut off
// must not come back.  Within one epoch none matters.
TEST(LeftBehind, ALostSegmentThatMayHaveTruncatedMakesAllBeforeItFaulty) {
  for (uint32_t epoch : {1, 2})
    for (uint32_t base : {0, 50}) {
      Disk d;
      Model m;
      std::vector<Step> steps = {Accepted(2)};
      if (base) steps.push_back(SnapInstall(Z(base), 5000));
      steps.push_back(Append(Recs(1, base + 1, 9, 18000))); /* three segments */
      if (epoch == 2) steps.push_back(Truncate(Z(base + 8)));
      for (uint32_t i = 1; i <= 12; i++)
        steps.push_back(Append(Recs(epoch, epoch == 2 ? i : base + 9 + i, 1, 9000)));
      Prepare(d, m, steps);
      SCOPED_TRACE(std::to_string(epoch) + " " + std::to_string(base));
      const char *lost = base ? "log.00000005" : "log.00000004";
      ASSERT_TRUE(Exists(d, base ? "log.00000006" : "log.00000005"));
      memset(File(d, lost), 0, 65536);
      ASSERT_TRUE(d.Open()) << d.error;
      EXPECT_TRUE(store_state(d.s).may_vote);
      if (epoch == 1) EXPECT_GT(store_state(d.s).faulty, Z(base + 9));
      EXPECT_EQ(SafeAndRepairable(d, m), "");
    }
}

// 8 KiB at the beginning of a segment: a truncation, or records, and the group behind it.
TEST(LeftBehind, ALostBeginningThatMayHaveTruncatedMakesAllBeforeItFaulty) {
  for (bool truncated : {false, true})
    for (uint32_t epoch : {1, 2}) {
      Disk d;
      Model m;
      std::vector<Step> steps = {Accepted(2), Append(Recs(1, 1, 9))};
      for (uint32_t i = 10; i <= 13; i++) steps.push_back(Append(Recs(1, i, 1, 9000)));
      if (truncated) steps.push_back(Truncate(Z(epoch == 2 ? 3 : 13 - 1)));
      uint32_t next = epoch == 2 ? 1 : truncated ? 13 : 14;
      uint32_t len = epoch == 2 && truncated ? 100 : 9000; /* (1,13) comes again as it was */
      steps.push_back(Append(Recs(epoch, next, 1, len)));
      for (uint32_t i = 1; i < 4; i++) steps.push_back(Append(Recs(epoch, next + i, 1)));
      Prepare(d, m, steps);
      SCOPED_TRACE(std::to_string(truncated) + " " + std::to_string(epoch));
      File(d, "log.00000002")[0] ^= 1;
      File(d, "log.00000002")[truncated ? 4096 : 12288] ^= 1;
      ASSERT_TRUE(d.Open()) << d.error;
      EXPECT_TRUE(store_state(d.s).may_vote);
      EXPECT_EQ(store_state(d.s).faulty == 0, truncated && epoch == 1);
      EXPECT_EQ(SafeAndRepairable(d, m), "");
    }
}

// ---- random histories with power cuts in them, purged, then damaged ----

class Luck {
 public:
  explicit Luck(unsigned seed) : random_(seed) {}
  uint32_t operator()(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

 private:
  std::mt19937 random_;
};

static Step AnyStep(const Model &m, uint32_t epoch, Luck &luck, uint32_t branch) {
  zxid_t last = m.last();
  uint32_t next = zxid_epoch(last) == epoch ? zxid_counter(last) + 1 : 1;
  if (luck(6) == 0 && m.recs.size() > 2) {
    zxid_t to = m.recs[m.recs.size() - 1 - luck(2)].zxid;
    bool snap = m.snaps.empty() || to >= m.snaps.rbegin()->first; /* older ones may be purged */
    if (snap) return Truncate(to);
  }
  if (luck(6) == 0 && last) return SnapOwn(last, 900);
  if (luck(6) == 0) return Idle(static_cast<int>(1 + luck(4)));
  if (luck(8) == 0) return Seal();
  return Append(Recs(epoch, next, 1 + luck(4), 32 + luck(9) * luck(900), branch));
}

// The power may go during step; what is there then is the history.
static void DoOrCut(Disk &d, Model &m, const Step &step, Luck &luck) {
  ASSERT_TRUE(d.Open()) << d.error;
  Model before = m;
  bool cut = luck(3) == 0;
  if (cut) powercut_arm(d.cut, {1 + luck(3)});
  bool done = d.Do(step, m) == REASON_NONE;
  d.Close();
  if (!cut) return;
  powercut_restore(d.cut, static_cast<powercut_survivors>(luck(SURVIVE_CNT)), luck(1000));
  ASSERT_TRUE(d.Open()) << d.error;
  std::vector<Model> models = done ? std::vector<Model>{m} : Outcomes(before, step);
  ASSERT_EQ(CompareAny(d.s, models), "");
  for (const Model &o : models)
    if (Compare(d.s, o).empty()) m = o;
  d.Close();
}

// One to three places, often the first of a segment.  A sector of zeros is not taken with other
// damage, nor at the end: it would be a torn write, rightly so.
static std::string DamageAny(Disk &d, Luck &luck) {
  std::vector<std::string> logs;
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++)
    if (!strncmp(name, "log.", 4)) logs.push_back(name);
  std::string what;
  uint32_t places = 1 + luck(3);
  for (uint32_t n = 0; n < places; n++) {
    size_t len, used = 0;
    const std::string &name = logs[luck(static_cast<uint32_t>(logs.size()))];
    uint8_t *p = powercut_file(d.cut, name.c_str(), &len);
    for (size_t at = 0; at < len; at += 512)
      if (p[at] || p[at + 100]) used = at / 4096 + 1;
    if (!used) continue;
    uint32_t sector = luck(2) ? luck(static_cast<uint32_t>(used)) : 0, how = luck(4);
    uint8_t *at = p + sector * size_t{4096};
    if (how == 0) memset(at, 0x5a, 4096);
    if (how == 1 && places == 1 && sector + 2 < used) memset(at, 0, 4096);
    if (how > 1) at[luck(how == 2 ? 80 : 4096)] ^= 4;
    what += name + " sector " + std::to_string(sector) + " " + std::to_string(how) + "; ";
  }
  return what;
}

// A group that may be dead or not, as the one behind it is damaged, too.
static void InDoubt(Disk &d, Model &m, std::vector<Step> last) {
  std::vector<Step> steps = {Accepted(1)};
  for (uint32_t counter = 1; counter <= 5; counter++)
    steps.push_back(Append(Recs(1, counter, 1, 9000))); /* log.00000001 is full */
  steps.push_back(Append(Recs(1, 6, 1)));
  steps.push_back(Append(Recs(1, 7, 1)));
  steps.insert(steps.end(), last.begin(), last.end());
  Prepare(d, m, steps);
  size_t len;
  memset(powercut_file(d.cut, "log.00000001", &len) + 53248 + 4096, 0, 512);
  powercut_file(d.cut, "log.00000002", &len)[0] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
}

// The damaged places stay in their files; what was repaired is in doubt no more.
TEST(LeftBehind, WhatMayHaveBeenCostsTheVoteOnce) {
  Disk d;
  Model m;
  InDoubt(d, m, {});
  EXPECT_FALSE(store_state(d.s).may_vote);
  store_repair r = store_repair_begin(d.s);
  while (r.reason == REASON_NONE && r.step != REPAIR_DONE) {
    std::vector<uint8_t> record;
    if (r.step == REPAIR_NEEDS) record = PeerRecord(m, r.after);
    r = store_repair_put(d.s, record.data(), record.size());
  }
  ASSERT_EQ(r.reason, REASON_NONE);
  ASSERT_EQ(store_set_may_vote(d.s, true), REASON_NONE);
  for (int i = 0; i < 2; i++) {
    d.Close();
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_TRUE(store_state(d.s).may_vote) << i;
    EXPECT_EQ(Compare(d.s, m), "") << i;
  }
}

TEST(LeftBehind, WhatMayHaveBeenCostsNoVoteBelowASnapshot) {
  for (uint32_t counter : {4, 6}) {
    Disk d;
    Model m;
    InDoubt(d, m, {SnapOwn(Z(counter), 3000)});
    EXPECT_EQ(store_state(d.s).may_vote, counter == 6) << counter;
  }
}

TEST(LeftBehind, AmongAnyDamageIsNeverReadNorDenied) {
  int outcomes[3] = {0, 0, 0};
  for (unsigned seed = 1; seed <= 600; seed++) {
    Luck luck(seed);
    SCOPED_TRACE(seed);
    Disk d;
    Model m;
    Prepare(d, m, {Accepted(99)});
    uint32_t epoch = 1;
    for (uint32_t i = 0; i < 16; i++) {
      Step step = AnyStep(m, epoch, luck, seed * 16 + i);
      DoOrCut(d, m, step, luck);
      if (HasFatalFailure()) return;
      if (luck(5) == 0 || step.name == "truncate") epoch++;
    }
    std::string what = DamageAny(d, luck);
    bool opened = d.Open();
    outcomes[!opened ? 0 : store_state(d.s).may_vote ? 2 : 1]++;
    if (!opened) continue;
    for (int i = 0; store_note(d.s, i); i++) what += std::string("\n") + store_note(d.s, i);
    Model had = m;
    while (strstr(what.c_str(), "torn write") && had.last() > store_state(d.s).last_zxid)
      had.recs.pop_back();
    std::string wrong = SafeAndRepairable(d, had);
    bool votes = store_state(d.s).may_vote;
    if (votes || wrong.find("is not faulty") != 0) EXPECT_EQ(wrong, "") << what;
  }
  EXPECT_GT(outcomes[2], 500);
  printf("stopped %d, gave up its vote %d, repaired or whole %d\n", outcomes[0], outcomes[1],
         outcomes[2]);
}
