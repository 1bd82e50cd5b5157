// Holes and snapshots of ours: what a snapshot holds needs no repair (E1), and no more than that.
#include <gtest/gtest.h>

#include <cstring>

#include "test/storage/store_env.h"

using namespace env;

static zxid_t Z(uint32_t counter) { return zxid_make(1, counter); }

// Groups of log.00000001: (1,1..3) at 4096, (1,4..6) at 8192, (1,7..8) at 12288; the header of the
// middle one is gone, so nothing in it has a name but its end.
static void Holed(Disk &d, Model &m, zxid_t snapshot) {
  size_t len;
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 3)), Append(Recs(1, 4, 3)), Append(Recs(1, 7, 2)),
           SnapOwn(snapshot, 9000), Seal()});
  powercut_file(d.cut, "log.00000001", &len)[8192] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
}

TEST(Hole, ThatReachesBeyondASnapshotIsNotPassedOver) {
  for (uint32_t counter = 3; counter < 6; counter++) {
    Disk d;
    Model m;
    Holed(d, m, Z(counter));
    EXPECT_EQ(store_state(d.s).log_base, 0u) << counter;
    EXPECT_EQ(store_state(d.s).faulty, Z(4)) << counter;
    EXPECT_EQ(store_state(d.s).last_zxid, Z(8));
    EXPECT_EQ(store_state(d.s).snapshot_zxid, Z(counter));
    EXPECT_EQ(SafeAndRepairable(d, m), "") << counter;
  }
}

TEST(Hole, ThatEndsWhereASnapshotDoesIsPassedOver) {
  for (uint32_t counter = 6; counter < 9; counter++) {
    Disk d;
    Model m;
    Holed(d, m, Z(counter));
    EXPECT_EQ(store_state(d.s).log_base, Z(6)) << counter;
    EXPECT_EQ(store_state(d.s).faulty, 0u) << counter;
    EXPECT_EQ(Compare(d.s, m), "") << counter;
  }
}

// The power went at the first group of a new segment, and a record of the last group before it is
// damaged: the new segment begins behind that group, or purge would take the group's segment for
// one that a snapshot covers.
TEST(Hole, InTheLastGroupBeforeATornSegmentIsNotPurged) {
  Disk d;
  Model m;
  size_t len;
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 3)), Append(Recs(1, 4, 3)), SnapOwn(Z(6), 9000),
           Append(Recs(1, 7, 3)), Idle(100)});
  powercut_file(d.cut, "log.00000001", &len)[12288 + 300] ^= 1;
  ASSERT_NE(powercut_file(d.cut, "log.00000002", &len), nullptr);
  powercut_file(d.cut, "log.00000002", &len)[0] ^= 1;
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).last_zxid, Z(9));
  EXPECT_EQ(store_state(d.s).faulty, Z(8));
  for (int i = 0; i < 100 && store_idle(d.s, true); i++) continue;
  EXPECT_EQ(store_state(d.s).faulty, Z(8));
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

// The same where the torn segment is an older one: the log goes on in the next.
TEST(Hole, BeforeASegmentThatWasLeftBehindIsNotPurged) {
  Disk d;
  Model m;
  size_t len;
  std::vector<Step> full = {Accepted(1)};
  for (uint32_t counter = 1; counter <= 5; counter++)
    full.push_back(Append(Recs(1, counter, 1, 9000))); /* 12288 bytes each: log.00000001 is full */
  full.push_back(SnapOwn(Z(4), 3000));
  full.push_back(Idle(100));
  Prepare(d, m, full);
  Model lost = m;
  ASSERT_TRUE(d.Open());
  ASSERT_EQ(d.Do(Append(Recs(1, 6, 1, 9000)), lost), REASON_NONE);
  d.Close();
  memset(powercut_file(d.cut, "log.00000002", &len) + 4096, 0, 4096); /* torn */
  ASSERT_TRUE(d.Open()) << d.error;
  ASSERT_EQ(store_state(d.s).last_zxid, Z(5));
  ASSERT_EQ(d.Do(Append(Recs(1, 6, 2)), m), REASON_NONE);
  d.Close();
  powercut_file(d.cut, "log.00000001", &len)[53248] ^= 1;
  uint8_t *torn = powercut_file(d.cut, "log.00000002", &len);
  memset(torn, 0, len); /* and now nothing stands there at all */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, Z(5));
  for (int i = 0; i < 100 && store_idle(d.s, true); i++) continue;
  EXPECT_EQ(store_state(d.s).faulty, Z(5));
  EXPECT_EQ(SafeAndRepairable(d, m), "");
}

// A hole begins in a group that a reader skips, and ends behind the next one.
TEST(Hole, OverTwoGroupsIsPassedOverByWhoReadsBehindIt) {
  Disk d;
  Model m;
  size_t len;
  Prepare(d, m,
          {Accepted(1), Append(Recs(1, 1, 3)), Append(Recs(1, 4, 3)), Append(Recs(1, 7, 2)),
           SnapOwn(Z(8), 900), Append(Recs(1, 9, 2)), Seal()});
  uint8_t *p = powercut_file(d.cut, "log.00000001", &len);
  memset(p + 8192 + 80, 7, 100); /* the first record of (1,4..6) */
  p[12288] ^= 1;                 /* the header of (1,7..8) */
  ASSERT_TRUE(d.Open()) << d.error;
  EXPECT_EQ(store_state(d.s).faulty, 0u);
  EXPECT_EQ(Compare(d.s, m), "");
}
