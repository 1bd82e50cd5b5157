// What the store promises while nothing goes wrong.
#include <gtest/gtest.h>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t epoch, uint32_t counter) { return zxid_make(epoch, counter); }

static void Reopen(Disk &d, const Model &m) {
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, IsEmptyAfterFormat) {
  Disk d;
  Model m;
  Prepare(d, m, {});
  ASSERT_TRUE(d.Open()) << d.error;
  durable_state st = store_state(d.s);
  EXPECT_EQ(st.last_zxid, 0u);
  EXPECT_EQ(st.log_base, 0u);
  EXPECT_TRUE(st.may_vote);
  EXPECT_FALSE(st.clean_stop);
  EXPECT_EQ(store_note(d.s, 0), nullptr);
  EXPECT_STREQ(store_error(d.s), "");
}

TEST(Store, RejoinDoesNotVoteUntilTold) {
  Disk d;
  ASSERT_EQ(d.Format(false), 0);
  ASSERT_TRUE(d.Open());
  EXPECT_FALSE(store_state(d.s).may_vote);
  EXPECT_EQ(store_set_may_vote(d.s, true), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open());
  EXPECT_TRUE(store_state(d.s).may_vote);
}

TEST(Store, FormatRefusesDirectoryWithFiles) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(5)});
  EXPECT_EQ(d.Format(), -1);
  EXPECT_NE(std::string(d.error).find("not empty"), std::string::npos);
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, FormatRefusesLogWithoutFormatFile) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(5)});
  powercut_remove(d.cut, "format");
  EXPECT_EQ(d.Format(), -1);
  EXPECT_NE(std::string(d.error).find("not empty"), std::string::npos);
}

TEST(Store, OpenNamesTheCommandForMissingForeignAndNewerDirectory) {
  Disk empty;
  EXPECT_FALSE(empty.Open());
  EXPECT_NE(std::string(empty.error).find("zabd --config FILE --format"), std::string::npos);
  Disk d;
  Model m;
  Prepare(d, m, {});
  d.config.id = 4;
  EXPECT_FALSE(d.Open());
  EXPECT_NE(std::string(d.error).find("node 3 of cluster \"rack-1\""), std::string::npos);
  EXPECT_NE(std::string(d.error).find("node 4"), std::string::npos);
  EXPECT_NE(std::string(d.error).find("zabd --config FILE --format"), std::string::npos);
  d.config = Config();
  d.config.cluster = "rack-2";
  EXPECT_FALSE(d.Open());
  EXPECT_NE(std::string(d.error).find("rack-2"), std::string::npos);
}

TEST(Store, KeepsEpochsAndRecordsOverReopen) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 3)), Current(1), Accepted(2), Append(Recs(2, 1, 2))});
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");  // R5b: the last zxid's epoch is above currentEpoch
  EXPECT_EQ(store_state(d.s).current_epoch, 1u);
}

TEST(Store, AppendRefusesDamagedAndUnorderedRecordsAndStaysUsable) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 3))});
  ASSERT_TRUE(d.Open());
  auto bytes = Bytes(Recs(1, 4, 2));
  for (size_t i = 0; i < bytes.size(); i += 5) {
    auto bad = bytes;
    bad[i] ^= 1;
    EXPECT_EQ(store_append(d.s, bad.data(), bad.size()), REASON_RECORD_CRC) << i;
  }
  EXPECT_EQ(store_append(d.s, bytes.data(), bytes.size() - 8), REASON_RECORD_CRC);
  for (auto recs : {Recs(1, 5, 1), Recs(1, 3, 1), Recs(2, 2, 1), Recs(3, 1, 1), Recs(0, 9, 1)}) {
    auto unordered = Bytes(recs);
    EXPECT_EQ(store_append(d.s, unordered.data(), unordered.size()), REASON_RECORD_ORDER);
  }
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(d.Do(Append(Recs(1, 4, 2)), m), REASON_NONE);
  Reopen(d, m);
}

TEST(Store, AppendOfOneSmallRecordIsOneDurableWriteOfOneSector) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 1))});
  ASSERT_TRUE(d.Open());
  powercut_arm(d.cut, {});
  EXPECT_EQ(d.Do(Append(Recs(1, 2, 1)), m), REASON_NONE);
  EXPECT_EQ(powercut_ops(d.cut), 1u);
  EXPECT_EQ(powercut_reads(d.cut), 0u);
  const char *name;
  EXPECT_TRUE(powercut_is_sync(d.cut, 1, &name));
  EXPECT_STREQ(name, "log.00000001");
}

/* A durable write waits for all that the disk was given before it: while records come, a segment of
 * zeros is never written at once, and is still there in time. */
TEST(Store, FillsTheNextSegmentInStepWithTheLog) {
  for (int idle : {0, 1, 1000}) { /* steps in the background after each group */
    Disk d;
    Model m;
    d.config.segment_bytes = 1u << 20;
    Prepare(d, m, {Accepted(1)});
    ASSERT_TRUE(d.Open());
    uint64_t most = 0;
    for (uint32_t next = 1; next < 3 * (1 << 20) / 4096; next++) {
      powercut_arm(d.cut, {});
      ASSERT_EQ(d.Do(Append(Recs(1, next, 1, 1500)), m), REASON_NONE);
      if (idle == 1000) ASSERT_EQ(powercut_ops(d.cut), 1u) << "it was there in time";
      for (int i = 0; i < idle && store_idle(d.s, false); i++) continue;
      most = std::max(most, powercut_ops(d.cut));
    }
    EXPECT_LE(most, 3u + 1 + 2) << "sync, name, directory; group; next file, slice: " << idle;
    EXPECT_EQ(Compare(d.s, m), "");
  }
}

TEST(Store, SwitchesSegmentsWithoutDelayWhenIdleMadeTheNextOne) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1)});
  ASSERT_TRUE(d.Open());
  uint32_t next = 1;
  for (int i = 0; i < 100; i++) {
    while (store_idle(d.s, true)) {
    }
    powercut_arm(d.cut, {});
    EXPECT_EQ(d.Do(Append(Recs(1, next, 3, 1500)), m), REASON_NONE);
    EXPECT_EQ(powercut_ops(d.cut), 1u);
    next += 3;
  }
  EXPECT_EQ(Compare(d.s, m), "");
  Reopen(d, m);
}

TEST(Store, NeverWritesAPersistedSectorOfTheLogAgain) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1)});
  std::map<std::string, std::vector<uint8_t>> before;
  for (uint32_t round = 0; round < 12; round++) {
    ASSERT_TRUE(d.Open());
    ASSERT_EQ(d.Do(Append(Recs(1, round * 2 + 1, 2, 1500, round)), m), REASON_NONE);
    if (round % 3 == 2) {
      ASSERT_EQ(d.Do(Truncate(Z(1, round * 2)), m), REASON_NONE);
      ASSERT_EQ(d.Do(Append(Recs(1, round * 2 + 1, 2, 300, 50 + round)), m), REASON_NONE);
    }
    d.Close();
    std::map<std::string, std::vector<uint8_t>> now;
    for (int i = 0; const char *name = powercut_name(d.cut, i); i++) {
      size_t len;
      const uint8_t *p = powercut_file(d.cut, name, &len);
      if (!strncmp(name, "log.", 4)) now[name].assign(p, p + len);
    }
    for (auto &[name, old] : before)
      for (size_t at = 0; at < old.size(); at += LIMIT_SECTOR) {
        bool zero = std::all_of(&old[at], &old[at] + LIMIT_SECTOR, [](uint8_t b) { return !b; });
        EXPECT_TRUE(zero || !memcmp(&old[at], &now[name][at], LIMIT_SECTOR)) << name << at;
      }
    before = now;
  }
}

TEST(Store, KeepsRecordsOfEverySizeUpToTheLargest) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1)});
  ASSERT_TRUE(d.Open());
  uint32_t counter = 1;
  for (uint32_t len : {32u, 33u, 39u, 40u, 3999u, 4000u, 4001u, 4080u, 8192u, 19999u, 20000u}) {
    EXPECT_EQ(d.Do(Append(Recs(1, counter++, 1, len)), m), REASON_NONE);
    EXPECT_EQ(Compare(d.s, m), "");
  }
  auto too_large = Bytes(Recs(1, counter, 1, LIMIT_RECORD_MAX + 1));
  EXPECT_EQ(store_append(d.s, too_large.data(), too_large.size()), REASON_RECORD_CRC);
  Reopen(d, m);
}

TEST(Store, SplitsALongAppendIntoGroupsOfWholeRecords) {
  Disk d;
  Model m;
  d.config.segment_bytes = 8u << 20;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 400, 8000)), Append(Recs(1, 401, 1))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, KeepsTheLargestRecordAllowedAtAll) {
  Disk d;
  Model m;
  d.config.largest_record = LIMIT_RECORD_MAX;
  d.config.segment_bytes = 4096; /* raised to what one record needs */
  ASSERT_EQ(d.Format(), 0);
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Accepted(1), m), REASON_NONE);
  ASSERT_EQ(d.Do(Append(Recs(1, 1, 3, LIMIT_RECORD_MAX)), m), REASON_NONE);
  std::vector<uint8_t> buf(record_size(LIMIT_RECORD_MAX));
  d.Close();
  ASSERT_TRUE(d.Open()) << d.error;
  for (uint32_t i = 0; i < 3; i++) {
    store_slice slice = store_read(d.s, Z(1, i), ZXID_NONE, buf.data(), (uint32_t)buf.size());
    ASSERT_EQ(slice.reason, REASON_NONE);
    EXPECT_EQ(slice.last_zxid, Z(1, i + 1));
    EXPECT_EQ(buf, Bytes(Recs(1, i + 1, 1, LIMIT_RECORD_MAX)));
  }
}

TEST(Store, KeepsPayloadsOfZeros) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 3, 20000, 999)), Append(Recs(1, 4, 1, 32, 999))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, LookupFindsTheFloor) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(3), Append(Recs(1, 1, 30, 3000)), Append(Recs(3, 1, 30, 3000))});
  ASSERT_TRUE(d.Open());
  zxid_t floor = 77;
  auto lookup = [&](zxid_t z) {
    EXPECT_EQ(store_lookup(d.s, z, &floor), REASON_NONE);
    return floor;
  };
  EXPECT_EQ(lookup(0), 0u);
  for (uint32_t i = 1; i <= 30; i++) EXPECT_EQ(lookup(Z(1, i)), Z(1, i));
  EXPECT_EQ(lookup(Z(1, 31)), Z(1, 30));
  EXPECT_EQ(lookup(Z(2, 7)), Z(1, 30));
  EXPECT_EQ(lookup(Z(3, 0)), Z(1, 30));
  EXPECT_EQ(lookup(Z(3, 5)), Z(3, 5));
  EXPECT_EQ(lookup(ZXID_NONE), Z(3, 30));
}

TEST(Store, ReadStopsAtMaxZxidAndAtTheBuffer) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 10)), Append(Recs(1, 11, 10))});
  ASSERT_TRUE(d.Open());
  std::vector<uint8_t> buf(30000);
  store_slice s = store_read(d.s, Z(1, 3), Z(1, 14), buf.data(), 30000);
  EXPECT_EQ(s.last_zxid, Z(1, 14));
  EXPECT_EQ(std::vector<uint8_t>(buf.begin(), buf.begin() + s.len), Bytes(Recs(1, 4, 11)));
  s = store_read(d.s, Z(1, 3), ZXID_NONE, buf.data(), 2 * record_size(100) + 7);
  EXPECT_EQ(s.last_zxid, Z(1, 5));
  s = store_read(d.s, Z(1, 20), ZXID_NONE, buf.data(), 30000);
  EXPECT_EQ(s.len, 0u);
  EXPECT_EQ(s.reason, REASON_NONE);
  s = store_read(d.s, Z(1, 3), ZXID_NONE, buf.data(), 20);
  EXPECT_EQ(s.reason, REASON_TOO_LARGE);
}

TEST(Store, ReadGoesOnAfterAppendTruncateAndAppend) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 4))});
  ASSERT_TRUE(d.Open());
  std::vector<uint8_t> buf(30000);
  EXPECT_EQ(store_read(d.s, 0, ZXID_NONE, buf.data(), 30000).last_zxid, Z(1, 4));
  ASSERT_EQ(d.Do(Append(Recs(1, 5, 1)), m), REASON_NONE);
  EXPECT_EQ(store_read(d.s, Z(1, 4), ZXID_NONE, buf.data(), 30000).last_zxid, Z(1, 5));
  ASSERT_EQ(d.Do(Truncate(Z(1, 2)), m), REASON_NONE);
  ASSERT_EQ(d.Do(Append(Recs(1, 3, 2, 64, 1)), m), REASON_NONE);
  store_slice s = store_read(d.s, Z(1, 2), ZXID_NONE, buf.data(), 30000);
  EXPECT_EQ(std::vector<uint8_t>(buf.begin(), buf.begin() + s.len), Bytes(Recs(1, 3, 2, 64, 1)));
}

TEST(Store, ASliceReadsLittleAndTheNextOneNothingAgain) {
  Disk d;
  Model m;
  d.config.segment_bytes = 4u << 20;
  Prepare(d, m, {Accepted(1)});
  ASSERT_TRUE(d.Open());
  for (uint32_t i = 0; i < 800; i++) ASSERT_EQ(d.Do(Append(Recs(1, i + 1, 1)), m), REASON_NONE);
  d.Close();
  ASSERT_TRUE(d.Open());
  std::vector<uint8_t> buf(30000);
  powercut_arm(d.cut, {});
  store_slice s = store_read(d.s, Z(1, 700), ZXID_NONE, buf.data(), 1000);
  EXPECT_EQ(s.len, 8 * record_size(100));
  EXPECT_LE(powercut_reads(d.cut), 2u); /* at most 512 KB of 3.2 MB */
  uint64_t before = powercut_reads(d.cut);
  s = store_read(d.s, s.last_zxid, ZXID_NONE, buf.data(), 1000);
  EXPECT_EQ(s.len, 8 * record_size(100));
  EXPECT_EQ(powercut_reads(d.cut), before);
}

TEST(Store, TruncateCutsExactlyAndSnapshotsAboveGo) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(2), Append(Recs(1, 1, 10)), SnapOwn(Z(1, 4), 500), SnapOwn(Z(1, 8), 500)});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(d.Do(Truncate(Z(1, 6)), m), REASON_NONE);
  EXPECT_EQ(m.snaps.size(), 1u);
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(d.Do(Append(Recs(2, 1, 5)), m), REASON_NONE);
  Reopen(d, m);
  EXPECT_EQ(d.Do(Truncate(Z(1, 9)), m), REASON_NONE); /* between two: down to its floor */
  EXPECT_EQ(m.last(), Z(1, 6));
  EXPECT_EQ(d.Do(Truncate(Z(1, 5)), m), REASON_NONE);
  EXPECT_EQ(d.Do(Truncate(Z(1, 4)), m), REASON_NONE);
  EXPECT_EQ(d.Do(Append(Recs(2, 1, 5, 64, 2)), m), REASON_NONE);
  Reopen(d, m);
}

TEST(Store, TruncateAboveTheEndChangesNothing) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 3))});
  ASSERT_TRUE(d.Open());
  powercut_arm(d.cut, {});
  EXPECT_EQ(d.Do(Truncate(Z(1, 3)), m), REASON_NONE);
  EXPECT_EQ(d.Do(Truncate(Z(1, 9)), m), REASON_NONE);
  EXPECT_EQ(powercut_ops(d.cut), 0u);
}

TEST(Store, TruncateToNothingWorksOnANewLog) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 3)), Truncate(0), Append(Recs(2, 1, 2))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, TruncateBelowTheLogIsRefused) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), SnapInstall(Z(1, 50), 500), Append(Recs(1, 51, 5))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(store_truncate(d.s, Z(1, 49)), REASON_BELOW_LOG);
  zxid_t floor;
  EXPECT_EQ(store_lookup(d.s, Z(1, 49), &floor), REASON_BELOW_LOG);
  uint8_t buf[2000];
  EXPECT_EQ(store_read(d.s, Z(1, 49), ZXID_NONE, buf, 2000).reason, REASON_BELOW_LOG);
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(d.Do(Truncate(Z(1, 50)), m), REASON_NONE);
  Reopen(d, m);
}

TEST(Store, InstallReplacesLogAndSnapshots) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(3), Append(Recs(1, 1, 40, 3000)), SnapOwn(Z(1, 4), 70000),
           SnapInstall(Z(2, 9), 200000), Append(Recs(2, 10, 3))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(store_state(d.s).log_base, Z(2, 9));
  int logs = 0;
  for (int i = 0; const char *name = powercut_name(d.cut, i); i++)
    logs += !strncmp(name, "log.", 4);
  EXPECT_EQ(logs, 1);
}

TEST(Store, InstallAboveAcceptedEpochIsRefused) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1)});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(d.Do(SnapInstall(Z(2, 1), 10), m), REASON_RECORD_ORDER);
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, EmptySnapshotIsASnapshot) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), SnapInstall(Z(1, 1), 0)});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, SnapshotsOfEverySizeAroundChunksComeBack) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 40))});
  ASSERT_TRUE(d.Open());
  uint32_t counter = 1;
  for (uint32_t len :
       {1u, 4063u, 4064u, 4065u, 65503u, 65504u, 65505u, 131007u, 131008u, 131009u}) {
    EXPECT_EQ(d.Do(SnapOwn(Z(1, counter++), len), m), REASON_NONE);
    EXPECT_EQ(Compare(d.s, m), "") << len;
    Reopen(d, m);
  }
}

TEST(Store, SnapshotAboveTheLogWaits) { /* durability `memory` */
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(store_snap_begin(d.s, STORE_APP, Z(1, 3)), REASON_NONE);
  ASSERT_EQ(store_snap_write(d.s, STORE_APP, "x", 1), REASON_NONE);
  EXPECT_EQ(store_snap_commit(d.s, STORE_APP, SNAP_OWN), REASON_BUSY);
  ASSERT_EQ(d.Do(Append(Recs(1, 3, 1)), m), REASON_NONE);
  EXPECT_EQ(store_snap_commit(d.s, STORE_APP, SNAP_OWN), REASON_NONE);
  EXPECT_EQ(store_state(d.s).snapshot_zxid, Z(1, 3));
}

TEST(Store, SnapshotUnderWhichTheHistoryChangedIsRefused) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 4))});
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(store_snap_begin(d.s, STORE_APP, Z(1, 3)), REASON_NONE);
  ASSERT_EQ(d.Do(Truncate(Z(1, 2)), m), REASON_NONE);
  ASSERT_EQ(d.Do(Append(Recs(1, 3, 3, 64, 5)), m), REASON_NONE);
  EXPECT_EQ(store_snap_commit(d.s, STORE_APP, SNAP_OWN), REASON_LEADER_CHANGED);
  ASSERT_EQ(store_snap_begin(d.s, STORE_APP, Z(1, 3)), REASON_NONE);
  ASSERT_EQ(d.Do(SnapInstall(Z(2, 3), 10), m), REASON_NONE);
  EXPECT_EQ(store_snap_commit(d.s, STORE_APP, SNAP_OWN), REASON_LEADER_CHANGED);
  Reopen(d, m);
}

TEST(Store, AbortedSnapshotLeavesNothing) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(2), Append(Recs(1, 1, 4))});
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(store_snap_begin(d.s, STORE_APP, Z(1, 3)), REASON_NONE);
  store_snap_abort(d.s, STORE_APP);
  store_snap_abort(d.s, STORE_APP);
  EXPECT_EQ(d.Do(SnapOwn(Z(1, 4), 5), m), REASON_NONE);
  Reopen(d, m);
}

static std::vector<Step> Purgeable() {
  std::vector<Step> steps{Accepted(9)};
  for (uint32_t i = 0; i < 5; i++) {
    steps.push_back(Append(Recs(1, 1 + i * 12, 12, 1600)));
    steps.push_back(SnapOwn(Z(1, 12 + i * 12), 3000));
  }
  return steps;
}

TEST(Store, PurgeKeepsTheNewestSnapshotsAndTheLogSinceTheOldest) {
  Disk d;
  Model m;
  Prepare(d, m, Purgeable());
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  EXPECT_EQ(Compare(d.s, m), "");
  zxid_t base = store_state(d.s).log_base;
  EXPECT_GT(base, Z(1, 30)); /* not much more than since (1,48) */
  EXPECT_LE(base, Z(1, 48));
  zxid_t zxid;
  EXPECT_EQ(store_snap_open(d.s, STORE_APP, Z(1, 59), &zxid), REASON_NONE);
  EXPECT_EQ(zxid, Z(1, 48));
  store_snap_close(d.s, STORE_APP);
  EXPECT_EQ(store_snap_open(d.s, STORE_APP, Z(1, 47), &zxid), REASON_BELOW_LOG);
  Reopen(d, m);
}

TEST(Store, PurgeLeavesPinnedSnapshotAndItsLog) {
  Disk d;
  Model m;
  Prepare(d, m, Purgeable());
  ASSERT_TRUE(d.Open());
  zxid_t zxid;
  ASSERT_EQ(store_snap_open(d.s, STORE_SLOW, Z(1, 12), &zxid), REASON_NONE);
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  EXPECT_LE(store_state(d.s).log_base, Z(1, 12));
  std::vector<uint8_t> buf(5000);
  store_slice s = store_snap_read(d.s, STORE_SLOW, 0, buf.data(), 5000);
  EXPECT_EQ(s.len, 3000u);
  EXPECT_EQ(store_read(d.s, Z(1, 12), ZXID_NONE, buf.data(), 5000).reason, REASON_NONE);
  store_snap_close(d.s, STORE_SLOW);
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  EXPECT_GT(store_state(d.s).log_base, Z(1, 30));
  EXPECT_EQ(Compare(d.s, m), "");
}

TEST(Store, ReadGoesOnWhereItWasAfterAPurge) {
  Disk d;
  Model m;
  Prepare(d, m, Purgeable());
  ASSERT_TRUE(d.Open());
  std::vector<uint8_t> buf(30000);
  for (uint32_t i = 40; i < 56; i++)
    ASSERT_EQ(store_read(d.s, Z(1, i - 1), Z(1, i), buf.data(), 30000).last_zxid, Z(1, i));
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  for (uint32_t i = 49; i < 60; i++) {
    store_slice s = store_read(d.s, Z(1, i), Z(1, i + 1), buf.data(), 30000);
    ASSERT_EQ(s.reason, REASON_NONE) << store_error(d.s);
    EXPECT_EQ(std::vector<uint8_t>(buf.begin(), buf.begin() + s.len),
              Bytes(Recs(1, i + 1, 1, 1600)));
  }
}

/* However many reads there were: places from before the purge are gone (sim seed 166: a sync got
 * nothing, and the learner was turned away). */
TEST(Store, ReadAfterAPurgeNeverUsesAPlaceFromBefore) {
  for (uint32_t reads = 1; reads <= 20; reads++) {
    Disk d;
    Model m;
    Prepare(d, m, Purgeable());
    ASSERT_TRUE(d.Open());
    std::vector<uint8_t> buf(30000);
    for (uint32_t i = 0; i < reads; i++)
      store_read(d.s, Z(1, 58 - i % 8), Z(1, 59 - i % 8), buf.data(), 30000);
    ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
    for (uint32_t i = 50; i < 60; i++) {
      store_slice s = store_read(d.s, Z(1, i), Z(1, i + 1), buf.data(), 30000);
      ASSERT_EQ(s.reason, REASON_NONE) << store_error(d.s);
      EXPECT_EQ(std::vector<uint8_t>(buf.begin(), buf.begin() + s.len),
                Bytes(Recs(1, i + 1, 1, 1600)));
    }
  }
}

TEST(Store, PurgeAfterTruncationsNeverLeavesADeadBase) {
  Disk d;
  Model m;
  Prepare(d, m,
          {Accepted(9), Append(Recs(1, 1, 10)), Truncate(Z(1, 5)), Truncate(Z(1, 3)),
           Append(Recs(2, 1, 9)), SnapOwn(Z(2, 7), 10)});
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(store_state(d.s).log_base, Z(1, 3));
  Reopen(d, m);
}

TEST(Store, TruncateIsRefusedIfTheStateThereCouldNotBeRebuilt) {
  Disk d;
  Model m;
  Prepare(d, m, Purgeable());
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Idle(1000), m), REASON_NONE);
  zxid_t base = store_state(d.s).log_base;
  ASSERT_LT(base, Z(1, 47));
  EXPECT_EQ(store_truncate(d.s, Z(1, 47)), REASON_BELOW_LOG);
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(d.Do(Truncate(Z(1, 48)), m), REASON_NONE);
  Reopen(d, m);
}

TEST(Store, CleanStopIsSeenOnce) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(d.Do(Clean(), m), REASON_NONE);
  Reopen(d, m);
  EXPECT_TRUE(store_state(d.s).clean_stop);
  m.clean = false;
  Reopen(d, m);
  EXPECT_FALSE(store_state(d.s).clean_stop);
}

TEST(Store, CleanMarkOfAnOlderEndOfTheLogSaysNothing) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  EXPECT_EQ(store_mark_clean(d.s), REASON_NONE);
  EXPECT_EQ(d.Do(Append(Recs(1, 3, 1)), m), REASON_NONE);
  Reopen(d, m);
  EXPECT_FALSE(store_state(d.s).clean_stop);
}

TEST(Store, SealIsOneWriteAndOnlyOnce) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 2))});
  ASSERT_TRUE(d.Open());
  powercut_arm(d.cut, {});
  EXPECT_EQ(store_seal(d.s), REASON_NONE);
  EXPECT_EQ(store_seal(d.s), REASON_NONE);
  EXPECT_EQ(powercut_ops(d.cut), 1u);
  EXPECT_EQ(d.Do(Append(Recs(1, 3, 1)), m), REASON_NONE);
  Reopen(d, m);
}

TEST(Store, SecondOpenIsRefusedWithALine) {
  Disk d;
  Model m;
  Prepare(d, m, {});
  ASSERT_TRUE(d.Open());
  char error[LIMIT_TEXT_LEN];
  EXPECT_EQ(store_open(&d.disk, &d.config, error).store, nullptr);
  EXPECT_NE(std::string(error).find("in use by another process"), std::string::npos);
}

TEST(Store, AConfigWithOtherSegmentsAndRecordsReadsTheOldLog) {
  Disk d;
  Model m;
  Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 20, 15000)), Idle(100)});
  d.config.segment_bytes = 1u << 20;
  d.config.largest_record = 1000;
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(Compare(d.s, m), "");
  EXPECT_EQ(d.Do(Append(Recs(1, 21, 200, 900)), m), REASON_NONE);
  d.config = Config();
  Reopen(d, m);
}

/* History comes from a leader, too: largest_record was lowered while this node was away.  The spare
 * that is too small is taken at each step of its making. */
TEST(Store, ASegmentGrowsForARecordLargerThanTheConfigAllows) {
  for (int idle : {0, 1, 2, 3, 50}) {
    Disk d;
    Model m;
    d.config.segment_bytes = 1u << 20;
    d.config.largest_record = 1000;
    Prepare(d, m, {Accepted(1), Append(Recs(1, 1, 20, 900))});
    for (uint32_t n = 21; n < 24; n++) {
      ASSERT_TRUE(d.Open()) << d.error;
      EXPECT_EQ(d.Do(Idle(idle), m), REASON_NONE);
      EXPECT_EQ(d.Do(Append(Recs(1, n, 1, LIMIT_RECORD_MAX)), m), REASON_NONE);
      EXPECT_EQ(Compare(d.s, m), "");
      Reopen(d, m);
      d.Close();
    }
    ASSERT_TRUE(d.Open()) << d.error;
    EXPECT_EQ(d.Do(Append(Recs(1, 24, 300, 900)), m), REASON_NONE);
    EXPECT_EQ(d.Do(Truncate(Z(1, 30)), m), REASON_NONE);
    Reopen(d, m);
  }
}
