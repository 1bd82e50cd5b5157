// Holes and snapshots of ours: what a snapshot holds needs no repair (E1), and no more than that.
#include <gtest/gtest.h>

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
