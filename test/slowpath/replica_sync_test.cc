// The sync decision matrix (zab-rules 6): the exact packets on 2888, and the learner's log equal to
// the leader's, durably, before its ACK (judged in slow_cluster_judge.c).
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "test/slowpath/slow_cluster.h"

namespace {

using Lines = std::vector<std::string>;
constexpr uint64_t kLong = 5000000;

Lines trace(const struct cluster *c, int learner) {
  std::istringstream in(cluster_trace(c, learner));
  Lines lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string hex(uint64_t zxid) {
  std::ostringstream s;
  s << "0x" << std::hex << zxid;
  return s.str();
}

void pairs(Lines *l, uint32_t epoch, uint32_t from, uint32_t to) {
  for (uint32_t k = from; k <= to; k++) {
    l->push_back("L PROPOSAL " + hex(zxid_make(epoch, k)));
    l->push_back("L COMMIT " + hex(zxid_make(epoch, k)));
  }
}

// What every attachment is made of, around the middle part.
Lines whole(uint32_t accepted, uint32_t epoch, uint64_t last, const Lines &middle) {
  Lines l = {"F FOLLOWERINFO " + hex(zxid_make(accepted, 0)),
             "L LEADERINFO " + hex(zxid_make(epoch, 0)), "F ACKEPOCH " + hex(last)};
  l.insert(l.end(), middle.begin(), middle.end());
  l.push_back("L NEWLEADER " + hex(zxid_make(epoch, 0)));
  l.push_back("F ACK " + hex(zxid_make(epoch, 0)));
  l.push_back("L UPTODATE 0xffffffffffffffff");
  return l;
}

void promise(struct image *m, uint32_t epoch) {
  m->state.accepted_epoch = m->state.current_epoch = epoch;
}

// Nodes 1 and 2 hold the leader's history, node 3 the learner's; the learner comes when they have
// established epoch 5, so the initial history is settled.
class SyncMatrix : public testing::Test {
 protected:
  void SetUp() override { c = cluster_new({3, 1, DURABILITY_SYNC, 0}); }
  void TearDown() override { cluster_free(c); }
  void leader_history(int epoch1, int epoch2, int epoch4) {
    for (int i = 0; i < 2; i++) {
      image_push(cluster_image(c, i), 1, epoch1, 1, 50);
      image_push(cluster_image(c, i), 2, epoch2, 2, 51);
      image_push(cluster_image(c, i), 4, epoch4, 4, 52);
      promise(cluster_image(c, i), 4);
    }
  }
  struct image *learner() {
    return cluster_image(c, 2);
  }
  void establish() {
    cluster_start(c, 0);
    cluster_start(c, 1);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  }
  void join() {
    cluster_start(c, 2);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    EXPECT_TRUE(cluster_same_history(c, 2, cluster_leader(c)));
  }
  struct cluster *c = nullptr;
};

TEST_F(SyncMatrix, EqualHistoriesGiveAnEmptyDiff) {
  leader_history(3, 2, 0);
  image_push(learner(), 1, 3, 1, 50);
  image_push(learner(), 2, 2, 2, 51);
  promise(learner(), 2);
  establish();
  join();
  EXPECT_EQ(trace(c, 2), whole(2, 5, zxid_make(2, 2), {"L DIFF 0x200000002"}));
}

TEST_F(SyncMatrix, AnEmptyLearnerOfALeaderWithItsWholeLogGetsAllByDiff) {
  leader_history(2, 0, 1);
  establish();
  join();
  Lines middle = {"L DIFF 0x0"};
  pairs(&middle, 1, 1, 2);
  pairs(&middle, 4, 1, 1);
  EXPECT_EQ(trace(c, 2), whole(0, 5, 0, middle));
}

TEST_F(SyncMatrix, AnEmptyLeaderAndAnEmptyLearnerExchangeNothing) {
  establish();
  join();
  EXPECT_EQ(trace(c, 2), whole(0, 1, 0, {"L DIFF 0x0"}));
}

TEST_F(SyncMatrix, ALearnerInsideTheLogGetsWhatFollowsItsLastRecord) {
  leader_history(3, 3, 0);
  image_push(learner(), 1, 3, 1, 50);
  image_push(learner(), 2, 1, 2, 51);
  promise(learner(), 2);
  establish();
  join();
  Lines middle = {"L DIFF 0x200000001"};
  pairs(&middle, 2, 2, 3);
  EXPECT_EQ(trace(c, 2), whole(2, 5, zxid_make(2, 1), middle));
}

TEST_F(SyncMatrix, ALearnerBelowTheLogGetsASnapshotAndTheLogBehindIt) {
  leader_history(5, 3, 0);
  for (int i = 0; i < 2; i++) image_snapshot(cluster_image(c, i), 6);
  image_push(learner(), 1, 2, 1, 50);
  promise(learner(), 1);
  establish();
  join();
  Lines middle = {"L SNAP 0x200000001", "L CHUNK 0x0", "L END 0x0"};
  pairs(&middle, 2, 2, 3);
  EXPECT_EQ(trace(c, 2), whole(1, 5, zxid_make(1, 2), middle));
  EXPECT_EQ(learner()->state.log_base, zxid_make(2, 1));
}

// B14: a learner that got a snapshot has a log with a base; as a leader it serves nothing before
// it.
TEST_F(SyncMatrix, AnEmptyLearnerOfALeaderWithASnapshotOnlyGetsTheSnapshot) {
  leader_history(4, 0, 0);
  for (int i = 0; i < 2; i++) image_snapshot(cluster_image(c, i), 4);
  establish();
  join();
  Lines middle = {"L SNAP 0x100000004", "L CHUNK 0x0", "L END 0x0"};
  EXPECT_EQ(trace(c, 2), whole(0, 5, 0, middle));
}

// B10: a deposed leader with a tail of its own.
TEST_F(SyncMatrix, ATailOfTheSameEpochIsTruncatedToTheRecordBefore) {
  leader_history(3, 0, 2);
  image_push(learner(), 1, 3, 1, 50);
  image_push(learner(), 1, 2, 99, 50);
  promise(learner(), 1);
  establish();
  join();
  Lines middle = {"L TRUNC 0x100000003"};
  pairs(&middle, 4, 1, 2);
  EXPECT_EQ(trace(c, 2), whole(1, 5, zxid_make(1, 5), middle));
}

TEST_F(SyncMatrix, ATailAboveTheWholeLogIsTruncated) {
  leader_history(3, 0, 0);
  image_push(learner(), 1, 3, 1, 50);
  image_push(learner(), 2, 2, 99, 50); /* an epoch that nobody else has heard of */
  promise(learner(), 2);
  establish();
  join();
  EXPECT_EQ(trace(c, 2), whole(2, 5, zxid_make(2, 2), {"L TRUNC 0x100000003"}));
}

// The record to stay is not the learner's: the cut is exact, and the learner says anew what it has.
TEST_F(SyncMatrix, ATailOfAnUnknownEpochWithAHoleBelowNeedsTwoAttachments) {
  leader_history(3, 2, 1);
  image_push(learner(), 1, 2, 1, 50);
  image_push(learner(), 3, 2, 99, 50);
  promise(learner(), 3);
  establish();
  join();
  Lines l = {"F FOLLOWERINFO 0x300000000", "L LEADERINFO 0x500000000", "F ACKEPOCH 0x300000002",
             "L TRUNC 0x200000002"};
  Lines middle = {"L DIFF 0x100000002"};
  pairs(&middle, 1, 3, 3);
  pairs(&middle, 2, 1, 2);
  pairs(&middle, 4, 1, 1);
  Lines second = whole(5, 5, zxid_make(1, 2), middle);
  Lines got = trace(c, 2);
  size_t cut = l.size();
  ASSERT_GE(got.size(), cut + second.size());
  EXPECT_EQ(Lines(got.begin(), got.begin() + (long)cut), l);
  EXPECT_EQ(Lines(got.end() - (long)second.size(), got.end()), second);
}

TEST_F(SyncMatrix, ASnapshotOnlyLearnerAtTheEndGetsAnEmptyDiff) {
  leader_history(4, 0, 0);
  image_push(learner(), 1, 4, 1, 50);
  image_snapshot(learner(), 4);
  promise(learner(), 1);
  establish();
  join();
  EXPECT_EQ(trace(c, 2), whole(1, 5, zxid_make(1, 4), {"L DIFF 0x100000004"}));
}

// A snapshot holds committed records only; one that the leader lacks is an operator's matter.
TEST_F(SyncMatrix, ATruncationBelowTheLearnersSnapshotIsRefusedAndSaidSo) {
  leader_history(3, 0, 2);
  image_push(learner(), 1, 6, 99, 50);
  image_snapshot(learner(), 5);
  promise(learner(), 1);
  establish();
  cluster_start(c, 2);
  cluster_run(c, 300000);
  EXPECT_EQ(learner()->entry_cnt, 6);
  EXPECT_GT(cluster_logged(c, 2, LOG_CANNOT_TRUNCATE), 0);
  EXPECT_GE(cluster_leader(c), 0);
}

TEST_F(SyncMatrix, NegativeLookingEpochsCompareUnsigned) {
  for (int i = 0; i < 2; i++) {
    image_push(cluster_image(c, i), 0x7fffffff, 2, 1, 50);
    image_push(cluster_image(c, i), 0x80000001, 2, 1, 50);
    promise(cluster_image(c, i), 0x80000001);
  }
  struct sync_decision d =
      sync_decide(zxid_make(0x80000001, 5), zxid_make(0x80000001, 2), false, 0x80000002);
  EXPECT_EQ(d.op, SYNC_TRUNC);
  EXPECT_EQ(d.base, zxid_make(0x80000001, 2));
  EXPECT_EQ(sync_decide(zxid_make(0x7fffffff, 3), zxid_make(0x7fffffff, 2), false, 0x80000002).op,
            SYNC_TRUNC);
}

TEST(SyncDecide, AMarkerIsNeverTruncated) {
  struct sync_decision d = sync_decide(zxid_make(4, 0), zxid_make(3, 9), false, 5);
  EXPECT_EQ(d.op, SYNC_DIFF);
  EXPECT_EQ(d.base, zxid_make(3, 9));
  EXPECT_EQ(sync_decide(zxid_make(5, 0), zxid_make(3, 9), false, 5).op, SYNC_DIFF);
}

TEST(SyncDecide, ARecordOfTheLeadersOwnEpochIsNeverTruncated) {
  for (uint32_t k = 1; k < 10; k++)
    for (uint32_t f = 0; f < k; f++)
      EXPECT_EQ(sync_decide(zxid_make(5, k), zxid_make(5, f), false, 5).op, SYNC_ATTACH_FIRST);
}

TEST(SyncDecide, ALearnerOfALaterEpochIsRefused) {
  EXPECT_EQ(sync_decide(zxid_make(6, 1), zxid_make(5, 1), false, 5).op, SYNC_REFUSE);
}

// ---- late joiners, catch-up ----

TEST_F(SyncMatrix, ALateJoinerGetsRecordsOfTheRunningEpochAsProposalsAlone) {
  leader_history(2, 0, 0);
  establish();
  cluster_propose(c, cluster_leader(c), 3, 60);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  join();
  Lines middle = {"L DIFF 0x0"};
  pairs(&middle, 1, 1, 2);
  for (uint32_t k = 1; k <= 3; k++) middle.push_back("L PROPOSAL " + hex(zxid_make(5, k)));
  EXPECT_EQ(trace(c, 2), whole(0, 5, 0, middle));
}

// B18, A7-A9, B6: proposals go on during the whole of the synchronisation.
TEST(Sync, ALateJoinerMissesNothingAndGetsNothingTwiceUnderLoad) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    struct cluster *c = cluster_new({3, seed, DURABILITY_SYNC, 0});
    image_push(cluster_image(c, 0), 1, 300, 1, 500);
    image_push(cluster_image(c, 1), 1, 300, 1, 500);
    promise(cluster_image(c, 0), 1);
    promise(cluster_image(c, 1), 1);
    cluster_start(c, 0);
    cluster_start(c, 1);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    cluster_start(c, 2);
    for (int i = 0; i < 300; i++) {
      cluster_propose(c, cluster_leader(c), 1, 100);
      cluster_run(c, 100);
    }
    ASSERT_TRUE(cluster_run_until_settled(c, kLong)) << "seed " << seed;
    EXPECT_EQ(cluster_image(c, 2)->entry_cnt, 600);
    cluster_free(c);
  }
}

// Step 0: further behind than a quarter of the ring, history comes in rounds before ATTACH.
TEST(Sync, AFarBehindLearnerIsAttachedOnlyWhenNearlyThere) {
  struct cluster *c = cluster_new({3, 1, DURABILITY_SYNC, 0});
  for (int i = 0; i < 2; i++) {
    image_push(cluster_image(c, i), 1, 400, 1, 30000); /* 12 MB: several buffers */
    promise(cluster_image(c, i), 1);
    cluster_start(c, i);
  }
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_start(c, 2);
  struct replica *l = cluster_replica(c, cluster_leader(c));
  bool attached_early = false;
  for (int i = 0; i < 20000 && cluster_image(c, 2)->entry_cnt < 300; i++) {
    cluster_run(c, 50);
    for (int k = 1; k <= LIMIT_LEARNERS; k++)
      attached_early |= l->conns[k].peer_idx == 2 && l->conns[k].attachment != ATTACHMENT_NONE &&
                        cluster_image(c, 2)->entry_cnt < 200;
  }
  EXPECT_FALSE(attached_early);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_free(c);
}

// A config with a smaller largest_record than the history was written with.
TEST(Sync, RecordsLargerThanTheConfigAllowsNowAreGivenToALateJoiner) {
  struct cluster *c = cluster_new({3, 1, DURABILITY_SYNC, 0});
  for (int i = 0; i < 3; i++) cluster_config(c, i)->largest_record = 1000;
  for (int i = 0; i < 2; i++) {
    image_push(cluster_image(c, i), 1, 120, 1, 60000);
    promise(cluster_image(c, i), 1);
    cluster_start(c, i);
  }
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_start(c, 2);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  EXPECT_EQ(cluster_image(c, 2)->entry_cnt, 120);
  cluster_free(c);
}

// B17: what it says after a broken DIFF is what it holds; and it goes on from there.
TEST(Sync, ABrokenDiffGoesOnWhereTheLearnersDiskEnds) {
  for (int stop = 1; stop <= 12; stop++) {
    struct cluster *c = cluster_new({3, (uint64_t)stop, DURABILITY_SYNC, 0});
    for (int i = 0; i < 2; i++) {
      image_push(cluster_image(c, i), 1, 120, 1, 20000);
      promise(cluster_image(c, i), 1);
      cluster_start(c, i);
    }
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    cluster_start(c, 2);
    cluster_crash_at(c, 2, stop, stop % 2 != 0);
    cluster_run(c, 1000000);
    if (cluster_up(c, 2)) cluster_crash(c, 2);
    int had = cluster_image(c, 2)->entry_cnt;
    cluster_trace_clear(c);
    cluster_start(c, 2);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    Lines l = trace(c, 2);
    ASSERT_GE(l.size(), 4u);
    EXPECT_EQ(l[2], "F ACKEPOCH " + hex(had ? zxid_make(1, (uint32_t)had) : 0)) << stop;
    cluster_free(c);
  }
}

// B15: leader dies in the middle of a SNAP; nothing of it remains.
TEST(Sync, ABrokenSnapshotLeavesNothingBehind) {
  for (uint64_t cut = 0; cut < 40; cut++) {
    struct cluster *c = cluster_new({3, cut + 1, DURABILITY_SYNC, 0});
    for (int i = 0; i < 2; i++) {
      image_push(cluster_image(c, i), 1, 3000, 1, 40);
      image_snapshot(cluster_image(c, i), 2990);
      promise(cluster_image(c, i), 1);
      cluster_start(c, i);
    }
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    cluster_start(c, 2);
    while (cluster_replica(c, 2)->learn.step < LEARNING_SNAP_WRITE) cluster_run(c, 20);
    cluster_run(c, cut * 30);
    int leader = cluster_leader(c);
    int before = cluster_image(c, 2)->entry_cnt;
    EXPECT_TRUE(before == 0 || before >= 2990);
    cluster_crash(c, leader);
    cluster_run(c, 500000);
    cluster_start(c, leader);
    ASSERT_TRUE(cluster_run_until_settled(c, kLong));
    cluster_free(c);
  }
}

TEST(Sync, TwoSnapshotsAreServedOneAfterTheOther) {
  struct cluster *c = cluster_new({5, 3, DURABILITY_SYNC, 0});
  for (int i = 0; i < 3; i++) {
    image_push(cluster_image(c, i), 1, 3000, 1, 40);
    image_snapshot(cluster_image(c, i), 2990);
    promise(cluster_image(c, i), 1);
    cluster_start(c, i);
  }
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_start(c, 3);
  cluster_start(c, 4);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_free(c);
}

TEST(Sync, ALearnerThatStopsReadingBlocksNobody) {
  struct cluster *c = cluster_new({5, 4, DURABILITY_SYNC, 0});
  for (int i = 0; i < 3; i++) {
    image_push(cluster_image(c, i), 1, 400, 1, 5000);
    promise(cluster_image(c, i), 1);
    cluster_start(c, i);
  }
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  int leader = cluster_leader(c);
  cluster_start(c, 3);
  while (cluster_replica(c, 3)->learn.step < LEARNING_RECORDS) cluster_run(c, 20);
  cluster_freeze(c, 3, true);
  cluster_start(c, 4);
  cluster_propose(c, leader, 5, 100);
  cluster_run(c, 200000);
  EXPECT_EQ(cluster_replica(c, 4)->phase, PHASE_BROADCAST);
  EXPECT_EQ(cluster_leader(c), leader);
  EXPECT_TRUE(cluster_same_history(c, 4, leader));
  cluster_run(c, 1200000); /* its own time is up: init_limit without progress */
  EXPECT_GT(counters_get(cluster_counters(c, leader), REASON_SYNC_TIMEOUT), 0u);
  cluster_freeze(c, 3, false);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_free(c);
}

// With five voters a late joiner may hold, at Z, records that only it and the leader have.
TEST(Sync, UptodateWaitsUntilAllOfTheJoinersHistoryIsCommitted) {
  struct cluster *c = cluster_new({5, 6, DURABILITY_SYNC, 0});
  for (int i = 0; i < 4; i++) cluster_start(c, i);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  int leader = cluster_leader(c);
  for (int i = 0; i < 4; i++)
    if (i != leader) cluster_hold_disk(c, i, true);
  cluster_propose(c, leader, 3, 64);
  cluster_run(c, 1000);
  cluster_start(c, 4);
  cluster_run(c, 100000);
  EXPECT_EQ(cluster_image(c, 4)->entry_cnt, 3);
  EXPECT_EQ(cluster_replica(c, 4)->learn.step, LEARNING_UPTODATE);
  EXPECT_EQ(cluster_committed(c), 0);
  for (int i = 0; i < 4; i++) cluster_hold_disk(c, i, false);
  EXPECT_TRUE(cluster_run_until_settled(c, kLong));
  EXPECT_EQ(cluster_committed(c), 3);
  cluster_free(c);
}

// B13: testStaleDiffSync of ZooKeeper: sources and receivers without holes.
TEST(Sync, AChainOfStaleNodesEndsWithOneHistory) {
  struct cluster *c = cluster_new({5, 9, DURABILITY_SYNC, 0});
  cluster_start_all(c);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  int l = cluster_leader(c), f1 = (l + 1) % 5, f2 = (l + 2) % 5;
  cluster_crash(c, f2);
  cluster_propose(c, l, 10, 64);
  cluster_run(c, 20000);
  cluster_crash(c, f1);
  cluster_propose(c, l, 10, 64);
  cluster_run(c, 20000);
  cluster_start(c, f1);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  cluster_crash(c, l);
  cluster_run(c, 300000);
  cluster_start(c, f2);
  cluster_start(c, l);
  ASSERT_TRUE(cluster_run_until_settled(c, kLong));
  EXPECT_EQ(cluster_committed(c), 20);
  cluster_free(c);
}

}  // namespace
