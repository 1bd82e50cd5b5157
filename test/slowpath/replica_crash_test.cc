// Power cuts: a node dies at each disk completion in turn (before or after it became durable),
// comes back from its image, and the ensemble settles; the cluster judges every step
// (slow_cluster.h).
#include <gtest/gtest.h>

#include "test/slowpath/slow_cluster.h"

namespace {

constexpr uint64_t kLong = 8000000;

// Three nodes that need DIFF and TRUNC: 2 lacks records, 3 has a tail that nobody committed.
void diverge(struct cluster *c) {
  for (int i = 0; i < 3; i++) {
    struct image *m = cluster_image(c, i);
    m->state.accepted_epoch = m->state.current_epoch = 2;
    image_push(m, 1, 5, 7, 60);
    image_push(m, 2, i == 1 ? 1 : 4, 8, 60);
  }
  struct image *late = cluster_image(c, 2);
  late->entry_cnt = 5;
  late->state.last_zxid = zxid_make(1, 5);
  late->state.current_epoch = late->state.accepted_epoch = 1;
  image_push(late, 1, 3, 9, 60);
}

void crash_and_settle(int victim, int completion, bool applied, uint64_t seed) {
  struct cluster *c = cluster_new({3, seed, DURABILITY_SYNC, 0});
  diverge(c);
  cluster_start_all(c);
  cluster_crash_at(c, victim, completion, applied);
  cluster_run(c, 300000);
  if (cluster_leader(c) >= 0) cluster_propose(c, cluster_leader(c), 3, 80);
  cluster_run(c, 200000);
  if (!cluster_up(c, victim)) cluster_start(c, victim);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong))
      << "victim " << victim << " completion " << completion << " applied " << applied;
  cluster_propose(c, cluster_leader(c), 1, 80);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_free(c);
}

TEST(ReplicaCrash, AtEveryDiskCompletionOfEveryNodeLosesNothing) {
  for (int victim = 0; victim < 3; victim++)
    for (int completion = 1; completion <= 14; completion++)
      for (int applied = 0; applied < 2; applied++)
        for (uint64_t seed = 1; seed <= 3; seed++)
          crash_and_settle(victim, completion, applied != 0, seed);
}

// B2: one after the other crashes; each election may see a different half-synchronised node.
TEST(ReplicaCrash, TwoNodesInTurnLoseNothing) {
  for (uint64_t seed = 1; seed <= 150; seed++) {
    struct cluster *c = cluster_new({3, seed, DURABILITY_SYNC, 0});
    diverge(c);
    cluster_start_all(c);
    for (int round = 0; round < 6; round++) {
      uint64_t dice = seed * 7919 + (uint64_t)round * 104729;
      int victim = (int)(dice % 3);
      if (cluster_up(c, victim))
        cluster_crash_at(c, victim, 1 + (int)(dice / 3 % 9), dice / 27 % 2 != 0);
      cluster_run(c, 20000 + dice % 60000);
      int leader = cluster_leader(c);
      if (leader >= 0) cluster_propose(c, leader, 2, 64);
      cluster_run(c, dice % 40000);
      if (!cluster_up(c, victim)) cluster_start(c, victim);
    }
    for (int i = 0; i < 3; i++) cluster_crash_at(c, i, 0, false);
    cluster_start_all(c);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << "seed " << seed;
    cluster_free(c);
  }
}

TEST(ReplicaCrash, FiveNodesUnderCrashesAndCutsKeepOneHistory) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct cluster *c = cluster_new({5, seed, DURABILITY_SYNC, 0});
    cluster_start_all(c);
    for (int round = 0; round < 12; round++) {
      uint64_t dice = (seed << 20 | (uint64_t)round) * 0x9e3779b97f4a7c15ull >> 20;
      int a = (int)(dice % 5), b = (int)(dice / 5 % 5);
      if (cluster_up(c, a) && dice / 25 % 3 == 0) cluster_crash(c, a);
      if (a != b) cluster_cut(c, a, b, dice / 75 % 2 != 0);
      cluster_run(c, 5000 + dice % 90000);
      int leader = cluster_leader(c);
      if (leader >= 0) cluster_propose(c, leader, 5, 64);
      cluster_run(c, dice % 20000);
      if (!cluster_up(c, a)) cluster_start(c, a);
    }
    for (int i = 0; i < 5; i++)
      for (int j = 0; j < 5; j++) cluster_cut(c, i, j, false);
    cluster_start_all(c);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << "seed " << seed;
    cluster_free(c);
  }
}

// R15, C3: never half dead.
TEST(ReplicaCrash, AFailingDiskEndsTheProcessAndTheOthersGoOn) {
  for (int completion = 2; completion <= 10; completion++) {
    struct cluster *c = cluster_new({3, 5, DURABILITY_SYNC, 0});
    diverge(c);
    cluster_start_all(c);
    cluster_fail_disk_at(c, 0, completion);
    cluster_run(c, 2000000);
    if (cluster_up(c, 0)) { /* it was done before */
      cluster_free(c);
      continue;
    }
    EXPECT_EQ(cluster_exit_code(c, 0), 3);
    EXPECT_TRUE(cluster_run_until_settled(c, kLong));
    EXPECT_NE(cluster_leader(c), 0);
    cluster_free(c);
  }
}

}  // namespace
