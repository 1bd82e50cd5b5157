#include <gtest/gtest.h>

#include "test/slowpath/slow_cluster.h"

class ColdStart : public testing::TestWithParam<int> {};

TEST_P(ColdStart, ElectsOneLeaderEstablishesAndCommits) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct cluster *c = cluster_new({GetParam(), seed, DURABILITY_SYNC, 0});
    cluster_start_all(c);
    ASSERT_TRUE(cluster_run_until_settled(c, 1000000)) << "seed " << seed;
    int leader = cluster_leader(c);
    EXPECT_EQ(cluster_app_state(c, leader), APP_LEAD);
    cluster_propose(c, leader, 10, 100);
    ASSERT_TRUE(cluster_run_until_settled(c, 1000000)) << "seed " << seed;
    EXPECT_EQ(cluster_committed(c), 10);
    cluster_free(c);
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, ColdStart, testing::Values(1, 2, 3, 4, 5, 7));
