// Damage that no power cut explains: found, named, never taken for the end of the log (E1, E2, E4,
// E7, E8).  What repairs it: repair_test.cc.
#include <gtest/gtest.h>

#include <cstring>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t epoch, uint32_t counter) { return zxid_make(epoch, counter); }

static uint8_t *File(Disk &d, const char *name, size_t *len = nullptr) {
  size_t ignored;
  uint8_t *p = powercut_file(d.cut, name, len ? len : &ignored);
  EXPECT_NE(p, nullptr) << name;
  return p;
}

// Sectors of log.00000001: 0 RESTART; then one group each: 1 (1,1), 2 (1,2), 3 (1,3).
static void ThreeGroups(Disk &d, Model &m, bool sealed) {
  std::vector<Step> steps{Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1, 4000)),
                          Append(Recs(1, 3, 1))};
  if (sealed) steps.push_back(Seal());
  Prepare(d, m, steps);
}
static void ExpectStop(Disk &d, const char *file) {
  ASSERT_FALSE(d.Open());
  std::string line = d.error;
  EXPECT_NE(line.find(file), std::string::npos) << line;
  EXPECT_NE(line.find("offset"), std::string::npos) << line;
  EXPECT_NE(line.find("zxid 0x"), std::string::npos) << line;
}
// The node votes with all it had, names what it cannot read, serves nothing wrong, and peers can
// mend it.
static void ExpectFaulty(Disk &d, const Model &m, zxid_t zxid) {
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, zxid);
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}
// It holds a beginning of what it had, and has given up its vote for it.
static void ExpectNoVote(Disk &d, const Model &m) {
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_FALSE(store_state(d.s).may_vote);
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Damage, AFlippedBitAnywhereInTheMiddleOfTheLogTakesNothingAway) {
  Disk d;
  Model m;
  ThreeGroups(d, m, true);
  size_t used = 0, len;
  uint8_t *p = File(d, "log.00000001", &len);
  for (size_t i = 0; i < len; i++)
    if (p[i]) used = i / 4096 + 1;
  for (size_t at = 0; at + 4096 < used * 4096; at += 37) { /* all but the trailer */
    Disk bad(d);
    File(bad, "log.00000001")[at] ^= 0x10;
    bool filling = at % 4096 >= 80 + record_size(100) && (at < 8192 || at >= 12288);
    ExpectFaulty(bad, m, at < 4096 || filling ? 0 : Z(1, at < 8192 ? 1 : at < 12288 ? 2 : 3));
    ASSERT_FALSE(HasFailure()) << at;
  }
}

TEST(Damage, TheLineNamesTheOffsetAndTheZxids) {
  Disk d;
  Model m;
  ThreeGroups(d, m, true);
  File(d, "log.00000001")[4096 + 4096 + 90] ^= 1;
  ASSERT_TRUE(d.Open());
  EXPECT_NE(std::string(store_note(d.s, 0))
                .find("offset 8272: records after zxid 0x100000001 up to 0x100000002"),
            std::string::npos)
      << store_note(d.s, 0);
}

TEST(Damage, MoreHolesThanCanBeKeptStopTheNodeWithTheWayBack) {
  Disk d;
  Model m;
  std::vector<Step> steps = {Accepted(1)};
  for (uint32_t i = 1; i <= 3 * LIMIT_HOLES; i++) steps.push_back(Append(Recs(1, i, 1, 100)));
  steps.push_back(Seal());
  Prepare(d, m, steps);
  size_t len, hit = 0;
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++) {
    if (strncmp(name, "log.", 4)) continue;
    uint8_t *p = powercut_file(d.cut, name, &len);
    for (size_t at = 4096; at + 4096 < len; at += 8192)
      if (p[at + 4]) p[at + 100] ^= 1, hit++; /* a group: its record */
  }
  ASSERT_GT(hit, LIMIT_HOLES);
  ASSERT_FALSE(d.Open());
  EXPECT_TRUE(strstr(d.error, "more than 256 places")) << d.error;
  EXPECT_TRUE(strstr(d.error, "--format --rejoin")) << d.error;
}

TEST(Damage, AFlippedBitInTheLastGroupIsNotTakenForATornWrite) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1))});
  for (size_t at = 8192; at < 8192 + 4096; at += 11) {
    Disk bad(d);
    File(bad, "log.00000001")[at] ^= 0x80;
    if (at < 8192 + 80) /* its header: nobody can say how far it went */
      ExpectNoVote(bad, m);
    else
      ExpectFaulty(bad, m, at < 8192 + 80 + record_size(100) ? Z(1, 2) : 0);
    ASSERT_FALSE(HasFailure()) << at;
  }
}

TEST(Damage, AZeroBlockInTheLastGroupIsATornWriteAndWholeRecordsAreKept) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 10))});
  memset(File(d, "log.00000001") + 8192 + 1024, 0, 512);
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_NE(store_note(d.s, 0), nullptr);
  EXPECT_NE(std::string(store_note(d.s, 0)).find("torn"), std::string::npos);
  m.recs.resize(1 + (1024 - 80) / record_size(100));
  EXPECT_EQ(Compare(d.s, m), "");
  ASSERT_EQ(d.Do(Append(Recs(1, 9, 3, 77, 4)), m), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_note(d.s, 0), nullptr);
  EXPECT_EQ(Compare(d.s, m), "");
}

/* What follows a hole is not what the last intact group was followed by. */
TEST(Damage, ATornWriteBehindAHoleIsTornAndTheHoleIsFaulty) {
  Disk d;
  Model m;
  ThreeGroups(d, m, false);
  uint8_t *p = File(d, "log.00000001");
  p[8192] ^= 1;
  memset(p + 12288 + 2048, 0, 512);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 2));
}

TEST(Damage, AZeroBlockIsRotIfATrailerSaysThatTheGroupWasComplete) {
  Disk d;
  Model m;
  ThreeGroups(d, m, true);
  memset(File(d, "log.00000001") + 8192 + 1024, 0, 512);
  ExpectFaulty(d, m, Z(1, 2));
}

TEST(Damage, ALostWriteIsNoticedByWhatFollowsIt) {
  Disk d;
  Model m;
  ThreeGroups(d, m, true);
  memset(File(d, "log.00000001") + 4096, 0, 4096);
  ExpectFaulty(d, m, Z(1, 1));
}

TEST(Damage, ZerosInARecordAreNotTakenForATornWrite) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1, 20000, 999))});
  File(d, "log.00000001")[4096 + 90] ^= 1;
  ExpectFaulty(d, m, Z(1, 1));
}

TEST(Damage, ALostWriteIsNoticedEvenIfWhatFollowsItIsDamaged) {
  Disk d;
  Model m;
  ThreeGroups(d, m, false);
  memset(File(d, "log.00000001") + 8192, 0, 4096);
  size_t last = 65536 - 4096;
  while (!File(d, "log.00000001")[last]) last -= 4096;
  File(d, "log.00000001")[last + 100] ^= 1;
  ExpectFaulty(d, m, Z(1, 2));
}

TEST(Damage, AGroupOfAnotherHistoryIsNotTaken) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1))});
  Disk other(d);
  Model n = m;
  ASSERT_TRUE(d.Open() && other.Open());
  ASSERT_EQ(d.Do(Append(Recs(1, 2, 1)), m), REASON_NONE);
  ASSERT_EQ(d.Do(Append(Recs(1, 3, 1)), m), REASON_NONE);
  ASSERT_EQ(other.Do(Append(Recs(1, 2, 1, 100, 5)), n), REASON_NONE);
  ASSERT_EQ(other.Do(Append(Recs(1, 3, 1, 100, 5)), n), REASON_NONE);
  d.Close();
  other.Close();
  memcpy(File(d, "log.00000001") + 12288, File(other, "log.00000001") + 12288, 4096);
  ExpectNoVote(d, m);
}

TEST(Damage, ALostWriteAtTheEndOfASegmentIsNoticedByTheNextSegment) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 9, 15000))});
  size_t len;
  uint8_t *p = File(d, "log.00000001", &len);
  size_t last = len - 4096;
  while (last && !p[last]) last -= 4096;
  memset(p + last, 0, 4096);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_NE(store_state(d.s).faulty, 0u);
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

TEST(Damage, AMisdirectedWriteIsNoticed) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1))});
  uint8_t *p = File(d, "log.00000001");
  memmove(p + 8192 + 16384, p + 8192, 4096); /* the last group went elsewhere */
  memset(p + 8192, 0, 4096);
  ExpectFaulty(d, m, 0); /* all of it is there */
  Disk swapped;
  Model n;
  ThreeGroups(swapped, n, true);
  p = File(swapped, "log.00000001");
  std::vector<uint8_t> sector(p + 4096, p + 8192);
  memcpy(p + 4096, p + 12288, 4096);
  memcpy(p + 12288, sector.data(), 4096);
  ExpectFaulty(swapped, n, Z(1, 1));
}

/* Inside the records of another group it is no less noticed. */
TEST(Damage, AMisdirectedLastGroupIsNoticedInsideALargerOne) {
  for (uint32_t sector : {1, 2}) {
    Disk d;
    Model m;
    Prepare(d, m,
            {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1, 9000)), Append(Recs(1, 3, 1)),
             Append(Recs(1, 4, 1))});
    uint8_t *p = File(d, "log.00000001"); /* 8192: (1,2), 20480: (1,3), 24576: (1,4) */
    memcpy(p + 8192 + 4096 * sector, p + 24576, 4096);
    Disk both(d);
    memset(p + 24576, 0, 4096);
    ExpectNoVote(d, m);
    ExpectFaulty(both, m, Z(1, 2)); /* it is at home, too */
  }
}

/* The zxids alone do not show it where an epoch ends: (2,1) may follow any (1,n). */
TEST(Damage, AReaderNoticesAGroupInThePlaceOfAnEarlierOne) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1)), Append(Recs(2, 1, 1))});
  ASSERT_TRUE(d.Open());
  uint8_t *p = File(d, "log.00000001");
  memcpy(p + 8192, p + 12288, 4096);
  std::vector<uint8_t> buf(100000);
  store_slice slice = store_read(d.s, 0, ZXID_NONE, buf.data(), static_cast<uint32_t>(buf.size()));
  EXPECT_EQ(slice.reason, REASON_CORRUPT);
  EXPECT_NE(std::string(store_error(d.s)).find("offset 8192"), std::string::npos);
}

TEST(Damage, AGroupOfAnotherNodeOrSegmentIsNotTaken) {
  Disk d, other;
  Model m, n;
  ThreeGroups(d, m, true);
  other.config.id = 4;
  ThreeGroups(other, n, true);
  memcpy(File(d, "log.00000001") + 4096, File(other, "log.00000001") + 4096, 4096);
  ExpectFaulty(d, m, Z(1, 1));
}

TEST(Damage, EveryOtherLengthOfALogFileStopsTheNode) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 9, 15000)), Append(Recs(1, 10, 2))});
  for (const char *name : {"log.00000001", "log.00000002", "log.00000003"}) {
    size_t len;
    File(d, name, &len);
    for (size_t cut = 0; cut < len; cut += cut % 4096 == 0 || cut % 4096 == 4095 ? 1 : 1021) {
      Disk bad(d);
      powercut_resize(bad.cut, name, cut);
      ASSERT_FALSE(bad.Open()) << name << " " << cut;
      ASSERT_NE(std::string(bad.error).find(name), std::string::npos) << bad.error;
    }
    Disk longer(d);
    powercut_resize(longer.cut, name, len + 4096);
    EXPECT_FALSE(longer.Open());
  }
}

TEST(Damage, AMissingSegmentStopsTheNodeOrItsVote) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 9, 15000)), Append(Recs(1, 10, 2))});
  Disk bad(d), headless(d);
  powercut_remove(bad.cut, "log.00000002");
  ExpectStop(bad, "log.00000001");
  powercut_remove(headless.cut, "log.00000001"); /* and no snapshot reaches what is left */
  ASSERT_TRUE(headless.Open()) << headless.error;
  EXPECT_TRUE(store_state(headless.s).no_state);
  EXPECT_FALSE(store_state(headless.s).may_vote);
  Disk none(d);
  for (const char *name : {"log.00000001", "log.00000002", "log.00000003"})
    powercut_remove(none.cut, name);
  EXPECT_FALSE(none.Open());
  EXPECT_NE(std::string(none.error).find("log is gone"), std::string::npos) << none.error;
}

/* What follows it says how long the history is: all before it is faulty, nothing is given up. */
TEST(Damage, ASegmentOfWhichNothingIsReadableIsOneHole) {
  Disk d;
  Model m;
  std::vector<Step> steps = {Accepted(1)};
  for (uint32_t i = 1; i <= 19; i++) steps.push_back(Append(Recs(1, i, 1, 900)));
  Prepare(d, m, steps);
  size_t len;
  uint8_t *p = File(d, "log.00000001", &len);
  memset(p, 0xa5, len);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_TRUE(store_state(d.s).may_vote);
  EXPECT_EQ(store_state(d.s).last_zxid, m.last());
  EXPECT_EQ(store_state(d.s).faulty, Z(1, 15)); /* over epochs only its end is known */
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

/* A young node's log is little more than its first group. */
TEST(Damage, ALogOfWhichNothingIsReadableCostsTheVote) {
  for (size_t groups : {0, 1, 2})
    for (int zeros : {0, 1}) {
      Disk d;
      Model m;
      std::vector<Step> steps = {Accepted(1)};
      for (uint32_t i = 1; i <= groups; i++) steps.push_back(Append(Recs(1, i, 1)));
      Prepare(d, m, steps);
      uint8_t *p = File(d, "log.00000001");
      for (size_t at = 0; at < (groups + 1) * 4096; at += 4096)
        zeros ? (void)memset(p + at, 0, 4096) : (void)(p[at] ^= 1);
      SCOPED_TRACE(std::to_string(groups) + (zeros ? " zeros" : " rotten"));
      ExpectNoVote(d, m);
      EXPECT_EQ(store_state(d.s).last_zxid, 0u);
      ASSERT_EQ(d.Do(Append(Recs(1, 1, 3)), m), REASON_NONE); /* as a learner */
      d.Close();
      ASSERT_TRUE(d.Open()) << d.error;
      EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 3));
    }
}

TEST(Damage, OneEpochCopyIsRenewedFromTheOther) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(3), Current(2), Accepted(9)});
  for (const char *name : {"epoch.a", "epoch.b"})
    for (size_t at = 0; at < 4096; at += at < 64 ? 1 : 101) {
      Disk bad(d);
      File(bad, name)[at] ^= 4;
      ASSERT_TRUE(bad.Open()) << bad.error;
      EXPECT_NE(std::string(store_note(bad.s, 0)).find(name), std::string::npos);
      EXPECT_EQ(Compare(bad.s, m), "");
      bad.Close();
      ASSERT_TRUE(bad.Open());
      EXPECT_EQ(store_note(bad.s, 0), nullptr);
    }
  for (size_t len : {0u, 1u, 511u, 512u, 4095u}) {
    Disk bad(d);
    powercut_resize(bad.cut, "epoch.a", len);
    ASSERT_TRUE(bad.Open()) << bad.error;
    EXPECT_EQ(Compare(bad.s, m), "");
  }
  powercut_remove(d.cut, "epoch.b");
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Damage, TwoDamagedEpochCopiesStopTheNode) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(3)});
  File(d, "epoch.a")[20] ^= 1;
  File(d, "epoch.b")[4000] ^= 1;
  EXPECT_FALSE(d.Open());
  EXPECT_NE(std::string(d.error).find("--rejoin"), std::string::npos) << d.error;
  powercut_remove(d.cut, "epoch.a");
  powercut_remove(d.cut, "epoch.b");
  EXPECT_FALSE(d.Open());
  EXPECT_NE(std::string(d.error).find("--rejoin"), std::string::npos) << d.error;
}

TEST(Damage, EpochFilesOlderThanTheLogStopTheNode) {
  Disk old;
  Model m;
  Prepare(old, m, {Accepted(1)});
  size_t len;
  uint8_t *p = File(old, "epoch.a", &len);
  std::vector<uint8_t> saved(p, p + len);
  ASSERT_TRUE(old.Open());
  ASSERT_EQ(old.Do(Accepted(2), m), REASON_NONE);
  ASSERT_EQ(old.Do(Append(Recs(1, 1, 1)), m), REASON_NONE);
  old.Close();
  memcpy(File(old, "epoch.a"), saved.data(), len);
  memcpy(File(old, "epoch.b"), saved.data(), len);
  EXPECT_FALSE(old.Open());
  EXPECT_NE(std::string(old.error).find("promise"), std::string::npos) << old.error;
}

static void WithSnapshots(Disk &d, Model &m) {
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 10)), SnapOwn(Z(1, 3), 70000), SnapOwn(Z(1, 7), 70000)});
}

TEST(Damage, ADamagedSnapshotIsNotOfferedAndNotThrownAway) {
  Disk d;
  Model m;
  WithSnapshots(d, m);
  const char *name = "snap.0000000100000007";
  size_t len;
  File(d, name, &len);
  m.snaps.erase(Z(1, 7));
  for (size_t at = 0; at < len; at += at % 4096 < 64 ? 7 : 1009) {
    Disk bad(d);
    File(bad, name)[at] ^= 2;
    ASSERT_TRUE(bad.Open()) << bad.error;
    EXPECT_NE(std::string(store_note(bad.s, 0)).find(name), std::string::npos);
    ASSERT_EQ(Compare(bad.s, m), "") << at;
    bad.Close();
    EXPECT_NE(File(bad, name), nullptr);
  }
  for (size_t cut = 0; cut < len; cut += cut % 4096 == 0 || cut % 4096 == 4095 ? 1 : 1365) {
    Disk bad(d);
    powercut_resize(bad.cut, name, cut);
    ASSERT_TRUE(bad.Open()) << bad.error;
    ASSERT_EQ(Compare(bad.s, m), "") << cut;
  }
}

TEST(Damage, WithoutAnIntactSnapshotBehindAPurgedLogTheNodeGivesUpItsVote) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), SnapInstall(Z(1, 50), 5000), Append(Recs(1, 51, 2))});
  Disk missing(d);
  File(d, "snap.0000000100000032")[100] ^= 1;
  powercut_remove(missing.cut, "snap.0000000100000032");
  for (Disk *bad : {&d, &missing}) {
    ASSERT_TRUE(bad->Open()) << bad->error;
    EXPECT_TRUE(store_state(bad->s).no_state);
    EXPECT_FALSE(store_state(bad->s).may_vote);
    EXPECT_EQ(store_state(bad->s).last_zxid, Z(1, 52)); /* what it has it still has */
    bad->Close();
    ASSERT_TRUE(bad->Open()); /* durably so */
    EXPECT_FALSE(store_state(bad->s).may_vote);
  }
  EXPECT_NE(File(d, "snap.0000000100000032"), nullptr); /* never thrown away (E8) */
  EXPECT_NE(std::string(store_note(d.s, 0)).find("snap.0000000100000032"), std::string::npos);
}

TEST(Damage, ALogThatEndsBelowASnapshotHasLostItsEnd) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1)), SnapOwn(Z(1, 2), 10)});
  memset(File(d, "log.00000001") + 8192, 0, 4096);
  EXPECT_FALSE(d.Open());
  EXPECT_NE(std::string(d.error).find("lost its end"), std::string::npos) << d.error;
}

/* Nothing is left behind the beginning: the snapshot is the only proof. */
TEST(Damage, ALogThatIsEmptiedBelowASnapshotHasLostItsEnd) {
  for (bool install : {false, true}) {
    Disk d;
    Model m;
    std::vector<Step> steps = {Accepted(1)};
    if (install) steps.push_back(SnapInstall(Z(1, 50), 5000));
    steps.push_back(Append(Recs(1, install ? 51 : 1, 1)));
    steps.push_back(SnapOwn(Z(1, install ? 51 : 1), 10));
    Prepare(d, m, steps);
    memset(File(d, install ? "log.00000002" : "log.00000001") + 4096, 0, 4096);
    for (int i = 0; i < 2; i++) {
      EXPECT_FALSE(d.Open());
      EXPECT_NE(std::string(d.error).find("lost its end"), std::string::npos) << d.error;
    }
    EXPECT_NE(File(d, install ? "snap.0000000100000033" : "snap.0000000100000001"), nullptr);
  }
}

TEST(Damage, RotFoundWhileReadingIsFinalAndNamed) {
  Disk log, snap;
  Model m, n;
  uint8_t buf[1000];
  Prepare(log, m, {Accepted(1), Append(Recs(1, 1, 1)), Append(Recs(1, 2, 1))});
  ASSERT_TRUE(log.Open());
  File(log, "log.00000001")[8192 + 100] ^= 1;
  EXPECT_EQ(store_read(log.s, Z(1, 1), ZXID_NONE, buf, 1000).reason, REASON_CORRUPT);
  EXPECT_NE(std::string(store_error(log.s)).find("log.00000001 is damaged at offset"),
            std::string::npos);
  EXPECT_EQ(store_set_accepted(log.s, 2), REASON_DISK_ERROR);
  Prepare(snap, n, {Accepted(1), SnapInstall(Z(1, 50), 5000)});
  ASSERT_TRUE(snap.Open());
  File(snap, "snap.0000000100000032")[100] ^= 1;
  zxid_t zxid;
  ASSERT_EQ(store_snap_open(snap.s, STORE_SLOW, ZXID_NONE, &zxid), REASON_NONE);
  EXPECT_EQ(store_snap_read(snap.s, STORE_SLOW, 0, buf, 1000).reason, REASON_CORRUPT);
  EXPECT_NE(std::string(store_error(snap.s)).find("snap.0000000100000032"), std::string::npos);
}

TEST(Damage, AReadErrorIsFinalAndNamed) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  powercut_plan plan = {};
  plan.fail_read_at = 1;
  powercut_arm(d.cut, plan);
  uint8_t buf[1000];
  EXPECT_EQ(store_read(d.s, 0, ZXID_NONE, buf, 1000).reason, REASON_DISK_ERROR);
  EXPECT_NE(std::string(store_error(d.s)).find("read of log.00000001 at offset 0"),
            std::string::npos)
      << store_error(d.s);
  EXPECT_EQ(store_set_accepted(d.s, 2), REASON_DISK_ERROR);
}

TEST(Damage, AReadErrorAtAnyReadOfOpenIsALineAndNoCrash) {
  Disk d;
  Model m;
  WithSnapshots(d, m);
  for (uint64_t read = 1;; read++) {
    Disk bad(d);
    powercut_plan plan = {};
    plan.fail_read_at = read;
    powercut_arm(bad.cut, plan);
    bool opened = bad.Open();
    if (powercut_reads(bad.cut) < read) {
      EXPECT_TRUE(opened);
      break;
    }
    EXPECT_FALSE(opened) << read;
    EXPECT_NE(std::string(bad.error).find("read of"), std::string::npos) << bad.error;
  }
}

// E7: the last write is acknowledged and lost.  (1,1..2) stand at 4096, (1,3..4) at 8192.
static void LoseFrom(Disk &d, size_t offset) {
  size_t len;
  uint8_t *p = powercut_file(d.cut, "log.00000001", &len);
  memset(p + offset, 0, len - offset);
}

static void Stopped(Disk &d, Model &m, const std::vector<Step> &steps) {
  Prepare(d, m, steps);
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_mark_clean(d.s), REASON_NONE);
  d.Close();
}

TEST(Damage, ALostEndIsKnownByTheMarkOfACleanStop) {
  Disk d;
  Model m;
  Stopped(d, m, {Accepted(1), Append(Recs(1, 1, 2)), Append(Recs(1, 3, 2))});
  LoseFrom(d, 8192);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 2));
  EXPECT_FALSE(store_state(d.s).may_vote);
  EXPECT_FALSE(store_state(d.s).clean_stop);
  std::string notes;
  for (int i = 0; store_note(d.s, i); i++) notes += store_note(d.s, i);
  EXPECT_NE(notes.find("written to zxid 0x100000004, it ends after 0x100000002"), notes.npos)
      << notes;
}

/* Without a stop: what it has promised since says how long the log was. */
TEST(Damage, ALostEndIsKnownByTheEpochsWrittenSince) {
  for (const Step &since : {Accepted(2), Current(1)}) {
    Disk d, before;
    Model m, n;
    Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2)), Append(Recs(1, 3, 2)), since});
    Disk whole(d), torn(d);
    LoseFrom(d, 8192);
    ExpectNoVote(d, m);
    EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 2));
    ASSERT_EQ(d.Do(Accepted(3), m), REASON_NONE); /* it goes on, with the shorter log */
    d.Close();
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_EQ(store_note(d.s, 0), nullptr) << store_note(d.s, 0);
    ASSERT_TRUE(whole.Open());
    EXPECT_TRUE(store_state(whole.s).may_vote);
    File(torn, "epoch.b")[20] ^= 1; /* one copy is enough to know it */
    LoseFrom(torn, 8192);
    ExpectNoVote(torn, m);
    Prepare(before, n, {Accepted(1), Append(Recs(1, 1, 2)), Current(1), Append(Recs(1, 3, 2))});
    LoseFrom(before, 8192);
    ASSERT_TRUE(before.Open());
    EXPECT_TRUE(store_state(before.s).may_vote) << "nothing was written since: nobody can know";
  }
}

/* Group numbers go on over a truncation and a new beginning. */
TEST(Damage, AShorterLogIsNoLossIfItWasMadeShorter) {
  for (const Step &shorter : {Truncate(Z(1, 2)), Truncate(Z(1, 0))}) {
    Disk d;
    Model m;
    Prepare(d, m,
            {Accepted(1), Append(Recs(1, 1, 2)), Append(Recs(1, 3, 2)), Accepted(2), shorter});
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_EQ(Compare(d.s, m), "");
    EXPECT_TRUE(store_state(d.s).may_vote);
  }
}

TEST(Damage, ALostTruncationIsKnownByTheEpochsWrittenSince) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 4)), Truncate(Z(1, 2)), Accepted(2)});
  size_t len;
  uint8_t *p = powercut_file(d.cut, "log.00000002", &len); /* it begins one */
  ASSERT_NE(p, nullptr);
  memset(p, 0, len);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_FALSE(store_state(d.s).may_vote);
}

TEST(Damage, ALostTruncationIsKnownByTheMarkOfACleanStop) {
  Disk d;
  Model m;
  Stopped(d, m, {Accepted(1), Append(Recs(1, 1, 4)), Truncate(Z(1, 2))});
  size_t len;
  uint8_t *p = powercut_file(d.cut, "log.00000002", &len); /* it begins one */
  ASSERT_NE(p, nullptr);
  memset(p, 0, len);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 4));
  EXPECT_FALSE(store_state(d.s).may_vote);
}

TEST(Damage, ALostTrailerOfACleanStopIsNoLoss) {
  Disk d;
  Model m;
  Stopped(d, m, {Accepted(1), Append(Recs(1, 1, 2)), Append(Recs(1, 3, 2))});
  LoseFrom(d, 12288);
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");
}

// The running node has read zeros where its last group should be, and stops: nothing in the log
// says so at the next start.
TEST(Damage, ALostEndIsKnownIfTheNodeStoppedBecauseOfIt) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Append(Recs(1, 3, 2)), m), REASON_NONE);
  LoseFrom(d, 8192);
  store_mark_corrupt(d.s); /* nothing has failed: no mark */
  std::vector<uint8_t> buf(1000);
  EXPECT_EQ(store_read(d.s, Z(1, 2), ZXID_NONE, buf.data(), 1000).reason, REASON_CORRUPT);
  Disk unmarked(d);
  ASSERT_TRUE(unmarked.Open());
  EXPECT_TRUE(store_state(unmarked.s).may_vote);
  store_mark_corrupt(d.s);
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).last_zxid, Z(1, 2));
  EXPECT_FALSE(store_state(d.s).may_vote);
  d.Close(); /* and once only */
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(store_set_may_vote(d.s, true), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open());
  EXPECT_TRUE(store_state(d.s).may_vote);
}
